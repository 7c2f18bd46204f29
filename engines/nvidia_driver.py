"""The GPU that is here, asked of the driver itself: no package is needed to know there is none.

Plans are made for a GPU and say which one; whether TensorRT can be used at all, and what `info`
prints, depends on the same few facts. PyCUDA or cuda-bindings would give them too, but must be
installed first.
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

DRIVER: Final = "libcuda.so.1"
MANAGEMENT: Final = "libnvidia-ml.so.1"
# cuDeviceGetAttribute's numbers, fixed by cuda.h.
_CC_MAJOR: Final = 75
_CC_MINOR: Final = 76
_NAME_BYTES: Final = 256
_VERSION_BYTES: Final = 80  # NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE


@dataclass(frozen=True)
class Gpu:
    """One CUDA device."""

    name: str
    compute_capability: str
    """Such as `9.0`."""
    driver: str
    """Such as `580.65.06`; where the management library is missing, the CUDA version it serves."""


def has_driver() -> bool:
    """True if a CUDA driver is installed; whether there is a device is another matter."""
    try:
        ctypes.CDLL(DRIVER)
    except OSError:
        return False
    return True


def present_gpu(device: int = 0) -> Gpu | None:
    """The CUDA device of this number, or None where there is no driver or no such device."""
    try:
        cuda: Any = ctypes.CDLL(DRIVER)
    except OSError:
        return None
    handle, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    name = ctypes.create_string_buffer(_NAME_BYTES)
    asked: tuple[Callable[[], int], ...] = (
        lambda: cuda.cuInit(0),
        lambda: cuda.cuDeviceGet(ctypes.byref(handle), device),
        lambda: cuda.cuDeviceGetName(name, _NAME_BYTES, handle),
        lambda: cuda.cuDeviceGetAttribute(ctypes.byref(major), _CC_MAJOR, handle),
        lambda: cuda.cuDeviceGetAttribute(ctypes.byref(minor), _CC_MINOR, handle),
    )
    if any(ask() != 0 for ask in asked):
        return None
    return Gpu(
        name.value.decode(errors="replace"), f"{major.value}.{minor.value}", _driver_version(cuda)
    )


def _driver_version(cuda: Any) -> str:
    version = ctypes.create_string_buffer(_VERSION_BYTES)
    try:
        management = ctypes.CDLL(MANAGEMENT)
    except OSError:
        management = None
    if management and management.nvmlInit_v2() == 0:
        status = management.nvmlSystemGetDriverVersion(version, _VERSION_BYTES)
        management.nvmlShutdown()
        if status == 0:
            return version.value.decode(errors="replace")
    served = ctypes.c_int()
    if cuda.cuDriverGetVersion(ctypes.byref(served)) != 0:
        return "unknown"
    return f"CUDA {served.value // 1000}.{served.value % 1000 // 10}"
