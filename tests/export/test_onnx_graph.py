"""The exported files: what is in the graph, and what must not be."""

from collections import Counter
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto

from export.graphs import check_precision, tensor_types, to_file_bytes
from export.networks import ExportedNetwork, exported_networks
from export.to_onnx import check_graph, strip_annotations, to_onnx
from tests.built_engines import Built
from tests.toy import toy_config, toy_networks


def graph_of(built: Built, name: str) -> onnx.ModelProto:
    return onnx.load(built.directory / f"{name}.onnx")


@pytest.fixture(scope="module")
def interpolator() -> ExportedNetwork:
    return exported_networks(toy_networks(toy_config()))["interpolator"]


def test_a_stage_holds_its_layers_and_no_leftovers(fp32_engines: Built) -> None:
    graph = graph_of(fp32_engines, "stage_2")
    operators = Counter(node.op_type for node in graph.graph.node)
    # Five encoder-decoders: 3 convolutions down, 2 in the residual block, the head; 2 up.
    assert operators["Conv"] == 5 * 6
    assert operators["ConvTranspose"] == 5 * 2
    assert operators["InstanceNormalization"] == 5 * 7
    # A branch's action units come in as one small product and as no plane of the first convolution.
    assert operators["MatMul"] == 4
    assert not {"Expand", "Tile"} & set(operators)
    # Masks made at run time and spectral norm's power iteration would show as these.
    assert not {"ScatterND", "Gemm", "If", "Loop"} & set(operators)
    assert len(graph.functions) == 0


def test_a_branch_reads_no_planes_of_action_units(fp32_engines: Built) -> None:
    graph = graph_of(fp32_engines, "stage_2").graph
    shapes = {each.name: tuple(each.dims) for each in graph.initializer}
    weights = [shapes[node.input[1]] for node in graph.node if node.op_type == "Conv"]
    reading = [weight[1] for weight in weights if weight[2:] == (7, 7)]
    assert sorted(reading) == [3, 3, 3, 3, 6]  # four branches and the Refiner


def test_only_the_batch_is_free(fp32_engines: Built) -> None:
    for name in fp32_engines.manifest.networks:
        graph = graph_of(fp32_engines, name).graph
        for value in (*graph.input, *graph.output):
            free = [size.dim_param for size in value.type.tensor_type.shape.dim if size.dim_param]
            assert free == ["B"], f"{name}: {value.name}"


def test_bytes_are_never_transposed(fp32_engines: Built) -> None:
    for name in ("au_estimator", "stage_1", "stage_2"):
        model = graph_of(fp32_engines, name)
        types = tensor_types(model)
        transposed = [node.input[0] for node in model.graph.node if node.op_type == "Transpose"]
        assert transposed
        assert all(types[tensor] == TensorProto.FLOAT for tensor in transposed)


def test_a_file_names_no_path_of_the_machine_it_was_made_on(
    fp32_engines: Built, repository: Path
) -> None:
    for entry in fp32_engines.manifest.networks.values():
        content = (fp32_engines.directory / entry.file).read_bytes()
        assert str(repository).encode() not in content
        assert b"site-packages" not in content


def test_equal_weights_give_equal_files(interpolator: ExportedNetwork, fp32_engines: Built) -> None:
    before = (fp32_engines.directory / "interpolator.onnx").read_bytes()
    assert to_file_bytes(to_onnx(interpolator)) == before


def test_an_export_is_silent(
    interpolator: ExportedNetwork, capfd: pytest.CaptureFixture[str]
) -> None:
    to_onnx(interpolator)
    assert capfd.readouterr() == ("", "")


def test_a_missing_norm_is_noticed(fp32_engines: Built) -> None:
    network = exported_networks(toy_networks(toy_config()))["stage_1"]
    with pytest.raises(AssertionError, match="instance norms, expected 35"):
        check_graph(graph_of(fp32_engines, "au_estimator"), network)


def test_a_half_graph_convolves_in_half_and_normalises_in_fp32(fp16_engines: Built) -> None:
    for name in ("au_estimator", "stage_1", "stage_2"):
        model = graph_of(fp16_engines, name)
        check_precision(model, half=True)
        with pytest.raises(AssertionError, match="not 1"):
            check_precision(model, half=False)


def test_an_instance_norm_in_half_is_noticed() -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["" : 20]>'
        "norm (float16[1,2,4,4] x, float16[2] w, float16[2] b) => (float16[1,2,4,4] y)"
        "{ y = InstanceNormalization(x, w, b) }"
    )
    with pytest.raises(AssertionError, match="not FP32"):
        check_precision(model, half=True)


def test_annotations_are_stripped(fp32_engines: Built) -> None:
    model = graph_of(fp32_engines, "interpolator")
    model.graph.node[0].metadata_props.add(key="source", value="somewhere.py")
    model.graph.node[0].doc_string = "somewhere.py"
    strip_annotations(model)
    assert b"somewhere" not in to_file_bytes(model)


def test_a_half_sets_pictures_between_stages_are_half(fp16_engines: Built) -> None:
    stage = fp16_engines.manifest.networks["stage_2"]
    types = {spec.name: spec.dtype for spec in (*stage.inputs, *stage.outputs)}
    assert types == {
        "image_in": "float16",
        "au": "float32",
        "image_out": "float16",
        "pixels_out": "uint8",
        "attention": "uint8",
    }
