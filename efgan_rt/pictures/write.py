"""Pictures into files: in the format that the extension names, with all of it that fits in there.

Grey stays grey, 16 bits stay 16 bits, transparency stays, inks stay inks, a lossless WebP stays
lossless, a JPEG keeps its tables; the pixels are written in the file's own colour space, with its
profile. What a format cannot hold is brought to what it can: 16 bits to 8, another colour space to
sRGB, transparency in a JPEG to a white ground.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
from PIL import Image

from efgan_rt.errors import EfganError
from efgan_rt.pictures.colour import CodedSpace, as_stored
from efgan_rt.pictures.containers import with_metadata
from efgan_rt.pictures.exif import EXTRA_SAMPLES, Tag, tiff_with_tags
from efgan_rt.pictures.header import FORMAT_OF, READABLE_EXTENSIONS, heif_library, is_writable
from efgan_rt.pictures.jpeg_tables import PILLOW_SAMPLINGS
from efgan_rt.pictures.original import (
    NONE,
    Metadata,
    OnDevice,
    Original,
    Picture,
    Pixels,
    Stored,
    eight_bits,
    on_host,
    on_white,
)
from efgan_rt.pictures.read import ASSOCIATED, UNASSOCIATED
from efgan_rt.written import write_file

if TYPE_CHECKING:
    from efgan_rt.pictures.device_jpeg import JpegCoder

JPEG_QUALITY: Final = 95  # where there is no JPEG to take it from
_LOSSLESS_WEBP: Final = 101  # OpenCV's quality above 100
_DEEP_FORMATS: Final = ("PNG", "TIFF", "JPEG XL")


def write_picture(path: Path, picture: Picture, *, quality: int = JPEG_QUALITY) -> None:
    """Writes uint8 (H, W, 3) RGB pixels without any metadata; see `write_original`."""
    write_original(path, Original(picture), quality=quality)


def write_original(path: Path, original: Original, *, quality: int | None = JPEG_QUALITY) -> None:
    """Writes a picture in the format that the extension names; it appears whole or not at all.

    Args:
        path: the file, replaced if it is there; its folder must exist.
        original: the picture and its metadata.
        quality: 1 to 100, for lossy formats; None takes the tables of the JPEG that the picture was
            read from, if it is to be one again, and 95 for others.

    Raises:
        EfganError: the extension names no format that can be written, the picture is too large for
            it, or the file cannot be written; an `OSError` behind it is its cause.
    """
    data = encode_original(path.suffix, original, quality=quality)
    write_file(path, data)


def encode_picture(
    extension: str, picture: Picture, *, quality: int = JPEG_QUALITY
) -> memoryview | bytes:
    """Pixels as the bytes of a file of the given extension; see `encode_original`."""
    return encode_original(extension, Original(picture), quality=quality)


def encode_original(
    extension: str,
    original: Original,
    *,
    quality: int | None = JPEG_QUALITY,
    jpeg: "JpegCoder | None" = None,
) -> memoryview | bytes:
    """A picture as the bytes of a file of the given extension; see `write_original`.

    Args:
        extension: of the file.
        original: the picture.
        quality: as for `write_original`.
        jpeg: what encodes colour JPEGs of libjpeg's qualities in its place.

    Raises:
        EfganError: the extension names no format that can be written, or the picture is too large.
    """
    format_ = FORMAT_OF.get(extension.lower())
    if format_ is None:
        known = " ".join(READABLE_EXTENSIONS)
        raise EfganError(f"'{extension}' names no picture format; expected one of {known}")
    if not is_writable(format_):
        raise EfganError(f"{format_} cannot be written here; pip install 'efgan-rt[heic]'")
    pixels, alpha, metadata = _fitting(original, format_)
    try:
        data = _encoded(original, pixels, alpha, metadata, format_, quality, jpeg)
    except (cv2.error, OSError, ValueError, RuntimeError) as error:
        height, width = original.held.shape[:2]
        reason = f"a picture of {width} x {height} cannot be stored as {extension}"
        raise EfganError(reason) from error
    return data if metadata == NONE else with_metadata(bytes(data), format_, metadata)


def _fitting(original: Original, format_: str) -> tuple[Pixels | OnDevice, Pixels | None, Metadata]:
    """Pixels, alpha and metadata as a format can hold them."""
    held, alpha, metadata = original.held, original.alpha, original.metadata
    if not isinstance(held, np.ndarray) and original.stored is None and alpha is None:
        return held, None, metadata.fitting(held)
    pixels = original.pixels
    if original.stored is not None and _holds(format_, original.stored):
        pixels = as_stored(pixels, original.stored)
    elif original.stored is not None:
        metadata = metadata.fitting(None)
    if alpha is not None and original.premultiplied and format_ != "TIFF":
        most = np.iinfo(alpha.dtype).max
        share = np.maximum(alpha, 1).astype(np.float32) / most
        pixels = np.minimum(np.rint(pixels / share[..., np.newaxis]), most).astype(pixels.dtype)
    if pixels.dtype == np.uint16 and format_ not in _DEEP_FORMATS:
        pixels = eight_bits(pixels)
        alpha = eight_bits(alpha) if alpha is not None else None
    if alpha is not None and format_ == "JPEG":
        pixels, alpha = on_white(pixels, alpha), None
    return pixels, alpha, metadata.fitting(pixels)


def _holds(format_: str, stored: Stored) -> bool:
    if stored.pixels.shape[-1] == 4:
        return format_ in ("JPEG", "TIFF")
    if isinstance(stored.space, CodedSpace):
        return format_ == "PNG"
    return format_ not in ("BMP", "JPEG XL")


def _encoded(
    original: Original,
    held: Pixels | OnDevice,
    alpha: Pixels | None,
    metadata: Metadata,
    format_: str,
    quality: int | None,
    jpeg: "JpegCoder | None",
) -> memoryview | bytes:
    settings: Sequence[int] = ()
    if format_ == "JPEG":
        by_pillow, settings = _jpeg_settings(original, held, quality)
        if by_pillow:
            return _by_pillow(on_host(held), "JPEG", **by_pillow)
        if jpeg is not None and len(held.shape) == 3:
            coded = jpeg.encode(held, settings[1], settings[3] if len(settings) > 2 else None)
            if coded is not None:
                return coded
    pixels = on_host(held)
    if format_ in ("HEIC", "AVIF"):
        return _phone_picture(pixels, alpha, metadata, format_, quality or JPEG_QUALITY)
    if format_ == "JPEG XL":
        import imagecodecs

        # libjxl's own reckoning from a quality to a distance.
        distance = max(0.1, 0.1 + (100 - (quality or JPEG_QUALITY)) * 0.09)
        array = pixels if alpha is None else np.dstack([pixels, alpha])
        made = imagecodecs.jpegxl_encode(array, distance=distance, usecontainer=True, numthreads=1)
        return bytes(made)
    if format_ == "PNG":
        settings = (cv2.IMWRITE_PNG_COMPRESSION, 1)
    elif format_ == "WebP":
        chosen = _LOSSLESS_WEBP if original.lossless else quality or JPEG_QUALITY
        settings = (cv2.IMWRITE_WEBP_QUALITY, chosen)
    elif format_ == "TIFF" and (pixels.shape[-1] == 4 or (pixels.ndim == 2 and alpha is not None)):
        array = pixels if alpha is None else np.dstack([pixels, alpha])
        if array.dtype == np.uint16:
            array = eight_bits(array)
        return _by_pillow(array, "TIFF", compression="tiff_lzw")
    done, encoded = cv2.imencode(f".{format_.lower()}", _joined(pixels, alpha), settings)
    if not done:
        raise ValueError
    if format_ == "TIFF" and alpha is not None:
        samples = ASSOCIATED if original.premultiplied else UNASSOCIATED
        tag = Tag(3, 1, samples.to_bytes(2, "little"))
        return tiff_with_tags(bytes(encoded.data), {EXTRA_SAMPLES: tag})
    return encoded.data


def keeps_own_tables(original: Original, quality: int | None) -> bool:
    """Whether a JPEG gets tables of its picture's own that no quality of libjpeg's has."""
    return quality is None and original.jpeg is not None and not original.jpeg.is_libjpegs


def _jpeg_settings(
    original: Original, pixels: Pixels | OnDevice, quality: int | None
) -> tuple[dict[str, Any], Sequence[int]]:
    """How Pillow shall encode a JPEG, where only it can; and else how OpenCV shall."""
    own = original.jpeg
    chosen = quality or (own.quality if own is not None else JPEG_QUALITY)
    is_grey = len(pixels.shape) == 2
    sampling = None if own is None or is_grey else own.sampling
    if keeps_own_tables(original, quality) and (
        is_grey or sampling is None or sampling in PILLOW_SAMPLINGS
    ):
        assert own is not None
        tables = [list(table) for table in own.tables]
        return {"qtables": tables, "subsampling": PILLOW_SAMPLINGS.get(sampling or 0, -1)}, ()
    if pixels.shape[-1] == 4:
        return {"quality": chosen, "subsampling": 0}, ()
    settings = (cv2.IMWRITE_JPEG_QUALITY, chosen)
    return {}, settings if sampling is None else (
        *settings,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        sampling,
    )


def _by_pillow(array: Pixels, format_: str, **settings: Any) -> bytes:
    mode = "CMYK" if array.shape[-1] == 4 and format_ in ("JPEG", "TIFF") else None
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(array), mode).save(file, format_, **settings)
    return file.getvalue()


def _phone_picture(
    pixels: Pixels, alpha: Pixels | None, metadata: Metadata, format_: str, quality: int
) -> bytes:
    """HEIC or AVIF, whose libraries put the metadata in themselves."""
    if format_ == "HEIC":
        heif_library().register_heif_opener()
    kept = {"exif": metadata.exif, "xmp": metadata.xmp, "icc_profile": metadata.icc}
    settings = {name: value for name, value in kept.items() if value}
    array = pixels if alpha is None else np.dstack([pixels, alpha])
    name = "HEIF" if format_ == "HEIC" else "AVIF"
    return _by_pillow(array, name, quality=quality, **settings)


def _joined(pixels: Pixels, alpha: Pixels | None) -> Pixels:
    """The channels as OpenCV's encoders take them."""
    if alpha is None:
        return pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    if pixels.ndim == 2:
        return cv2.merge([pixels, pixels, pixels, alpha])
    joined = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGRA)
    joined[..., 3] = alpha
    return joined
