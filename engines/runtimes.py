"""The two inference runtimes, imported when asked for and without their telemetry.

This project opens nothing but files, and the official wheels do not agree: ONNX Runtime reports to
its maker from 1.29 on and leaves a device id and a database in `~/.cache`; `import openvino` sends
an event and writes `~/intel`. Everything here that needs a runtime imports it through these two
functions, because both decisions fall at the first import of a process (seen with strace,
onnxruntime 1.31.1 and openvino 2026.4.1).
"""

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from engines.base import EngineError

INSTALL_LINE: Final = 'pip install "efgan-rt[cpu]"'


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
    # OpenVINO uses a stub of its own where the telemetry package cannot be imported.
    with _not_importable("openvino_telemetry"):
        return _imported("openvino", "OpenVINO")


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
