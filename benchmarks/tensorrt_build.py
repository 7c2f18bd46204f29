"""What compiling the paper's networks with TensorRT takes, on a processor.

    python benchmarks/tensorrt_build.py
    python benchmarks/tensorrt_build.py --runs 5

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
from typing import Any

from rich.console import Console
from rich.table import Table

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from efgan_rt.families.registry import family_of  # noqa: E402
from efgan_rt.reporting.machine import machine_facts  # noqa: E402
from engines.directory import EngineDirectory  # noqa: E402
from engines.manifest import Manifest, read_manifest  # noqa: E402
from tests.tensorrt_on_cpu import build_libraries, environment, rtx_libraries  # noqa: E402

RESULTS = REPOSITORY / "benchmarks" / "results" / "tensorrt_build.json"
STAGES = 2  # a third would be the second's network again
WIDTH = 64


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
    before = _peak_mb()
    with tempfile.TemporaryDirectory() as cache:
        started, used = time.perf_counter(), time.process_time()
        plan = to_tensorrt(model, request, None, Path(cache) / "timing", lambda _done, _phase: None)
        seconds, used = time.perf_counter() - started, time.process_time() - used
    return {
        "seconds": round(seconds, 3),
        "cpu_seconds": round(used, 3),
        "peak_mb": round(_peak_mb(), 1),
        "peak_mb_before": round(before, 1),
        "plan_mb": round(len(plan.content) / 1e6, 3),
        "library": LIBRARY,
        "version": VERSION,
        **plan.facts,
    }


def in_a_process(engines: Path, name: str, libraries: Path) -> dict[str, Any]:
    """`compile_once` in a process of its own, so that its peak of memory is its own."""
    run = subprocess.run(
        [sys.executable, __file__, "--compile", str(engines), name],
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
        "peak_mb_before": max(run["peak_mb_before"] for run in runs),
        "onnx_mb": round(onnx_bytes / 1e6, 2),
        "plan_mb": runs[0]["plan_mb"],
        **{key: runs[0][key] for key in ("layers", "convolutions", "normalisations")},
    }


def main() -> None:
    """Exports, measures, prints, writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3, metavar="N")
    parser.add_argument("--json", type=Path, default=RESULTS, metavar="FILE")
    parser.add_argument("--engines", type=Path, metavar="DIR", help="made before, by this script")
    parser.add_argument("--compile", nargs=2, metavar=("DIR", "NETWORK"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.compile:
        print(json.dumps(compile_once(Path(arguments.compile[0]), arguments.compile[1])))
        return

    with tempfile.TemporaryDirectory() as work:
        engines = arguments.engines or Path(work) / "engines"
        manifest = _engines(engines)
        libraries = Path(work) / "libraries"
        libraries.mkdir()
        build_libraries(libraries)
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in manifest.networks}
        for _ in range(arguments.runs):  # in rounds, so that a drift of the machine meets all
            for name in runs:
                runs[name].append(in_a_process(engines, name, libraries))
                print(f"{name}: {runs[name][-1]['seconds']:.1f} s", file=sys.stderr, flush=True)
    first = next(iter(runs.values()))[0]
    document = {
        "machine": machine_facts(),
        "tensorrt": {
            "bindings": first["version"],
            "compiler": rtx_libraries()[0].name.removeprefix("lib"),
            "gpu": None,
        },
        "width": WIDTH,
        "weights": "random",
        "precision": manifest.precision,
        "batch": list(next(iter(manifest.networks.values())).batch),
        "networks": {
            name: summarise(found, manifest.network(name).bytes) for name, found in runs.items()
        },
    }
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    Console().print(_table(document))
    print(json.dumps(document))


def _engines(folder: Path) -> Manifest:
    if folder.is_dir():
        return read_manifest(folder)
    from tests.paper_width import write_paper_width

    return write_paper_width(folder, STAGES)


def _peak_mb() -> float:
    # Not getrusage: there a child begins at its parent's peak.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6


def _table(document: dict[str, Any]) -> Table:
    table = Table(title="Compiled by TensorRT on a processor", title_justify="left")
    for heading in (
        "network",
        "processor seconds",
        "seconds",
        "peak MB",
        "ONNX MB",
        "plan MB",
        "layers",
    ):
        table.add_column(heading, justify="left" if heading == "network" else "right")
    for name, network in document["networks"].items():
        table.add_row(
            name,
            f"{network['cpu_seconds_median']:.1f}",
            f"{network['seconds_median']:.1f}",
            f"{network['peak_mb']:.0f}",
            f"{network['onnx_mb']:.2f}",
            f"{network['plan_mb']:.2f}",
            str(network["layers"]),
        )
    return table


if __name__ == "__main__":
    main()
