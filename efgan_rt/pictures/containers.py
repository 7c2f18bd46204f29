"""Metadata of each container: taken out of a file, and put into one that was freshly encoded.

JPEG: segments before the first scan (JFIF 1.02, EXIF 2.3); PNG: chunks (third edition); WebP:
chunks of its extended form; ISO base media files (HEIC, AVIF, JPEG XL, MP4): boxes; BMP, GIF. No
length that a file states is trusted, and what is malformed is left out. Left out as well is what
would be wrong of an edited picture: thumbnails, further pictures, signatures, coding.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from efgan_rt.pictures.exif import (
    DESCRIPTIVE,
    ICC,
    PHOTOSHOP,
    XMP,
    Tag,
    copied_tags,
    end_of_jpeg,
    exif_block,
    first_directory,
    tiff_with_tags,
)
from efgan_rt.pictures.header import Header
from efgan_rt.pictures.iso_boxes import box, boxes
from efgan_rt.pictures.mark import DIGITAL_SOURCE_TYPE, EDITED_BY_AI
from efgan_rt.pictures.original import NONE, Density, Metadata
from efgan_rt.pictures.xmp import FILM, GAIN_MAP, HAS_EXTENDED, cleaned, values_of, with_property

_EXIF: Final = b"Exif\0\0"
_XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_MORE: Final = b"http://ns.adobe.com/xmp/extension/\0"
_ICC: Final = b"ICC_PROFILE\0"
_PHOTOSHOP: Final = b"Photoshop 3.0\0"
_ROOM: Final = 65533  # bytes that fit into a JPEG's segment
# Two thumbnails, and copies of EXIF and XMP, which may hold further ones.
_LEFT_RESOURCES: Final = frozenset({0x0409, 0x040C, 0x0422, 0x0423, 0x0424})
_PNG_XMP: Final = b"XML:com.adobe.xmp\0"
_PNG_OWN: Final = frozenset(
    {b"gAMA", b"cHRM", b"sRGB", b"cICP", b"tEXt", b"zTXt", b"iTXt", b"tIME"}
)
_PNG_THUMBNAILS: Final = (b"Raw profile type", b"Thumb::")
MAX_BLOCK_BYTES: Final = 16 << 20  # no real profile or XMP packet comes near
_GIF_XMP: Final = b"\x21\xff\x0bXMP DataXMP"
# The packet is no chain of sub-blocks: wherever a reader lands in this, it is led to its end.
_GIF_TRAILER: Final = b"\x01" + bytes(range(255, -1, -1)) + b"\x00"
_XMP_UUID: Final = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
PHOTOSHOP_NOTE, FURTHER = "Photoshop thumbnail left out", "further pictures left out"
THUMBNAIL, TRAILER = "thumbnail left out", "data behind the picture left out"
MP4_EXTENSIONS: Final = (".mp4", ".m4v", ".mov")


def read_metadata(data: bytes, header: Header) -> tuple[Metadata, list[str]]:
    """The metadata of a whole file, not yet upright, and what is left out of them."""
    opened = header.opened
    if header.format == "JPEG":
        return _read_jpeg(data, header)
    if header.format == "PNG":
        return _read_png(data)
    if header.format == "TIFF":
        return _read_tiff(data)
    if header.format == "BMP":
        x, y = struct.unpack_from("<ii", data.ljust(46, b"\0"), 38)
        is_old = struct.unpack_from("<I", data, 14)[0] < 40
        return (
            NONE if is_old or x <= 0 or y <= 0 else Metadata(density=Density(x, y, "metre"))
        ), []
    if header.format == "JPEG XL":
        found = dict(boxes(data)) if data[:4] == b"\0\0\0\x0c" else {}
        return Metadata(found.get(b"Exif", b"")[4:], found.get(b"xml ", b"")), []
    info = opened.info
    exif, xmp, icc = (info.get(each) or b"" for each in ("exif", "xmp", "icc_profile"))
    notes = [GAIN_MAP] if any("hdrgainmap" in str(each) for each in info.get("aux", ())) else []
    notes += ["depth map left out"] if info.get("depth_images") else []
    return Metadata(exif.removeprefix(_EXIF), xmp, icc), notes


def with_metadata(data: bytes, format_: str, metadata: Metadata) -> bytes:
    """A freshly encoded file with the metadata in it, as far as its format has a place for it."""
    own = metadata.own if metadata.own_format == format_ else ()
    if format_ == "JPEG":
        return _with_segments(data, metadata, own)
    if format_ == "PNG":
        return _with_chunks(data, metadata, own)
    if format_ == "WebP":
        return _with_webp_chunks(data, metadata)
    if format_ == "TIFF":
        return _with_tags(data, metadata)
    if format_ == "BMP" and metadata.density is not None and metadata.density.unit != "none":
        return data[:38] + struct.pack("<ii", *metadata.density.per("metre")) + data[46:]
    if format_ == "JPEG XL":
        exif = box(b"Exif", bytes(4) + metadata.exif) if metadata.exif else b""
        return data + exif + (box(b"xml ", metadata.xmp) if metadata.xmp else b"")
    return data


def _read_jpeg(data: bytes, header: Header) -> tuple[Metadata, list[str]]:
    exif = xmp = b""
    more: dict[int, bytes] = {}
    profile: dict[int, bytes] = {}
    density = None
    own: list[bytes] = []
    notes: list[str] = []
    photoshop = b""
    for name, payload in header.opened.applist:
        if name == "APP0" and payload.startswith(b"JFIF\0") and len(payload) >= 12:
            density = _jfif_density(*struct.unpack_from(">BHH", payload, 7))
            notes += [THUMBNAIL] if len(payload) > 14 and payload[12] and payload[13] else []
        elif name == "APP0" and payload.startswith(b"JFXX\0"):
            notes.append(THUMBNAIL)
        elif name == "APP1" and payload.startswith(_EXIF):
            exif = exif or payload[len(_EXIF) :]
        elif name == "APP1" and payload.startswith(_XMP):
            xmp = xmp or payload[len(_XMP) :]
        elif name == "APP1" and payload.startswith(_XMP_MORE) and len(payload) > 75:
            more[int.from_bytes(payload[71:75], "big")] = payload[75:]
        elif name == "APP2" and payload.startswith(_ICC) and len(payload) > 14:
            profile[payload[12]] = payload[14:]
        elif name == "APP13" and payload.startswith(_PHOTOSHOP):
            photoshop += payload[len(_PHOTOSHOP) :]
        elif name == "COM":
            own.append(_segment(0xFE, payload))
    if photoshop:
        resources, left = _without_thumbnails(photoshop)
        notes += [PHOTOSHOP_NOTE] if left else []
        room = _ROOM - len(_PHOTOSHOP)
        for at in range(0, len(resources), room):
            own.append(_segment(0xED, _PHOTOSHOP + resources[at : at + room]))
    if more:
        xmp, left_out = cleaned(xmp, b"".join(more[at] for at in sorted(more)))
        notes += left_out
    notes += _behind(data, header.scan_at)
    icc = b"".join(profile[part] for part in sorted(profile))
    return Metadata(exif, xmp, icc, density, "JPEG" if own else "", tuple(own)), notes


def _behind(data: bytes, scan_at: int) -> list[str]:
    """What lies behind a JPEG's end."""
    end = data.find(b"\xff\xd9", scan_at) + 2
    rest = data[end:] if end > 1 else b""
    if len(rest) < 64:
        return []
    notes = [FILM] if b"ftyp" in rest[:4096] or b"MotionPhoto_Data" in rest else []
    if (at := rest.find(b"\xff\xd8\xff")) >= 0:
        start = rest[at : min(end_of_jpeg(rest, at), at + 65536)]
        notes.append(GAIN_MAP if b"hdr-gain-map" in start or b"HDRGainMap" in start else FURTHER)
    return notes or [TRAILER]


