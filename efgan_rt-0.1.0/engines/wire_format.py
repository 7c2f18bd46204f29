"""Reads and writes the protobuf wire format, as far as ONNX files need it.

The `onnx` package is not needed to run engines; what little is asked of a file before a runtime
sees it is answered here.

Source: protobuf.dev, "Encoding".
"""

from collections.abc import Iterator
from typing import Final

VARINT: Final = 0
FIXED64: Final = 1
LENGTH_DELIMITED: Final = 2
FIXED32: Final = 5


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


def encoded_number(number: int, value: int) -> bytes:
    """A field that holds an integer of 0 or more."""
    return _encoded_varint(number << 3 | VARINT) + _encoded_varint(value)


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
