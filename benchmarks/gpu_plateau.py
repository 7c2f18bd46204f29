"""Does memory stay flat over many pictures on a GPU? Host and device, through the real pipeline.

Samples the process's resident memory and the device's free memory while the pipeline edits links
to the example faces with two lanes. Compared are the memory once everything has been used, after a
tenth of the pictures, with the worst from then on.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from efgan_rt.expressions import Target
from efgan_rt.lane import BatchEditor
from efgan_rt.pipeline.batch import run_batch
from efgan_rt.pipeline.files import Plan, asked_of_all
from efgan_rt.pipeline.journal import Journal
from efgan_rt.pipeline.workers import BatchOptions
from efgan_rt.shots import stills
from engines.cuda_memory import Cuda

SAMPLE_S = 0.05


@dataclass(frozen=True)
class Sample:
    """Memory at one moment."""

    pictures: int
    resident_mb: float
    device_free_mb: float


def plateau(
    editors: Sequence[BatchEditor], cuda: Cuda, sources: Sequence[Path], count: int, batch: int
) -> dict[str, Any]:
    """Edits `count` pictures and says how much memory grew after the first tenth."""
    units = 17
    target = Target(np.zeros(units, np.float32), np.full(units, 2.0, np.float32))
    done = [0]
    samples: list[Sample] = []
    stop = threading.Event()

    def progress(pictures: int, failed: int) -> None:
        done[0] = pictures

    def watch() -> None:
        while not stop.wait(SAMPLE_S):
            samples.append(_sample(done[0], cuda))

    with TemporaryDirectory(prefix="efgan-plateau-") as folder:
        inputs, outputs = Path(folder, "in"), Path(folder, "out")
        for number, source in enumerate(islice(cycle(sources), count)):
            link = inputs / f"{number // 1000:04}" / f"{number:07}{source.suffix}"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(source.absolute())
        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        started = time.perf_counter()
        with Journal(outputs) as journal:
            outcome = run_batch(
                asked_of_all(Plan(inputs, outputs, stills("")).jobs(), [target], [b""]),
                editors,
                batch=batch,
                journal=journal,
                options=BatchOptions(8),
                on_progress=progress,
            )
        seconds = time.perf_counter() - started
        stop.set()
        watcher.join()
    samples.append(_sample(count, cuda))
    settled = [each for each in samples if each.pictures >= count / 10]
    return {
        "pictures": count,
        "written": outcome.written,
        "failed": outcome.failed,
        "seconds": round(seconds, 1),
        "images_per_s": round(outcome.written / seconds, 1),
        "settled": asdict(settled[0]),
        "resident_growth_mb": max(s.resident_mb for s in settled) - settled[0].resident_mb,
        "device_growth_mb": settled[0].device_free_mb - min(s.device_free_mb for s in settled),
        "samples": len(samples),
        "series": [asdict(each) for each in samples[:: max(1, len(samples) // 40)]],
    }


def _sample(pictures: int, cuda: Cuda) -> Sample:
    status = Path("/proc/self/status").read_text()
    resident = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    with cuda.current():
        free = cuda.free_bytes()
    return Sample(pictures, round(int(resident.split()[1]) / 1024, 1), round(free / 1e6, 1))
