"""What a picture file is, by its content: format, size and number of pictures, before decoding.

A header that promises 50,000 x 50,000 pixels costs the memory at once, so the size is known first.
Pillow's plugins are asked by name: no other of its many formats, and no limit of its own.
"""

import io
import os
import stat
import warnings
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, Final

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

from efgan_rt.pictures.exif import PHOTOMETRIC, SUB_DIRECTORIES, Directory, first_directory
from efgan_rt.pictures.iso_boxes import boxes
from efgan_rt.regular_files import READ_FLAGS
from efgan_rt.remote.path import RemotePath

EXTENSIONS: Final = {
    "JPEG": (".jpg", ".jpeg", ".jfif", ".jpe"),
    "PNG": (".png",),
    "WebP": (".webp",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "HEIC": (".heic", ".heif", ".hif"),
    "AVIF": (".avif",),
    "JPEG XL": (".jxl",),
}
FORMAT_OF: Final = {each: name for name, several in EXTENSIONS.items() for each in several}
READABLE_EXTENSIONS: Final = tuple(FORMAT_OF)
FORMATS: Final = tuple(EXTENSIONS)
SNIFFED_BYTES: Final = 1 << 16  # of a file whose name says nothing
_PLUGINS: Final[dict[str, type[Any]]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
}
_HEIC_BRANDS: Final = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
)
_RAW_STARTS: Final = (b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FUJIFILMCCD-RAW", b"FOVb")
_DNG_VERSION, _COMPRESSION, _SUBFILE = 50706, 259, 254
_RAW_PHOTOMETRICS, _RAW_COMPRESSIONS = (32803, 34892), (32767, 32770, 34713, 65000, 65535)
_REDUCED_OR_MASK: Final = 0b101  # of TIFF's subfile type: a preview or a mask of another page
# A baseline scan spends two codes, of a bit at least, on each block of 64 pixels; half of that,
# because in odd subsamplings no component is stored in full.
_JPEG_PIXELS_PER_BYTE: Final = 512
# What JPEG XL's ratio numbers say of the width.
_RATIOS: Final = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))

# What Pillow finds odd in a file is no news to whoever has a folder of them.
warnings.filterwarnings("ignore", module=r"PIL\.")


@dataclass(frozen=True, eq=False)
class Header:
    """A file's own word on its picture.

    Attributes:
        format: one of `FORMATS`.
        width: pixels as stored, before any turn that EXIF asks for; 0 where it cannot be read.
        height: the same.
        opened: by the library that knows the format.
        count: of pictures that are no previews of the first.
        may_fit: False where so short a file cannot hold so many pixels.
        scan_at: where a JPEG's first scan begins.
    """

    format: str
    width: int
    height: int
    opened: Any = None
    count: int = 1
    may_fit: bool = True
    scan_at: int = 0


def format_of(data: bytes) -> str | None:
    """The format that the beginning of a file shows, one of `FORMATS`; None for anything else."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WebP"
    if data.startswith(b"BM") and data[14:15] in (
        b"\x0c",
        b"\x28",
        b"\x34",
        b"\x38",
        b"\x6c",
        b"\x7c",
    ):
        return "BMP"
    if data.startswith((b"II*\0", b"MM\0*")):
        return "TIFF"
    if data.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")):
        return "JPEG XL"
    if data[4:8] == b"ftyp":
        brands = {data[at : at + 4] for at in (8, *range(16, min(64, int.from_bytes(data[:4])), 4))}
        if brands & {b"avif", b"avis"}:
            return "AVIF"
        return "HEIC" if brands & _HEIC_BRANDS else None
    return None


def is_camera_raw(data: bytes) -> bool:
    """Whether a file is a camera's raw picture: many are TIFF files that begin with a preview."""
    if data.startswith(_RAW_STARTS) or data[8:10] == b"CR" or data[4:12] == b"ftypcrx ":
        return True
    first = first_directory(data)
    if first is None:
        return False
    pages = [first, *first.pages()]
    return any(
        map(_is_raw_page, [*pages, *(d for p in pages for d in p.all_below(SUB_DIRECTORIES))])
    )


