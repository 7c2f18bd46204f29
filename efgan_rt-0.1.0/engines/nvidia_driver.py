"""The GPU that is here, asked of the driver itself: no package is needed to know there is none.

Plans are made for a GPU and say which one; whether TensorRT can be used at all, and what `info`
prints, depends on the same few facts. PyCUDA or cuda-bindings would give them too, but must be
installed first.

Number 0 is the first GPU of this process, which `CUDA_VISIBLE_DEVICES` decides; nvidia-smi counts
otherwise and hides none. So whoever asks it about a GPU names it by its place on the PCI bus.
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

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


# Compute capabilities that only a data centre's GPUs have: V100, A100 and A30, H100 and H200, B200
# and B300. An L4 or L40 is, to a network, a GeForce with more memory.
_DATA_CENTRE: Final = ("7.0", "8.0", "9.0", "10.0", "10.3")
_PCI_BYTES: Final = 32


class NamedGpu(Protocol):
    """What `Gpu` and `engines.cuda_memory.DeviceFacts` have in common."""

    @property
    def name(self) -> str:
        """As the driver gives it."""

    @property
    def compute_capability(self) -> str:
        """Such as `9.0`."""


def is_of_a_data_centre(gpu: NamedGpu) -> bool:
    """True for a whole GPU made for data centres; a MIG slice, which is a small part, is none."""
    return gpu.compute_capability in _DATA_CENTRE and " MIG " not in gpu.name


def pci_address(device: int = 0) -> str | None:
    """The GPU's place, such as `0000:01:00.0`, as `nvidia-smi -i` takes it; None without a GPU.

    A MIG slice has the place of the GPU that it is a part of.
    """
    try:
        cuda: Any = ctypes.CDLL(DRIVER)
    except OSError:
        return None
    handle, address = ctypes.c_int(), ctypes.create_string_buffer(_PCI_BYTES)
    asked: tuple[Callable[[], int], ...] = (
        lambda: cuda.cuInit(0),
        lambda: cuda.cuDeviceGet(ctypes.byref(handle), device),
        lambda: cuda.cuDeviceGetPCIBusId(address, _PCI_BYTES, handle),
    )
    if any(ask() != 0 for ask in asked):
        return None
    return address.value.decode(errors="replace")


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
