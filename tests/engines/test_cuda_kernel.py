"""Kernels through the real cuda-bindings, over a driver of the tests' own without a GPU."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from engines.base import EngineError
from engines.cuda_kernel import compile_kernel
from tests.tensorrt_on_cpu import MissingPartError, find_compiler

DRIVER = Path(__file__).with_name("launching_driver.c")
# Everything that a kernel can be given: pointers to what it reads and writes, then the count.
SOURCE = """
#ifdef __CUDACC__
extern "C" __global__
#endif
void add_both(const float *one, const float *other, float *sums, int count) {
#ifdef __CUDACC__
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) sums[i] = one[i] + other[i];
#else
    for (int i = 0; i < count; i++) sums[i] = one[i] + other[i];
#endif
}
"""
LAUNCH = """
import numpy as np
from engines.base import EngineError
from engines.cuda_kernel import CudaKernel
from engines.cuda_memory import DeviceSlice

class Stream:
    handle = {stream}

one, other, sums = (np.arange(1000, dtype=np.float32) for _ in range(3))
places = [DeviceSlice(a.ctypes.data, a.nbytes) for a in (one, other, sums)]
try:
    CudaKernel({code!r}, {name!r}).launch(Stream(), 1000, places[:2], places[2:])
    print(bool((sums == 2 * one).all()))
except EngineError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the driver, and the kernel as a library."""
    if find_spec("cuda") is None:
        pytest.skip('cuda-bindings is missing: pip install "efgan-rt[tensorrt-test]"')
    try:
        compiler = find_compiler()
    except MissingPartError as missing:
        pytest.skip(str(missing))
    made = tmp_path_factory.mktemp("driver")
    (made / "kernel.c").write_text(SOURCE)
    for file, library in ((DRIVER, "libcuda.so.1"), (made / "kernel.c", "kernel.so")):
        options = ("-shared", "-fPIC", f"-Wl,-soname,{library}", "-o", str(made / library))
        subprocess.run([compiler, *options, str(file), "-ldl"], check=True)
    return made


@pytest.fixture(scope="module")
def code() -> bytes:
    try:
        return compile_kernel(SOURCE, "9.0")
    except EngineError as error:
        pytest.skip(str(error))


def launched(folder: Path, code: bytes, name: str = "add_both", stream: int = 4096) -> str:
    """What a process says whose CUDA driver is the folder's."""
    paths = [str(folder), os.environ.get("LD_LIBRARY_PATH", "")]
    done = subprocess.run(
        [sys.executable, "-c", LAUNCH.format(code=code, name=name, stream=stream)],
        env=os.environ
        | {
            "LD_LIBRARY_PATH": ":".join(filter(None, paths)),
            "KERNEL_LIBRARY": str(folder / "kernel.so"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or done.stderr


def test_a_kernel_gets_pointers_count_and_stream_through_the_driver(
    folder: Path, code: bytes
) -> None:
    assert launched(folder, code) == "True"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "another"}, "cuModuleGetFunction failed: CUDA_ERROR_NOT_FOUND; "),
        ({"code": b"no machine code"}, "cuModuleLoadData failed: CUDA_ERROR_INVALID_IMAGE; "),
        ({"stream": 8192}, "cuLaunchKernel failed: CUDA_ERROR_INVALID_VALUE; "),
    ],
)
def test_what_the_driver_refuses_has_cudas_name(
    folder: Path, code: bytes, change: dict[str, object], said: str
) -> None:
    assert launched(**{"folder": folder, "code": code, **change}).startswith(said)  # type: ignore[arg-type]
