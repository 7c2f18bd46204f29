"""TensorRT's Python module, found once for all that compile with it.

`tensorrt` and `tensorrt_rtx` have the same interface; the first that is installed is `trt` here.
Only modules that cannot work without it import this one, and they are imported by the functions
that compile. Type checkers see the real classes where stubs of them are on their path.
"""

from typing import TYPE_CHECKING

from engines.runtimes import import_tensorrt, tensorrt_library

if TYPE_CHECKING:
    import tensorrt as trt
else:
    trt = import_tensorrt(tensorrt_library())

__all__ = ["trt"]
