"""A worker inside a Ray actor: checks where it is, then works as a process of this machine would.

Nothing here imports Ray. Orders and questions come in two queues of the actor's own, so that what
is asked for waits for nothing that is made.
"""

import errno
import os
import pickle
import queue
import socket
import tempfile
import threading
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from efgan_rt import __version__
from efgan_rt.engine_sets import compiled_folder
from efgan_rt.errors import EfganError
from efgan_rt.pipeline.fingerprint import engines_fingerprint
from efgan_rt.pipeline.watchdog import HangError
from efgan_rt.shards.shard import Ended, LeftOut, Message, Ready, Refused, Shard
from efgan_rt.shards.worker import ShardWorker, WorkerSetup
from engines.base import EngineError

TOLD_WITHIN_S: Final = 2.0  # an answer without a word says that the worker lives
MOST_TOLD: Final = 64
ROOM_BYTES: Final = 1 << 20  # that a node's own folders have to take
FULL: Final = frozenset((errno.ENOSPC, errno.EDQUOT))


@dataclass(frozen=True)
class Terms:
    """What holds on every node, fixed by the coordinator once.

    Attributes:
        setup: of the workers.
        fingerprint: of the engine set.
        tokens: files that a node must see, and what they hold.
    """

    setup: WorkerSetup
    fingerprint: str
    tokens: tuple[tuple[Path, bytes], ...]


def fingerprint_of(setup: WorkerSetup) -> str:
    """What the engines are, wherever they lie."""
    choice = setup.choice
    return str(
        engines_fingerprint(setup.engines, backend=choice.backend, precision=choice.precision)
    )


def fault_here(terms: Terms) -> str | None:
    """Why this node cannot work; None if it can."""
    for path, content in terms.tokens:
        try:
            found = path.read_bytes()
        except OSError as error:
            return f"{path.parent} is not the same folder here: {error.strerror}"
        if found != content:
            return f"{path.parent} is another folder here"
    try:
        same = fingerprint_of(terms.setup) == terms.fingerprint
    except (EfganError, EngineError, OSError) as error:
        return f"the engines are not here: {error}"
    return full_here() if same else f"{terms.setup.engines} holds other engines here"


def full_here() -> str | None:
    """Which of this node's folders for compiled networks and temporary files is full, if one is.

    One that nobody may write into is left alone, as in a run on one machine.
    """
    # Python passes over a full folder that TMPDIR names; libraries do not.
    named = Path(os.environ.get("TMPDIR") or tempfile.gettempdir())
    for what, place in (("compiled networks", compiled_folder()), ("temporary files", named)):
        if place is None:
            continue
        try:
            place.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=place) as file:
                file.write(bytes(ROOM_BYTES))
        except OSError as error:
            if error.errno in FULL:
                return f"{place}, where {what} go, is full here; make room there"
    return None


class NodeWorker:
    """One worker on a node; Ray calls `orders` and `told` in a thread each."""

    def __init__(self) -> None:
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._orders: queue.SimpleQueue[Shard | str] = queue.SimpleQueue()
        self._node = socket.gethostname()

    def begin(self, version: str, terms: bytes, parts: str, node: str) -> None:
        """Opens the engines, in a thread of its own.

        Args:
            version: the coordinator's.
            terms: a pickled `Terms`, which another version could not read.
            parts: the folder of parts.
            node: what messages call this node.
        """
        self._node = node
        if version != __version__:
            self._leave_out(f"efgan-rt is {__version__} here, and {version} where the run began")
            return
        agreed: Terms = pickle.loads(terms)
        if fault := fault_here(agreed):
            self._leave_out(fault)
            return
        arguments = (agreed.setup, Path(parts))
        threading.Thread(target=self._work, args=arguments, daemon=True).start()

    def order(self, order: Shard | str) -> None:
        """Takes a shard, or `finish` or `stop`."""
        self._orders.put(order)

    def told(self) -> list[Message]:
        """What there is to say; nothing, if nothing comes up for a while."""
        try:
            messages = [self._messages.get(timeout=TOLD_WITHIN_S)]
            while len(messages) < MOST_TOLD:
                messages.append(self._messages.get(block=False))
        except queue.Empty:
            return messages if "messages" in locals() else []
        return messages

    def _leave_out(self, why: str) -> None:
        self._messages.put(LeftOut(f"{self._node}: {why}"))

    def _work(self, setup: WorkerSetup, parts: Path) -> None:
        say = self._messages.put
        try:
            try:
                worker = ShardWorker(setup, parts, say)
            except (EfganError, EngineError) as error:
                self._leave_out(str(error))
                return

            def listen() -> None:
                while True:
                    match self._orders.get():
                        case Shard() as shard:
                            worker.give(shard)
                        case "stop":
                            worker.stop()
                        case _:
                            worker.finish()

            threading.Thread(target=listen, daemon=True).start()
            say(Ready({"node": self._node}))
            worker.run()
            worker.close()
            say(Ended())
        except HangError as error:
            say(Refused(str(error)))
        except (EfganError, EngineError) as error:
            say(Refused(str(error), isinstance(error, EngineError)))
        except BaseException as error:
            if full := full_here():
                self._leave_out(full)
                return
            say(Refused(f"{type(error).__name__}: {error}", trace=traceback.format_exc()))
