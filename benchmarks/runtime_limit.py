"""What OpenVINO's own `benchmark_app` makes of the networks: the engines-only limit.

It keeps as many inferences in flight as the plugin likes best, has no pipeline around it, and was
written by the runtime's makers. Each network is measured alone; a picture needs all of them, so the
cascade's limit is 1 / (1 / a + 1 / b + ...). Pictures a second are taken from its count and its
duration, because what it calls FPS depends on what it takes for the batch.
"""

import json
import subprocess
import sys
import sysconfig
from collections.abc import Collection, Mapping
from math import ceil
from pathlib import Path
from typing import Final

from efgan_rt.errors import EfganError
from engines.directory import EngineDirectory
from engines.manifest import Manifest
from engines.openvino_engine import PRECISIONS

TOOL: Final = Path(sysconfig.get_path("scripts")) / "benchmark_app"
REPORT: Final = "benchmark_report.json"


def network_limits(
    directory: Path,
    manifest: Manifest,
    folder: Path,
    *,
    precision: str,
    batch: int,
    seconds: float,
    passed_over: Collection[str] = (),
) -> dict[str, float]:
    """Pictures a second of each network alone.

    Args:
        directory: an engine directory.
        manifest: of it.
        folder: an existing one for files in between.
        precision: `fp32` or `bf16`.
        batch: pictures in an inference.
        seconds: for each network; whole ones, as the tool wants them.
        passed_over: networks that are not measured.

    Raises:
        EfganError: the tool is missing or fails.
    """
    if not TOOL.is_file():
        raise EfganError(f"{TOOL} is missing; it comes with openvino: pip install openvino")
    found = {}
    for name, entry in manifest.networks.items():
        if name in passed_over:
            continue
        model = folder / f"{name}.onnx"
        model.write_bytes(EngineDirectory(directory, manifest).model(name))
        shapes = ",".join(
            f"{spec.name}[{','.join(map(str, spec.resolve(B=batch)))}]" for spec in entry.inputs
        )
        command = [
            *(sys.executable, str(TOOL), "-m", str(model), "-d", "CPU", "-hint", "throughput"),
            *(
                "-infer_precision",
                PRECISIONS[precision],
                "-shape",
                shapes,
                "-t",
                str(ceil(seconds)),
            ),
            *("-report_type", "no_counters", "-json_stats", "-report_folder", str(folder)),
        ]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            raise EfganError(f"benchmark_app fails on {name}: {_last_words(run)}")
        found[name] = batch * inferences_per_s(json.loads((folder / REPORT).read_text()))
    return found


def _last_words(run: subprocess.CompletedProcess[str]) -> str:
    lines = (run.stderr.strip() or run.stdout.strip()).splitlines()
    return lines[-1] if lines else f"exit status {run.returncode}"


def inferences_per_s(report: Mapping[str, Mapping[str, object]]) -> float:
    """Of a report: how many were done over how long it took."""
    results = report["execution_results"]
    milliseconds = float(str(results["total execution time (ms)"]))
    return float(str(results["total number of iterations"])) / milliseconds * 1e3


def cascade_limit(limits: Mapping[str, float]) -> float:
    """Pictures a second of all networks one after the other."""
    return 1 / sum(1 / each for each in limits.values())
