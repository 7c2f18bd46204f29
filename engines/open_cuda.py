"""Opens a CUDA device, through PyCUDA where it is installed and loads, else cuda-bindings."""

from functools import cache

from engines.base import EngineError
from engines.cuda_bindings_memory import open_cuda_bindings
from engines.cuda_faults import INSTALL_LINES, ProviderMissingError
from engines.cuda_memory import PROVIDERS, Cuda
from engines.pycuda_memory import open_pycuda


def open_cuda(provider: str | None = None, device: int = 0) -> Cuda:
    """The device, through PyCUDA where it is installed and loads, else through cuda-bindings.

    Opened once a process: later calls give the same object.

    Args:
        provider: one of `PROVIDERS`, or None to choose.
        device: number of the GPU, as CUDA counts.

    Raises:
        EngineError: no provider is installed, or there is no driver or no such device.
    """
    if provider not in (None, *PROVIDERS):
        raise EngineError(
            f"there is no CUDA provider '{provider}'; known are {', '.join(PROVIDERS)}"
        )
    return _opened(provider, device)


@cache
def _opened(provider: str | None, device: int) -> Cuda:
    openers = {"pycuda": open_pycuda, "cuda-bindings": open_cuda_bindings}
    if provider is not None:
        try:
            return openers[provider](device, "as asked for")
        except ProviderMissingError as missing:
            raise EngineError(f"{missing}; install it with: {INSTALL_LINES[provider]}") from missing
    try:
        return open_pycuda(device, "the first choice")
    except ProviderMissingError as missing:
        no_pycuda = str(missing)
    try:
        return open_cuda_bindings(device, f"because {no_pycuda}")
    except ProviderMissingError as missing:
        raise EngineError(
            f"a GPU backend needs PyCUDA or cuda-bindings: {no_pycuda}, and {missing}; install "
            f"one with: {INSTALL_LINES['cuda-bindings']} or, built from source, "
            f"{INSTALL_LINES['pycuda']}"
        ) from missing
