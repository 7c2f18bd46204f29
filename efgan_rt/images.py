"""Pictures from files to arrays and back, and between a picture's size and the network's crop.

Here a picture is a face crop of any size. It is brought to the crop's size for the networks (a
picture that is not square gives its largest centred square), and what comes back to it is the
edit's difference, not the small picture: where nothing was edited the original pixels stay, and
its texture stays everywhere. The networks' crop is 8-bit RGB whatever the picture is; the
difference is added at the picture's own depth, and by its luma where the picture is grey. Files are
read whole, checked by their header, then decoded.

OpenCV's own threads are off: the pipeline decodes and encodes many pictures at a time, and threads
inside each of them would only compete with those and with the networks.
"""

import itertools
import os
import stat
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from efgan_rt.errors import EfganError
from efgan_rt.originals import (
    FORMAT_OF,
    JPEG_QUALITY,
    Original,
    Pixels,
    decode,
    encode,
    rgb8,
)
from efgan_rt.originals import Picture as Picture
from efgan_rt.picture_header import FORMATS, PictureHeader, read_header
from efgan_rt.regular_files import READ_FLAGS
from efgan_rt.tiff_kinds import UndecodableError

CROP_PX: Final = 128
MAX_PIXELS: Final = 200_000_000
READABLE_EXTENSIONS: Final = tuple(FORMAT_OF)

_part_numbers = itertools.count()

