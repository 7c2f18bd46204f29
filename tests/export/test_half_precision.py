"""Half precision as storage and as arithmetic."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper
from torch import nn

from engines.arrays import Array
from engines.runtimes import import_onnxruntime, import_openvino
from export.graphs import CONVOLUTIONS
from export.networks import exported_networks, run_in_torch
from export.parity import Arrays, run_file
from export.to_half import (
    fast_half_convolutions,
    half_twin,
    recorded_peaks,
    store_convolutions_in_half,
    with_rounded_weights,
)
from tests.built_engines import Built
from tests.toy import toy_config, toy_expressions, toy_networks
from train.families.cascade.networks.efgan import EFGAN
from train.families.cascade.networks.inference import InferenceNetworks
from train.families.cascade.probe import probe_for
from train.layers import InstanceNorm

Faces = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def stage(fp32_engines: Built) -> onnx.ModelProto:
    return onnx.load(fp32_engines.directory / "stage_1.onnx")


@pytest.fixture(scope="module")
def small_networks() -> InferenceNetworks:
    """The global baseline in one stage."""
    return toy_networks(toy_config(regions={}, stages=1))


def first_stage(networks: InferenceNetworks) -> EFGAN:
    stage = networks.cascade.stages[0]
    assert isinstance(stage, EFGAN)
    return stage


def inputs_for(faces: Faces) -> Arrays:
    au = np.random.default_rng(0).uniform(0, 5, (len(faces), 17)).astype(np.float32)
    return {"pixels": faces, "au": au}


def with_rounded_initializers(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph, FP32 throughout, with convolution weights that float16 can hold."""
    rounded = onnx.ModelProto()
    rounded.CopyFrom(model)
    weights = {node.input[1] for node in model.graph.node if node.op_type in CONVOLUTIONS}
    for initializer in rounded.graph.initializer:
        if initializer.name in weights:
            values = numpy_helper.to_array(initializer).astype(np.float16).astype(np.float32)
            initializer.CopyFrom(numpy_helper.from_array(values, initializer.name))
    return rounded


def in_onnxruntime(model: onnx.ModelProto, inputs: Arrays) -> Array:
    session = import_onnxruntime().InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (image,) = session.run(["image_out"], dict(inputs))
    return np.asarray(image)


def in_openvino(model: onnx.ModelProto, inputs: Arrays) -> Array:
    core = import_openvino().Core()
    network = core.read_model(model.SerializeToString())
    compiled = core.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.array(compiled(dict(inputs))["image_out"])


@pytest.mark.parametrize("run", [in_onnxruntime, in_openvino])
def test_a_runtime_reads_stored_halves_as_the_rounded_weights(
    run: Callable[[onnx.ModelProto, Arrays], Array], stage: onnx.ModelProto, faces: Faces
) -> None:
    stored = onnx.ModelProto()
    stored.CopyFrom(stage)
    store_convolutions_in_half(stored)
    found = run(stored, inputs_for(faces))
    rounded = run(with_rounded_initializers(stage), inputs_for(faces))
    unrounded = run(stage, inputs_for(faces))
    print(f"max {np.abs(found - rounded).max():.2g}, mean {np.abs(found - rounded).mean():.2g}")
    # The same arithmetic on the same numbers: only the order of additions may differ.
    assert np.abs(found - rounded).max() < 1e-5
    assert np.abs(found - unrounded).max() > 1e-4


def test_stored_halves_shrink_the_file_by_nearly_half(stage: onnx.ModelProto) -> None:
    stored = onnx.ModelProto()
    stored.CopyFrom(stage)
    store_convolutions_in_half(stored)
    assert stored.ByteSize() < 0.6 * stage.ByteSize()
    halves = [each for each in stored.graph.initializer if each.data_type == TensorProto.FLOAT16]
    assert len(halves) == sum(node.op_type in CONVOLUTIONS for node in stage.graph.node)


def test_a_half_twin_leaves_norms_and_the_original_alone(
    small_networks: InferenceNetworks,
) -> None:
    twin = half_twin(small_networks)
    for layer in twin.cascade.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            assert layer.weight.dtype == torch.float16
        if isinstance(layer, InstanceNorm | nn.Linear):
            assert layer.weight.dtype == torch.float32
    originals = (*small_networks.cascade.parameters(), *small_networks.au_reader.parameters())
    assert {parameter.dtype for parameter in originals} == {torch.float32}


def test_rounded_weights_are_what_float16_holds(small_networks: InferenceNetworks) -> None:
    stored = first_stage(with_rounded_weights(small_networks)).refiner.head.weight
    assert torch.equal(stored, stored.half().float())
    assert not torch.equal(stored, first_stage(small_networks).refiner.head.weight)


def test_fast_half_convolutions_agree_with_pytorchs_own(
    small_networks: InferenceNetworks, faces: Faces
) -> None:
    twin = half_twin(small_networks)
    probe = probe_for(faces[:1], 1, 17, toy_expressions())
    networks = exported_networks(twin, torch.float16)
    own = run_in_torch(networks, probe.places)["stage_1"].outputs
    with fast_half_convolutions(twin):
        fast = run_in_torch(networks, probe.places)["stage_1"].outputs
    assert fast["image_out"].dtype == own["image_out"].dtype == np.float16
    error = np.abs(fast["image_out"].astype(np.float32) - own["image_out"])
    print(f"max {error.max():.2g}, mean {error.mean():.2g}")
    # Rounding to float16 steps of 2^-11 near 1, met in another order, a few layers deep.
    assert error.max() < 0.02
    assert error.mean() < 0.001


def test_leaving_fast_half_convolutions_restores_the_layers(
    small_networks: InferenceNetworks,
) -> None:
    twin = half_twin(small_networks)
    head = first_stage(twin).refiner.head
    with fast_half_convolutions(twin):
        assert head.weight.dtype == torch.float32
    assert head.weight.dtype == torch.float16
    assert head(torch.zeros(1, 8, 8, 8, dtype=torch.float16)).dtype == torch.float16


def test_peaks_are_the_largest_activation_of_any_layer() -> None:
    layer = nn.Conv2d(1, 1, 1, bias=False)
    layer.weight.data.fill_(-300)
    module = nn.Sequential(layer, nn.Sigmoid())
    with recorded_peaks({"it": module, "unused": nn.Identity()}) as peaks:
        module(torch.ones(1, 1, 2, 2))
        module(torch.full((1, 1, 2, 2), 0.5))
    assert peaks == {"it": 300.0, "unused": 0.0}
    module(torch.full((1, 1, 2, 2), 9.0))
    assert peaks["it"] == 300.0


def test_a_half_file_runs_and_gives_finite_pictures(fp16_engines: Built, faces: Faces) -> None:
    outputs = run_file(fp16_engines.directory / "stage_1.onnx", inputs_for(faces))
    assert outputs["image_out"].dtype == np.float16
    assert np.isfinite(outputs["image_out"]).all()
