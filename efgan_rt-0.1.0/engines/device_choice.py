"""Chooses a backend on the GPU, on facts: what is installed, what is here, what the plans are for.

TensorRT's plans come first: compiled for this GPU, they are what the engines were made for. ONNX
Runtime's CUDA provider runs the ONNX files on any GPU. Its TensorRT-RTX plugin is taken only by
name: it compiles when it opens, and which cards it takes is its own affair.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from engines import runtimes
from engines.base import EngineError
from engines.cuda_memory import Cuda, open_cuda
from engines.manifest import Manifest, plan_fault
from engines.nvidia_driver import has_driver
from engines.open import BackendChoice
from engines.plan_check import LIBRARIES, check_plans

_TITLES: Final = {
    "tensorrt": "TensorRT",
    "tensorrt-rtx": "ONNX Runtime with TensorRT-RTX",
    "onnxruntime-cuda": "ONNX Runtime with CUDA",
}


def choose_device_backend(
    requested: str, directory: Path, manifest: Manifest, precision: str | None
) -> BackendChoice:
    """A GPU backend that was asked for by name.

    Args:
        requested: one of `engines.open.DEVICE_BACKENDS`.
        directory: of the engines.
        manifest: of the engines.
        precision: `fp32` or `fp16` as the engines are, or None.

    Raises:
        EngineError: the engines are of another precision, or the backend cannot be used here; says
            what is missing and what brings it.
    """
    _check_precision(precision, manifest)
    cuda = _CHECKS[requested](directory, manifest)
    return _choice(requested, manifest, cuda, "as asked for")


def find_device_backend(
    directory: Path, manifest: Manifest, precision: str | None
) -> tuple[BackendChoice | None, str]:
    """The best GPU backend here, and what was passed over.

    Returns:
        The choice, or None where the processor has to run; and a sentence on what could have been
        expected to run and does not, empty if that is nothing. A machine without a GPU, and a set
        without plans, leave nothing to expect.
    """
    if precision not in (None, manifest.precision):
        return None, ""
    missed = ""
    if manifest.plans is not None:
        try:
            cuda = _check_tensorrt(directory, manifest)
            return _choice("tensorrt", manifest, cuda, "the plans suit this GPU"), ""
        except EngineError as error:
            missed = f"the TensorRT plans are not used: {error}"
    if not has_driver():  # asked first: the packages that would say the same take 0.1 s to import
        return None, missed
    try:
        cuda = open_cuda()
    except EngineError:
        return None, missed
    try:
        cuda = _check_onnxruntime_cuda(directory, manifest)
    except EngineError as error:
        unused = f"{cuda.facts.name} is not used by ONNX Runtime: {error}"
        return None, f"{missed}; {unused}" if missed else unused
    return _choice("onnxruntime-cuda", manifest, cuda, "the fastest here"), missed


def _choice(backend: str, manifest: Manifest, cuda: Cuda, why: str) -> BackendChoice:
    title = _TITLES[backend]
    if backend == "tensorrt" and manifest.plans is not None:
        title = f"{LIBRARIES[manifest.plans.library]} {manifest.plans.version}"
    return BackendChoice(
        backend,
        manifest.precision,
        f"{title} in {manifest.precision} on {cuda.facts.name}, {why} (buffers: {cuda.described})",
    )


def _check_precision(precision: str | None, manifest: Manifest) -> None:
    if precision not in (None, manifest.precision):
        raise EngineError(
            f"{precision} was asked for, but on a GPU the precision is that of the engines, which "
            f"are {manifest.precision}; leave the option out, or make others with: "
            "efgan-rt build-engines CKPT.pt --precision"
        )


def _check_tensorrt(directory: Path, manifest: Manifest) -> Cuda:
    plans = manifest.plans
    if plans is None:
        raise plan_fault(directory, directory, "has no TensorRT plans, only ONNX files")
    library = plans.library
    try:
        module = runtimes.import_tensorrt(library)
    except EngineError as missing:
        # If the other library is here, that is the better thing to say.
        library = runtimes.tensorrt_library()
        if library == plans.library:
            raise
        try:
            module = runtimes.import_tensorrt(library)
        except EngineError:
            raise missing from None
    cuda = open_cuda()
    check_plans(directory, plans, library=library, version=module.__version__, gpu=cuda.facts)
    return cuda


def _check_tensorrt_rtx(directory: Path, manifest: Manifest) -> Cuda:
    from engines.tensorrt_rtx_engine import plugin_devices

    plugin_devices()
    return open_cuda()


def _check_onnxruntime_cuda(directory: Path, manifest: Manifest) -> Cuda:
    from engines.onnxruntime_cuda_engine import check_cuda_provider

    check_cuda_provider()
    return open_cuda()


_CHECKS: Final[dict[str, Callable[[Path, Manifest], Cuda]]] = {
    "tensorrt": _check_tensorrt,
    "tensorrt-rtx": _check_tensorrt_rtx,
    "onnxruntime-cuda": _check_onnxruntime_cuda,
}
