"""ONNX graphs as files: their bytes, and the types in which they compute."""

from typing import Final

import onnx
from onnx import ModelProto, TensorProto

CONVOLUTIONS: Final = ("Conv", "ConvTranspose")


def to_file_bytes(model: ModelProto) -> bytes:
    """The file's content; equal models give equal bytes."""
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def tensor_types(model: ModelProto) -> dict[str, int]:
    """The ONNX element type of every tensor of a graph, by name."""
    graph = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True).graph
    types = {
        value.name: value.type.tensor_type.elem_type
        for values in (graph.input, graph.value_info, graph.output)
        for value in values
    }
    return types | {each.name: each.data_type for each in graph.initializer}


def check_precision(model: ModelProto, *, half: bool) -> None:
    """Holds a graph to the arithmetic that it is meant to have.

    Args:
        model: any network's graph.
        half: True where convolutions must be float16, False where float32.

    Raises:
        AssertionError: a convolution is of the other type, or an instance norm not float32. That
            is a bug of ours or of the exporter, not something a user can mend.
    """
    types = tensor_types(model)
    expected = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    for node in model.graph.node:
        names = [name for name in (*node.input, *node.output) if name]
        if node.op_type in CONVOLUTIONS:
            assert {types[name] for name in names} == {expected}, f"{node.name}: not {expected}"
        if node.op_type == "InstanceNormalization":
            assert {types[name] for name in names} == {TensorProto.FLOAT}, f"{node.name}: not FP32"
