"""What compiling the paper's networks with TensorRT takes, on a processor.

    python -m benchmarks tensorrt_build
    python -m benchmarks tensorrt_build --runs 5

Half-precision networks of width 64 with random weights, two stages, are compiled one by one, each
run in a process of its own and with an empty timing cache: seconds, peak resident memory, plan
size. The parser and the compiler are the real ones, of TensorRT for RTX, which compile ahead of
time and need no GPU; on a GPU, TensorRT also measures kernels, which takes longer. What bounds the
number is the processor, so its own seconds are given beside the clock's, which a loaded machine
stretches. A table for people, one JSON object last, and the same in
benchmarks/results/tensorrt_build.json.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from benchmarks.kit import finish, parser, with_machine
from efgan_rt.families.registry import family_of
from efgan_rt.reporting.machine import resident_mb
from engines.directory import EngineDirectory
from engines.manifest import read_manifest
from tests.tensorrt_on_cpu import build_libraries, environment, rtx_libraries

STAGES: Final = 2  # a third would be the second's network again
WIDTH: Final = 64


def compile_once(engines: Path, name: str) -> dict[str, Any]:
    """Compiles one network in this process; the figures of it."""
    from export.arithmetic_proof import arithmetic_of
    from export.tensorrt_module import LIBRARY
    from export.to_tensorrt import VERSION, PlanRequest, to_tensorrt

    directory = EngineDirectory(engines)
    manifest, exact = directory.manifest, family_of(directory).exact
    entry = manifest.network(name)
    request = PlanRequest(
        network=name,
        batch=entry.batch,
        arithmetic=arithmetic_of(manifest.precision, is_exact=name in exact),
        hardware_compatibility="none",
        version_compatible=False,
    )
    model = directory.content(entry.stored)
    with tempfile.TemporaryDirectory() as cache:
        started, used = time.perf_counter(), time.process_time()
        plan = to_tensorrt(model, request, None, Path(cache) / "timing", lambda _done, _phase: None)
        seconds, used = time.perf_counter() - started, time.process_time() - used
    return {
        "seconds": round(seconds, 3),
        "cpu_seconds": round(used, 3),
        "peak_mb": round(resident_mb("VmHWM") or 0.0, 1),
        "plan_mb": round(len(plan.content) / 1e6, 3),
        "library": LIBRARY,
        "version": VERSION,
        **plan.facts,
    }


def in_a_process(engines: Path, name: str, libraries: Path) -> dict[str, Any]:
    """`compile_once` in a process of its own, so that its peak of memory is its own."""
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks", "tensorrt_build", "--compile", str(engines), name],
        env=environment(libraries),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    figures: dict[str, Any] = json.loads(run.stdout)
    return figures


def summarise(runs: list[dict[str, Any]], onnx_bytes: int) -> dict[str, Any]:
    """One network's figures over its runs."""
    seconds = [run["seconds"] for run in runs]
    cpu_seconds = [run["cpu_seconds"] for run in runs]
    return {
        "runs": len(runs),
        "seconds": seconds,
        "seconds_median": round(statistics.median(seconds), 2),
        "cpu_seconds": cpu_seconds,
        "cpu_seconds_median": round(statistics.median(cpu_seconds), 2),
        "peak_mb": max(run["peak_mb"] for run in runs),
        "onnx_mb": round(onnx_bytes / 1e6, 2),
        "plan_mb": runs[0]["plan_mb"],
        **{key: runs[0][key] for key in ("layers", "convolutions", "normalisations")},
    }


def main() -> None:
    """Exports, measures, prints, writes."""
    given = parser(__doc__, "tensorrt_build")
    given.add_argument("--runs", type=int, default=3, metavar="N")
    given.add_argument("--engines", type=Path, metavar="DIR", help="made before, by this script")
    given.add_argument("--compile", nargs=2, metavar=("DIR", "NETWORK"), help=argparse.SUPPRESS)
    arguments = given.parse_args()
    if arguments.compile:
        print(json.dumps(compile_once(Path(arguments.compile[0]), arguments.compile[1])))
        return

    with tempfile.TemporaryDirectory() as work:
        engines = arguments.engines or Path(work) / "engines"
        if not engines.is_dir():
            from tests.paper_width import write_paper_width

            write_paper_width(engines, STAGES)
        manifest = read_manifest(engines)
        libraries = Path(work) / "libraries"
        libraries.mkdir()
        build_libraries(libraries)
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in manifest.networks}
        for _ in range(arguments.runs):  # in rounds, so that a drift of the machine meets all
            for name in runs:
                runs[name].append(in_a_process(engines, name, libraries))
                print(f"{name}: {runs[name][-1]['seconds']:.1f} s", file=sys.stderr, flush=True)
    document = with_machine(
        tensorrt={
            "bindings": next(iter(runs.values()))[0]["version"],
            "compiler": rtx_libraries()[0].name.removeprefix("lib"),
            "gpu": None,
        },
        width=WIDTH,
        weights="random",
        precision=manifest.precision,
        batch=list(next(iter(manifest.networks.values())).batch),
        networks={
            name: summarise(found, manifest.network(name).bytes) for name, found in runs.items()
        },
    )
    finish(arguments.json, document, "tensorrt_build")
