"""A GPU for the tests that need one; without it they skip and say what is missing."""

import os
from pathlib import Path

import pytest

from benchmarks.gpu.parity import Reference, reference_of
from benchmarks.gpu.sets import CHECKPOINT, SHIPPED, write_set
from engines.base import EngineError
from engines.cuda_memory import PROVIDERS, Cuda
from engines.onnxruntime_cuda_engine import check_cuda_provider
from engines.open_cuda import open_cuda
from train.checkpoint import Checkpoint
from train.families.registry import load_checkpoint


@pytest.fixture(scope="session", params=PROVIDERS)
def cuda(request: pytest.FixtureRequest) -> Cuda:
    """The device, through each provider in turn."""
    try:
        return open_cuda(request.param)
    except EngineError as error:
        pytest.skip(f"no GPU through {request.param}: {error}")


@pytest.fixture(scope="session")
def onnxruntime_cuda(cuda: Cuda) -> None:
    """ONNX Runtime's CUDA provider works."""
    try:
        check_cuda_provider()
    except EngineError as error:
        pytest.skip(f"no ONNX Runtime on the GPU: {error}")


@pytest.fixture(scope="session")
def torch_cuda(cuda: Cuda) -> None:
    """PyTorch was built for CUDA and finds the device."""
    import torch

    if not torch.cuda.is_available():
        pytest.skip(f"no GPU in PyTorch {torch.__version__}")


@pytest.fixture(scope="session")
def checkpoint() -> Checkpoint:
    """The weights that come along."""
    return load_checkpoint(CHECKPOINT)


@pytest.fixture(scope="session")
def reference(checkpoint: Checkpoint) -> Reference:
    """PyTorch's FP32 run of four faces."""
    return reference_of(checkpoint, 4)


@pytest.fixture(scope="session")
def sets(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The engines that come along, and the same weights as half-precision graphs.

    `EFGAN_GPU_SETS` names the folder that `python -m benchmarks gpu.sets` made, where exporting
    would take time or cannot be done.
    """
    made = os.environ.get("EFGAN_GPU_SETS")
    if made is not None:
        return {"fp32": SHIPPED, "fp16": Path(made) / "shipped-fp16"}
    folder = tmp_path_factory.mktemp("sets") / "fp16"
    write_set(checkpoint.build(), folder, "fp16")
    return {"fp32": SHIPPED, "fp16": folder}
