"""What OpenVINO's own `benchmark_app` makes of the networks: the engines-only limit.

It keeps as many inferences in flight as the plugin likes best, has no pipeline around it, and was
written by the runtime's makers. Each network is measured alone; a picture needs all of them, so the
set's limit is 1 / (1 / a + 1 / b + ...). Pictures a second are taken from its count and its
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
from engines.openvino_engine import PRECISIONS

TOOL: Final = Path(sysconfig.get_path("scripts")) / "benchmark_app"
REPORT: Final = "benchmark_report.json"
SMALL_SHARE: Final = 0.02  # of a picture's time: such a network is measured once


class RuntimeLimit:
    """The limit of an engine set in a precision, at a batch, over so many seconds a network."""

    def __init__(
        self, directory: EngineDirectory, precision: str, batch: int, seconds: float
    ) -> None:
        self._directory = directory
        self._precision = precision
        self._batch = batch
        self._seconds = seconds
        self._limits: dict[str, float] = {}

    def run(self, _: int, folder: Path) -> float:
        """Pictures a second of the whole set; `folder` is for files in between.

        Raises:
            EfganError: the tool is missing or fails.
        """
        limits = self._limits
        small = {n for n, each in limits.items() if whole_limit(limits) / each < SMALL_SHARE}
        limits |= self.network_limits(folder, passed_over=small)
        return whole_limit(limits)

    def network_limits(self, folder: Path, passed_over: Collection[str] = ()) -> dict[str, float]:
        """Pictures a second of each network alone, but for those that are passed over.

        Raises:
            EfganError: the tool is missing or fails.
        """
        if not TOOL.is_file():
            raise EfganError(f"{TOOL} is missing; it comes with openvino: pip install openvino")
        found = {}
        for name, entry in self._directory.manifest.networks.items():
            if name in passed_over:
                continue
            model = folder / f"{name}.onnx"
            model.write_bytes(self._directory.model(name))
            shapes = ",".join(
                f"{s.name}[{','.join(map(str, s.resolve(B=self._batch)))}]" for s in entry.inputs
            )
            command = [
                *(sys.executable, str(TOOL), "-m", str(model), "-d", "CPU", "-hint", "throughput"),
                *("-infer_precision", PRECISIONS[self._precision], "-shape", shapes),
                *("-t", str(ceil(self._seconds)), "-report_type", "no_counters", "-json_stats"),
                *("-report_folder", str(folder)),
            ]
            run = subprocess.run(command, capture_output=True, text=True, check=False)
            if run.returncode:
                lines = (run.stderr.strip() or run.stdout.strip()).splitlines()
                said = lines[-1] if lines else f"exit status {run.returncode}"
                raise EfganError(f"benchmark_app fails on {name}: {said}")
            report = json.loads((folder / REPORT).read_text())
            found[name] = self._batch * inferences_per_s(report)
        return found


def inferences_per_s(report: Mapping[str, Mapping[str, object]]) -> float:
    """Of a report: how many were done over how long it took."""
    results = report["execution_results"]
    milliseconds = float(str(results["total execution time (ms)"]))
    return float(str(results["total number of iterations"])) / milliseconds * 1e3


def whole_limit(limits: Mapping[str, float]) -> float:
    """Pictures a second of all networks one after the other."""
    return 1 / sum(1 / each for each in limits.values())
