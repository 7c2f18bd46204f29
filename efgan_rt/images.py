"""Pictures from files to arrays and back, and between a picture's size and the network's crop.

Here a picture is a face crop of any size. It is brought to the crop's size for the networks (a
picture that is not square gives its largest centred square), and what comes back to it is the
edit's difference, not the small picture: where nothing was edited the original pixels stay, and
its texture stays everywhere. Files are read whole, checked by their header, then decoded.

OpenCV's own threads are off: the pipeline decodes and encodes many pictures at a time, and threads
inside each of them would only compete with those and with the networks.
"""

import itertools
import os
import stat
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from efgan_rt.errors import EfganError
from efgan_rt.picture_header import FORMATS, read_header

Picture = npt.NDArray[np.uint8]

CROP_PX: Final = 128
MAX_PIXELS: Final = 200_000_000
JPEG_QUALITY: Final = 95
READABLE_EXTENSIONS: Final = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")

_part_numbers = itertools.count()

cv2.setNumThreads(1)
# What a decoder has to say is said in the error that `read_picture` raises.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def read_picture(path: Path, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Reads a JPEG, PNG, WebP, BMP or TIFF file, turned upright as its EXIF orientation says.

    Grey and 16-bit pictures become 8-bit RGB, and transparency is dropped.

    Args:
        path: the file.
        max_pixels: the largest width times height accepted, known before decoding.

    Returns:
        uint8 (H, W, 3), RGB.

    Raises:
        EfganError: the file is missing, unreadable, not a regular file, empty, no picture, cut
            short, damaged, or over `max_pixels`; the message begins with the path.
    """
    data = _read_bytes(path)
    if not data:
        raise EfganError(f"{path}: the file is empty; expected a picture")
    header = read_header(data)
    if header is None:
        start = data[:8].decode("ascii", "backslashreplace")
        expected = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
        raise EfganError(f"{path}: not a picture: it begins with {start!r}; expected {expected}")
    if header.width * header.height > max_pixels:
        found = f"{header.width} x {header.height} is {header.width * header.height:,} pixels"
        raise EfganError(
            f"{path}: {found}, over the limit of {max_pixels:,}; raise it with --max-pixels"
        )
    if not header.whole:
        raise EfganError(
            f"{path}: the {header.format} file is cut short after {len(data):,} bytes; "
            "get a whole copy of it"
        )
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error:
        picture = None
    if picture is None:
        raise EfganError(
            f"{path}: the {header.format} file is damaged or of a kind that cannot be decoded"
        )
    return picture.astype(np.uint8, copy=False)


def _read_bytes(path: Path) -> bytes:
    try:
        # Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise EfganError(f"{path}: not a regular file; expected a picture")
            return file.read()
    except OSError as error:
        raise EfganError(f"{path}: cannot be read: {error.strerror}") from error


def to_crop(picture: Picture, crop_px: int = CROP_PX) -> Picture:
    """The picture's largest centred square, at the networks' size.

    Args:
        picture: uint8 (H, W, 3).
        crop_px: side of the result.

    Returns:
        uint8 (crop_px, crop_px, 3); a view of `picture` where it has that size already.
    """
    return _resized(_centred_square(picture), crop_px)


def from_crop(picture: Picture, crop: Picture, edited: Picture) -> Picture:
    """Brings an edit back to the picture's own size: original plus the upsampled difference.

    Args:
        picture: uint8 (H, W, 3), the original.
        crop: uint8 (crop_px, crop_px, 3), `to_crop(picture)`.
        edited: uint8 of the same shape, the edited crop.

    Returns:
        uint8 (H, W, 3), a new array; equal to `picture` where `edited` equals `crop`, and equal to
        `edited` where the picture has the crop's size.
    """
    result = picture.copy()
    square = _centred_square(result)
    difference = _resized(np.subtract(edited, crop, dtype=np.int16), len(square))
    square[:] = cv2.add(square, difference, dtype=cv2.CV_8U)
    return result


def _centred_square(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return picture[top : top + side, left : left + side]


def _resized(square: npt.NDArray[Any], side: int) -> npt.NDArray[Any]:
    if len(square) == side:
        return square
    # Area averaging keeps a picture that shrinks from shimmering; cubic keeps one that grows sharp.
    how = cv2.INTER_AREA if side < len(square) else cv2.INTER_CUBIC
    return cv2.resize(square, (side, side), interpolation=how)


def write_picture(path: Path, picture: Picture, *, quality: int = JPEG_QUALITY) -> None:
    """Writes a picture in the format that the extension names; it appears whole or not at all.

    Args:
        path: the file, replaced if it is there; its folder must exist.
        picture: uint8 (H, W, 3), RGB.
        quality: 1 to 100, for JPEG and WebP (where 100 is not yet lossless).

    Raises:
        EfganError: the extension names no format, the picture is too large for it, or the file
            cannot be written; an `OSError` behind it is its cause.
    """
    data = encode_picture(path.suffix, picture, quality=quality)
    # The same folder, because a rename is atomic only within one file system. The name is short,
    # because the picture's own may already be as long as names may be.
    part = path.parent / f".efgan-{os.getpid()}-{next(_part_numbers)}.part"
    try:
        try:
            with open(part, "xb") as file:
                file.write(data)
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise EfganError(f"{path}: cannot be written: {error.strerror}") from error


def encode_picture(
    extension: str, picture: Picture, *, quality: int = JPEG_QUALITY
) -> memoryview | bytes:
    """A picture as the bytes of a file of the given extension; see `write_picture`.

    Raises:
        EfganError: the extension names no format, or the picture is too large for it.
    """
    if extension.lower() not in READABLE_EXTENSIONS:
        known = " ".join(READABLE_EXTENSIONS)
        raise EfganError(f"'{extension}' names no picture format; expected one of {known}")
    settings = {
        ".jpg": [cv2.IMWRITE_JPEG_QUALITY, quality],
        ".jpeg": [cv2.IMWRITE_JPEG_QUALITY, quality],
        ".png": [cv2.IMWRITE_PNG_COMPRESSION, 1],
        ".webp": [cv2.IMWRITE_WEBP_QUALITY, quality],
    }
    try:
        done, data = cv2.imencode(
            extension, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), settings.get(extension.lower(), [])
        )
    except cv2.error:
        done = False
    if not done:
        height, width = picture.shape[:2]
        raise EfganError(f"a picture of {width} x {height} cannot be stored as {extension}")
    return data.data
