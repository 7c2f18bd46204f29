"""What is asked of ONNX Runtime's CUDA provider before a network is opened, with stand-ins."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest

from engines import onnxruntime_cuda_engine, runtimes
from engines.base import EngineError

Probe = Callable[[Callable[..., Any]], None]


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Probe]:
    """`probe(session)`: asks a provider that loads and has sessions of this class."""
    real = runtimes.import_onnxruntime()

    def asked(session: Callable[..., Any]) -> None:
        ort = SimpleNamespace(
            InferenceSession=session,
            SessionOptions=real.SessionOptions,
            get_available_providers=lambda: [onnxruntime_cuda_engine.PROVIDER],
            preload_dlls=lambda: None,
            set_default_logger_severity=lambda _: None,
        )
        monkeypatch.setattr(runtimes, "import_onnxruntime", lambda: ort)
        monkeypatch.setattr("ctypes.CDLL", lambda _: None)
        onnxruntime_cuda_engine.check_cuda_provider()

    onnxruntime_cuda_engine.check_cuda_provider.cache_clear()
    yield asked
    onnxruntime_cuda_engine.check_cuda_provider.cache_clear()


def operators_of(model: bytes) -> set[str]:
    return {node.op_type for node in onnx.load_from_string(model).graph.node}


def test_what_is_tried_is_what_onnx_writes_and_computes(probe: Probe) -> None:
    """The provider's code of a convolution is cuDNN's, that of the others is the runtime's own."""
    ort = runtimes.import_onnxruntime()
    tried, made = [], []

    class Session:
        def __init__(self, model: bytes, *_: object, **__: object) -> None:
            tried.append(model)
            self.session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])

        def get_providers(self) -> list[str]:
            return [onnxruntime_cuda_engine.PROVIDER]

        def run(self, *given: Any) -> None:
            made.append(self.session.run(*given)[0])

    probe(Session)
    lacks = {"Conv", "Cast", "InstanceNormalization"} - operators_of(tried[0])
    assert not lacks, f"a provider without code for {sorted(lacks)} passes"
    model = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["" : 20]> g (float[1,1,2,2] x) => (float[1,1,2,2] y) '
        "<float[1,1,1,1] w = {1}, float[1] one = {1}> { a = Conv(x, w) b = Cast<to=10>(a) "
        "c = Cast<to=1>(b) y = InstanceNormalization(c, one, one) }"
    )
    assert tried == [model.SerializeToString()]
    np.testing.assert_array_equal(made, np.ones((1, 1, 1, 2, 2)))  # nothing but the bias is left


@pytest.mark.parametrize("operator", ["Conv", "Cast", "InstanceNormalization"])
def test_a_provider_that_lacks_the_code_of_an_operator_is_found_out_before_any_network(
    probe: Probe, operator: str
) -> None:
    """A provider that loads, and fails at one operator as on a GPU that it was not compiled for."""

    class Session:
        def __init__(self, model: bytes, *_: object, **__: object) -> None:
            self.operators = operators_of(model)

        def get_providers(self) -> list[str]:
            return [onnxruntime_cuda_engine.PROVIDER]

        def run(self, *_: object) -> None:
            if operator in self.operators:
                raise RuntimeError(
                    f"Non-zero status code returned while running {operator} node. Name:'' Status "
                    "Message: CUDA error cudaErrorNoKernelImageForDevice:no kernel image is "
                    "available for execution on the device"
                )

    with pytest.raises(
        EngineError,
        match=r"^ONNX Runtime's CUDA provider has no code for GPU 0 \(.*no kernel image is .*\); "
        r"install a newer one with: pip install --upgrade onnxruntime-gpu, or use --backend tens",
    ):
        probe(Session)
