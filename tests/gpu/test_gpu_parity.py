"""Every network and the final pixels on a GPU against PyTorch's FP32 on the processor."""

from pathlib import Path

import pytest

from benchmarks.gpu.parity import Reference, directory_engines, measured, torch_engines
from benchmarks.torch_engine import TorchForm, full_fp32
from engines.base import EngineError
from engines.cuda_memory import Cuda
from train.checkpoint import Checkpoint

pytestmark = pytest.mark.gpu


@pytest.mark.usefixtures("onnxruntime_cuda")
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_onnxruntime_computes_what_pytorch_computes(
    cuda: Cuda, reference: Reference, sets: dict[str, Path], precision: str
) -> None:
    engines = directory_engines(sets[precision], "onnxruntime-cuda", 4, cuda)
    found = measured(cuda, engines, reference, precision)
    print(found["figures"])
    assert found["missed"] == []


@pytest.mark.parametrize("backend", ["tensorrt", "tensorrt-rtx"])
def test_tensorrt_computes_what_pytorch_computes(
    cuda: Cuda, reference: Reference, sets: dict[str, Path], backend: str
) -> None:
    try:
        engines = directory_engines(sets["fp16"], backend, 4, cuda)
    except EngineError as error:
        pytest.skip(f"no {backend} here: {error}")
    found = measured(cuda, engines, reference, "fp16")
    print(found["figures"])
    assert found["missed"] == []


@pytest.mark.usefixtures("torch_cuda")
@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_pytorch_on_a_lane_computes_what_it_computes_on_the_processor(
    cuda: Cuda, reference: Reference, checkpoint: Checkpoint, precision: str
) -> None:
    form = TorchForm(precision, channels_last=precision != "fp32")
    with full_fp32():
        engines = torch_engines(checkpoint, form, "cuda", 4, cuda)
        found = measured(cuda, engines, reference, precision)
    print(found["figures"])
    assert found["missed"] == []
