"""What a picture file says beside its pixels, taken from one file and put into another.

OpenCV's codecs keep none of it. EXIF, XMP, the colour profile and the density have a place in most
formats and go from any to any; what only one format knows (a JPEG's comment and IPTC block, a PNG's
texts and gamma) goes along where the format stays the same. Left out is what would be wrong of an
edited picture: previews, further pictures behind the first, signatures, how the pixels were stored.

The layouts are those of the JPEG File Interchange Format 1.02, the PNG specification (third
edition), the WebP container specification and TIFF 6.0. No length that a file states is trusted.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from efgan_rt.tiff_tags import (
    DESCRIPTIVE,
    EXTRA_SAMPLES,
    ICC,
    ORIENTATION,
    XMP,
    Tag,
    copied_tags,
    exif_block,
    first_directory,
    tiff_with_tags,
    upright_exif,
)

# No real profile or XMP packet comes near; a compressed one that does is a bomb.
MAX_BLOCK_BYTES: Final = 16 << 20
_EXIF: Final = b"Exif\0\0"
_JPEG_XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"
_JPEG_XMP_MORE: Final = b"http://ns.adobe.com/xmp/extension/\0"
_JPEG_ICC: Final = b"ICC_PROFILE\0"
_JPEG_PHOTOSHOP: Final = b"Photoshop 3.0\0"
# Version, unit and density in a JPEG that OpenCV or libjpeg wrote.
_PLAIN_JFIF: Final = (b"\1\1\0\0\1\0\1", b"\1\2\0\0\1\0\1")
# Quantisation, frames, Huffman codes, restart interval.
_JPEG_TABLES: Final = frozenset({0xDB, 0xC0, 0xC1, 0xC2, 0xC4, 0xDD})
_JPEG_ROOM: Final = 65533  # bytes that fit into a segment
_PNG_XMP: Final = b"XML:com.adobe.xmp\0"
_PNG_OWN: Final = frozenset(
    {b"gAMA", b"cHRM", b"sRGB", b"cICP", b"tEXt", b"zTXt", b"iTXt", b"tIME"}
)
_XMP_ORIENTATION: Final = re.compile(rb"(tiff:Orientation\s*(?:=\s*[\"']|>)\s*)[2-8]")
_TIFF_INCH, _TIFF_CM = 2, 3
_ICC_SPACE_AT: Final = 16


@dataclass(frozen=True)
class Density:
    """Pixels per unit across and down; the unit is inch, metre or none (a pixel's shape)."""

    x: int
    y: int
    unit: str

    def per(self, unit: str) -> tuple[int, int]:
        """x and y in another unit; as they are where none is known."""
        inches_per_metre = 1 / 0.0254
        factor = {("inch", "metre"): inches_per_metre, ("metre", "inch"): 1 / inches_per_metre}
        scale = factor.get((self.unit, unit), 1.0)
        return round(self.x * scale), round(self.y * scale)


@dataclass(frozen=True)
class Metadata:
    """A file's word on its picture.

    Attributes:
        exif: an EXIF block that begins with its byte order; empty for none, as all of these.
        xmp: an XMP packet.
        icc: a colour profile.
        density: None where the file tells none.
        own_format: the format that `own` belongs to.
        own: segments or chunks, whole, that only that format knows.
    """

    exif: bytes = b""
    xmp: bytes = b""
    icc: bytes = b""
    density: Density | None = None
    own_format: str = ""
    own: tuple[bytes, ...] = ()

    @property
    def orientation(self) -> int:
        """How the stored pixels are to be turned, 1 to 8, as EXIF numbers it."""
        directory = first_directory(self.exif)
        found = directory.number(ORIENTATION, 1) if directory is not None else 1
        return found if 1 <= found <= 8 else 1

    def upright(self) -> "Metadata":
        """The same for the pixels turned upright; see `efgan_rt.tiff_tags.upright_exif`."""
        quarter_turn = self.orientation >= 5
        density = self.density
        if density is not None and quarter_turn:
            density = Density(density.y, density.x, density.unit)
        return replace(
            self,
            exif=upright_exif(self.exif, quarter_turn=quarter_turn),
            xmp=_XMP_ORIENTATION.sub(rb"\g<1>1", self.xmp),
            density=density,
        )

    def fitting(self, *, grey: bool) -> "Metadata":
        """Without a colour profile that is for another kind of pixels, such as CMYK."""
        wanted = b"GRAY" if grey else b"RGB "
        fits = self.icc[_ICC_SPACE_AT : _ICC_SPACE_AT + 4] == wanted
        return self if fits or not self.icc else replace(self, icc=b"")


NONE: Final = Metadata()


def read_metadata(data: bytes, format_: str) -> Metadata:
    """The metadata of a whole file; what is malformed is left out.

    Args:
        data: the file.
        format_: as `efgan_rt.picture_header.FORMATS` names it.
    """
    readers = {"JPEG": _read_jpeg, "PNG": _read_png, "WebP": _read_webp, "TIFF": _read_tiff}
    reader = readers.get(format_, _read_bmp)
    return reader(data)


def with_metadata(data: bytes, format_: str, metadata: Metadata) -> bytes:
    """A freshly encoded file with the metadata in it, as far as its format has a place for it."""
    if metadata == NONE:
        return data
    writers = {"JPEG": _write_jpeg, "PNG": _write_png, "WebP": _write_webp, "TIFF": _write_tiff}
    writer = writers.get(format_, _write_bmp)
    own = metadata.own if metadata.own_format == format_ else ()
    return writer(data, replace(metadata, own=own))


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
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


def _read_jpeg(data: bytes) -> Metadata:
    # Most crops are plain files, and a 128-pixel one is decoded in 100 microseconds: a walk over
    # its segments would cost some per cent of that.
    if _plain_jpeg(data):
        return NONE
    exif = xmp = b""
    profile: dict[int, bytes] = {}
    density = None
    own: list[bytes] = []
    for code, payload in _jpeg_segments(data):
        if code == 0xE0 and payload.startswith(b"JFIF\0") and len(payload) >= 12:
            density = _jfif_density(*struct.unpack_from(">BHH", payload, 7))
        elif code == 0xE1 and payload.startswith(_EXIF):
            exif = exif or payload[len(_EXIF) :]
        elif code == 0xE1 and payload.startswith(_JPEG_XMP):
            xmp = xmp or payload[len(_JPEG_XMP) :]
        elif code == 0xE2 and payload.startswith(_JPEG_ICC) and len(payload) > 14:
            profile[payload[12]] = payload[14:]
        elif (
            code == 0xFE
            or (code == 0xED and payload.startswith(_JPEG_PHOTOSHOP))
            or (code == 0xE1 and payload.startswith(_JPEG_XMP_MORE))
        ):
            own.append(_jpeg_segment(code, payload))
    if not (exif or xmp or profile or density or own):
        return NONE
    icc = b"".join(profile[part] for part in sorted(profile))
    return Metadata(exif, xmp, icc, density, "JPEG", tuple(own))


def _plain_jpeg(data: bytes) -> bool:
    """Whether there is nothing before the scan but what OpenCV and libjpeg write by themselves."""
    if len(data) < 24 or data[11:18] not in _PLAIN_JFIF:
        return False
    position = 20
    while data[position + 1] in _JPEG_TABLES:
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


def _jpeg_segment(code: int, payload: bytes) -> bytes:
    """A segment; nothing where the payload does not fit into one."""
    if len(payload) > _JPEG_ROOM:
        return b""
    return struct.pack(">BBH", 0xFF, code, len(payload) + 2) + payload


def _write_jpeg(data: bytes, metadata: Metadata) -> bytes:
    assert data[2:4] == b"\xff\xe0" and data[6:11] == b"JFIF\0", "a JPEG that OpenCV wrote"
    head, rest = bytearray(data[:20]), data[20:]
    if metadata.density is not None:
        unit = {"inch": 1, "metre": 1, "none": 0}[metadata.density.unit]
        x, y = metadata.density.per("inch")
        if 0 < x < 65536 and 0 < y < 65536:
            struct.pack_into(">BHH", head, 13, unit, x, y)
    segments = []
    if metadata.exif:
        segments.append(_jpeg_segment(0xE1, _EXIF + metadata.exif))
    if metadata.xmp:
        segments.append(_jpeg_segment(0xE1, _JPEG_XMP + metadata.xmp))
    room = _JPEG_ROOM - len(_JPEG_ICC) - 2
    parts = [metadata.icc[at : at + room] for at in range(0, len(metadata.icc), room)]
    if len(parts) < 256:
        for number, part in enumerate(parts, start=1):
            numbers = bytes((number, len(parts)))
            segments.append(_jpeg_segment(0xE2, _JPEG_ICC + numbers + part))
    return b"".join([bytes(head), *segments, *metadata.own, rest])


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
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


def _read_png(data: bytes) -> Metadata:
    exif = xmp = icc = b""
    density = None
    own: list[bytes] = []
    for kind, content in _png_chunks(data):
        if kind == b"eXIf":
            exif = exif or content
        elif kind == b"iCCP":
            icc = icc or _inflated(content.partition(b"\0")[2][1:])
        elif kind == b"pHYs" and len(content) == 9:
            x, y, unit = struct.unpack(">IIB", content)
            density = Density(x, y, "metre" if unit == 1 else "none") if x and y else None
        elif kind == b"iTXt" and content.startswith(_PNG_XMP):
            xmp = xmp or _png_xmp(content[len(_PNG_XMP) :])
        elif kind in _PNG_OWN:
            own.append(_png_chunk(kind, content))
    return Metadata(exif, xmp, icc, density, "PNG", tuple(own))


def _png_xmp(content: bytes) -> bytes:
    """The text of an iTXt chunk: two flags, language, translated keyword, text."""
    fields = content[2:].split(b"\0", 2)
    if len(fields) < 3:
        return b""
    return _inflated(fields[2]) if content[0] else fields[2]


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def _write_png(data: bytes, metadata: Metadata) -> bytes:
    chunks = []
    if metadata.icc:
        chunks.append(_png_chunk(b"iCCP", b"ICC\0\0" + zlib.compress(metadata.icc)))
    if metadata.density is not None:
        x, y = metadata.density.per("metre")
        known = metadata.density.unit != "none"
        if 0 < x < 1 << 31 and 0 < y < 1 << 31:
            chunks.append(_png_chunk(b"pHYs", struct.pack(">IIB", x, y, known)))
    if metadata.exif:
        chunks.append(_png_chunk(b"eXIf", metadata.exif))
    if metadata.xmp:
        chunks.append(_png_chunk(b"iTXt", _PNG_XMP + bytes(4) + metadata.xmp))
    header_end = 8 + 25  # signature and IHDR
    return b"".join([data[:header_end], *chunks, *metadata.own, data[header_end:]])


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 12
    while position + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, position)
        yield kind, data[position + 8 : position + 8 + length]
        position += 8 + length + length % 2


