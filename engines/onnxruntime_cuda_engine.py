"""A network in ONNX Runtime's CUDA provider: the GPU backend for those without TensorRT.

The precision is the graph's own: convolutions of an fp16 graph compute in half on a GPU, unlike on
a processor; weights that are merely stored in half are widened when the session is made. TF32 is
off, so that fp32 means it.

Whether the provider works is asked of the provider: `get_available_providers` lists what was
compiled in, and a session whose provider does not load quietly becomes one of the processor. So a
tiny network is run first, once a process, which needs everything that a network needs: a
convolution, whose code is cuDNN's, and the casts and the instance norm, whose code is the
runtime's own and may be missing for a GPU newer than the runtime.
"""

import ctypes
import io
from collections.abc import Mapping
from contextlib import redirect_stdout
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np

from engines import runtimes
from engines.base import EngineError
from engines.cuda_faults import CPU_REMEDY, no_device, no_driver, old_driver
from engines.cuda_memory import Stream
from engines.onnxruntime_device import (
    ERRORS_AND_WORSE,
    FATAL_ONLY,
    OnnxRuntimeDeviceEngine,
    reason,
)

PROVIDER: Final = "CUDAExecutionProvider"
INSTALL_LINE: Final = 'pip install "efgan-rt[gpu]"'
LIBRARIES_REMEDY: Final = f"install CUDA 13 and cuDNN 9, which come with: {INSTALL_LINE}"

# y = InstanceNormalization(Cast(Cast(Conv(x, w), half), float)), 2 x 2 numbers, opset 20;
# tests/engines holds it against onnx's own writing.
ONE_OF_EACH: Final = (
    b'\x08\n:\xd7\x01\n\x11\n\x01x\n\x01w\x12\x01a"\x04Conv:\x00\n\x19\n\x01a\x12\x01b"\x04Cast*\t'
    b'\n\x02to\x18\n\xa0\x01\x02:\x00\n\x19\n\x01b\x12\x01c"\x04Cast*\t\n\x02to\x18\x01\xa0\x01\x02'
    b':\x00\n)\n\x01c\n\x03one\n\x03one\x12\x01y"\x15InstanceNormalization:\x00\x12\x01g*\x13\x08'
    b'\x01\x08\x01\x08\x01\x08\x01\x10\x01"\x04\x00\x00\x80?B\x01w*\x0f\x08\x01\x10\x01"\x04\x00'
    b"\x00\x80?B\x03oneZ\x1b\n\x01x\x12\x16\n\x14\x08\x01\x12\x10\n\x02\x08\x01\n\x02\x08\x01\n\x02"
    b"\x08\x02\n\x02\x08\x02b\x1b\n\x01y\x12\x16\n\x14\x08\x01\x12\x10\n\x02\x08\x01\n\x02\x08\x01"
    b"\n\x02\x08\x02\n\x02\x08\x02B\x04\n\x00\x10\x14"
)


class OnnxRuntimeCudaEngine(OnnxRuntimeDeviceEngine):
    """One network in the CUDA provider."""

    backend = "onnxruntime-cuda"
    cannot = "ONNX Runtime cannot open"

    def __init__(
        self, *arguments: Any, options: Mapping[str, str] | None = None, **named: Any
    ) -> None:
        """Makes sure that the provider works; the network itself is opened by `bind`.

        Args:
            arguments: of `OnnxRuntimeDeviceEngine`.
            options: of the provider, over ours; for measurements.
            named: of `OnnxRuntimeDeviceEngine`.

        Raises:
            EngineError: the provider is not installed or does not work here.
        """
        super().__init__(*arguments, **named)
        check_cuda_provider(self._device)
        self._options = dict(options or {})

    def session(self, ort: Any, options: Any, stream: Stream) -> Any:
        """A session of the provider on a stream."""
        provider = provider_options(self._device, stream) | self._options
        return cuda_session(ort, self._model, options, provider)


