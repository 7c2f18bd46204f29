"""Runs over two processes that are killed again and again: is anything lost, torn or done twice?

    python -m benchmarks shard_kills                        200 kills with toy networks
    python -m benchmarks shard_kills --kills 20 --minutes 5
    python -m benchmarks shard_kills --add --kills 100 --seed 1    100 more, to those of other seeds

Runs `efgan-rt batch --processes 2` over small pictures, some of them broken, with networks of a few
kilobytes and a pause before each picture is read, so that time passes at work and not in starting.
At random moments a worker is killed, up to four in one run; or the coordinator, and the same
command is given at once: half of the time while the old workers are held, to be let go at a random
moment of the new run. Some runs have an output folder on a disk that is too small, which grows
afterwards, or no room in the folder for temporary files. At every kill each file under a final name
is compared with what one process makes, byte by byte, at every end the whole tree. Each worker
notes, with its number, what it reads: a picture that was finished at a kill is not to be read again
but by a worker that was there before. Prints a line for people and one JSON object last; the same
goes to benchmarks/results/shard_kills.json.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.kit import COMMAND, FACES, REPOSITORY, Document, finish, parser, with_machine
from efgan_rt.errors import EfganError
from efgan_rt.pictures.write import write_picture
from efgan_rt.pipeline.journal import FOLDER, Journal
from tests.broken_pictures import write_broken_pictures
from tests.toy_engines import write_toy_engines

A_JPEG: Final = min(FACES.glob("*.jpg"))
RUN_LIMIT_S: Final = 300.0
PAUSE_S: Final = 0.02
SIDE_PX: Final = 48
WORKERS_A_RUN: Final = 4  # killed: a picture is blamed once five in a row were lost with it
SOME_FAILED: Final = 3  # exit status: the broken ones
SMALL, ROOMY = "size=96k", "size=64m"
# Python imports a module of this name by itself, in workers too. A write of one line to a file
# opened for appending is whole even when the process is killed.
NOTING: Final = f"""
import importlib.util, os, sys, time