def _without_thumbnails(data: bytes) -> tuple[bytes, bool]:
    """Photoshop's resources without those that hold pictures, and whether there were any."""
    kept, position, left = [], 0, False
    while data[position : position + 4] in (b"8BIM", b"MeSa", b"PHUT", b"AgHg", b"DCSR"):
        if position + 7 > len(data):
            break
        name_end = position + 6 + (data[position + 6] + 2) // 2 * 2
        size = int.from_bytes(data[name_end : name_end + 4], "big")
        end = name_end + 4 + size + size % 2
        number = int.from_bytes(data[position + 4 : position + 6], "big")
        has_picture = number in _LEFT_RESOURCES or b"\xff\xd8\xff" in data[name_end:end]
        left |= has_picture
        kept += [] if has_picture else [data[position:end]]
        position = end
    return b"".join(kept), left


def _jfif_density(unit: int, x: int, y: int) -> Density | None:
    """None for what encoders write by themselves, so that plain files stay on the short way."""
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


def _with_segments(data: bytes, metadata: Metadata, own: tuple[bytes, ...]) -> bytes:
    has_jfif = data[6:11] == b"JFIF\0"  # not in CMYK
    head, rest = bytearray(data[: 20 if has_jfif else 2]), data[20 if has_jfif else 2 :]
    if metadata.density is not None and has_jfif:
        unit = {"inch": 1, "metre": 1, "none": 0}[metadata.density.unit]
        x, y = metadata.density.per("inch")
        if 0 < x < 65536 and 0 < y < 65536:
            struct.pack_into(">BHH", head, 13, unit, x, y)
    segments = [_segment(0xE1, _EXIF + metadata.exif)] if metadata.exif else []
    segments += _xmp_segments(metadata.xmp) if metadata.xmp else []
    room = _ROOM - len(_ICC) - 2
    parts = [metadata.icc[at : at + room] for at in range(0, len(metadata.icc), room)]
    if len(parts) < 256:
        segments += [
            _segment(0xE2, _ICC + bytes((number, len(parts))) + part)
            for number, part in enumerate(parts, start=1)
        ]
    return b"".join([bytes(head), *segments, *own, rest])


