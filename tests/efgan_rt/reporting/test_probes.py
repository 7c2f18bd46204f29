"""What a processor does at best, and how much a network asks of it."""

from pathlib import Path

import numpy as np
import pytest

from efgan_rt.reporting.probes import PROBES, SIDE, Limit, measure_limit
from engines.base import EngineError
from engines.choice import BackendChoice, lack_of_bf16
from engines.directory import EngineDirectory
from engines.manifest import NetworkEntry, read_manifest
from engines.operations import multiplications
from engines.processor import this_processor
from engines.runtimes import import_openvino


def test_a_probe_is_the_layer_that_it_is_called() -> None:
    product, convolution = (probe.model() for probe in PROBES.values())
    for model, kind in ((product, "MatMul"), (convolution, "Convolution")):
        assert kind in [each.get_type_name() for each in model.get_ops()]
        assert model.output(0).shape == model.input(0).shape
    (weights,) = (each for each in product.get_ops() if each.get_type_name() == "Constant")
    x = np.random.default_rng(1).standard_normal((SIDE, SIDE), np.float32)
    config = {"INFERENCE_PRECISION_HINT": "f32"}
    run = import_openvino().Core().compile_model(product, "CPU", config)
    np.testing.assert_allclose(run([x])[0], x @ weights.data, atol=1e-3)


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_both_limits_are_measured_and_the_larger_counts(backend: str) -> None:
    found = measure_limit(BackendChoice(backend, "fp32", ""), threads=1, seconds=0.01)
    lacks = backend != "openvino" or lack_of_bf16(this_processor())
    precisions = ("fp32",) if lacks else ("fp32", "bf16")
    assert set(found.gflops) == {f"{name} in {each}" for name in PROBES for each in precisions}
    assert min(found.gflops.values()) > 0
    assert Limit({"a": 2.0, "b": 3.0}).best == 3.0


def test_a_networks_convolutions_and_products_are_counted(toy_engines: Path) -> None:
    manifest = read_manifest(toy_engines)

    def count(name: str) -> int:
        return multiplications(
            EngineDirectory(toy_engines, manifest).model(name), manifest.networks[name]
        )

    # 16 x 16 pixels: 3 to 8 channels, 8 to 3, 8 to 1, 3 x 3 taps each; 3 action units to 8.
    assert count("stage_1") == 16 * 16 * 9 * (3 * 8 + 8 * 3 + 8) + 3 * 8
    assert count("au_estimator") == 3 * 3


def test_a_file_that_is_no_network_is_told() -> None:
    entry = NetworkEntry("x", "x.onnx", "", 1, (1, 1, 1), (), (), {})
    with pytest.raises(EngineError, match=r"^OpenVINO cannot read x\.onnx: "):
        multiplications(b"nothing", entry)