class Noting:
    def find_spec(self, name, path=None, target=None):
        if name != "efgan_rt.pipeline.decoders":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module
        def load_and_change(module):
            load(module)
            notes = os.open(os.environ["EFGAN_NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            read_bytes = module.read_bytes
            def note_and_read(path, *rest):
                os.write(notes, b"%d %s\\n" % (os.getpid(), os.fsencode(path)))
                time.sleep({PAUSE_S})
                return read_bytes(path, *rest)
            module.read_bytes = note_and_read
        spec.loader.exec_module = load_and_change
        return spec

sys.meta_path.insert(0, Noting())
"""


@dataclass
class Kills:
    """What the killed runs showed."""

    pictures: int
    broken: int
    runs: int = 0
    workers_killed: int = 0
    coordinators_killed: int = 0
    killed_at_work: int = 0  # after the first and before the last output
    commands_beside_old_workers: int = 0
    full_outputs: int = 0
    full_temporary_folders: int = 0
    torn_or_wrong: int = 0  # files under a final name that differ from one process's
    not_ours: int = 0  # of them, those that the journal does not know
    left_over: int = 0  # temporary files after the last run of a series
    read: int = 0
    in_flight_read_twice: int = 0
    finished_read_twice: int = 0
    wrong_exit_status: int = 0

    @property
    def kills(self) -> int:
        """Of workers and coordinators."""
        return self.workers_killed + self.coordinators_killed

    @property
    def is_clean(self) -> bool:
        """Nothing was lost, torn, left over, or done twice that was finished."""
        return not (
            self.torn_or_wrong
            or self.not_ours
            or self.left_over
            or self.finished_read_twice
            or self.wrong_exit_status
        )


class KillTest:
    """One input, one command, one process's outputs to compare with.

    Args:
        folder: an empty one to work in.
        pictures: how many inputs to make, beside the broken ones.
        seed: of all that is random.
    """

    def __init__(self, folder: Path, pictures: int, seed: int) -> None:
        self._folder = folder
        self._inputs, self._outputs = folder / "in", folder / "out"
        self._notes = folder / "notes"
        self._random = random.Random(seed)
        # How long the notes were at each kill, what was finished, and who had not been told.
        self._kills: list[tuple[int, set[str], set[int]]] = []
        engines = folder / "engines"
        engines.mkdir()
        write_toy_engines(engines)
        pixels = np.random.default_rng(seed)
        for number in range(pictures):
            path = self._inputs / f"{number % 5}" / f"{number:04}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_picture(path, pixels.integers(0, 256, (SIDE_PX, SIDE_PX, 3), np.uint8))
        (self._inputs / "broken").mkdir()
        broken = len(write_broken_pictures(self._inputs / "broken", A_JPEG))
        (folder / "hook").mkdir()
        (folder / "hook" / "sitecustomize.py").write_text(NOTING)
        self._options = [
            *("-e", "happy", "--crops", "--engines", str(engines), "--backend", "onnxruntime"),
            *("--batch-size", "4"),
        ]
        self.result = Kills(pictures, broken)
        self._give(self._start("--workers", "2"))
        self._right = self._visible()
        if not self._right or self.result.wrong_exit_status:
            raise SystemExit("the uninterrupted run did not write what it should have")
        began = time.monotonic()
        self._again()
        process = self._start()
        self._wait_for_work(process)
        self._starting_s = time.monotonic() - began
        self._give(process)
        self._working_s = time.monotonic() - began - self._starting_s
        self._compare(is_end=True)

    def run(self, kills: int, until: float) -> None:
        """Kills until there have been so many, or the time has come."""
        while self.result.kills < kills and time.monotonic() < until:
            self._again()
            self._run_series(kills)

    def fill_the_output(self) -> None:
        """A run on a disk that is too small, and the same command once it has grown."""
        self._again()
        self._outputs.mkdir()
        with _Disk(self._outputs, SMALL) as disk:
            process = self._start()
            self.result.wrong_exit_status += process.wait(RUN_LIMIT_S) != 1
            self._compare()
            disk.mount(f"remount,{ROOMY}")
            self._give(self._start())
            self._compare(is_end=True)
        self.result.full_outputs += 1

    def fill_the_temporary_folder(self) -> None:
        """A run that has no room for temporary files."""
        self._again()
        full = self._folder / "tmp"
        full.mkdir(exist_ok=True)
        with _Disk(full, SMALL):
            with open(full / "fill", "wb", buffering=0) as file:
                try:
                    while file.write(bytes(4096)):
                        pass
                except OSError:
                    pass  # now it is full
            self._give(self._start(temporary=full))
            self._compare(is_end=True)
        self.result.full_temporary_folders += 1

    def _run_series(self, kills: int) -> None:
        """Runs on one output folder until one comes to its end."""
        old: list[int] = []  # held workers of a coordinator that was killed
        is_killed = True
        while is_killed:
            process = self._start()
            is_killed = False
            if self.result.kills < kills and self._random.random() < 0.5:
                is_killed = self._kill_coordinator(process, old)
            else:
                self._kill_workers(process, old, kills)
            if not is_killed:
                self._let_go(old)
                self._give(process)
            self._compare(is_end=not is_killed)
        self._count_readings()

    def _kill_coordinator(self, process: "subprocess.Popen[bytes]", old: list[int]) -> bool:
        """Kills it, unless it comes to its end before; some of its workers are held."""
        if not self._wait_for_moment(process, old):
            return False
        workers = _workers_of(process.pid)
        is_holding = self._random.random() < 0.5
        if is_holding:
            _signal(workers, signal.SIGSTOP)
        process.kill()
        process.wait()
        self._let_go(old)
        self._note_finished(workers)
        self.result.coordinators_killed += 1
        if is_holding and workers:
            old += workers
            self.result.commands_beside_old_workers += 1
        return True

    def _kill_workers(self, process: "subprocess.Popen[bytes]", old: list[int], kills: int) -> None:
        for _ in range(self._random.randint(1, WORKERS_A_RUN)):
            if self.result.kills >= kills or not self._wait_for_moment(process, old):
                return
            workers = _workers_of(process.pid)
            if not workers:
                return
            _signal([self._random.choice(workers)], signal.SIGKILL)
            self._note_finished([])
            self.result.workers_killed += 1

    def _wait_for_moment(self, process: "subprocess.Popen[bytes]", old: list[int]) -> bool:
        """Waits for a random moment of a run, mostly one at work; False if the run has ended."""
        if self._random.random() < 0.25:
            wait_s = self._random.uniform(0, self._starting_s)
        else:
            if not self._wait_for_work(process):
                return False
            wait_s = self._random.uniform(0, self._working_s)
        let_go = self._random.uniform(0, wait_s)
        try:
            process.wait(let_go)
        except subprocess.TimeoutExpired:
            self._let_go(old)
            try:
                process.wait(wait_s - let_go)
            except subprocess.TimeoutExpired:
                self.result.killed_at_work += 0 < len(self._visible()) < len(self._right)
                return True
        return False

    def _wait_for_work(self, process: "subprocess.Popen[bytes]") -> bool:
        """Waits until a run reads; False if it has ended."""
        before = self._notes.stat().st_size if self._notes.exists() else 0
        until = time.monotonic() + RUN_LIMIT_S
        while process.poll() is None and time.monotonic() < until:
            if self._notes.exists() and self._notes.stat().st_size > before:
                return True
            time.sleep(0.01)
        return False

    def _let_go(self, old: list[int]) -> None:
        """Lets held workers of an earlier coordinator go on, who are to find that it is gone."""
        _signal(old, signal.SIGCONT)
        old.clear()

    def _note_finished(self, workers: Sequence[int]) -> None:
        """Notes what is finished at a kill, that nobody but those workers may read later."""
        finished = set(self._visible())
        size = self._notes.stat().st_size if self._notes.exists() else 0
        self._kills.append((size, finished, set(workers)))

    def _count_readings(self) -> None:
        """Counts what was read twice in a series."""
        result = self.result
        notes = self._notes.read_bytes() if self._notes.exists() else b""
        twice: set[tuple[str, str]] = set()
        for size, finished, workers in self._kills:
            for number, name in self._readings(notes[size:]):
                if name in finished and int(number) not in workers:
                    twice.add((number, name))
        readings = self._readings(notes)
        again = len(readings) - len({name for _, name in readings})
        result.read += len(readings)
        result.finished_read_twice += len(twice)
        result.in_flight_read_twice += again - len(twice)

    def _readings(self, notes: bytes) -> list[tuple[str, str]]:
        """Which process read which picture."""
        lines = (os.fsdecode(line).split(" ", 1) for line in notes.splitlines())
        return [(number, str(Path(path).relative_to(self._inputs))) for number, path in lines]

    def _start(self, *options: str, temporary: Path | None = None) -> "subprocess.Popen[bytes]":
        """The command; over two processes, unless options say otherwise."""
        environment = os.environ | {
            "EFGAN_NOTES": str(self._notes),
            "PYTHONPATH": os.pathsep.join((str(self._folder / "hook"), str(REPOSITORY))),
            "OMP_NUM_THREADS": "1",
        }
        if temporary is not None:
            environment["TMPDIR"] = str(temporary)
        folders = (str(self._inputs), str(self._outputs))
        self.result.runs += 1
        return subprocess.Popen(
            [
                *(*COMMAND, "batch", *folders, *self._options),
                *(options or ("--processes", "2", "--workers", "1")),
            ],
            cwd=REPOSITORY,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _give(self, process: "subprocess.Popen[bytes]") -> None:
        """Gives a run the time to come to its end."""
        self.result.wrong_exit_status += process.wait(RUN_LIMIT_S) != SOME_FAILED

    def _again(self) -> None:
        """Begins anew."""
        shutil.rmtree(self._outputs, ignore_errors=True)
        self._notes.unlink(missing_ok=True)
        self._kills.clear()

    def _compare(self, *, is_end: bool = False) -> None:
        """Holds what is there against what one process makes; at an end, all of it."""
        result, visible = self.result, self._visible()
        wrong = [name for name, data in visible.items() if self._right.get(name) != data]
        if is_end:
            wrong += self._right.keys() - visible.keys()
        result.torn_or_wrong += len(wrong)
        for name in wrong:
            size, right = len(visible.get(name, b"")), len(self._right.get(name, b""))
            print(f"fault: {name}: {size} bytes, expected {right}", file=sys.stderr)
        if not is_end:
            return
        with Journal(self._outputs) as journal:
            ours = sum(journal.is_ours(self._outputs / name) for name in visible)
            result.not_ours += len(visible) - ours
        parts = self._outputs / FOLDER / "parts"
        result.left_over += sum(path.is_file() for path in parts.rglob("*"))

    def _visible(self) -> dict[str, bytes]:
        """Every file under a final name."""
        return {
            str(path.relative_to(self._outputs)): path.read_bytes()
            for path in self._outputs.rglob("*")
            if path.is_file() and FOLDER not in path.parts
        }


class _Disk:
    """A small file system in memory, where one may be mounted."""

    def __init__(self, folder: Path, size: str) -> None:
        self._folder, self._size = folder, size

    def __enter__(self) -> "_Disk":
        self.mount(self._size, "-t", "tmpfs", "tmpfs")
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", str(self._folder)], check=True)

    def mount(self, options: str, *what: str) -> None:
        """Mounts or remounts.

        Raises:
            CalledProcessError: that is not allowed here.
        """
        subprocess.run(["mount", "-o", options, *what, str(self._folder)], check=True)


def _workers_of(process: int) -> list[int]:
    """The living children of a process that are its workers."""
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return []
    return [int(child) for child in children if _is_worker(int(child))]


def _is_worker(process: int) -> bool:
    try:
        return b"spawn_main" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False


def _signal(processes: Sequence[int], which: signal.Signals) -> None:
    for process in processes:
        try:
            os.kill(process, which)
        except ProcessLookupError:
            continue


def shard_kills(
    pictures: int, kills: int, seed: int, *, full: int = 0, seconds: float = float("inf")
) -> Kills:
    """Makes the input in a temporary folder, and kills.

    Args:
        pictures: beside the broken ones.
        kills: of workers and coordinators.
        seed: of the moments.
        full: runs with a full output folder, and as many with a full temporary one.
        seconds: after which no further series begins.
    """
    until = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as name:
        test = KillTest(Path(name), pictures, seed)
        disks: tuple[Callable[[], None], ...] = (
            test.fill_the_output,
            test.fill_the_temporary_folder,
        )
        for _ in range(full):
            for fill in disks:
                fill()
        test.run(kills, until)
        return test.result


def added(before: Document, result: Kills, seed: int) -> Document:
    """An earlier result's counts with this one's.

    Raises:
        EfganError: it is of other pictures, or of the same seed.
    """
    now, seeds = asdict(result), [*before["seeds"], seed]
    same = ("pictures", "broken")
    if any(before[name] != now[name] for name in same) or seed in before["seeds"]:
        raise EfganError(
            f"the result is of {before['pictures']} pictures and seeds {before['seeds']}; expected "
            f"as many pictures and another seed, found {now['pictures']} and {seed}"
        )
    sums = {name: before[name] + count for name, count in now.items() if name not in same}
    return {"seeds": seeds, "kills": before["kills"] + result.kills, **now, **sums}


def main() -> int:
    """Runs, prints, writes; the exit status says whether all was as it must be."""
    options = parser(__doc__, "shard_kills")
    options.add_argument("--kills", type=int, default=200, metavar="N")
    options.add_argument("--pictures", type=int, default=120, metavar="N")
    options.add_argument("--full", type=int, default=2, metavar="N", help="disks of each kind")
    options.add_argument("--minutes", type=float, default=60, metavar="N", help="at most")
    options.add_argument("--seed", type=int, default=0, metavar="N")
    options.add_argument("--add", action="store_true", help="to what the result holds already")
    given = options.parse_args()
    began = time.perf_counter()
    result = shard_kills(
        given.pictures, given.kills, given.seed, full=given.full, seconds=60 * given.minutes
    )
    seconds = round(time.perf_counter() - began, 1)
    counts: Document = {"seeds": [given.seed], "kills": result.kills, **asdict(result)}
    if given.add:
        before = json.loads(given.json.read_text())
        counts = added(before, result, given.seed)
        seconds = round(seconds + before["seconds"], 1)
    finish(given.json, with_machine(**counts, seconds=seconds), "shard_kills")
    return 0 if result.is_clean else 1
