"""What a GPU machine is, and which providers and backends work on it: for each the reason why not.

"Works" is not asked of a version or a list but tried: a provider carries bytes to the device and
back, a backend edits a face.
"""

import os
import shutil
import subprocess
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.host_cuda import HostCuda
from efgan_rt.editing import OpenedSet
from efgan_rt.errors import EfganError
from efgan_rt.expressions import target_places
from efgan_rt.pictures.crop import resized
from engines.base import EngineError
from engines.cuda_memory import PROVIDERS, Cuda
from engines.nvidia_driver import pci_address
from engines.open_cuda import open_cuda
from export.calibration import bundled_faces

BACKENDS = ("tensorrt", "tensorrt-rtx", "onnxruntime-cuda", "openvino", "onnxruntime")


def what_works(directory: Path, device: str) -> dict[str, Any]:
    """Tries every provider and every backend.

    Args:
        directory: an engine directory.
        device: `cuda`, or `cpu` for the processor in a GPU's place.
    """
    found: dict[str, Any] = {
        "nvidia_smi": _nvidia_smi(),
        "cuda_visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "providers": {},
        "backends": {},
    }
    for provider in PROVIDERS if device == "cuda" else ("host",):
        try:
            cuda: Cuda = HostCuda() if provider == "host" else open_cuda(provider)
            found["gpu"] = asdict(cuda.facts)
            found["providers"][provider] = {"works": True, "how": round_trip(cuda)}
        except EngineError as error:
            found["providers"][provider] = {"works": False, "why": str(error)}
    for backend in BACKENDS:
        try:
            cascade = OpenedSet.open(directory, backend=backend, batch=1)
            with closing(cascade.lane()) as lane:
                units = len(cascade.au_names)
                scale, offset = (np.full((1, units), v, np.float32) for v in (0.0, 2.0))
                face = resized(bundled_faces()[:1], cascade.crop_px)
                seconds = lane.run(face, target_places(scale, offset)).seconds
            found["backends"][backend] = {
                "works": True,
                "why": cascade.choice.reason,
                "first_ms": {name: round(1e3 * s, 2) for name, s in seconds.items()},
            }
        except (EngineError, EfganError) as error:
            found["backends"][backend] = {"works": False, "why": str(error)}
    return found


def round_trip(cuda: Cuda) -> str:
    """Carries 64 MB to the device and back; says how fast.

    Raises:
        EngineError: a call fails, or other bytes come back.
    """
    count = 1 << 26
    with cuda.current():
        stream, events = cuda.stream(), [cuda.event() for _ in range(3)]
        there, back = cuda.pinned((count,), np.uint8), cuda.pinned((count,), np.uint8)
        there[:] = np.arange(count, dtype=np.uint8)
        buffer = cuda.device(count)
        events[0].record(stream)
        cuda.upload(buffer, there, stream)
        events[1].record(stream)
        cuda.download(back, buffer, stream)
        events[2].record(stream)
        events[2].synchronize()
        up, down = events[1].ms_since(events[0]), events[2].ms_since(events[1])
        buffer.free()
    if not np.array_equal(there, back):
        raise EngineError(f"{cuda.name}: other bytes came back from the device")
    gigabytes = count / 1e6
    return f"{cuda.described}: {gigabytes / up:.1f} GB/s up, {gigabytes / down:.1f} GB/s down"


def nvidia_smi() -> list[str] | None:
    """The driver's own tool, asked about the GPU that runs here alone; None where it is missing."""
    tool, place = shutil.which("nvidia-smi"), pci_address()
    if tool is None:
        return None
    return [tool] if place is None else [tool, "-i", place]


def _nvidia_smi() -> str | None:
    """Name, driver, memory and clocks, as the driver's own tool gives them."""
    tool = nvidia_smi()
    if tool is None:
        return None
    query = "name,uuid,pci.bus_id,driver_version,memory.total,clocks.max.sm,power.limit,compute_cap"
    command = [*tool, f"--query-gpu={query}", "--format=csv,noheader"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return run.stdout.strip()
