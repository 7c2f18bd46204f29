"""A long run with broken pictures in it: is every output there, and does memory stay flat?

    python -m benchmarks endurance                  2,000 pictures and ten broken ones
    python -m benchmarks endurance --pictures 100000 --broken-sets 2 --json FILE

Runs `efgan-rt batch` as a process of its own over copies of the example faces, and reads that
process's resident memory and the number of outputs from outside. Compared are the memory once every
buffer has been used (after a tenth of the pictures, the 2,000th at the latest) with the peak from
then on, and the pictures a second of the tenth that follows with those of the last tenth. Prints a
line for people and one JSON object last; the same goes to benchmarks/results/endurance.json.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.kit import COMMAND, ENVIRONMENT, FACES, finish, parser, with_machine
from efgan_rt.pipeline.journal import FOLDER as JOURNAL_FOLDER
from tests.broken_pictures import write_broken_pictures

SAMPLE_S = 0.1  # for 2,000 pictures; more pictures are counted less often
SETTLED_AT = 2000  # pictures, or a tenth of them if that is less


@dataclass(frozen=True)
class Sample:
    """The process at one moment."""

    second: float
    outputs: int
    resident_mb: float


@dataclass(frozen=True)
class Endurance:
    """What a run showed."""

    pictures: int
    broken: int
    outputs: int
    named_failures: int
    partial_files: int
    exit_status: int
    seconds: float
    settled_at: int
    resident_mb_settled: float
    peak_mb_afterwards: float
    rate_first: float
    rate_last: float
    samples: int


def run(pictures: int, broken_sets: int, arguments: list[str]) -> Endurance:
    """Makes the input, runs the command and watches it."""
    sources = sorted(FACES.glob("*.jpg"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs, outputs = folder / "in", folder / "out"
        broken: list[Path] = []
        for i in range(broken_sets):
            (inputs / f"broken-{i}").mkdir(parents=True)
            broken += write_broken_pictures(inputs / f"broken-{i}", sources[0])
        for i in range(pictures):
            shutil.copyfile(sources[i % len(sources)], inputs / f"{i:06d}.jpg")
        command = [
            *COMMAND,
            "batch",
            str(inputs),
            str(outputs),
            "--expression",
            "happy",
            *arguments,
        ]
        started = time.perf_counter()
        with (folder / "messages").open("w+") as messages:
            process = subprocess.Popen(
                command, env=ENVIRONMENT, stderr=messages, stdout=subprocess.DEVNULL
            )
            interval_s = SAMPLE_S * min(50, max(1, pictures / 2000))
            samples = list(_watch(process, outputs, started, interval_s))
            seconds = time.perf_counter() - started
            messages.seek(0)
            said = messages.read()
        journal = outputs / JOURNAL_FOLDER
        written = [
            path
            for path in outputs.rglob("*")
            if path.is_file() and not path.is_relative_to(journal)
        ]
        left_over = list((journal / "parts").iterdir())
        named = sum(str(path) in said.replace("\n", "") for path in broken)
        settled = _at(samples, min(SETTLED_AT, pictures // 10))
        return Endurance(
            pictures=pictures,
            broken=len(broken),
            outputs=sum(path.suffix == ".jpg" for path in written),
            named_failures=named,
            partial_files=sum(path.suffix != ".jpg" for path in written) + len(left_over),
            exit_status=process.returncode,
            seconds=round(seconds, 1),
            settled_at=settled.outputs,
            resident_mb_settled=settled.resident_mb,
            peak_mb_afterwards=max(s.resident_mb for s in samples if s.second >= settled.second),
            rate_first=_rate(settled, _at(samples, settled.outputs + pictures // 10)),
            rate_last=_rate(_at(samples, pictures * 9 // 10), _at(samples, pictures * 99 // 100)),
            samples=len(samples),
        )


def _at(samples: list[Sample], outputs: int) -> Sample:
    """The first sample with so many outputs, or the last of all."""
    return next((s for s in samples if s.outputs >= outputs), samples[-1])


def _rate(first: Sample, last: Sample) -> float:
    """Pictures a second between two samples; 0 where they are one and the same."""
    seconds = last.second - first.second
    return round((last.outputs - first.outputs) / seconds, 1) if seconds else 0.0


def _watch(
    process: "subprocess.Popen[bytes]", outputs: Path, started: float, interval_s: float
) -> Iterator[Sample]:
    """Samples until the process ends."""
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            break
        resident = [line for line in status.splitlines() if line.startswith("VmRSS:")]
        if resident:
            names = outputs.iterdir() if outputs.is_dir() else iter(())
            done = sum(path.name != JOURNAL_FOLDER for path in names)
            megabytes = round(int(resident[0].split()[1]) / 1024, 1)
            yield Sample(round(time.perf_counter() - started, 2), done, megabytes)
        time.sleep(interval_s)
    process.wait()


def main() -> int:
    """Runs, prints, writes; the exit status says whether all was as it must be."""
    options = parser(__doc__, "endurance")
    options.add_argument("--pictures", type=int, default=2000, metavar="N")
    options.add_argument("--broken-sets", type=int, default=1, metavar="N", help="of ten each")
    arguments, rest = options.parse_known_args()
    result = run(arguments.pictures, arguments.broken_sets, rest)
    growth = result.peak_mb_afterwards - result.resident_mb_settled
    document = with_machine(
        options=rest,
        **asdict(result),
        growth_mb=round(growth, 1),
        pictures_per_second=round(result.pictures / result.seconds, 1),
    )
    finish(arguments.json, document, "endurance")
    as_it_must_be = (
        result.outputs == result.pictures
        and result.named_failures == result.broken
        and result.partial_files == 0
        and result.exit_status == 3
    )
    return 0 if as_it_must_be else 1
