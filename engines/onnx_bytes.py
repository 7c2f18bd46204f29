"""ONNX models that keep tensors in other files: found, refused, or made whole.

A runtime that is given such a model as bytes looks for those files from the working directory, and
a crafted location may name any file of the machine. Neither would have been checked against the
manifest. So a runtime only ever sees a model that holds everything: weights in a file that the
manifest names are brought in first, from the bytes that were checked, and any other tensor outside
is a fault. The `onnx` package is not needed for either.

The protobuf wire format is read and written here as far as that needs it.

Source: protobuf.dev, "Encoding"; onnx.proto of ONNX 1.23 for the
field numbers; a test compares them with the package.
"""

from collections.abc import Iterator, Mapping
from typing import Final

VARINT: Final = 0
FIXED64: Final = 1
LENGTH_DELIMITED: Final = 2
FIXED32: Final = 5
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
GRAPH: Final = 7  # of ModelProto
INITIALIZER: Final = 5  # of GraphProto
_TENSOR_NAME: Final = 8
RAW_DATA: Final = 9
_KEY, _VALUE = 1, 2  # of StringStringEntryProto


def has_external_data(model: bytes) -> bool:
    """True if any tensor of the model, however deep, lies outside these bytes.

    Raises:
        ValueError: the bytes are no protobuf message.
    """
    waiting = [("ModelProto", memoryview(model))]
    while waiting:
        message, data = waiting.pop()
        children = CHILDREN[message]
        for number, value in fields(data):
            if message == "TensorProto" and number in (EXTERNAL_DATA, DATA_LOCATION) and value:
                return True
            if number in children:
                if isinstance(value, int):
                    raise ValueError(f"field {number} of {message} is not a message")
                waiting.append((children[number], value))
    return False


def with_data(model: bytes, files: Mapping[str, bytes]) -> bytes:
    """The model with the values of its weights inside it, taken from the files that hold them.

    Only weights of the main graph may lie outside; `has_external_data` finds whatever else does.

    Args:
        model: an ONNX file.
        files: content by name, each checked by whoever read it.

    Raises:
        ValueError: the bytes are no ONNX model, or a weight lies in no file of these or beyond its
            end.
    """
    parts = []
    for number, value, whole in fields_with_bytes(memoryview(model)):
        if number != GRAPH:
            parts.append(bytes(whole))
            continue
        graph = []
        for inner, tensor, field in fields_with_bytes(_message(value)):
            if inner == INITIALIZER:
                graph.append(encoded(INITIALIZER, _with_values(_message(tensor), files)))
            else:
                graph.append(bytes(field))
        parts.append(encoded(GRAPH, b"".join(graph)))
    return b"".join(parts)


def _with_values(tensor: memoryview, files: Mapping[str, bytes]) -> bytes:
    """A `TensorProto` that holds its values."""
    parts, place, name = [], {}, ""
    for number, value, whole in fields_with_bytes(tensor):
        if number == EXTERNAL_DATA:
            entry = {key: bytes(_message(text)).decode() for key, text in fields(_message(value))}
            place[entry.get(_KEY, "")] = entry.get(_VALUE, "")
        elif number != DATA_LOCATION:
            parts.append(bytes(whole))
        if number == _TENSOR_NAME:
            name = bytes(_message(value)).decode()
    if not place:
        return bytes(tensor)
    file = files.get(place.get("location", ""))
    if file is None:
        raise ValueError(f"weight '{name}' lies in '{place.get('location')}', which is not there")
    start, length = int(place.get("offset", "0")), int(place.get("length", "-1"))
    if not 0 <= start <= start + length <= len(file):
        raise ValueError(f"weight '{name}' lies beyond the end of '{place['location']}'")
    return b"".join(parts) + encoded(RAW_DATA, file[start : start + length])


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number was found where a message belongs")
    return value


def fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Field numbers and values of one message; a value is an integer or the bytes it spans.

    Raises:
        ValueError: the bytes are no message.
    """
    for number, value, _ in fields_with_bytes(data):
        yield number, value


def fields_with_bytes(data: memoryview) -> Iterator[tuple[int, int | memoryview, memoryview]]:
    """The same, each with the whole field as it is encoded, so that it can be copied.

    Raises:
        ValueError: the bytes are no message.
    """
    position = 0
    while position < len(data):
        start = position
        key, position = _varint(data, position)
        wire_type = key & 7
        if wire_type == VARINT:
            value, position = _varint(data, position)
            yield key >> 3, value, data[start:position]
            continue
        if wire_type == LENGTH_DELIMITED:
            length, position = _varint(data, position)
        elif wire_type in (FIXED64, FIXED32):
            length = 8 if wire_type == FIXED64 else 4
        else:
            raise ValueError(f"wire type {wire_type} is not one of ONNX's")
        if position + length > len(data):
            raise ValueError("the bytes end inside a field")
        content = data[position : position + length]
        position += length
        yield key >> 3, content, data[start:position]


def encoded(number: int, content: bytes) -> bytes:
    """A field that holds bytes, a text or a message."""
    return _encoded_varint(number << 3 | LENGTH_DELIMITED) + _encoded_varint(len(content)) + content


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


def _encoded_varint(value: int) -> bytes:
    content = bytearray()
    while value > 0x7F:
        content.append(value & 0x7F | 0x80)
        value >>= 7
    content.append(value)
    return bytes(content)
