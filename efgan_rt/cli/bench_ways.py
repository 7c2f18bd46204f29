"""What `efgan-rt bench` is asked to measure, and the processes that measure it.

A way is a backend, its precision and a batch size. Where there are several, each is measured by
this same command in a process of its own, so that memory, start-up time and the threads of one
runtime are no other's.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from efgan_rt.cli.bench import BenchRequest
from efgan_rt.cli.console import remark
from efgan_rt.editing import OpenedSet, busy_lanes
from efgan_rt.engine_sets import EngineSet, compiled_folder
from efgan_rt.errors import EfganError
from efgan_rt.probed import choose_for_run
from efgan_rt.reporting.bench import generated_pictures
from efgan_rt.reporting.bench_result import Result
from efgan_rt.tuning import RunSettings, default_batch
from engines.base import EngineError
from engines.choice import BACKENDS, DEVICE_BACKENDS, PRECISIONS, BackendChoice
from engines.directory import EngineDirectory

AUTO: Final = "auto"
STDOUT: Final = Path("-")
T = TypeVar("T")


@dataclass(frozen=True)
class Way:
    """What is measured at a time; on a GPU the precision is the engines' own, and None here."""

    backend: str
    precision: str | None
    batch: int

    def __str__(self) -> str:
        return f"{self.backend} {self.precision or ''}".rstrip() + f", batch {self.batch}"


def unique(given: Iterable[T] | None) -> tuple[T, ...]:
    """What was given, each once, in its order."""
    return tuple(dict.fromkeys(given or ()))


def find_ways(request: BenchRequest, engine_set: EngineSet) -> list[Way]:
    """All that were asked for and work here; what was not asked for by name is left out aloud.

    Raises:
        EngineError: a backend was named and works in none of the precisions.
    """
    directory = EngineDirectory(engine_set.directory)
    pairs: dict[tuple[str, str | None], None] = {}
    for backend in unique(request.backend) or BACKENDS:
        found, fault = _precisions_of(backend, unique(request.precision), directory)
        if not found and request.backend:
            assert fault is not None, "a precision either works or has a fault"
            raise fault
        if not found and backend not in DEVICE_BACKENDS:
            remark(f"left out: {backend}: {fault}")
        pairs |= dict.fromkeys(found)
    if not pairs:
        raise EfganError(
            "no backend works here; efgan-rt info says what is missing and how to get it"
        )
    if batches := unique(request.batch_size):
        return [Way(*pair, batch) for batch in batches for pair in pairs]
    return [Way(*pair, default_batch(pair[0], directory.manifest)) for pair in pairs]


def _precisions_of(
    backend: str, wanted: tuple[str, ...], directory: EngineDirectory
) -> tuple[list[tuple[str, str | None]], EngineError | None]:
    """The backend with each precision that works, and the last reason why one does not."""
    # `auto` is one way: the one that a run takes.
    tried = wanted or ((None,) if backend in (AUTO, *DEVICE_BACKENDS) else PRECISIONS[::-1])
    found: list[tuple[str, str | None]] = []
    fault: EngineError | None = None
    for precision in tried:
        try:
            choice = choose_for_run(backend, directory, precision)
        except EngineError as error:
            fault = error
        else:
            on_device = choice.backend in DEVICE_BACKENDS
            found.append((choice.backend, None if on_device else choice.precision))
    return found, fault


def measure_each(request: BenchRequest, engine_set: EngineSet, ways: list[Way]) -> list[Result]:
    """A process for each way; one that fails is left out with its reason.

    Raises:
        EfganError: all failed; the first one's reason.
    """
    results: list[Result] = []
    reasons: list[str] = []
    for number, way in enumerate(ways, start=1):
        remark(f"measuring {way} ({number} of {len(ways)})")
        child = subprocess.run(
            [sys.executable, "-m", "efgan_rt.cli.app", *_arguments(request, engine_set, way)],
            capture_output=True,
            text=True,
            check=False,
        )
        if child.returncode == 0:
            results += json.loads(child.stdout)["results"]
            continue
        reasons.append((child.stderr.strip() or f"exit status {child.returncode}").splitlines()[-1])
        remark(f"left out: {way}: {reasons[-1]}")
    if not results:
        raise EfganError(reasons[0].removeprefix("error: "))
    return results


def _arguments(request: BenchRequest, engine_set: EngineSet, way: Way) -> list[str]:
    """The command that measures one way."""
    options: dict[str, object] = {
        "--engines": engine_set.directory,
        "--backend": way.backend,
        "--precision": way.precision,
        "--batch-size": way.batch,
        "--threads": request.threads,
        "--lanes": request.lanes,
        "--pictures": request.pictures,
        "--seconds": request.seconds,
        "--warm-up": request.warm_up,
        "--workers": request.workers,
        "--json": STDOUT,
    }
    given = ((name, str(value)) for name, value in options.items() if value is not None)
    return ["bench", *(word for pair in given for word in pair)]


def opened(directory: EngineDirectory, choice: BackendChoice, settings: RunSettings) -> OpenedSet:
    """The engine set with a run's settings."""
    return OpenedSet.open(
        directory,
        choice=choice,
        batch=settings.batch,
        threads=settings.threads,
        lanes=settings.lanes or busy_lanes(choice.backend, settings.threads),
        cache_dir=compiled_folder(),
    )


@contextmanager
def pictures_for(request: BenchRequest) -> Iterator[Path]:
    """The folder of pictures to measure with, for as long as the context is open."""
    given = generated_pictures() if request.pictures is None else nullcontext(request.pictures)
    with given as folder:
        yield folder
