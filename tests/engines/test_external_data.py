from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from engines.external_data import CHILDREN, DATA_LOCATION, EXTERNAL_DATA, has_external_data
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
