"""Metadata of a WebP: chunks of its extended form (WebP container specification)."""

import struct
from collections.abc import Iterator

from efgan_rt.metadata.record import Metadata


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 12
    while position + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, position)
        yield kind, data[position + 8 : position + 8 + length]
        position += 8 + length + length % 2


def read(data: bytes) -> Metadata:
    """The metadata of a whole file; what is malformed is left out."""
    found: dict[bytes, bytes] = {}
    for kind, content in _chunks(data):
        if kind in (b"EXIF", b"XMP ", b"ICCP"):
            found.setdefault(kind, content)
    exif = found.get(b"EXIF", b"").removeprefix(b"Exif\0\0")  # which some writers put there
    return Metadata(exif, found.get(b"XMP ", b""), found.get(b"ICCP", b""))


def write(data: bytes, metadata: Metadata) -> bytes:
    """A file that OpenCV encoded, a still or an animation, with the metadata in it."""
    blocks = (metadata.icc, metadata.exif, metadata.xmp)
    if not any(blocks):
        return data
    chunks = [(kind, content) for kind, content in _chunks(data) if kind != b"VP8X"]
    kinds = dict(chunks)
    first = kinds.get(b"VP8 ") or kinds.get(b"VP8L", b"")
    animated = b"ANIM" in kinds
    if animated:  # it has the extended form already, with these
        before = next(content for kind, content in _chunks(data) if kind == b"VP8X")
        width, height = (int.from_bytes(before[at : at + 3], "little") for at in (4, 7))
        alpha = before[0] >> 4 & 1
    elif b"VP8L" in kinds:
        (bits,) = struct.unpack_from("<I", first, 1)
        width, height, alpha = bits & 0x3FFF, bits >> 14 & 0x3FFF, bits >> 28 & 1
    else:
        width, height = (size - 1 & 0x3FFF for size in struct.unpack_from("<HH", first, 6))
        alpha = b"ALPH" in kinds
    flags = bool(metadata.icc) << 5 | alpha << 4 | bool(metadata.exif) << 3
    flags |= bool(metadata.xmp) << 2 | animated << 1
    extended = bytes((flags, 0, 0, 0)) + width.to_bytes(3, "little") + height.to_bytes(3, "little")
    ordered = [
        (b"VP8X", extended),
        (b"ICCP", metadata.icc),
        *chunks,
        (b"EXIF", metadata.exif),
        (b"XMP ", metadata.xmp),
    ]
    body = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)
        for kind, content in ordered
        if content
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body
