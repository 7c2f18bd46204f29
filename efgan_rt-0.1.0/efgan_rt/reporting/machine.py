"""What a measurement was taken on: processor, memory, system and library versions.

Every published figure carries these. Nothing heavy is imported to find them out.
"""

import os
import platform
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from efgan_rt import __version__
from engines.processor import this_processor

PACKAGES: Final = ("numpy", "opencv-python-headless", "openvino", "onnxruntime", "torch", "onnx")


def machine_facts() -> dict[str, Any]:
    """Plain values for a result file.

    Returns:
        `processor` (model name), `cores` (that this process may use), `bf16` (the instructions it
        has for it, or None), `memory_gib`, `load_average` at this moment, `system`, `python`,
        `efgan_rt`, and `packages`: the versions of those that are installed.
    """
    processor = this_processor()
    return {
        "processor": processor.name,
        "cores": processor.cores,
        "bf16": processor.bf16,
        "memory_gib": _memory_gib(),
        "load_average": _load_average(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "efgan_rt": __version__,
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
    }


def _load_average() -> list[float] | None:
    """None where the system has none, as on Windows."""
    if sys.platform == "win32":
        return None
    return [round(load, 2) for load in os.getloadavg()]


def resident_mb(which: str = "VmRSS") -> float | None:
    """Memory of this process, in MB; None where the system does not tell.

    Args:
        which: `VmRSS`, now, or `VmHWM`, at its highest.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    found = (line.split() for line in lines if line.startswith(f"{which}:"))
    return next((int(kilobytes) * 1024 / 1e6 for _, kilobytes, _ in found), None)


def process_age_s() -> float | None:
    """Seconds since this process was started, imports and all; None where nobody tells."""
    if sys.platform != "linux":
        return None
    try:
        # Behind the name, which may hold spaces: field 22 of the line is the start.
        started_ticks = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
        return time.clock_gettime(time.CLOCK_BOOTTIME) - int(started_ticks) / os.sysconf(
            "SC_CLK_TCK"
        )
    except (OSError, ValueError, AttributeError):
        return None


def _memory_gib() -> float | None:
    if sys.platform == "win32":
        return None
    try:
        pages, page_bytes = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None
    return round(pages * page_bytes / 2**30, 1)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
