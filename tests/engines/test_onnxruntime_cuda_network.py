"""A network of any size of input in the CUDA provider; here the processor's stands in for it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from engines import onnxruntime_cuda_network, runtimes
from engines.base import EngineError
from engines.cuda_memory import DeviceSlice
from engines.onnxruntime_cuda_network import CudaNetwork
from tests.engines.fake_cuda import FakeCuda


@pytest.fixture
def write_network(tmp_path: Path) -> Callable[..., Path]:
    """Doubles what it is given and adds one to it."""

    def write(height: int | str = "H") -> Path:
        kind, shape = TensorProto.FLOAT, [1, 3, height, "W"]
        nodes = [
            helper.make_node("Add", ["x", "x"], ["double"]),
            helper.make_node("Exp", ["x"], ["power"]),
        ]
        graph = helper.make_graph(
            nodes,
            "toy",
            [helper.make_tensor_value_info("x", kind, shape)],
            [helper.make_tensor_value_info(name, kind, shape) for name in ("double", "power")],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
        model.ir_version = 10
        path = tmp_path / f"toy-{height}.onnx"
        onnx.save(model, path)
        return path

    return write


@pytest.fixture
def on_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same calls, to the provider that runs here."""

    def session(ort: Any, model: bytes, options: Any, _: object) -> Any:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(onnxruntime_cuda_network, "check_cuda_provider", lambda _: None)
    monkeypatch.setattr(onnxruntime_cuda_network, "cuda_session", session)
    monkeypatch.setattr(onnxruntime_cuda_network, "PLACE", "cpu")


@pytest.mark.usefixtures("on_processor")
def test_outputs_of_inputs_of_every_size_come_to_the_host(
    write_network: Callable[..., Path],
) -> None:
    cuda = FakeCuda()
    with cuda.current():
        stream, memory = cuda.stream(), cuda.device(1 << 16)
        network = CudaNetwork(write_network(), ("power", "double"), cuda=cuda, stream=stream)
        for shape in ((1, 3, 32, 64), (1, 3, 8, 5)):
            given = np.random.default_rng(0).normal(size=shape).astype(np.float32)
            pinned = cuda.pinned(shape, np.float32)
            pinned[:] = given
            pixels = DeviceSlice(memory.address, given.nbytes)
            cuda.upload(pixels, pinned, stream)
            stream.synchronize()
            found = network.run(pixels, shape)
            assert list(found) == ["power", "double"]
            np.testing.assert_array_equal(found["double"], 2 * given)
            np.testing.assert_allclose(found["power"], np.exp(given), rtol=1e-5)


@pytest.mark.usefixtures("on_processor")
def test_what_the_runtime_refuses_is_told_in_one_sentence(
    write_network: Callable[..., Path], tmp_path: Path
) -> None:
    cuda = FakeCuda()
    with cuda.current():
        stream, memory = cuda.stream(), cuda.device(1 << 10)
        network = CudaNetwork(write_network(), ("double",), cuda=cuda, stream=stream)
        with pytest.raises(EngineError, match=r"^ONNX Runtime cannot run toy-H\.onnx: "):
            network.run(memory, (1, 4, 2, 2))
        with pytest.raises(EngineError, match=r"toy-9\.onnx takes pictures of one size"):
            CudaNetwork(write_network(9), ("double",), cuda=cuda, stream=stream)
        broken = tmp_path / "broken.onnx"
        broken.write_bytes(b"no network")
        with pytest.raises(EngineError, match=r"^ONNX Runtime cannot open broken\.onnx: "):
            CudaNetwork(broken, ("double",), cuda=cuda, stream=stream)


def test_without_the_build_for_gpus_its_sentence_is_told(
    write_network: Callable[..., Path],
) -> None:
    if "CUDAExecutionProvider" in runtimes.import_onnxruntime().get_available_providers():
        pytest.skip("the build for GPUs is installed")
    cuda = FakeCuda()
    with cuda.current(), pytest.raises(EngineError, match="needs ONNX Runtime's build for GPUs"):
        CudaNetwork(write_network(), ("double",), cuda=cuda, stream=cuda.stream())
