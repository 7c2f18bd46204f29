"""A picture as its file holds it: every format's pixels brought to one form and back.

One form for all: upright, grey or RGB, 8 or 16 bits, transparency apart, and the metadata beside
them. What a file is stored as decides what its edit is stored as: grey stays grey, 16 bits stay 16
bits, transparency stays, a lossless WebP stays lossless. Two kinds become RGB: a palette, which has
no room for new colours, and CMYK, which the networks do not know.

A picture that its EXIF orientation turns is stored upright, with the orientation set to 1: it looks
as before in every viewer, those that ignore the orientation included.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from efgan_rt.jpeg_quality import JpegCoding, coding_of
from efgan_rt.metadata.files import read_metadata, with_metadata
from efgan_rt.metadata.mark import marked
from efgan_rt.metadata.record import NONE, Metadata
from efgan_rt.metadata.tiff import with_alpha
from efgan_rt.picture_header import PictureHeader
from efgan_rt.tiff_kinds import (
    ASSOCIATED,
    UNASSOCIATED,
    UndecodableError,
    checked_tiff,
    is_cmyk,
)

Picture = npt.NDArray[np.uint8]
Pixels = npt.NDArray[Any]  # uint8 or uint16

FORMAT_OF: Final = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".webp": "WebP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
JPEG_QUALITY: Final = 95  # where there is no JPEG to take it from
_JPEG_RGB: Final = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
_LOSSLESS_WEBP: Final = 101  # OpenCV's quality above 100


@dataclass(frozen=True)
class Original:
    """A decoded picture file.

    Attributes:
        pixels: uint8 or uint16, (H, W, 3) RGB or (H, W) grey, upright.
        alpha: the same type, (H, W); None for an opaque picture.
        metadata: upright as well.
        lossless: the file is a lossless WebP, and its edit shall be one.
        premultiplied: TIFF's associated alpha: the colours are multiplied by it.
        jpeg: how the file stores its pixels, where it is a JPEG that says so.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    metadata: Metadata = field(default=NONE)
    lossless: bool = False
    premultiplied: bool = False
    jpeg: JpegCoding | None = None

    @property
    def nbytes(self) -> int:
        """What its pixels take in memory."""
        return self.pixels.nbytes + (0 if self.alpha is None else self.alpha.nbytes)

    def with_pixels(self, pixels: Pixels) -> "Original":
        """The same file with other pixels."""
        return replace(self, pixels=pixels)

    def marked(self) -> "Original":
        """The same file with the mark of an edit by a network; see `efgan_rt.metadata.mark`."""
        return replace(self, metadata=marked(self.metadata))


def rgb8(pixels: Pixels) -> Picture:
    """Pixels of an `Original` as uint8 (H, W, 3), RGB; the same array where they are that."""
    if pixels.dtype == np.uint16:
        pixels = eight_bits(pixels)
    return cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB) if pixels.ndim == 2 else pixels  # type: ignore[return-value]


def eight_bits(pixels: Pixels) -> Picture:
    """16 bits as 8, rounded."""
    return cv2.convertScaleAbs(pixels, alpha=1 / 257)  # type: ignore[return-value]


def decode(data: bytes, header: PictureHeader) -> Original:
    """Decodes a whole file, known to be a still picture of an acceptable size.

    Args:
        data: the file.
        header: what `efgan_rt.picture_header.read_header` says of it.

    Raises:
        UndecodableError: it is damaged, or of a kind that could not be edited and kept.
    """
    format_ = header.format
    # The one kind that says beforehand what it decodes to is spared a second pass over its pixels.
    rgb = format_ == "JPEG" and not header.grey
    how = _JPEG_RGB if rgb else cv2.IMREAD_UNCHANGED
    extra_samples = 0
    if format_ == "TIFF":
        data, extra_samples = checked_tiff(data)
    try:
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), how)
    except cv2.error:
        decoded = None
    if decoded is None:
        raise UndecodableError
    if decoded.dtype not in (np.uint8, np.uint16):
        raise UndecodableError(f"its pixels are {decoded.dtype}; expected 8 or 16 bits")
    pixels, alpha = (decoded, None) if rgb else _parted(decoded, data, format_)
    metadata = read_metadata(data, format_)
    # OpenCV turns TIFF files by itself, and of no TIFF is the orientation among the metadata.
    orientation = metadata.orientation
    jpeg = coding_of(header.jpeg_tables, header.jpeg_frame) if format_ == "JPEG" else None
    if jpeg is not None and orientation >= 5:
        jpeg = jpeg.turned()
    if metadata != NONE:
        metadata = metadata.upright().fitting(grey=pixels.ndim == 2)
    return Original(
        _turned(pixels, orientation),
        _turned(alpha, orientation) if alpha is not None else None,
        metadata,
        format_ == "WebP" and b"VP8L" in (data[12:16], data[30:34]),
        extra_samples == ASSOCIATED,
        jpeg,
    )


