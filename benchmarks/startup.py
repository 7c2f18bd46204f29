"""How long `efgan-rt batch` takes for one picture, and where every part of it goes.

    python -m benchmarks startup
    python -m benchmarks startup --runs 15 --json FILE

The command runs in fresh processes, with a cache folder of its own that its very first run has
filled, as on a user's second day. Every other process is the same command with clocks around its
parts: Python itself, imports, opening the engines, the networks' first batch, the codecs, and what
is left. Each part is without the parts inside it, so that they add up to the whole. A third kind,
`-X importtime`, says which packages the imports are. Medians count; the processor's seconds stand
beside the clock's, which a busy machine stretches. A table for people, one JSON object last.
"""

import json
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks import startup_clocks
from benchmarks.kit import ENVIRONMENT, FACES, finish, parser, spread, with_machine
from benchmarks.startup_clocks import IMPORTS, OPENING, PIPELINE, PYTHON, REST

COMMAND: Final = ("-m", "efgan_rt.cli.app")
NETWORKS, CODECS = "the first batch in the networks", "decoding and encoding"
END: Final = "the process's end"
PARTS: Final = (PYTHON, IMPORTS, OPENING, NETWORKS, CODECS, PIPELINE, REST, END)
FILE_STAGES: Final = ("decode", "encode")
SHOWN_IMPORTS: Final = 12
LEAST_RUNS: Final = 9
_LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+([\w.]+)")


def parts_of(document: dict[str, Any], told: dict[str, Any], finished: float) -> dict[str, float]:
    """Milliseconds of every part.

    Args:
        document: the command's own JSON, whose latencies divide the pipeline's time.
        told: what the clocks said.
        finished: when the process had ended, by the same clock.
    """
    stages = {each["stage"]: each["mean_ms"] * each["n"] for each in document["latency"]}
    codecs = sum(stages.get(name, 0.0) for name in FILE_STAGES)
    waits = {name for name in stages if name.startswith("wait")}
    networks = sum(ms for name, ms in stages.items() if name not in {*FILE_STAGES, *waits})
    found = {name: 1e3 * seconds for name, seconds in told["parts"].items()}
    found |= {NETWORKS: networks, CODECS: codecs, END: 1e3 * (finished - told["ended"])}
    found[PIPELINE] -= networks + codecs
    return {name: found.get(name, 0.0) for name in PARTS}


def imports_by_package(said: str) -> dict[str, float]:
    """Milliseconds of each top package's own modules, from what `-X importtime` writes."""
    found: defaultdict[str, float] = defaultdict(float)
    for line in said.splitlines():
        if match := _LINE.match(line):
            package = match[2].split(".")[0]
            is_standard = package in sys.stdlib_module_names
            found["the standard library" if is_standard else package] += int(match[1]) / 1e3
    return dict(found)


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

    def run(self, start: Sequence[str]) -> tuple[subprocess.CompletedProcess[str], float, float]:
        """The finished process, and its seconds by the clock and of the processor."""
        self._number += 1
        arguments = ["batch", str(self._folder / "in"), str(self._folder / f"out{self._number}")]
        arguments += ["--expression", "happy", "--json", *self._options]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.monotonic()
        words = [str(started) if each == "NOW" else each for each in start]
        run = subprocess.run(
            [sys.executable, *words, *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            check=True,
        )
        seconds = time.monotonic() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return run, seconds, used

    def timed(self) -> dict[str, float]:
        """Milliseconds of every part."""
        run, _, _ = self.run([startup_clocks.__file__, "NOW"])
        finished = time.monotonic()
        document, end = json.JSONDecoder().raw_decode(run.stdout)
        return parts_of(document, json.loads(run.stdout[end:]), finished)


def measure(runs: int, options: Sequence[str]) -> dict[str, Any]:
    """Everything, the kinds of process in turn."""
    walls, used, parts, imports = [], [], [], []
    with tempfile.TemporaryDirectory(prefix="efgan-startup-") as name:
        command = Command(Path(name), options)
        _, first, _ = command.run(COMMAND)
        for number in range(runs):
            _, seconds, processor = command.run(COMMAND)
            walls.append(1e3 * seconds)
            used.append(1e3 * processor)
            parts.append(command.timed())
            if number < max(3, runs // 3):
                run, _, _ = command.run(["-X", "importtime", *COMMAND])
                imports.append(imports_by_package(run.stderr))
    packages = {
        package: statistics.median(each.get(package, 0.0) for each in imports)
        for package in set().union(*imports)
    }
    slowest = sorted(packages.items(), key=lambda item: -item[1])[:SHOWN_IMPORTS]
    return {
        "runs": runs,
        "first_run_ms": round(1e3 * first, 1),
        "wall_ms": spread(walls),
        "processor_ms": spread(used),
        "parts_ms": {part: spread([each[part] for each in parts]) for part in PARTS},
        "imports_ms": {package: round(ms, 1) for package, ms in slowest},
    }


def main() -> None:
    """Measures and prints."""
    options = parser(__doc__)
    options.add_argument("--runs", type=int, default=LEAST_RUNS, metavar="N")
    arguments, rest = options.parse_known_args()
    document = with_machine(options=rest, **measure(arguments.runs, rest))
    finish(arguments.json, document, "startup")
