"""Workers as processes of this machine, each with a pipe; on GPUs, one sees one GPU.

A process is started afresh (spawn), because a forked one would share CUDA's and OpenVINO's state.
It ends at once when its pipe does, so none outlives the coordinator by more than a moment.
"""

import os
import queue
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic
from typing import Any, Final

from efgan_rt.errors import EfganError
from efgan_rt.pipeline.watchdog import HangError
from efgan_rt.shards.shard import (
    Ended,
    Lost,
    Message,
    Ready,
    Refused,
    Shard,
    parts_of,
)
from efgan_rt.shards.worker import ShardWorker, WorkerSetup
from engines.base import EngineError

VISIBLE: Final = "CUDA_VISIBLE_DEVICES"
FINISH, STOP = "finish", "stop"
GRACE_S: Final = 2.0  # of a worker that has said its last word


@dataclass
class _Child:
    process: Any  # of a context that has no public type
    pipe: Any  # a `Connection`; on Windows a class beside it
    gpu: str | None
    has_ended: bool = False
    listener: threading.Thread = field(default_factory=threading.Thread)


class ProcessExecutor:
    """Starts workers here.

    Args:
        setup: of all of them.
        run_folder: for their folders of parts.
        gpus: UUIDs, one worker each at a time; none: `size` workers on the processor.
        size: how many workers; with GPUs, as many as those.
        target: what each process runs.
    """

    def __init__(
        self,
        setup: WorkerSetup,
        run_folder: Path,
        *,
        size: int,
        gpus: Sequence[str] = (),
        target: Callable[[Connection, WorkerSetup, Path], None] | None = None,
    ) -> None:
        self._setup = setup
        self._run_folder = run_folder
        self._gpus = tuple(gpus)
        self._size = len(gpus) or size
        self._target = target or work
        self._context = get_context("spawn")
        self._children: dict[int, _Child] = {}
        self._messages: queue.SimpleQueue[tuple[int, Message]] = queue.SimpleQueue()
        self._numbers = 0

    @property
    def size(self) -> int:
        """How many workers there are to be at a time."""
        return self._size

    def start(self) -> int:
        """Starts a worker; gives its number."""
        number, self._numbers = self._numbers, self._numbers + 1
        ours, theirs = self._context.Pipe()
        parts = parts_of(self._run_folder, number)
        process = self._context.Process(
            target=self._target,
            args=(theirs, self._setup, parts),
            name=f"efgan-rt-{number}",
            daemon=True,
        )
        gpu = self._free_gpu()
        with _environment({VISIBLE: gpu} if gpu else {}):
            process.start()
        theirs.close()
        child = self._children[number] = _Child(process, ours, gpu)
        child.listener = threading.Thread(target=self._listen, args=(number, child), daemon=True)
        child.listener.start()
        return number

    def send(self, worker: int, shard: Shard) -> None:
        """Hands a shard to a worker."""
        self._tell(worker, shard)

    def finish(self, worker: int) -> None:
        """Tells a worker that no more shards come."""
        self._tell(worker, FINISH)

    def stop(self, worker: int) -> None:
        """Tells a worker to begin no more pictures of those that it has."""
        self._tell(worker, STOP)

    def kill(self, worker: int) -> None:
        """Ends a worker at once."""
        self._children[worker].process.kill()

    def receive(self, timeout_s: float) -> tuple[int, Message] | None:
        """The next message of any worker; None if none comes in time."""
        try:
            return self._messages.get(timeout=timeout_s) if timeout_s else self._messages.get(False)
        except queue.Empty:
            return None

    def close(self) -> None:
        """Ends all workers, and waits until they are gone."""
        until = monotonic() + GRACE_S
        for child in self._children.values():
            if child.has_ended:
                child.process.join(max(0.0, until - monotonic()))
            if child.process.is_alive():
                child.process.kill()
            child.process.join()
            child.listener.join()  # which reads the pipe to its end
            child.pipe.close()

    def _free_gpu(self) -> str | None:
        taken = {child.gpu for child in self._children.values() if child.process.is_alive()}
        return next((gpu for gpu in self._gpus if gpu not in taken), None) or (
            self._gpus[0] if self._gpus else None
        )

    def _tell(self, worker: int, message: object) -> None:
        with suppress(OSError, ValueError):  # it is gone, and its listener says so
            self._children[worker].pipe.send(message)

    def _listen(self, number: int, child: _Child) -> None:
        """Passes on what a worker says, and at last how it ended."""
        while not child.has_ended:
            try:
                message: Message = child.pipe.recv()
            except (EOFError, OSError):
                break
            child.has_ended = isinstance(message, (Ended, Refused))
            self._messages.put((number, message))
        if not child.has_ended:
            child.process.join()
            self._messages.put((number, Lost(_how(child.process.exitcode))))


def _how(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        try:
            return f"was killed by {signal.Signals(-exit_code).name}"
        except ValueError:
            return f"was killed by signal {-exit_code}"
    return f"ended with exit status {exit_code}"


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Variables for a process that is started meanwhile."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def work(pipe: Connection, setup: WorkerSetup, parts: Path) -> None:
    """What a worker process does, from its start to its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the coordinator's to answer
    sending = threading.Lock()

    def say(message: Message) -> None:
        with sending:
            try:
                pipe.send(message)
            except (OSError, ValueError):
                os._exit(1)  # nobody is there any more

    try:
        worker = ShardWorker(setup, parts, say)

        def listen() -> None:
            while True:
                try:
                    told = pipe.recv()
                except (EOFError, OSError):
                    os._exit(1)
                if isinstance(told, Shard):
                    worker.give(told)
                elif told == STOP:
                    worker.stop()
                else:
                    worker.finish()

        threading.Thread(target=listen, name="efgan-orders", daemon=True).start()
        say(Ready({"process": str(os.getpid())}))
        worker.run()
        worker.close()
        say(Ended())
    except (EfganError, EngineError) as error:
        say(Refused(str(error), isinstance(error, EngineError)))
        if isinstance(error, HangError):
            os._exit(1)
    except BaseException as error:
        say(Refused(f"{type(error).__name__}: {error}", trace=traceback.format_exc()))
    finally:
        pipe.close()
        # Threads that were given up may be in the middle of native code.
        os._exit(0)