def _is_raw_page(page: Directory) -> bool:
    return (
        _DNG_VERSION in page.entries
        or page.number(PHOTOMETRIC) in _RAW_PHOTOMETRICS
        or page.number(_COMPRESSION) in _RAW_COMPRESSIONS
    )


@cache
def missing_reader(format_: str) -> str:
    """What has to be installed to read a format; empty where nothing is missing."""
    package, extra = {"HEIC": ("pi_heif", "heif"), "JPEG XL": ("imagecodecs", "jxl")}.get(
        format_, ("", "")
    )
    if not package or find_spec(package) or (format_ == "HEIC" and find_spec("pillow_heif")):
        return ""
    return f"pip install 'efgan-rt[{extra}]'"


@cache
def is_writable(format_: str) -> bool:
    """Whether pictures can be written in a format."""
    return format_ != "HEIC" or find_spec("pillow_heif") is not None


def open_without_waiting(path: Path) -> IO[bytes]:
    """Opens a file for reading; a pipe that nobody writes to would be waited for otherwise."""
    flags = READ_FLAGS
    return open(os.open(path, flags), "rb", buffering=0)


def sniffed(path: Path) -> str | None:
    """The format of a file by its content; "camera RAW" for those; None for no picture.

    A remote file is not looked into, for that is to read it.
    """
    if isinstance(path, RemotePath):
        return None
    try:
        with open_without_waiting(path) as file:
            is_file = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            data = file.read(SNIFFED_BYTES) if is_file else b""
    except OSError:
        return None
    return "camera RAW" if is_camera_raw(data) else format_of(data)


def read_header(data: bytes, format_: str) -> Header:
    """The header of a whole file of a known format; size 0 where it cannot be read."""
    try:
        if format_ == "HEIC":
            return _heic(data)
        if format_ == "JPEG XL":
            width, height = _jxl_size(data)
            return Header(format_, width, height)
        if format_ == "TIFF":
            return _tiff(data)
        image = _PLUGINS[format_](io.BytesIO(data))
    # Whatever a library trips over in a malformed file, its header cannot be read.
    except Exception:
        return Header(format_, 0, 0)
    width, height = image.size
    count, may_fit = 1, True
    if format_ == "JPEG":
        may_fit = "progressive" in image.info or width * height <= _JPEG_PIXELS_PER_BYTE * len(data)
    else:
        count = max(getattr(image, "n_frames", 1), 2 if getattr(image, "is_animated", False) else 1)
    scan_at = image.fp.tell() if format_ == "JPEG" else 0
    return Header(format_, width, height, image, count, may_fit, scan_at)


def _tiff(data: bytes) -> Header:
    first = first_directory(data)
    assert first is not None, "a TIFF begins so"
    further = sum(not page.number(_SUBFILE) & _REDUCED_OR_MASK for page in first.pages())
    return Header("TIFF", first.number(256), first.number(257), count=1 + further)


def heif_library() -> Any:
    """The library that reads HEIC: the one that also writes it, where that is there."""
    if find_spec("pillow_heif"):
        import pillow_heif

        return pillow_heif
    import pi_heif

    return pi_heif


def _heic(data: bytes) -> Header:
    library = heif_library()
    opened = library.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
    image = opened[opened.primary_index]
    width, height = image.size
    return Header("HEIC", width, height, image, len(opened))


def _jxl_size(data: bytes) -> tuple[int, int]:
    """Source: ISO/IEC 18181-1, "SizeHeader"."""
    if not data.startswith(b"\xff\x0a"):
        parts = ((kind, content) for kind, content in boxes(data) if kind in (b"jxlc", b"jxlp"))
        kind, data = next(parts)
        data = data[4:] if kind == b"jxlp" else data
    bits, at = int.from_bytes(data[2:14], "little"), 0

    def take(count: int) -> int:
        nonlocal at
        at += count
        return bits >> at - count & (1 << count) - 1

    is_small = take(1)

    def side() -> int:
        return 8 * (take(5) + 1) if is_small else 1 + take((9, 13, 18, 30)[take(2)])

    height = side()
    ratio = take(3)
    if not ratio:
        return side(), height
    over, under = _RATIOS[ratio - 1]
    return height * over // under, height