def _read_webp(data: bytes) -> Metadata:
    found: dict[bytes, bytes] = {}
    for kind, content in _riff_chunks(data):
        if kind in (b"EXIF", b"XMP ", b"ICCP"):
            found.setdefault(kind, content)
    exif = found.get(b"EXIF", b"").removeprefix(_EXIF)  # which some writers put there
    return Metadata(exif, found.get(b"XMP ", b""), found.get(b"ICCP", b""))


def _write_webp(data: bytes, metadata: Metadata) -> bytes:
    blocks = (metadata.icc, metadata.exif, metadata.xmp)
    if not any(blocks):
        return data
    chunks = [(kind, content) for kind, content in _riff_chunks(data) if kind != b"VP8X"]
    kinds = dict(chunks)
    first = kinds.get(b"VP8 ") or kinds[b"VP8L"]
    if b"VP8L" in kinds:
        (bits,) = struct.unpack_from("<I", first, 1)
        width, height, alpha = bits & 0x3FFF, bits >> 14 & 0x3FFF, bits >> 28 & 1
    else:
        width, height = (size - 1 & 0x3FFF for size in struct.unpack_from("<HH", first, 6))
        alpha = b"ALPH" in kinds
    flags = (
        bool(metadata.icc) << 5 | alpha << 4 | bool(metadata.exif) << 3 | bool(metadata.xmp) << 2
    )
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


