"""Metadata of a PNG: chunks (PNG specification, third edition)."""

import struct
import zlib
from collections.abc import Iterator
from typing import Final

from efgan_rt.metadata.record import Density, Metadata

# No real profile or XMP packet comes near; a packed one that does is a bomb.
MAX_BLOCK_BYTES: Final = 16 << 20
_XMP: Final = b"XML:com.adobe.xmp\0"
_OWN: Final = frozenset({b"gAMA", b"cHRM", b"sRGB", b"cICP", b"tEXt", b"zTXt", b"iTXt", b"tIME"})


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 8
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        yield kind, data[position + 8 : position + 8 + length] if kind != b"IDAT" else b""
        position += 12 + length


def _inflated(data: bytes) -> bytes:
    """What zlib packed; nothing where it is damaged or too much."""
    packed = zlib.decompressobj()
    try:
        plain = packed.decompress(data, MAX_BLOCK_BYTES)
    except zlib.error:
        return b""
    return plain if packed.eof else b""


def read(data: bytes) -> Metadata:
    """The metadata of a whole file; what is malformed is left out."""
    exif = xmp = icc = b""
    density = None
    own: list[bytes] = []
    for kind, content in _chunks(data):
        if kind == b"eXIf":
            exif = exif or content
        elif kind == b"iCCP":
            icc = icc or _inflated(content.partition(b"\0")[2][1:])
        elif kind == b"pHYs" and len(content) == 9:
            x, y, unit = struct.unpack(">IIB", content)
            density = Density(x, y, "metre" if unit == 1 else "none") if x and y else None
        elif kind == b"iTXt" and content.startswith(_XMP):
            xmp = xmp or _xmp(content[len(_XMP) :])
        elif kind in _OWN:
            own.append(_chunk(kind, content))
    return Metadata(exif, xmp, icc, density, "PNG", tuple(own))


def _xmp(content: bytes) -> bytes:
    """The text of an iTXt chunk: two flags, language, translated keyword, text."""
    fields = content[2:].split(b"\0", 2)
    if len(fields) < 3:
        return b""
    return _inflated(fields[2]) if content[0] else fields[2]


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def write(data: bytes, metadata: Metadata) -> bytes:
    """A file that OpenCV encoded, with the metadata in it."""
    chunks = []
    if metadata.icc:
        chunks.append(_chunk(b"iCCP", b"ICC\0\0" + zlib.compress(metadata.icc)))
    if metadata.density is not None:
        x, y = metadata.density.per("metre")
        known = metadata.density.unit != "none"
        if 0 < x < 1 << 31 and 0 < y < 1 << 31:
            chunks.append(_chunk(b"pHYs", struct.pack(">IIB", x, y, known)))
    if metadata.exif:
        chunks.append(_chunk(b"eXIf", metadata.exif))
    if metadata.xmp:
        chunks.append(_chunk(b"iTXt", _XMP + bytes(4) + metadata.xmp))
    header_end = 8 + 25  # signature and IHDR
    return b"".join([data[:header_end], *chunks, *metadata.own, data[header_end:]])
