"""A run that is killed again and again: is anything lost, torn or done twice?

    python -m benchmarks crash                  kill -9 at 200 random moments
    python -m benchmarks crash --kills 20 --engines DIR

Runs `efgan-rt batch` as a process of its own, kills it at a moment drawn evenly from the length of
an uninterrupted run, and gives the same command again, until a run comes to its end; then begins
anew with an empty output folder. After every kill each file under a final name is compared with
that of the uninterrupted run, byte by byte, and at the end of every series the whole tree is. The
process notes each picture that it decodes, so that what is done twice can be counted, apart for
pictures that were finished before the kill (none may be) and for those in flight. Prints a line for
people and one JSON object last; the same goes to benchmarks/results/crash.json.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.kit import ENVIRONMENT, FACES, finish, parser, with_machine
from efgan_rt.errors import EfganError
from efgan_rt.pipeline.journal import FOLDER as JOURNAL_FOLDER

RUN_LIMIT_S = 600.0
# The command line, with a note of each picture's name before it is decoded; a write of one line to
# a file opened for appending is whole even when the process is killed.
NOTING = """
import os, sys
from efgan_rt.pipeline import decoders
notes = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
read_bytes = decoders.read_bytes
def note_and_read(path):
    os.write(notes, os.fsencode(path.name) + b"\\n")
    return read_bytes(path)
decoders.read_bytes = note_and_read
from efgan_rt.cli.app import main
main()
"""


@dataclass
class Crashes:
    """What the killed runs showed."""

    pictures: int
    kills: int = 0
    kills_at_work: int = 0  # after the first and before the last output
    series: int = 0
    runs: int = 0
    torn_or_wrong: int = 0  # files under a final name that differ from the uninterrupted run's
    left_over: int = 0  # temporary files after a run that came to its end
    decoded: int = 0
    in_flight_done_twice: int = 0
    finished_done_twice: int = 0
    most_in_flight_at_a_kill: int = 0
    wrong_exit_status: int = 0

    @property
    def is_clean(self) -> bool:
        """Nothing was lost, torn, left over, or done twice that was finished."""
        faults = (
            self.torn_or_wrong,
            self.left_over,
            self.finished_done_twice,
            self.wrong_exit_status,
        )
        return not any(faults)


class CrashTest:
    """One input, one command, one uninterrupted run to compare with.

    Args:
        folder: an empty one to work in.
        sources: pictures, used over and over.
        pictures: how many inputs to make of them.
        options: of the command, after the two folders.
    """

    def __init__(
        self, folder: Path, sources: list[Path], pictures: int, options: list[str]
    ) -> None:
        self._inputs, self._outputs = folder / "in", folder / "out"
        self._notes = folder / "notes"
        self._options = options
        self._inputs.mkdir()
        for number in range(pictures):
            source = sources[number % len(sources)]
            target = self._inputs / f"{number % 10}" / f"{number:05}{source.suffix}"
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(source, target)
        started = time.perf_counter()
        process = self._start()
        if process.wait(RUN_LIMIT_S) != 0:
            raise EfganError(f"the uninterrupted run failed with status {process.returncode}")
        self.length_s = time.perf_counter() - started
        self._right = self._visible()
        self._take_notes()
        self.result = Crashes(pictures)

    def run(self, kills: int, seed: int) -> Crashes:
        """Kills until there have been so many, then lets the last series come to its end."""
        moments = random.Random(seed)
        result = self.result
        while result.kills < kills:
            self._run_series(kills, moments)
        return result

    def _run_series(self, kills: int, moments: random.Random) -> None:
        result = self.result
        shutil.rmtree(self._outputs)
        result.series += 1
        seen: set[str] = set()
        finished: set[str] = set()
        is_at_its_end = False
        while not is_at_its_end:
            process = self._start()
            result.runs += 1
            within = moments.uniform(0, self.length_s) if result.kills < kills else RUN_LIMIT_S
            try:
                result.wrong_exit_status += process.wait(within) != 0
                is_at_its_end = True
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                result.kills += 1
            decoded = self._take_notes()
            result.decoded += len(decoded)
            result.finished_done_twice += len(decoded & finished)
            result.in_flight_done_twice += len(decoded & seen - finished)
            visible = self._visible()
            finished = {Path(name).name for name in visible}
            seen |= decoded
            if not is_at_its_end:
                result.kills_at_work += 0 < len(visible) < result.pictures
                in_flight = len(decoded - finished)
                result.most_in_flight_at_a_kill = max(result.most_in_flight_at_a_kill, in_flight)
            result.torn_or_wrong += sum(
                self._right.get(name) != data for name, data in visible.items()
            )
        result.torn_or_wrong += len(self._right.keys() - visible.keys())
        result.left_over += sum(1 for _ in (self._outputs / JOURNAL_FOLDER / "parts").iterdir())

    def _start(self) -> "subprocess.Popen[bytes]":
        folders = [str(self._notes), "batch", str(self._inputs), str(self._outputs)]
        return subprocess.Popen(
            [sys.executable, "-c", NOTING, *folders, *self._options],
            env=ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _take_notes(self) -> set[str]:
        """The pictures decoded since the last call, none of them twice."""
        if not self._notes.exists():
            return set()
        names = self._notes.read_text().splitlines()
        self._notes.unlink()
        assert len(names) == len(set(names)), "a picture was decoded twice in one run"
        return set(names)

    def _visible(self) -> dict[str, bytes]:
        """Every file under a final name, hidden ones elsewhere included."""
        return {
            str(path.relative_to(self._outputs)): path.read_bytes()
            for path in self._outputs.rglob("*")
            if path.is_file() and JOURNAL_FOLDER not in path.parts
        }


def crash(sources: list[Path], pictures: int, kills: int, seed: int, options: list[str]) -> Crashes:
    """Makes the input in a temporary folder, and kills."""
    with tempfile.TemporaryDirectory() as name:
        return CrashTest(Path(name), sources, pictures, options).run(kills, seed)


def main() -> int:
    """Runs, prints, writes; the exit status says whether all was as it must be."""
    options = parser(__doc__, "crash")
    options.add_argument("--kills", type=int, default=200, metavar="N")
    options.add_argument("--pictures", type=int, default=120, metavar="N")
    options.add_argument("--seed", type=int, default=0, metavar="N")
    given, rest = options.parse_known_args()
    asked = ["--expression", "happy", *rest]
    started = time.perf_counter()
    result = crash(sorted(FACES.glob("*.jpg")), given.pictures, given.kills, given.seed, asked)
    seconds = round(time.perf_counter() - started, 1)
    document = with_machine(options=rest, seed=given.seed, **asdict(result), seconds=seconds)
    finish(given.json, document, "crash")
    return 0 if result.is_clean else 1
