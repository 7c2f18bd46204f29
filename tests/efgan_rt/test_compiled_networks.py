"""Networks that a GPU backend compiles are kept for the next start, as OpenVINO's are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.toy_engines import write_toy_engines

# The command on a machine where TensorRT-RTX's plugin takes the GPU; its networks say where they
# would be kept, and no more comes of it.
COMMAND = """
import sys
sys.modules["pycuda"] = None
from types import SimpleNamespace
from engines import cuda_bindings_memory, tensorrt_rtx_engine
from engines.base import EngineError
from tests.engines.fake_cuda import FakeCuda
cuda_bindings_memory.import_cuda_runtime = lambda: SimpleNamespace(
    cudaGetDeviceCount=lambda: (0, 1),
    cudaError_t=SimpleNamespace(
        cudaSuccess=0, cudaErrorInsufficientDriver=35, cudaErrorNoDevice=100
    ),
)
cuda_bindings_memory.CudaBindings = lambda *_: FakeCuda()
tensorrt_rtx_engine.plugin_devices = lambda *_: [object()]
def refuse(self, *_, cache_dir=None, **__):
    raise EngineError(f"compiled networks are kept in {cache_dir}")
tensorrt_rtx_engine.TensorRTRTXEngine.__init__ = refuse
from efgan_rt.cli.app import main
sys.exit(main())
"""


def said_by(home: Path, *words: object) -> str:
    environment = {name: str(home / "own") for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME")}
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *map(str, words), "--backend", "tensorrt-rtx"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    return " ".join(done.stderr.split())


@pytest.fixture
def engines(tmp_path: Path) -> Path:
    folder = tmp_path / "engines"
    folder.mkdir()
    write_toy_engines(folder)
    return folder


def test_a_batch_on_a_gpu_keeps_what_it_compiles(
    tmp_path: Path, faces: Path, engines: Path
) -> None:
    words = ("batch", faces, tmp_path / "out", "--expression", "happy", "--crops")
    said = said_by(tmp_path, *words, "--engines", engines)
    assert f"compiled networks are kept in {tmp_path}/own/efgan-rt/" in said


def test_a_bench_on_a_gpu_keeps_what_it_compiles(tmp_path: Path, engines: Path) -> None:
    said = said_by(tmp_path, "bench", "--seconds", "0.1", "--engines", engines)
    assert f"compiled networks are kept in {tmp_path}/own/efgan-rt/" in said
