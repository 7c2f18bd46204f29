"""How long `efgan-rt batch` takes for one picture, and which packages its imports are.

    python -m benchmarks startup
    python -m benchmarks startup --runs 15 --json FILE

The command runs in fresh processes, with a cache folder of its own that its very first run has
filled, as on a user's second day. The latency that the run itself tells is beside it, and, from a
process with `-X importtime`, what imports cost by package. Medians count; the processor's seconds
stand beside the clock's, which a busy machine stretches. A table for people, one JSON object last.
"""

import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.kit import ENVIRONMENT, FACES, finish, medians, parser, spread, with_machine

COMMAND: Final = ("-m", "efgan_rt.cli.app")
FILE_STAGES: Final = ("decode", "encode")
SHOWN_IMPORTS: Final = 12
_LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+([\w.]+)")


def work_of(document: dict[str, Any]) -> dict[str, float]:
    """Milliseconds in the networks and in the codecs, from the command's own JSON."""
    stages = {each["stage"]: each["mean_ms"] * each["n"] for each in document["latency"]}
    codecs = sum(stages.pop(name, 0.0) for name in FILE_STAGES)
    networks = sum(ms for name, ms in stages.items() if not name.startswith("wait"))
    return {"the first batch in the networks": networks, "decoding and encoding": codecs}


def imports_by_package(said: str) -> dict[str, float]:
    """Milliseconds of each top package's own modules, from what `-X importtime` writes."""
    found: defaultdict[str, float] = defaultdict(float)
    for line in said.splitlines():
        if match := _LINE.match(line):
            package = match[2].split(".")[0]
            is_standard = package in sys.stdlib_module_names
            found["the standard library" if is_standard else package] += int(match[1]) / 1e3
    return dict(sorted(found.items(), key=lambda item: -item[1])[:SHOWN_IMPORTS])


class Command:
    """`efgan-rt batch` on one picture, in processes of their own."""

    def __init__(self, folder: Path, options: Sequence[str]) -> None:
        self._folder = folder
        self._options = options
        self._number = 0
        (folder / "in").mkdir()
        face = sorted(FACES.glob("*.jpg"))[0]
        (folder / "in" / face.name).write_bytes(face.read_bytes())
        kept = {"XDG_CACHE_HOME": str(folder / "cache"), "XDG_DATA_HOME": str(folder / "data")}
        self._environment = ENVIRONMENT | kept

    def run(self, *options: str) -> tuple[subprocess.CompletedProcess[str], float, float]:
        """The finished process, and its seconds by the clock and of the processor."""
        self._number += 1
        arguments = ["batch", str(self._folder / "in"), str(self._folder / f"out{self._number}")]
        arguments += ["--expression", "happy", "--json", *self._options]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.monotonic()
        run = subprocess.run(
            [sys.executable, *options, *COMMAND, *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            check=True,
        )
        seconds = time.monotonic() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return run, seconds, used


def measure(runs: int, options: Sequence[str]) -> dict[str, Any]:
    """Everything."""
    walls, used, work = [], [], []
    with tempfile.TemporaryDirectory(prefix="efgan-startup-") as name:
        command = Command(Path(name), options)
        _, first, _ = command.run()
        for _ in range(runs):
            run, seconds, processor = command.run()
            walls.append(1e3 * seconds)
            used.append(1e3 * processor)
            work.append(work_of(json.loads(run.stdout)))
        imports = imports_by_package(command.run("-X", "importtime")[0].stderr)
    return {
        "runs": runs,
        "first_run_ms": round(1e3 * first, 1),
        "wall_ms": spread(walls),
        "processor_ms": spread(used),
        "work_ms": medians(work, 1),
        "imports_ms": {package: round(ms, 1) for package, ms in imports.items()},
    }


def main() -> None:
    """Measures and prints."""
    options = parser(__doc__)
    options.add_argument("--runs", type=int, default=9, metavar="N")
    arguments, rest = options.parse_known_args()
    document = with_machine(options=rest, **measure(arguments.runs, rest))
    finish(arguments.json, document, "startup")
