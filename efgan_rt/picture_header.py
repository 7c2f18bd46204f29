"""What a picture file says of itself before it is decoded: format, size, and whether it is whole.

OpenCV decodes first and asks later: a header that promises 50,000 x 50,000 pixels costs the memory
at once, and some decoders fill the missing half of a file with grey and report success. So the few
bytes that tell are read here. Nothing here trusts a length that the file states.
"""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace

from efgan_rt.tiff_tags import Directory, first_directory

FORMATS = ("JPEG", "PNG", "WebP", "BMP", "TIFF")
# Inside JPEG's entropy-coded data a marker is 0xFF and a code other than 0 (a stuffed byte), 0xFF
# (fill) and the restart markers.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_JPEG_NOT_MARKERS = frozenset({0x00, 0xFF, *range(0xD0, 0xD8)})
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BASELINE = frozenset({0xC0, 0xC1})
# A baseline scan spends two codes, of a bit at least, on each block of 64 pixels; half of that,
# because in odd subsamplings no component is stored in full.
_JPEG_PIXELS_PER_BYTE = 512
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
        grey: True for a JPEG of one channel.
        jpeg_tables: the contents of a JPEG's quantisation segments.
        jpeg_frame: the content of its frame header.
    """

    format: str
    width: int
    height: int
    whole: bool
    still: bool = True
    grey: bool = False
    jpeg_tables: tuple[bytes, ...] = ()
    jpeg_frame: bytes = b""


def read_header(data: bytes) -> PictureHeader | None:
    """The header of a JPEG, PNG, WebP, BMP or TIFF file, or None for anything else."""
    found = _recognise(data)
    if found is None:
        return None
    name, parse = found
    try:
        header = parse(data)
    except (struct.error, IndexError):
        return PictureHeader(name, 0, 0, whole=False)
    if header.width <= 0 or header.height <= 0:
        return replace(header, width=0, height=0, whole=False)
    return header


def _recognise(data: bytes) -> tuple[str, Callable[[bytes], PictureHeader]] | None:
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


def _jpeg(data: bytes) -> PictureHeader:
    """Walks the segments to the end marker; an EXIF thumbnail's own end marker does not count."""
    width = height = channels = 0
    whole = baseline = False
    tables: list[bytes] = []
    frame = b""
    position = 2
    while position + 1 < len(data):
        code = data[position + 1]
        if data[position] != 0xFF or code in _JPEG_NOT_MARKERS:
            # A scan's pixels, or rubbish between segments, which decoders pass over as well.
            found = _JPEG_MARKER.search(data, position)
            if found is None:
                break
            position = found.start()
            continue
        if code == 0xD9:
            whole = True
            break
        position += 2
        if code == 0x01:
            continue  # TEM, the one other marker without a length
        length = data[position] << 8 | data[position + 1]
        if code == 0xDB:
            tables.append(data[position + 2 : position + length])
        if code in _JPEG_FRAMES:
            frame = data[position + 2 : position + length]
            height, width, channels = struct.unpack_from(">HHB", data, position + 3)
            baseline = code in _JPEG_BASELINE
        position += length
    if baseline and width * height > _JPEG_PIXELS_PER_BYTE * len(data):
        whole = False  # decoders would fill what is missing with grey, as many pixels as promised
    grey = channels == 1
    return PictureHeader("JPEG", width, height, whole, True, grey, tuple(tables), frame)


def _png(data: bytes) -> PictureHeader:
    width, height = struct.unpack_from(">II", data, 16)
    still = True
    position = 8
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        position += 12 + length
        if kind == b"acTL":
            still = False
        if kind == b"IEND":
            return PictureHeader("PNG", width, height, position <= len(data), still)
    return PictureHeader("PNG", width, height, False, still)


def _webp(data: bytes) -> PictureHeader:
    (size,) = struct.unpack_from("<I", data, 4)
    whole = len(data) >= size + 8
    kind = data[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return PictureHeader("WebP", width & 0x3FFF, height & 0x3FFF, whole)
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return PictureHeader("WebP", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, whole)
    flags, width_bytes, height_bytes = struct.unpack_from("<B3x3s3s", data, 20)
    width, height = (1 + int.from_bytes(each, "little") for each in (width_bytes, height_bytes))
    return PictureHeader("WebP", width, height, whole, still=not flags & 2)


def _bmp(data: bytes) -> PictureHeader:
    offset, header_bytes = struct.unpack_from("<II", data, 10)
    if header_bytes == 12:  # OS/2's header
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        compression = 0
    else:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    width, height = abs(width), abs(height)  # a negative height is stored top row first
    if compression not in (0, 3):
        return PictureHeader("BMP", width, height, True)
    row_bytes = (width * bits + 31) // 32 * 4
    return PictureHeader("BMP", width, height, len(data) >= offset + row_bytes * height)


def _tiff(data: bytes) -> PictureHeader:
    """Reads the first directory; whether the strips are all there is left to the decoder."""
    directory = first_directory(data)
    if directory is None:
        return PictureHeader("TIFF", 0, 0, whole=False)
    width, height = directory.number(_TIFF_WIDTH), directory.number(_TIFF_HEIGHT)
    return PictureHeader("TIFF", width, height, True, _is_still(directory))


def _is_still(page: Directory) -> bool:
    """Whether every further page of a TIFF is a preview or a mask of the first."""
    further = page.following()
    for _ in range(_MAX_TIFF_PAGES):
        if further is None or not further.entries:
            return True
        if not further.number(_TIFF_SUBFILE) & _TIFF_REDUCED_OR_MASK:
            return False
        further = further.following()
    return False
