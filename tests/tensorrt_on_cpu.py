"""TensorRT's real parser and compiler without a GPU, for tests and benchmarks.

Two wheels (the extra `tensorrt-test`) bring TensorRT's bindings and the libraries of TensorRT for
RTX, which can compile ahead of time on a processor; `tensorrt_on_cpu.c` joins them. Nothing that is
compiled here can run without a GPU.
"""

import ctypes
import importlib.util
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).with_suffix(".c")
LIBRARIES: Final = ("nvinfer", "nvonnxparser", "nvinfer_plugin")
WHEELS: Final = "onnxruntime_ep_nv_tensorrt_rtx"
INSTALL_LINE: Final = 'pip install "efgan-rt[tensorrt-test]"'


class MissingPartError(Exception):
    """Something that this needs is missing; the message says what, and what brings it."""


def find_compiler() -> str:
    """A C compiler.

    Raises:
        MissingPartError: there is none.
    """
    for name in ("gcc", "cc", "clang"):
        if path := shutil.which(name):
            return path
    raise MissingPartError("no C compiler here: gcc or cc is needed")


def rtx_libraries() -> tuple[Path, Path]:
    """TensorRT for RTX's core and its ONNX parser.

    Raises:
        MissingPartError: the wheel that holds them is not installed.
    """
    spec = importlib.util.find_spec(WHEELS)
    if spec is None or not spec.submodule_search_locations:
        raise MissingPartError(f"no libraries of TensorRT for RTX here: {INSTALL_LINE} brings them")
    folder = Path(next(iter(spec.submodule_search_locations)))
    # The plugin puts links beside them when it is first used.
    core, parser = (
        min(path for path in folder.glob(f"{name}.so.*") if not path.is_symlink())
        for name in ("libtensorrt_rtx", "libtensorrt_onnxparser_rtx")
    )
    return core, parser


def build_libraries(folder: Path, major: int = 11) -> Path:
    """Compiles the three libraries that bindings of this major version look for.

    Args:
        folder: where they go; put it on `LD_LIBRARY_PATH` for a process of its own.
        major: of TensorRT's version.

    Raises:
        MissingPartError: a compiler or a wheel is missing.
    """
    compiler, (core, parser) = find_compiler(), rtx_libraries()
    for library in LIBRARIES:
        name = f"lib{library}.so.{major}"
        subprocess.run(
            [
                *(compiler, "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"),
                *(f'-DCORE="{core}"', f'-DPARSER="{parser}"', f"-Wl,-soname,{name}"),
                *("-o", str(folder / name), str(SOURCE), "-ldl"),
            ],
            check=True,
        )
    return folder


def load_libraries(folder: Path, major: int = 11) -> None:
    """Lets `import tensorrt_bindings` work here, for what is loaded is found by its name.

    Raises:
        MissingPartError: the bindings are not installed.
    """
    if importlib.util.find_spec("tensorrt_bindings") is None:
        raise MissingPartError(f"no TensorRT bindings here: {INSTALL_LINE} brings them")
    for library in LIBRARIES:
        ctypes.CDLL(str(folder / f"lib{library}.so.{major}"), mode=ctypes.RTLD_GLOBAL)


def environment(folder: Path) -> dict[str, str]:
    """The environment of a process that finds the libraries in `folder`."""
    found = os.environ.get("LD_LIBRARY_PATH", "")
    return os.environ | {"LD_LIBRARY_PATH": f"{folder}:{found}" if found else str(folder)}
