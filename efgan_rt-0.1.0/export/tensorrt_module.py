"""TensorRT's Python module, found once for all that compile with it.

`tensorrt` and `tensorrt_rtx` have the same interface; the first that is installed is `trt` here.
Only modules that cannot work without it import this one, and they are imported by the functions
that compile. Type checkers see the real classes where stubs of them are on their path.
"""

from typing import TYPE_CHECKING, Final

from engines.runtimes import import_tensorrt, tensorrt_library

LIBRARY: Final = tensorrt_library()
"""Whose runtime opens what is compiled here: `tensorrt` or `tensorrt_rtx`."""

if TYPE_CHECKING:
    import tensorrt as trt
else:
    trt = import_tensorrt(LIBRARY)

__all__ = ["LIBRARY", "trt"]
