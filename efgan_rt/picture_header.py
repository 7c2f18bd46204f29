"""What a picture file says of itself before it is decoded: format, size, and whether it is whole.

OpenCV decodes first and asks later: a header that promises 50,000 x 50,000 pixels costs the memory
at once, and some decoders fill the missing half of a file with grey and report success. So the few
bytes that tell are read here. Nothing here trusts a length that the file states.
"""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

from efgan_rt.tiff_tags import Directory, first_directory

FORMATS = ("JPEG", "PNG", "WebP", "BMP", "TIFF")
# Inside JPEG's entropy-coded data a marker is 0xFF and a code other than 0 (a stuffed byte), 0xFF
# (fill) and the restart markers.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_TIFF_WIDTH, _TIFF_HEIGHT, _TIFF_SUBFILE = 256, 257, 254
_TIFF_REDUCED_OR_MASK = 0b101  # of the subfile type: a preview or a mask of another page
_MAX_TIFF_PAGES = 64


@dataclass(frozen=True)
class PictureHeader:
    """A file's own word on its picture.

    Attributes:
        format: one of `FORMATS`.
        width: pixels as stored, before any turn that EXIF asks for; 0 where the file ends too soon.
        height: the same.
        whole: False where the file ends before its picture does.
        still: False where there is more than one picture: an animation, or several pages.
    """

    format: str
    width: int
    height: int
    whole: bool
    still: bool = True


def read_header(data: bytes) -> PictureHeader | None:
    """The header of a JPEG, PNG, WebP, BMP or TIFF file, or None for anything else."""
    found = _recognise(data)
    if found is None:
        return None
    name, parse = found
    try:
        width, height, whole = parse(data)
    except struct.error:
        return PictureHeader(name, 0, 0, whole=False)
    whole = whole and width > 0 and height > 0
    return PictureHeader(name, width, height, whole, whole and _STILL.get(name, _always)(data))


def _recognise(data: bytes) -> tuple[str, Callable[[bytes], tuple[int, int, bool]]] | None:
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG", _jpeg
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG", _png
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WebP", _webp
    if data.startswith(b"BM"):
        return "BMP", _bmp
    if data.startswith((b"II*\x00", b"MM\x00*")):
        return "TIFF", _tiff
    return None


def _jpeg(data: bytes) -> tuple[int, int, bool]:
    """Walks the segments to the end marker; an EXIF thumbnail's own end marker does not count."""
    width = height = 0
    position = 2
    while match := _JPEG_MARKER.search(data, position):
        code, position = data[match.end() - 1], match.end()
        if code == 0xD9:
            return width, height, True
        if code == 0x01:
            continue  # TEM, the one other marker without a length
        (length,) = struct.unpack_from(">H", data, position)
        if code in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, position + 3)
        position += length
    return width, height, False


def _png(data: bytes) -> tuple[int, int, bool]:
    width, height = struct.unpack_from(">II", data, 16)
    position = 8
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        position += 12 + length
        if kind == b"IEND":
            return width, height, position <= len(data)
    return width, height, False


def _webp(data: bytes) -> tuple[int, int, bool]:
    (size,) = struct.unpack_from("<I", data, 4)
    whole = len(data) >= size + 8
    kind = data[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF, whole
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, whole
    struct.unpack_from("6s", data, 24)
    width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
    return width, height, whole


def _bmp(data: bytes) -> tuple[int, int, bool]:
    offset, header_bytes = struct.unpack_from("<II", data, 10)
    if header_bytes == 12:  # OS/2's header
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        compression = 0
    else:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    width, height = abs(width), abs(height)  # a negative height is stored top row first
    if compression not in (0, 3):
        return width, height, True
    row_bytes = (width * bits + 31) // 32 * 4
    return width, height, len(data) >= offset + row_bytes * height


def _tiff(data: bytes) -> tuple[int, int, bool]:
    """Reads the first directory; whether the strips are all there is left to the decoder."""
    directory = first_directory(data)
    if directory is None:
        return 0, 0, False
    return directory.number(_TIFF_WIDTH), directory.number(_TIFF_HEIGHT), True


def _always(data: bytes) -> bool:
    return True


def _png_still(data: bytes) -> bool:
    position = 8
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind in (b"acTL", b"IDAT"):  # an animation's mark comes before the pixels
            return bool(kind == b"IDAT")
        position += 12 + length
    return True


def _webp_still(data: bytes) -> bool:
    return data[12:16] != b"VP8X" or not data[20] & 2


def _tiff_still(data: bytes) -> bool:
    """Whether every further page is a preview or a mask of the first."""
    page: Directory | None = first_directory(data)
    for _ in range(_MAX_TIFF_PAGES):
        page = page.following() if page is not None else None
        if page is None or not page.entries:
            return True
        if not page.number(_TIFF_SUBFILE) & _TIFF_REDUCED_OR_MASK:
            return False
    return False


_STILL: dict[str, Callable[[bytes], bool]] = {
    "PNG": _png_still,
    "WebP": _webp_still,
    "TIFF": _tiff_still,
}
