"""What a processor does at best, and how much a network asks of it."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from efgan_rt.reporting.probes import CONVOLUTION, PRODUCT, Limit, measure_limit, probes
from engines.base import EngineError
from engines.choice import BackendChoice, lack_of_bf16
from engines.directory import EngineDirectory
from engines.manifest import NetworkEntry, read_manifest
from engines.onnxruntime_engine import OnnxRuntimeEngine
from engines.operations import multiplications
from engines.processor import this_processor


def test_the_probes_are_valid_files_of_one_layer() -> None:
    for probe, operator in zip(probes(), ("MatMul", "Conv"), strict=True):
        model = onnx.load_from_string(probe.model)
        onnx.checker.check_model(model, full_check=True)
        assert [node.op_type for node in model.graph.node] == [operator]


def test_a_probe_multiplies_as_often_as_it_says() -> None:
    for probe in probes():
        assert multiplications(probe.model, probe.entry) * probe.batch == probe.multiplications


def test_the_product_is_a_product() -> None:
    probe = probes()[0]
    weights = onnx.numpy_helper.to_array(onnx.load_from_string(probe.model).graph.initializer[0])
    x = np.random.default_rng(1).standard_normal((probe.batch, *weights.shape[:1]), np.float32)
    request = OnnxRuntimeEngine(probe.model, probe.entry, batch=probe.batch, threads=1).request()
    np.testing.assert_allclose(request.run({"x": x})["y"], x @ weights, atol=1e-3)


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_both_limits_are_measured_and_the_larger_counts(backend: str) -> None:
    found = measure_limit(BackendChoice(backend, "fp32", ""), threads=1, seconds=0.01)
    lacks = backend != "openvino" or lack_of_bf16(this_processor())
    precisions = ("fp32",) if lacks else ("fp32", "bf16")
    assert set(found.gflops) == {
        f"{name} in {each}" for name in (PRODUCT, CONVOLUTION) for each in precisions
    }
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