def _read_tiff(data: bytes) -> Metadata:
    directory = first_directory(data)
    if directory is None:
        return NONE
    exif = exif_block(copied_tags(directory, DESCRIPTIVE))
    return Metadata(exif, directory.value(XMP), directory.value(ICC))


def _write_tiff(data: bytes, metadata: Metadata) -> bytes:
    directory = first_directory(metadata.exif)
    tags = {} if directory is None else copied_tags(directory, DESCRIPTIVE)
    if metadata.density is not None and 282 not in tags:
        unit = {"inch": _TIFF_INCH, "metre": _TIFF_CM, "none": 1}[metadata.density.unit]
        per = 100 if unit == _TIFF_CM else 1
        tags[282] = Tag(5, 1, struct.pack("<II", metadata.density.x, per))
        tags[283] = Tag(5, 1, struct.pack("<II", metadata.density.y, per))
        tags[296] = Tag(3, 1, struct.pack("<H", unit))
    for tag, kind, value in ((XMP, 1, metadata.xmp), (ICC, 7, metadata.icc)):
        if value:
            tags[tag] = Tag(kind, len(value), value)
    return tiff_with_tags(data, tags)


def with_tiff_alpha(data: bytes, extra_samples: int) -> bytes:
    """A TIFF of four channels that says what the fourth is, which OpenCV leaves out."""
    return tiff_with_tags(data, {EXTRA_SAMPLES: Tag(3, 1, struct.pack("<H", extra_samples))})


def _read_bmp(data: bytes) -> Metadata:
    if len(data) < 46 or struct.unpack_from("<I", data, 14)[0] < 40:
        return NONE
    x, y = struct.unpack_from("<ii", data, 38)
    return Metadata(density=Density(x, y, "metre")) if x > 0 and y > 0 else NONE


def _write_bmp(data: bytes, metadata: Metadata) -> bytes:
    if metadata.density is None or metadata.density.unit == "none":
        return data
    return data[:38] + struct.pack("<ii", *metadata.density.per("metre")) + data[46:]