def _parted(decoded: Pixels, data: bytes, format_: str) -> tuple[Pixels, Pixels | None]:
    """Pixels and alpha of what OpenCV decoded: grey, BGR or BGRA."""
    if decoded.ndim == 2:
        return decoded, _png_grey_alpha(data, decoded) if format_ == "PNG" else None
    if decoded.shape[2] == 3:
        return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB, dst=decoded), None
    if format_ == "TIFF" and is_cmyk(data):
        return cv2.cvtColor(decoded, cv2.COLOR_BGRA2RGB), None  # CMYK, converted, and opaque
    alpha = np.ascontiguousarray(decoded[..., 3])
    if format_ == "PNG" and data[25] == 4:  # grey with alpha, which OpenCV gives as BGRA
        return np.ascontiguousarray(decoded[..., 0]), alpha
    return cv2.cvtColor(decoded, cv2.COLOR_BGRA2RGB), alpha


def _png_grey_alpha(data: bytes, grey: Pixels) -> Pixels | None:
    """The alpha of a grey PNG of which one grey level is transparent; OpenCV overlooks it."""
    at = data.find(b"tRNS", 33, data.find(b"IDAT", 33))
    if data[25] != 0 or at < 0 or len(data) < at + 6:
        return None
    (level,) = struct.unpack_from(">H", data, at + 4)
    bits = data[24]
    if bits < 8:
        level = level * 255 // (2**bits - 1)
    return np.where(grey == level, 0, np.iinfo(grey.dtype).max).astype(grey.dtype)


def _turned(pixels: Pixels, orientation: int) -> Pixels:
    """Pixels as EXIF's orientation wants them shown."""
    if orientation == 1:
        return pixels
    if orientation >= 5:
        pixels = cv2.transpose(pixels)
    flips = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}
    return cv2.flip(pixels, flips[orientation]) if orientation in flips else pixels


def encode(original: Original, extension: str, quality: int | None) -> memoryview | bytes | None:
    """A picture as the bytes of a file; None where it is too large for the format.

    What a format cannot hold is brought to what it can: 16 bits to 8, and transparency in a JPEG to
    a white ground.

    Args:
        original: the picture.
        extension: one of `FORMAT_OF`, of any case.
        quality: 1 to 100, for JPEG and lossy WebP; None takes a JPEG's own for a JPEG made of it,
            and 95 for others.
    """
    format_ = FORMAT_OF[extension.lower()]
    pixels, alpha = original.pixels, original.alpha
    if alpha is not None and original.premultiplied and format_ != "TIFF":
        pixels = _unmultiplied(pixels, alpha)
    if pixels.dtype == np.uint16 and format_ not in ("PNG", "TIFF"):
        pixels = eight_bits(pixels)
        alpha = eight_bits(alpha) if alpha is not None else None
    if alpha is not None and format_ == "JPEG":
        pixels, alpha = on_white(pixels, alpha), None
    settings = _settings(original, format_, quality)
    try:
        done, encoded = cv2.imencode(extension, _joined(pixels, alpha), settings)
    except cv2.error:
        done = False
    if not done:
        return None
    data: memoryview | bytes = encoded.data
    if format_ == "TIFF" and alpha is not None:
        data = with_alpha(bytes(data), ASSOCIATED if original.premultiplied else UNASSOCIATED)
    if original.metadata == NONE:
        return data
    kept = original.metadata.fitting(grey=pixels.ndim == 2)
    return with_metadata(bytes(data), format_, kept)


def _settings(original: Original, format_: str, quality: int | None) -> Sequence[int]:
    if format_ == "PNG":
        return (cv2.IMWRITE_PNG_COMPRESSION, 1)
    if format_ == "WebP":
        chosen = _LOSSLESS_WEBP if original.lossless else quality or JPEG_QUALITY
        return (cv2.IMWRITE_WEBP_QUALITY, chosen)
    if format_ != "JPEG":
        return ()
    own = original.jpeg or JpegCoding(JPEG_QUALITY)
    settings = (cv2.IMWRITE_JPEG_QUALITY, quality or own.quality)
    if own.sampling is None:
        return settings
    return (*settings, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, own.sampling)


def _joined(pixels: Pixels, alpha: Pixels | None) -> Pixels:
    """The channels as OpenCV's encoders take them."""
    if alpha is None:
        return pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    if pixels.ndim == 2:
        return cv2.merge([pixels, pixels, pixels, alpha])
    joined = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGRA)
    joined[..., 3] = alpha
    return joined


def _unmultiplied(pixels: Pixels, alpha: Pixels) -> Pixels:
    """The colours that alpha was multiplied into, as every format but TIFF stores them."""
    most = np.iinfo(alpha.dtype).max
    share = np.maximum(alpha, 1).astype(np.float32) / most
    return np.minimum(np.rint(pixels / share[..., np.newaxis]), most).astype(pixels.dtype)


def on_white(pixels: Pixels, alpha: Pixels) -> Picture:
    """8 bits of colour over a white ground, as alpha says."""
    share = alpha.astype(np.float32) / 255
    share = share if pixels.ndim == 2 else share[..., np.newaxis]
    return np.rint(pixels * share + 255 * (1 - share)).astype(np.uint8)
