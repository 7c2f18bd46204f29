"""How long `efgan-rt batch` takes for one picture, and where every part of it goes.

    python benchmarks/startup.py
    python benchmarks/startup.py --runs 15 --json FILE

The command runs in fresh processes, with a cache folder of its own that its very first run has
filled, as on a user's second day. Every other process is the same command with clocks around its
parts: Python itself, imports, opening the engines, the networks' first batch, the codecs, and what
is left. Each part is without the parts inside it, so that they add up to the whole. A third kind,
`-X importtime`, says which packages the imports are. Medians count; the processor's seconds stand
beside the clock's, which a busy machine stretches. A table for people, one JSON object last.
"""

import argparse
import builtins
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

STARTED = time.monotonic()
REPOSITORY = Path(__file__).resolve().parents[1]
FACES: Final = REPOSITORY / "examples" / "faces"
COMMAND: Final = ("-m", "efgan_rt.cli.app")
PYTHON, IMPORTS, OPENING = "Python itself", "imports", "opening the engines"
NETWORKS, CODECS = "the first batch in the networks", "decoding and encoding"
PIPELINE, REST = "the rest of the pipeline", "the rest of the command"
END: Final = "the process's end"
PARTS: Final = (PYTHON, IMPORTS, OPENING, NETWORKS, CODECS, PIPELINE, REST, END)
FILE_STAGES: Final = ("decode", "encode")
SHOWN_IMPORTS: Final = 12
LEAST_RUNS: Final = 9
_LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+([\w.]+)")


class Clocks:
    """Time inside nested parts, each without those inside it."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._open: list[str] = []
        self._since = time.monotonic()

    def _note(self) -> None:
        now = time.monotonic()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """A part, for as long as the context is open."""
        self._note()
        self._open.append(name)
        try:
            yield
        finally:
            self._note()
            self._open.pop()

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, as a part."""

        def timed(*arguments: Any, **named: Any) -> Any:
            with self.part(name):
                return function(*arguments, **named)

        return timed


def timed_command(arguments: Sequence[str]) -> None:
    """The command in this process with its clocks; writes what they say behind its output.

    Args:
        arguments: when the process was started, by the system's clock; then those of `efgan-rt`.
    """
    spawned, *words = arguments
    clocks = Clocks()
    clocks.seconds[PYTHON] = STARTED - float(spawned)
    importing, own_import = 0, builtins.__import__
    main_thread = threading.get_ident()

    def counted_import(*given: Any, **named: Any) -> Any:
        nonlocal importing
        if importing or threading.get_ident() != main_thread:
            return own_import(*given, **named)
        importing += 1
        try:
            with clocks.part(IMPORTS):
                return own_import(*given, **named)
        finally:
            importing -= 1

    with clocks.part(REST):
        sys.path.insert(0, str(REPOSITORY))
        builtins.__import__ = counted_import
        from efgan_rt.cli import app, batch_run
        from efgan_rt.editing import OpenedSet

        opened = clocks.around(OPENING, OpenedSet.open)
        OpenedSet.open = staticmethod(opened)  # type: ignore[method-assign]
        for name, part in (("choose_for_run", OPENING), ("run_batch", PIPELINE)):
            setattr(batch_run, name, clocks.around(part, getattr(batch_run, name)))
        sys.argv = ["efgan-rt", *words]
        try:
            app.main()
        except SystemExit as end:
            assert not end.code, f"status {end.code}"
    builtins.__import__ = own_import
    sys.stdout.flush()
    ended = time.monotonic()
    print(json.dumps({"parts": dict(clocks.seconds), "ended": ended}), flush=True)
    os._exit(0)  # as the command itself ends


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
        path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH", "")]))
        self._environment = os.environ | kept | {"PYTHONPATH": path}

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
        run, _, _ = self.run([__file__, "--command", "NOW"])
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


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, lowest and highest."""
    found = {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}
    return {name: round(value, 1) for name, value in found.items()}


def main() -> None:
    """Measures and prints."""
    if sys.argv[1:2] == ["--command"]:
        timed_command(sys.argv[2:])
        return
    sys.path.insert(0, str(REPOSITORY))
    from rich.console import Console
    from rich.table import Table

    from efgan_rt.reporting.machine import machine_facts

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=LEAST_RUNS, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    arguments, rest = parser.parse_known_args()
    document = {"machine": machine_facts(), "options": rest, **measure(arguments.runs, rest)}
    if arguments.json:
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    table = Table(title="One picture, milliseconds, medians", title_justify="left")
    for heading in ("part", "ms", "lowest", "highest"):
        table.add_column(heading, justify="left" if heading == "part" else "right")
    rows = {"the whole command": document["wall_ms"], "of the processor": document["processor_ms"]}
    for label, row in (rows | document["parts_ms"]).items():
        table.add_row(label, *(f"{row[key]:.0f}" for key in ("median", "lowest", "highest")))
    Console().print(table)
    print(json.dumps(document))


if __name__ == "__main__":
    main()
