"""A long run with broken pictures in it: is every output there, and does memory stay flat?

    python benchmarks/endurance.py                  2,000 pictures and ten broken ones
    python benchmarks/endurance.py --pictures 20000

Runs `efgan-rt batch` as a process of its own over copies of the example faces, and reads that
process's resident memory and the number of outputs from outside, several times a second. What is
compared is the memory after a tenth of the pictures, when every buffer has been used, with the peak
afterwards. Prints a line for people and one JSON object last; the same goes to
benchmarks/results/endurance.json.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # a script's own folder is there, the repository is not

from efgan_rt.pipeline.journal import FOLDER as JOURNAL_FOLDER  # noqa: E402
from efgan_rt.reporting.machine import machine_facts  # noqa: E402
from tests.broken_pictures import write_broken_pictures  # noqa: E402

EXAMPLES = REPOSITORY / "examples" / "faces"
RESULTS = REPOSITORY / "benchmarks" / "results" / "endurance.json"
SAMPLE_S = 0.1


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
    resident_mb_at_a_tenth: float
    peak_mb_afterwards: float
    samples: int


def run(pictures: int, arguments: list[str]) -> Endurance:
    """Makes the input, runs the command and watches it."""
    sources = sorted(EXAMPLES.glob("*.jpg"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs, outputs = folder / "in", folder / "out"
        (inputs / "broken").mkdir(parents=True)
        for i in range(pictures):
            shutil.copyfile(sources[i % len(sources)], inputs / f"{i:06d}.jpg")
        broken = write_broken_pictures(inputs / "broken", sources[0])
        command = [
            *(sys.executable, "-c", "from efgan_rt.cli.app import main; main()"),
            *("batch", str(inputs), str(outputs), "--expression", "happy", *arguments),
        ]
        started = time.perf_counter()
        with (folder / "messages").open("w+") as messages:
            process = subprocess.Popen(
                command, cwd=REPOSITORY, stderr=messages, stdout=subprocess.DEVNULL
            )
            samples = list(_watch(process, outputs, started))
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
        settled = next(s for s in samples if s.outputs >= pictures / 10)
        return Endurance(
            pictures=pictures,
            broken=len(broken),
            outputs=sum(path.suffix == ".jpg" for path in written),
            named_failures=named,
            partial_files=sum(path.suffix != ".jpg" for path in written) + len(left_over),
            exit_status=process.returncode,
            seconds=round(seconds, 1),
            resident_mb_at_a_tenth=settled.resident_mb,
            peak_mb_afterwards=max(s.resident_mb for s in samples if s.second >= settled.second),
            samples=len(samples),
        )


def _watch(process: "subprocess.Popen[bytes]", outputs: Path, started: float) -> Any:
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
        time.sleep(SAMPLE_S)
    process.wait()


def main() -> int:
    """Runs, prints, writes; the exit status says whether all was as it must be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=2000, metavar="N")
    parser.add_argument("--json", type=Path, default=RESULTS, metavar="FILE")
    arguments, rest = parser.parse_known_args()
    result = run(arguments.pictures, rest)
    growth = result.peak_mb_afterwards - result.resident_mb_at_a_tenth
    document = {
        "machine": machine_facts(),
        "options": rest,
        **asdict(result),
        "growth_mb": round(growth, 1),
        "pictures_per_second": round(result.pictures / result.seconds, 1),
    }
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    print(
        f"{result.outputs:,} outputs of {result.pictures:,} pictures, {result.named_failures} of "
        f"{result.broken} broken ones named, exit status {result.exit_status}; resident "
        f"{result.resident_mb_at_a_tenth:.0f} MB after a tenth, peak {growth:+.1f} MB later"
    )
    print(json.dumps(document))
    as_it_must_be = (
        result.outputs == result.pictures
        and result.named_failures == result.broken
        and result.partial_files == 0
        and result.exit_status == 3
    )
    return 0 if as_it_must_be else 1


if __name__ == "__main__":
    sys.exit(main())
