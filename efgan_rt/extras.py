"""The optional parts of the installation: what each brings, and the line that installs it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from efgan_rt.errors import EfganError

# extra -> the packages it brings, by import name.
EXTRAS: Final = {
    "cpu": ("openvino", "onnxruntime"),
    "gpu": ("onnxruntime", "onnx", "cuda.bindings"),
    "tensorrt": ("tensorrt", "cuda.bindings"),
    "nvimagecodec": ("nvidia.nvimgcodec",),
    "rtx": ("onnxruntime_ep_nv_tensorrt_rtx",),
    "pycuda": ("pycuda",),
    "video": ("av",),
    "studio": ("starlette", "uvicorn"),
    "int8": ("nncf",),
    "ray": ("ray",),
    "remote": ("boto3", "gcsfs", "urllib3"),
    "plot": ("matplotlib",),
    "train": ("torch", "onnx", "onnxscript", "safetensors"),
    "portraits": ("mediapipe", "numba", "scipy"),
    "evaluate": ("matplotlib", "safetensors", "torch"),
    "inception": ("torch_fidelity", "torchvision"),
}


def install_line(extra: str) -> str:
    """What to type for an extra."""
    return f'pip install "efgan-rt[{extra}]"'


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Says which extra to install where an import inside the block finds a package missing.

    Raises:
        EfganError: a package of the extra is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name not in EXTRAS[extra]:
            raise
        raise EfganError(
            f"this needs {name}, which is not installed; install it with: {install_line(extra)}"
        ) from error
