"""Does memory stay flat over many pictures on a GPU? Host and device, through the real pipeline.

Samples the process's resident memory and the device's free memory while the pipeline edits links
to the example faces with two lanes. Compared are the memory once everything has been used, after a
tenth of the pictures, with the worst from then on.
"""

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.gpu.links import edit_links
from efgan_rt.lane import BatchEditor
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
    done = [0]
    samples: list[Sample] = []
    stop = threading.Event()

    def progress(pictures: int, failed: int) -> None:
        done[0] = pictures

    def watch() -> None:
        while not stop.wait(SAMPLE_S):
            samples.append(_sample(done[0], cuda))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        edited = edit_links(editors, sources, count, batch, progress)
    finally:
        stop.set()
        watcher.join()
    samples.append(_sample(count, cuda))
    settled = [each for each in samples if each.pictures >= count / 10]
    return {
        "pictures": count,
        "written": edited.written,
        "failed": edited.failed,
        "seconds": round(edited.seconds, 1),
        "images_per_s": round(edited.written / edited.seconds, 1),
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