def provider_options(device: int, stream: Stream) -> dict[str, str]:
    """The provider's options; whatever is not here is as its makers set it."""
    return {
        "device_id": str(device),
        "user_compute_stream": str(stream.handle),
        # The default tries every algorithm on the device when a shape is first seen.
        "cudnn_conv_algo_search": "HEURISTIC",
        # Shapes never change, so an arena that grows by doubling would only hold spare memory.
        "arena_extend_strategy": "kSameAsRequested",
        "use_tf32": "0",
    }


@cache
def check_cuda_provider(device: int = 0) -> None:
    """Runs one of each of the networks' operators in the provider.

    Raises:
        EngineError: the runtime or its build for CUDA is not installed, CUDA's libraries, the
            driver or the device are missing, or the provider does not compute.
    """
    if find_spec("onnxruntime") is None:
        raise EngineError(
            "the onnxruntime-cuda backend needs ONNX Runtime's build for GPUs, which is not "
            f"installed; install it with: {INSTALL_LINE}"
        )
    ort = runtimes.import_onnxruntime()
    if PROVIDER not in ort.get_available_providers():
        raise EngineError(
            "the onnxruntime-cuda backend needs ONNX Runtime's build for GPUs, and its build for "
            "processors is installed; the two share an import name and cannot be installed "
            f"together: pip uninstall onnxruntime, then {INSTALL_LINE}"
        )
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        raise no_driver(str(error)) from None
    # Finds the libraries that pip installed beside the runtime; it prints what it does not find.
    with redirect_stdout(io.StringIO()):
        ort.preload_dlls()
    options = ort.SessionOptions()
    options.log_severity_level = FATAL_ONLY
    # A provider that does not load is told to the default logger and to nobody else.
    ort.set_default_logger_severity(FATAL_ONLY)
    try:
        session = cuda_session(ort, ONE_OF_EACH, options, {"device_id": str(device)})
        if session.get_providers()[0] != PROVIDER:
            raise EngineError(
                f"ONNX Runtime cannot load its CUDA provider ({missing_library(ort)}); "
                f"{LIBRARIES_REMEDY}"
            )
        session.run(None, {"x": np.ones((1, 1, 2, 2), np.float32)})
    except EngineError:
        raise
    except Exception as error:  # the runtime has an exception class for each status code
        raise refusal(reason(error), device) from error
    finally:
        ort.set_default_logger_severity(ERRORS_AND_WORSE)


def cuda_session(ort: Any, model: bytes, options: Any, provider: Mapping[str, str]) -> Any:
    """A session that fails where the provider does, instead of starting again without it."""
    return ort.InferenceSession(
        model, options, providers=[(PROVIDER, dict(provider))], enable_fallback=False
    )


def missing_library(ort: Any) -> str:
    """What the dynamic loader says of the provider's library, which the runtime only logs."""
    library = Path(ort.__file__).parent / "capi" / "libonnxruntime_providers_cuda.so"
    try:
        ctypes.CDLL(str(library))
    except OSError as error:
        return str(error)
    return "no reason given"


def refusal(said: str, device: int) -> EngineError:
    """The error for a provider that loads and does not work, from what it says."""
    if "no kernel image" in said:
        return EngineError(
            f"ONNX Runtime's CUDA provider has no code for GPU {device} ({said}); install a newer "
            "one with: pip install --upgrade onnxruntime-gpu, or use --backend tensorrt, "
            f"{CPU_REMEDY}"
        )
    if "cuDNN is unavailable" in said or "cudnn" in said.lower():
        return EngineError(f"ONNX Runtime's CUDA provider lacks cuDNN ({said}); {LIBRARIES_REMEDY}")
    if "CUDA failure 35" in said:
        return old_driver(said)
    if "CUDA failure 100" in said:
        return no_device(said, device, 0)
    if "Invalid device ID" in said:
        return EngineError(f"GPU {device} was asked for ({said}); see nvidia-smi")
    return EngineError(f"ONNX Runtime's CUDA provider does not work here: {said}")
