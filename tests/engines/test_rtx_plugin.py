"""ONNX Runtime's real TensorRT-RTX plugin, loaded over a driver of the test's own without a GPU."""

import ctypes
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from engines.tensorrt_rtx_engine import PACKAGE
from tests.tensorrt_on_cpu import MissingPartError, find_compiler

pytestmark = pytest.mark.skipif(
    find_spec(PACKAGE) is None,
    reason='the TensorRT-RTX plugin is missing: pip install "efgan-rt[tensorrt-test]"',
)
# What the plugin is linked with; every call fails as CUDA's do where there is no device.
CUDA = (
    *("cuCtxCreate_v4", "cuCtxDestroy_v2", "cuCtxGetCurrent", "cuCtxPopCurrent_v2"),
    *("cuCtxPushCurrent_v2", "cuCtxSetCurrent", "cuDestroyExternalMemory"),
    *("cuDestroyExternalSemaphore", "cuExternalMemoryGetMappedBuffer", "cuGetErrorString"),
    *("cuImportExternalMemory", "cuImportExternalSemaphore", "cuInit", "cuStreamGetCtx"),
    *("cuSignalExternalSemaphoresAsync", "cuWaitExternalSemaphoresAsync"),
)
MANAGEMENT = ("nvmlErrorString", "nvmlInit_v2", "nvmlShutdown", "nvmlSystemGetDriverVersion")
NO_DEVICE = 100


def has_management() -> bool:
    try:
        ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return False
    return True


def write_library(folder: Path, name: str, functions: tuple[str, ...]) -> None:
    try:
        compiler = find_compiler()
    except MissingPartError as missing:
        pytest.skip(str(missing))
    source = folder / f"{name}.c"
    bodies = (f"int {each}(void) {{ return {NO_DEVICE}; }}\n" for each in functions)
    source.write_text("".join(bodies))
    options = ("-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", str(folder / name))
    subprocess.run([compiler, *options, str(source)], check=True)


def said_by(folder: Path, code: str) -> list[str]:
    """The sentences of the `EngineError`s that a process meets which finds `folder`'s libraries."""
    script = (
        "from engines.base import EngineError\n"
        "from engines.tensorrt_rtx_engine import plugin_devices\n"
        f"for call in ({code}):\n"
        "    try: call()\n"
        "    except EngineError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"LD_LIBRARY_PATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_the_plugin_is_asked_for_by_the_choice_and_by_the_engine_and_loads_once(
    tmp_path: Path,
) -> None:
    write_library(tmp_path, "libcuda.so.1", CUDA)
    write_library(tmp_path, "libnvidia-ml.so.1", MANAGEMENT)
    # As the choice of a backend asks, as an engine does, and as one on another GPU would.
    said = said_by(tmp_path, "plugin_devices, lambda: plugin_devices(0), lambda: plugin_devices(1)")
    assert [each.partition(";")[0] for each in said] == [
        f"TensorRT-RTX does not take GPU {number} of this machine" for number in (0, 0, 1)
    ]


@pytest.mark.skipif(has_management(), reason="NVIDIA's management library is installed here")
def test_a_container_without_the_management_library_is_told_how_to_get_it(tmp_path: Path) -> None:
    write_library(tmp_path, "libcuda.so.1", CUDA)
    assert said_by(tmp_path, "plugin_devices,") == [
        "ONNX Runtime's TensorRT-RTX plugin needs libnvidia-ml.so.1, which is missing; it comes "
        "with NVIDIA's driver, and into a container with "
        "-e NVIDIA_DRIVER_CAPABILITIES=compute,utility"
    ]
