"""What goes wrong on the way to a GPU's memory, each with its sentence and what to do about it."""

from typing import Final

from engines.base import EngineError

INSTALL_LINES: Final = {
    "pycuda": 'pip install "efgan-rt[pycuda]"',
    "cuda-bindings": 'pip install "efgan-rt[tensorrt]"',
}
CPU_REMEDY: Final = "or run on the processor with --backend onnxruntime or openvino"


class ProviderMissingError(EngineError):
    """A provider's package is not installed or does not load; the other one may."""


def no_driver(said: str) -> EngineError:
    """The error where CUDA finds no driver of its device."""
    return EngineError(
        f"there is no CUDA driver on this machine ({said}); a GPU backend needs NVIDIA's driver, "
        f"in a container also the option --gpus all: install it, {CPU_REMEDY}"
    )


def old_driver(said: str) -> EngineError:
    """The error where the driver is older than the CUDA libraries."""
    return EngineError(
        f"the CUDA driver is too old for the CUDA libraries installed ({said}); "
        f"update NVIDIA's driver, {CPU_REMEDY}"
    )


def no_device(said: str, wanted: int, count: int) -> EngineError:
    """The error where the driver shows no device of that number."""
    if count == 0:
        found = "the CUDA driver shows no GPU"
    else:
        found = f"GPU {wanted} was asked for, the CUDA driver shows {count}, counted from 0"
    return EngineError(
        f"{found} ({said}); see nvidia-smi, and the variable CUDA_VISIBLE_DEVICES, {CPU_REMEDY}"
    )


def no_device_memory(asked: int, free: int) -> EngineError:
    """The error where the device's memory does not suffice."""
    return EngineError(
        f"no free device memory: {megabytes(asked)} asked for, {megabytes(free)} free; choose a "
        "smaller --batch-size or fewer lanes, or end what else uses the GPU (nvidia-smi lists it)"
    )


def no_pinned_memory(asked: int, said: str) -> EngineError:
    """The error where the system gives no page-locked memory."""
    return EngineError(
        f"no page-locked host memory: {megabytes(asked)} asked for ({said}); choose a smaller "
        "--batch-size or fewer lanes, or raise the limit of locked memory (ulimit -l)"
    )


def call_failed(call: str, said: str) -> EngineError:
    """The error for a CUDA call that fails where nothing of the user's is at fault."""
    return EngineError(
        f"{call} failed: {said}; the GPU or an earlier launch is at fault: see the kernel's log "
        f"(dmesg, lines with Xid) and run the command again, {CPU_REMEDY}"
    )


def megabytes(count: int) -> str:
    """A number of bytes for people."""
    return f"{count / 1e6:,.1f} MB"
