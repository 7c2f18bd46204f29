"""The inference runtimes, imported when asked for and without their telemetry.

This project opens nothing but files, and the official wheels do not agree: ONNX Runtime reports to
its maker from 1.29 on and leaves a device id and a database in `~/.cache`; `import openvino` sends
an event and writes `~/intel`. Everything here that needs a runtime imports it through these
functions, because both decisions fall at the first import of a process (seen with strace,
onnxruntime 1.31.1 and openvino 2026.4.1). TensorRT sends nothing; it is here for its sentences.
"""

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from engines.base import EngineError

INSTALL_LINE: Final = 'pip install "efgan-rt[cpu]"'
TENSORRT_TITLES: Final = {"tensorrt": "TensorRT", "tensorrt_rtx": "TensorRT for RTX"}
# library -> the modules that may hold it, and the line that installs it.
# The bindings' wheel is what `tensorrt` imports; it works alone where the libraries come from
# elsewhere.
_TENSORRT: Final = {
    "tensorrt": (("tensorrt", "tensorrt_bindings"), 'pip install "efgan-rt[tensorrt]"'),
    "tensorrt_rtx": (("tensorrt_rtx",), "pip install tensorrt-rtx"),
}


def import_onnxruntime() -> Any:
    """The `onnxruntime` module.

    Raises:
        EngineError: it is not installed, or its library does not load.
    """
    # Read once, when the library loads. A user who has set it has decided.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    return _imported("onnxruntime", "ONNX Runtime")


def import_openvino() -> Any:
    """The `openvino` module.

    Raises:
        EngineError: it is not installed, or its library does not load.
    """
    # OpenVINO uses a stub of its own where the telemetry package cannot be imported, and does
    # without its model converter, which nothing here uses and which takes as long to import as all
    # the rest of it (60 ms).
    with without_telemetry(), _not_importable("openvino.tools"):
        return _imported("openvino", "OpenVINO")


@contextmanager
def without_telemetry() -> Iterator[None]:
    """Nothing that is imported inside finds the package by which OpenVINO's makers are told."""
    with _not_importable("openvino_telemetry"):
        yield


def tensorrt_library() -> str:
    """`tensorrt`, or `tensorrt_rtx` where that alone is installed."""
    for library, (modules, _) in _TENSORRT.items():
        if any(importlib.util.find_spec(module) for module in modules):
            return library
    return "tensorrt"


def tensorrt_is_installed() -> bool:
    """True if a module of TensorRT's can be found; whether it loads is another matter."""
    modules, _ = _TENSORRT[tensorrt_library()]
    return any(importlib.util.find_spec(module) for module in modules)


def import_tensorrt(library: str = "tensorrt") -> Any:
    """The module of TensorRT, or of TensorRT for RTX, which has the same interface.

    Args:
        library: `tensorrt` or `tensorrt_rtx`.

    Raises:
        EngineError: it is not installed, or its libraries do not load.
    """
    title = TENSORRT_TITLES[library]
    modules, install_line = _TENSORRT[library]
    for module in modules:
        try:
            return importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise _tensorrt_does_not_load(title, error, install_line) from error
        except (ImportError, OSError, RuntimeError) as error:
            raise _tensorrt_does_not_load(title, error, install_line) from error
    raise EngineError(
        f"this needs {title}, which is not installed; install it with: {install_line}"
    )


def _tensorrt_does_not_load(title: str, error: Exception, install_line: str) -> EngineError:
    return EngineError(
        f"{title} is installed but does not load ({error}); "
        f"install it with its libraries: {install_line}"
    )


def _imported(module: str, title: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise _does_not_load(title, module, error) from error
        raise EngineError(
            f"the {module} backend needs {title}, which is not installed; "
            f"install it with: {INSTALL_LINE}"
        ) from None
    except (ImportError, OSError) as error:
        raise _does_not_load(title, module, error) from error


def _does_not_load(title: str, module: str, error: Exception) -> EngineError:
    return EngineError(
        f"{title} is installed but does not load ({error}); "
        f"reinstall it with: pip install --force-reinstall {module}"
    )


@contextmanager
def _not_importable(module: str) -> Iterator[None]:
    """Makes `import module` fail inside the block, unless somebody has imported it before."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]  # documented: None stops the import
    try:
        yield
    finally:
        del sys.modules[module]
