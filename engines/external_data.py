"""Refuses an ONNX model that keeps tensors in other files.

A runtime that is given such a model as bytes looks for those files from the working directory, and
a crafted location may name any file of the machine. Neither would have been checked against the
manifest. An engine's file holds everything, so any such tensor is a fault. The walk reads the
protobuf wire format itself: the `onnx` package is not needed to run engines.

Source: onnx.proto of ONNX 1.23 for the field numbers; a test compares them with the package.
"""

from collections.abc import Iterator
from typing import Final

# Message -> field number -> message inside it, for every way that leads to a tensor.
CHILDREN: Final[dict[str, dict[int, str]]] = {
    "ModelProto": {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "GraphProto": {1: "NodeProto", 5: "TensorProto", 15: "SparseTensorProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: "TensorProto",
        6: "GraphProto",
        10: "TensorProto",
        11: "GraphProto",
        22: "SparseTensorProto",
        23: "SparseTensorProto",
    },
    "SparseTensorProto": {1: "TensorProto", 2: "TensorProto"},
    "TensorProto": {},
}
EXTERNAL_DATA: Final = 13
DATA_LOCATION: Final = 14
_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5


def has_external_data(model: bytes) -> bool:
    """True if any tensor of the model, however deep, lies outside these bytes.

    Raises:
        ValueError: the bytes are no protobuf message.
    """
    waiting = [("ModelProto", memoryview(model))]
    while waiting:
        message, data = waiting.pop()
        children = CHILDREN[message]
        for number, value in _fields(data):
            if message == "TensorProto" and number in (EXTERNAL_DATA, DATA_LOCATION) and value:
                return True
            if number in children:
                if isinstance(value, int):
                    raise ValueError(f"field {number} of {message} is not a message")
                waiting.append((children[number], value))
    return False


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Field numbers and values of one message; a value is an integer or the bytes it spans."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        wire_type = key & 7
        if wire_type == _VARINT:
            value, position = _varint(data, position)
            yield key >> 3, value
            continue
        if wire_type == _LENGTH_DELIMITED:
            length, position = _varint(data, position)
        elif wire_type in (_FIXED64, _FIXED32):
            length = 8 if wire_type == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {wire_type} is not one of ONNX's")
        if position + length > len(data):
            raise ValueError("the bytes end inside a field")
        yield key >> 3, data[position : position + length]
        position += length


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    """The integer at `position` and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise ValueError("the bytes end inside a number")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("a number is longer than ten bytes")
