from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from engines.onnx_bytes import (
    CHILDREN,
    DATA_LOCATION,
    EXTERNAL_DATA,
    GRAPH,
    INITIALIZER,
    RAW_DATA,
    has_external_data,
    with_data,
)
from tests.toy_engines import toy_network


def outside() -> TensorProto:
    """A tensor whose values lie in another file."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    return tensor


def graph(*nodes: onnx.NodeProto, initializer: tuple[TensorProto, ...] = ()) -> onnx.GraphProto:
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    return helper.make_graph(list(nodes), "g", [], [output], initializer=list(initializer))


def constant(tensor: TensorProto) -> onnx.NodeProto:
    return helper.make_node("Constant", [], ["y"], value=tensor)


def sparse() -> onnx.GraphProto:
    found = graph()
    weights = onnx.SparseTensorProto(dims=[1])
    weights.values.CopyFrom(outside())
    found.sparse_initializer.append(weights)
    return found


def function_model() -> onnx.ModelProto:
    opset = helper.make_opsetid("", 20)
    function = helper.make_function("ours", "f", [], ["y"], [constant(outside())], [opset])
    return helper.make_model(graph(), functions=[function])


@pytest.mark.parametrize(
    "model",
    [
        helper.make_model(graph(initializer=(outside(),))),
        helper.make_model(graph(constant(outside()))),
        helper.make_model(
            graph(
                helper.make_node(
                    "If", ["c"], ["y"], then_branch=graph(constant(outside())), else_branch=graph()
                )
            )
        ),
        helper.make_model(sparse()),
        function_model(),
    ],
    ids=["initializer", "constant", "subgraph", "sparse", "function"],
)
def test_a_tensor_in_another_file_is_found_wherever_it_is(model: onnx.ModelProto) -> None:
    assert has_external_data(model.SerializeToString())


def test_a_model_saved_by_onnx_with_external_data_is_found(tmp_path: Path) -> None:
    values = numpy_helper.from_array(np.zeros(1000, np.float32), "w")
    onnx.save_model(
        helper.make_model(graph(initializer=(values,))),
        tmp_path / "m.onnx",
        save_as_external_data=True,
        location="m.data",
    )
    assert has_external_data((tmp_path / "m.onnx").read_bytes())


@pytest.mark.parametrize("name", ["au_estimator", "interpolator", "stage_1", "stage_2"])
def test_a_model_that_holds_everything_passes(name: str) -> None:
    assert not has_external_data(toy_network(name).SerializeToString())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (toy_network("stage_1").SerializeToString()[:-7], "end inside a field"),
        (b"\x80", "end inside a number"),
        (b"\xff" * 20, "longer than ten bytes"),
        (b"<net name='an OpenVINO file'>", "wire type 4 is not one of ONNX's"),
        (b"\x38\x01", "field 7 of ModelProto is not a message"),
    ],
)
def test_what_is_no_protobuf_is_said_to_be_none(content: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        has_external_data(content)


def test_the_field_numbers_are_those_of_onnx() -> None:
    for message, children in CHILDREN.items():
        fields = getattr(onnx, message).DESCRIPTOR.fields
        of_onnx = {
            field.number: field.message_type.name
            for field in fields
            if field.message_type is not None and field.message_type.name in CHILDREN
        }
        assert children == of_onnx, message
    tensor = TensorProto.DESCRIPTOR.fields_by_name
    assert tensor["external_data"].number == EXTERNAL_DATA
    assert tensor["data_location"].number == DATA_LOCATION
    assert tensor["raw_data"].number == RAW_DATA
    assert onnx.ModelProto.DESCRIPTOR.fields_by_name["graph"].number == GRAPH
    assert onnx.GraphProto.DESCRIPTOR.fields_by_name["initializer"].number == INITIALIZER


def saved_apart(folder: Path, model: onnx.ModelProto) -> tuple[bytes, bytes]:
    """A model as the `onnx` package saves it with every weight in another file, and that file."""
    onnx.save_model(
        onnx.ModelProto.FromString(model.SerializeToString()),
        folder / "m.onnx",
        save_as_external_data=True,
        location="m.data",
        size_threshold=0,
    )
    return (folder / "m.onnx").read_bytes(), (folder / "m.data").read_bytes()


@pytest.mark.parametrize("name", ["au_estimator", "interpolator", "stage_1"])
def test_weights_from_another_file_make_the_model_that_was_saved(tmp_path: Path, name: str) -> None:
    model = toy_network(name)
    apart, weights = saved_apart(tmp_path, model)
    assert has_external_data(apart)
    whole = onnx.ModelProto.FromString(with_data(apart, {"m.data": weights}))
    assert not has_external_data(whole.SerializeToString())
    assert [i.name for i in whole.graph.initializer] == [i.name for i in model.graph.initializer]
    for found, expected in zip(whole.graph.initializer, model.graph.initializer, strict=True):
        np.testing.assert_array_equal(numpy_helper.to_array(found), numpy_helper.to_array(expected))
    for graph_of in (whole, model):
        del graph_of.graph.initializer[:]
    assert whole.SerializeToString() == model.SerializeToString()


def test_a_model_that_holds_everything_stays_as_it_is() -> None:
    content = toy_network("stage_1").SerializeToString()
    assert with_data(content, {}) == content


def test_a_weight_in_an_unknown_file_is_named() -> None:
    model = helper.make_model(graph(initializer=(outside(),))).SerializeToString()
    with pytest.raises(ValueError, match=r"weight 'w' lies in '\.\./.*passwd', which is not"):
        with_data(model, {"passwd": b"root"})


@pytest.mark.parametrize(
    ("offset", "length"), [("1", "4"), ("-4", "4"), ("0", "5"), ("0", "-1"), ("5", "0")]
)
def test_a_weight_beyond_the_end_of_its_file_is_refused(offset: str, length: str) -> None:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "m.data"), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=value)
    model = helper.make_model(graph(initializer=(tensor,))).SerializeToString()
    with pytest.raises(ValueError, match=r"weight 'w' lies beyond the end of 'm\.data'"):
        with_data(model, {"m.data": b"1234"})


def test_a_tensor_outside_the_main_graph_stays_outside_and_is_found() -> None:
    model = helper.make_model(graph(constant(outside()))).SerializeToString()
    assert has_external_data(with_data(model, {"../../etc/passwd": b"1234"}))


def test_an_entry_that_is_no_number_is_a_fault() -> None:
    tensor = outside()
    tensor.external_data.add(key="offset", value="x")
    model = helper.make_model(graph(initializer=(tensor,))).SerializeToString()
    with pytest.raises(ValueError, match="invalid literal"):
        with_data(model, {"../../etc/passwd": b"1234"})
