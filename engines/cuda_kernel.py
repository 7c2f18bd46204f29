"""Kernels of our own: compiled by NVRTC for the GPU that is here, launched by the driver.

Both come through cuda-bindings. A stream is a number to every package and the primary context is
the same, so this serves PyCUDA's memory and streams as well.
"""

import ctypes
from collections.abc import Sequence
from typing import Any, Final

from engines.base import EngineError
from engines.cuda_faults import call_failed
from engines.cuda_memory import DeviceMemory, Stream

BLOCK: Final = 256
INSTALL_LINE: Final = 'pip install "efgan-rt[tensorrt]"'


def compile_kernel(source: str, compute_capability: str) -> bytes:
    """Machine code for one kind of GPU.

    Args:
        source: CUDA C++.
        compute_capability: as `DeviceFacts` has it: "9.0".

    Raises:
        EngineError: NVRTC is missing, does not know the GPU, or refuses the source.
    """
    try:
        from cuda.bindings import nvrtc

        error, program = nvrtc.nvrtcCreateProgram(source.encode(), b"kernel.cu", 0, [], [])
    except (ImportError, OSError, RuntimeError) as missing:
        raise EngineError(
            f"CUDA's runtime compiler cannot be loaded ({missing}); install it with: {INSTALL_LINE}"
        ) from missing
    _check("nvrtcCreateProgram", error)
    try:
        architecture = f"--gpu-architecture=sm_{compute_capability.replace('.', '')}"
        (error,) = nvrtc.nvrtcCompileProgram(program, 1, [architecture.encode()])
        if error != nvrtc.nvrtcResult.NVRTC_SUCCESS:
            _, size = nvrtc.nvrtcGetProgramLogSize(program)
            log = b" " * size
            nvrtc.nvrtcGetProgramLog(program, log)
            said = " ".join(log.decode(errors="replace").rstrip("\0").split())
            raise EngineError(
                f"CUDA's runtime compiler makes no code for compute capability "
                f"{compute_capability} ({error.name}: {said or 'no further word'}); update "
                f"nvidia-cuda-nvrtc, which comes with {INSTALL_LINE}"
            )
        error, size = nvrtc.nvrtcGetCUBINSize(program)
        _check("nvrtcGetCUBINSize", error)
        code: bytes = b" " * size
        (error,) = nvrtc.nvrtcGetCUBIN(program, code)
        _check("nvrtcGetCUBIN", error)
        return code
    finally:
        nvrtc.nvrtcDestroyProgram(program)


class CudaKernel:
    """A kernel in the context that is current; see `engines.cuda_memory.Kernel`.

    Owns its module, which stays loaded for as long as the process runs.
    """

    def __init__(self, code: bytes, name: str) -> None:
        """Loads machine code.

        Raises:
            EngineError: the driver refuses it.
        """
        from cuda.bindings import driver

        self._driver = driver
        self._module = self._call("cuModuleLoadData", code)
        self._function = self._call("cuModuleGetFunction", self._module, name.encode())

    def launch(
        self,
        stream: Stream,
        count: int,
        reads: Sequence[DeviceMemory],
        writes: Sequence[DeviceMemory],
    ) -> None:
        """See `Kernel.launch`."""
        addresses = [memory.address for memory in (*reads, *writes)]
        types = (*[ctypes.c_void_p] * len(addresses), ctypes.c_int)
        blocks = -(-count // BLOCK)
        self._call(
            "cuLaunchKernel",
            *(self._function, blocks, 1, 1, BLOCK, 1, 1, 0, stream.handle),
            *(((*addresses, count), types), 0),
        )

    def _call(self, name: str, *arguments: Any) -> Any:
        error, *values = getattr(self._driver, name)(*arguments)
        _check(name, error)
        return values[0] if values else None


def _check(call: str, error: Any) -> None:
    if int(error) != 0:
        raise call_failed(call, error.name)