def _xmp_segments(packet: bytes) -> list[bytes]:
    """A packet in one segment, or, where it is too long, in an extension with a short packet first.

    Source: XMP specification, part 3, section 1.1.3.1.
    """
    if len(packet) <= _ROOM - len(_XMP):
        return [_segment(0xE1, _XMP + packet)]
    guid = hashlib.md5(packet, usedforsecurity=False).hexdigest().upper()
    first = with_property(b"", HAS_EXTENDED, guid, "xmpNote")
    for value in values_of(packet, DIGITAL_SOURCE_TYPE)[:1]:  # what is to be seen by every reader
        first = with_property(first, DIGITAL_SOURCE_TYPE, value, "Iptc4xmpExt")
    room = _ROOM - len(_XMP_MORE) - len(guid) - 8
    further = [
        _XMP_MORE + guid.encode() + struct.pack(">II", len(packet), at) + packet[at : at + room]
        for at in range(0, len(packet), room)
    ]
    return [_segment(0xE1, _XMP + first), *(_segment(0xE1, each) for each in further)]


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of a PNG's chunks; of the pixels' the kind alone."""
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


def _read_png(data: bytes) -> tuple[Metadata, list[str]]:
    exif = xmp = icc = b""
    density = None
    own: list[bytes] = []
    notes = []
    for kind, content in png_chunks(data):
        if kind == b"eXIf":
            exif = exif or content
        elif kind == b"iCCP":
            icc = icc or _inflated(content.partition(b"\0")[2][1:])
        elif kind == b"pHYs" and len(content) == 9:
            x, y, unit = struct.unpack(">IIB", content)
            density = Density(x, y, "metre" if unit == 1 else "none") if x and y else None
        elif kind == b"iTXt" and content.startswith(_PNG_XMP):
            # Two flags, language, translated keyword, text.
            fields = content[len(_PNG_XMP) + 2 :].split(b"\0", 2)
            text = fields[2] if len(fields) == 3 else b""
            xmp = xmp or (_inflated(text) if content[len(_PNG_XMP)] else text)
        elif content.startswith(_PNG_THUMBNAILS):  # EXIF and Photoshop's blocks, as text
            notes.append("copy of other metadata left out")
        elif kind in _PNG_OWN:
            own.append(_chunk(kind, content))
    return Metadata(exif, xmp, icc, density, "PNG" if own else "", tuple(own)), notes


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def _with_chunks(data: bytes, metadata: Metadata, own: tuple[bytes, ...]) -> bytes:
    chunks = []
    if metadata.icc:
        chunks.append(_chunk(b"iCCP", b"ICC\0\0" + zlib.compress(metadata.icc)))
    if metadata.density is not None:
        x, y = metadata.density.per("metre")
        if 0 < x < 1 << 31 and 0 < y < 1 << 31:
            known = metadata.density.unit != "none"
            chunks.append(_chunk(b"pHYs", struct.pack(">IIB", x, y, known)))
    if metadata.exif:
        chunks.append(_chunk(b"eXIf", metadata.exif))
    if metadata.xmp:
        chunks.append(_chunk(b"iTXt", _PNG_XMP + bytes(4) + metadata.xmp))
    header_end = 8 + 25  # signature and IHDR
    return b"".join([data[:header_end], *chunks, *own, data[header_end:]])


def _with_webp_chunks(data: bytes, metadata: Metadata) -> bytes:
    """A still or an animation in WebP's extended form."""
    found, position = [], 12
    while position + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, position)
        found.append((kind, data[position + 8 : position + 8 + length]))
        position += 8 + length + length % 2
    kinds = dict(found)
    if b"VP8X" in kinds:  # with alpha, or animated
        flags, size = kinds[b"VP8X"][0] & 0b10010, kinds[b"VP8X"][4:]
    elif b"VP8L" in kinds:
        (bits,) = struct.unpack_from("<I", kinds[b"VP8L"], 1)
        flags = (bits >> 28 & 1) << 4
        size = b"".join((bits >> at & 0x3FFF).to_bytes(3, "little") for at in (0, 14))
    else:
        sides = struct.unpack_from("<HH", kinds[b"VP8 "], 6)
        flags, size = 0, b"".join((each - 1 & 0x3FFF).to_bytes(3, "little") for each in sides)
    flags |= bool(metadata.icc) << 5 | bool(metadata.exif) << 3 | bool(metadata.xmp) << 2
    ordered = [
        (b"VP8X", bytes((flags, 0, 0, 0)) + size),
        (b"ICCP", metadata.icc),
        *((kind, content) for kind, content in found if kind != b"VP8X"),
        (b"EXIF", metadata.exif),
        (b"XMP ", metadata.xmp),
    ]
    body = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)
        for kind, content in ordered
        if content
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _read_tiff(data: bytes) -> tuple[Metadata, list[str]]:
    directory = first_directory(data)
    if directory is None:
        return NONE, []
    tags = copied_tags(directory, DESCRIPTIVE)
    notes = [THUMBNAIL] if directory.next_at and any(directory.pages()) else []
    if PHOTOSHOP in tags:
        resources, left = _without_thumbnails(directory.value(PHOTOSHOP))
        tags[PHOTOSHOP] = Tag(7, len(resources), resources)
        notes += [PHOTOSHOP_NOTE] if left else []
        if not resources:
            del tags[PHOTOSHOP]
    return Metadata(exif_block(tags), directory.value(XMP), directory.value(ICC)), notes


