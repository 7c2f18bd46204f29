"""Metadata of a JPEG: segments before the first scan (JPEG File Interchange Format 1.02, EXIF 2.3).

A segment holds 64 KiB; a colour profile and XMP may go over several. EXIF that does not fit into
one, which only another format can hold, is left out. No length that a file states is trusted.
"""

import hashlib
import struct
from collections.abc import Iterator
from typing import Final

from efgan_rt.metadata.mark import DIGITAL_SOURCE_TYPE
from efgan_rt.metadata.record import NONE, Density, Metadata
from efgan_rt.metadata.xmp import Property, values_of, with_property, without_padding

_EXIF: Final = b"Exif\0\0"
_XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_MORE: Final = b"http://ns.adobe.com/xmp/extension/\0"
_ICC: Final = b"ICC_PROFILE\0"
_PHOTOSHOP: Final = b"Photoshop 3.0\0"
_HAS_EXTENDED: Final = Property("http://ns.adobe.com/xmp/note/", "HasExtendedXMP", "xmpNote")
_ROOM: Final = 65533  # bytes that fit into a segment
# Version, unit and density in a JPEG that OpenCV or libjpeg wrote.
_PLAIN_JFIF: Final = (b"\1\1\0\0\1\0\1", b"\1\2\0\0\1\0\1")
# Quantisation, frames, Huffman codes, restart interval.
_TABLES: Final = frozenset({0xDB, 0xC0, 0xC1, 0xC2, 0xC4, 0xDD})


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Code and payload of the segments before the first scan."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        code = data[position + 1]
        if code == 0xFF:  # fill
            position += 1
            continue
        (length,) = struct.unpack_from(">H", data, position + 2)
        if code in (0xDA, 0xD9) or length < 2:
            return
        yield code, data[position + 4 : position + 2 + length]
        position += 2 + length


def read(data: bytes) -> Metadata:
    """The metadata of a whole file; what is malformed is left out."""
    # Most crops are plain files, and a 128-pixel one is decoded in 100 microseconds: a walk over
    # its segments would cost some per cent of that.
    if _is_plain(data):
        return NONE
    exif = xmp = b""
    profile: dict[int, bytes] = {}
    density = None
    own: list[bytes] = []
    for code, payload in _segments(data):
        if code == 0xE0 and payload.startswith(b"JFIF\0") and len(payload) >= 12:
            density = _jfif_density(*struct.unpack_from(">BHH", payload, 7))
        elif code == 0xE1 and payload.startswith(_EXIF):
            exif = exif or payload[len(_EXIF) :]
        elif code == 0xE1 and payload.startswith(_XMP):
            xmp = xmp or payload[len(_XMP) :]
        elif code == 0xE2 and payload.startswith(_ICC) and len(payload) > 14:
            profile[payload[12]] = payload[14:]
        elif (
            code == 0xFE
            or (code == 0xED and payload.startswith(_PHOTOSHOP))
            or (code == 0xE1 and payload.startswith(_XMP_MORE))
        ):
            own.append(_segment(code, payload))
    if not (exif or xmp or profile or density or own):
        return NONE
    icc = b"".join(profile[part] for part in sorted(profile))
    return Metadata(exif, xmp, icc, density, "JPEG", tuple(own))


def _is_plain(data: bytes) -> bool:
    """Whether there is nothing before the scan but what OpenCV and libjpeg write by themselves."""
    if len(data) < 24 or data[11:18] not in _PLAIN_JFIF:
        return False
    position = 20
    while data[position + 1] in _TABLES:
        position += 2 + (data[position + 2] << 8 | data[position + 3])
        if position + 4 > len(data):
            return False
    return data[position + 1] == 0xDA


def _jfif_density(unit: int, x: int, y: int) -> Density | None:
    """None for what OpenCV writes by itself, so that plain files stay on the short way."""
    if (unit, x, y) == (0, 1, 1) or not x or not y:
        return None
    if unit == 2:  # per centimetre
        return Density(x * 100, y * 100, "metre")
    return Density(x, y, "inch" if unit == 1 else "none")


def _segment(code: int, payload: bytes) -> bytes:
    """A segment; nothing where the payload does not fit into one."""
    if len(payload) > _ROOM:
        return b""
    return struct.pack(">BBH", 0xFF, code, len(payload) + 2) + payload


def write(data: bytes, metadata: Metadata) -> bytes:
    """A file that OpenCV encoded, with the metadata in it."""
    assert data[2:4] == b"\xff\xe0" and data[6:11] == b"JFIF\0", "a JPEG that OpenCV wrote"
    head, rest = bytearray(data[:20]), data[20:]
    if metadata.density is not None:
        unit = {"inch": 1, "metre": 1, "none": 0}[metadata.density.unit]
        x, y = metadata.density.per("inch")
        if 0 < x < 65536 and 0 < y < 65536:
            struct.pack_into(">BHH", head, 13, unit, x, y)
    segments = []
    if metadata.exif:
        segments.append(_segment(0xE1, _EXIF + metadata.exif))
    own = metadata.own
    if metadata.xmp:
        xmp = _xmp_segments(metadata.xmp)
        if len(xmp) > 1:  # the packet that an older extension belonged to is now in this one
            own = tuple(each for each in own if not each.startswith(_XMP_MORE, 4))
        segments += xmp
    room = _ROOM - len(_ICC) - 2
    parts = [metadata.icc[at : at + room] for at in range(0, len(metadata.icc), room)]
    if len(parts) < 256:
        for number, part in enumerate(parts, start=1):
            numbers = bytes((number, len(parts)))
            segments.append(_segment(0xE2, _ICC + numbers + part))
    return b"".join([bytes(head), *segments, *own, rest])


def _xmp_segments(packet: bytes) -> list[bytes]:
    """A packet in one segment, or, where it is too long, in an extension with a short packet first.

    Source: XMP specification, part 3, section 1.1.3.1.
    """
    room = _ROOM - len(_XMP)
    packet = packet if len(packet) <= room else without_padding(packet)
    if len(packet) <= room:
        return [_segment(0xE1, _XMP + packet)]
    guid = hashlib.md5(packet, usedforsecurity=False).hexdigest().upper().encode()
    first = with_property(b"", _HAS_EXTENDED, guid.decode())
    for value in values_of(packet, DIGITAL_SOURCE_TYPE)[:1]:  # what is to be seen by every reader
        first = with_property(first, DIGITAL_SOURCE_TYPE, value)
    room = _ROOM - len(_XMP_MORE) - len(guid) - 8
    further = [
        _XMP_MORE + guid + struct.pack(">II", len(packet), at) + packet[at : at + room]
        for at in range(0, len(packet), room)
    ]
    return [_segment(0xE1, _XMP + first), *(_segment(0xE1, each) for each in further)]