cv2.setNumThreads(1)
# What a decoder has to say is said in the error that `decode_original` raises.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def read_picture(path: Path, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Reads a picture file as the networks want it: see `read_original`, without transparency.

    Returns:
        uint8 (H, W, 3), RGB, upright.

    Raises:
        EfganError: as `read_original`.
    """
    return rgb8(read_original(path, max_pixels=max_pixels).pixels)


def read_original(path: Path, *, max_pixels: int = MAX_PIXELS) -> Original:
    """Reads a JPEG, PNG, WebP, BMP or TIFF file with all that its edit shall keep.

    Args:
        path: the file.
        max_pixels: the largest width times height accepted, known before decoding.

    Raises:
        EfganError: the file is missing, unreadable or not a regular file, or `decode_original`
            refuses it; the message begins with the path.
    """
    return decode_original(read_bytes(path), path, max_pixels=max_pixels)


def checked_header(data: bytes, path: Path, *, max_pixels: int = MAX_PIXELS) -> PictureHeader:
    """The header of a file that may be decoded.

    Args:
        data: the whole file.
        path: of the file, for the messages.
        max_pixels: the largest width times height accepted.

    Raises:
        EfganError: the file is empty, no picture, cut short, several pictures in one, or over
            `max_pixels`.
    """
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
    if not header.still:
        raise EfganError(
            f"{path}: the {header.format} file holds several pictures, as an animation or as "
            "pages; expected one, save each in a file of its own"
        )
    return header


def decode_original(
    data: bytes,
    path: Path,
    *,
    max_pixels: int = MAX_PIXELS,
    header: PictureHeader | None = None,
) -> Original:
    """The picture that a file's bytes hold; see `read_original`.

    Args:
        data: the whole file.
        path: of the file, for the messages.
        max_pixels: the largest width times height accepted, known before decoding.
        header: from `checked_header`, where that has been called.

    Raises:
        EfganError: as `checked_header`, or the file is damaged or of a kind that cannot be decoded.
    """
    header = header or checked_header(data, path, max_pixels=max_pixels)
    try:
        return decode(data, header)
    except UndecodableError as error:
        why = str(error) or "it is damaged or of a kind that cannot be decoded"
        raise EfganError(f"{path}: the {header.format} file cannot be edited: {why}") from error


def read_bytes(path: Path) -> bytes:
    """A file's content.

    Raises:
        EfganError: the file is missing, unreadable or not a regular file.
    """
    try:
        with open(os.open(path, READ_FLAGS), "rb", buffering=0) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise EfganError(f"{path}: not a regular file; expected a picture")
            return file.read()
    except OSError as error:
        raise EfganError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # a name with a null byte, which no file has
        raise EfganError(f"{str(path)!r}: cannot be read: {error}") from error


def to_crop(picture: Pixels, crop_px: int = CROP_PX) -> Picture:
    """The picture's largest centred square, at the networks' size.

    Args:
        picture: uint8 or uint16, (H, W, 3) RGB or (H, W) grey.
        crop_px: side of the result.

    Returns:
        uint8 (crop_px, crop_px, 3); a view of `picture` where it is of that kind already.
    """
    return rgb8(_resized(_centred_square(picture), crop_px))


def from_crop(picture: Pixels, crop: Picture, edited: Picture) -> Pixels:
    """Brings an edit back to the picture's own size: original plus the upsampled difference.

    Args:
        picture: uint8 or uint16, (H, W, 3) RGB or (H, W) grey, the original.
        crop: uint8 (crop_px, crop_px, 3), `to_crop(picture)`.
        edited: uint8 of the same shape, the edited crop.

    Returns:
        A new array like `picture`; equal to it where `edited` equals `crop`, and, in a picture of 8
        bits that has the crop's size, equal to `edited` (to its luma in a grey one).
    """
    result = picture.copy()
    add_difference(result, crop, edited)
    return result


def add_difference(picture: Pixels, crop: Picture, edited: Picture) -> None:
    """As `from_crop`, but in the picture's own memory.

    Args:
        picture: uint8 or uint16, (H, W, 3) RGB or (H, W) grey; becomes the edited picture.
        crop: uint8 (crop_px, crop_px, 3), `to_crop(picture)`.
        edited: uint8 of the same shape, the edited crop.
    """
    square = _centred_square(picture)
    if picture.ndim == 2:
        crop = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)  # type: ignore[assignment]
        edited = cv2.cvtColor(edited, cv2.COLOR_RGB2GRAY)  # type: ignore[assignment]
    difference = np.subtract(edited, crop, dtype=np.int16)
    if picture.dtype == np.uint16:
        levels = _resized(difference.astype(np.float32) * 257, len(square))
        square[:] = np.clip(np.rint(square + levels), 0, 65535)
    else:
        square[:] = cv2.add(square, _resized(difference, len(square)), dtype=cv2.CV_8U)


def _centred_square(picture: Pixels) -> Pixels:
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return picture[top : top + side, left : left + side]


def _resized(square: Pixels, side: int) -> Pixels:
    if len(square) == side:
        return square
    # Area averaging keeps a picture that shrinks from shimmering; cubic keeps one that grows sharp.
    how = cv2.INTER_AREA if side < len(square) else cv2.INTER_CUBIC
    return cv2.resize(square, (side, side), interpolation=how)


def write_picture(path: Path, picture: Picture, *, quality: int = JPEG_QUALITY) -> None:
    """Writes uint8 (H, W, 3) RGB pixels without any metadata; see `write_original`.

    Raises:
        EfganError: as `write_original`.
    """
    write_original(path, Original(picture), quality=quality)


def write_original(path: Path, original: Original, *, quality: int | None = JPEG_QUALITY) -> None:
    """Writes a picture in the format that the extension names; it appears whole or not at all.

    Args:
        path: the file, replaced if it is there; its folder must exist.
        original: the picture and its metadata.
        quality: 1 to 100, for JPEG and lossy WebP (where 100 is not yet lossless); None takes that
            of the JPEG that the picture was read from, if it is to be one again.

    Raises:
        EfganError: the extension names no format, the picture is too large for it, or the file
            cannot be written; an `OSError` behind it is its cause.
    """
    data = encode_original(path.suffix, original, quality=quality)
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
    """Pixels as the bytes of a file of the given extension; see `encode_original`."""
    return encode_original(extension, Original(picture), quality=quality)


def encode_original(
    extension: str, original: Original, *, quality: int | None = JPEG_QUALITY
) -> memoryview | bytes:
    """A picture as the bytes of a file of the given extension; see `write_original`.

    Raises:
        EfganError: the extension names no format, or the picture is too large for it.
    """
    if extension.lower() not in READABLE_EXTENSIONS:
        known = " ".join(READABLE_EXTENSIONS)
        raise EfganError(f"'{extension}' names no picture format; expected one of {known}")
    data = encode(original, extension, quality)
    if data is None:
        height, width = original.pixels.shape[:2]
        raise EfganError(f"a picture of {width} x {height} cannot be stored as {extension}")
    return data