def _with_tags(data: bytes, metadata: Metadata) -> bytes:
    directory = first_directory(metadata.exif)
    tags = {} if directory is None else copied_tags(directory, DESCRIPTIVE)
    density = metadata.density
    if density is not None and 282 not in tags:
        unit, per = {"inch": (2, 1), "metre": (3, 100), "none": (1, 1)}[density.unit]
        tags[282] = Tag(5, 1, struct.pack("<II", density.x, per))
        tags[283] = Tag(5, 1, struct.pack("<II", density.y, per))
        tags[296] = Tag(3, 1, struct.pack("<H", unit))
    for tag, kind, value in ((XMP, 1, metadata.xmp), (ICC, 7, metadata.icc)):
        if value:
            tags[tag] = Tag(kind, len(value), value)
    return tiff_with_tags(data, tags)


def mp4_xmp_box(xmp: bytes) -> bytes:
    """The box that holds an XMP packet at an MP4's end; nothing for an empty one."""
    return box(b"uuid", _XMP_UUID + xmp) if xmp else b""


def video_tags(path: Path) -> dict[str, str]:
    """What says as the mark does in a container that has no place for XMP, such as Matroska."""
    is_mp4 = path.suffix.lower() in MP4_EXTENSIONS
    return {} if is_mp4 else {"DIGITAL_SOURCE_TYPE": EDITED_BY_AI}


def gif_with_xmp(data: bytes, xmp: bytes) -> bytes:
    """A GIF 89a with an XMP packet in it, behind its colour table."""
    if not xmp or b"\0" in xmp:
        return data
    flags = data[10]
    behind = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    return data[:behind] + _GIF_XMP + xmp + _GIF_TRAILER + data[behind:]
