"""Picture files into memory: read whole, checked by their header, then decoded.

OpenCV decodes what it decodes without a loss, because it is quick; sound JPEGs in colour
libjpeg-turbo (simplejpeg), to the same pixels without a second copy of them, which takes a third of
the time of large ones; Pillow inks, grey TIFFs with transparency and AVIF; pi-heif HEIC;
imagecodecs JPEG XL. Of several pictures in one file the first is taken where the others are the
same moment again (MPO, bursts), and that is noted; animations and pages are refused.

OpenCV's own threads are off: the pipeline decodes and encodes many pictures at a time, and threads
inside each of them would only compete with those and with the networks.
"""

import io
import os
import stat
import struct
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
import simplejpeg
from PIL import JpegImagePlugin, TiffImagePlugin

from efgan_rt.errors import EfganError
from efgan_rt.pictures.colour import icc_space, in_srgb, nclx_space, png_space
from efgan_rt.pictures.containers import FURTHER, png_chunks, read_metadata
from efgan_rt.pictures.exif import (
    EXTRA_SAMPLES,
    PHOTOMETRIC,
    SAMPLES,
    first_directory,
    orientation_of,
    upright_exif,
)
from efgan_rt.pictures.header import (
    FORMATS,
    Header,
    format_of,
    is_camera_raw,
    missing_reader,
    open_without_waiting,
    read_header,
)
from efgan_rt.pictures.jpeg_tables import coding_of
from efgan_rt.pictures.original import (
    NONE,
    Density,
    Metadata,
    OnDevice,
    Original,
    Picture,
    Pixels,
    Space,
    on_host,
    rgb8,
    turned,
)
from efgan_rt.pictures.xmp import cleaned
from efgan_rt.remote.path import RemotePath

if TYPE_CHECKING:
    from efgan_rt.pictures.device_jpeg import DecodedThere, JpegCoder

MAX_PIXELS: Final = 200_000_000
ASSOCIATED, UNASSOCIATED = 1, 2  # TIFF's ExtraSamples: the colours are multiplied by alpha, or not
NO_END: Final = "JPEG's end marker was missing, its pixels were whole"
TO_SRGB: Final = "colours brought to sRGB"
TO_8_BITS: Final = "more than 8 bits of depth brought to 8"
_JPEG_RGB: Final = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
_SEPARATED, _BITS = 5, 258

cv2.setNumThreads(1)
# What a decoder has to say is said in the error that `decode_original` raises.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class _UndecodableError(Exception):
    """The decoder cannot make a picture of the file; the message says why, if that is known."""


def read_picture(path: Path, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Reads a picture file as uint8 (H, W, 3), sRGB, upright, opaque; see `read_original`."""
    return rgb8(read_original(path, max_pixels=max_pixels).pixels)


def read_original(path: Path, *, max_pixels: int = MAX_PIXELS) -> Original:
    """Reads a picture file with all that its edit shall keep.

    Args:
        path: the file.
        max_pixels: the largest width times height accepted, known before decoding.

    Raises:
        EfganError: the file is missing, unreadable or not a regular file, or `decode_original`
            refuses it; the message begins with the path.
    """
    return decode_original(read_bytes(path), path, max_pixels=max_pixels)


def read_bytes(path: Path) -> bytes:
    """A file's content.

    Raises:
        EfganError: the file is missing, unreadable or not a regular file.
    """
    if isinstance(path, RemotePath):
        return path.content()
    try:
        with open_without_waiting(path) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise EfganError(f"{path}: not a regular file; expected a picture")
            return file.read()
    except OSError as error:
        raise EfganError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # a name with a null byte, which no file has
        raise EfganError(f"{str(path)!r}: cannot be read: {error}") from error


def checked_header(data: bytes, path: Path, *, max_pixels: int = MAX_PIXELS) -> Header:
    """The header of a file that may be decoded.

    Args:
        data: the whole file.
        path: of the file, for the messages.
        max_pixels: the largest width times height accepted.

    Raises:
        EfganError: the file is empty, no picture, a camera's raw picture, cut short, several
            pictures in one, over `max_pixels`, or of a format whose library is not installed.
    """
    if not data:
        raise EfganError(f"{path}: the file is empty; expected a picture")
    if is_camera_raw(data):
        raise EfganError(
            f"{path}: is a camera's raw picture, which is developed and not edited; "
            "export it as JPEG or TIFF first"
        )
    format_ = format_of(data)
    if format_ is None:
        start = data[:8].decode("ascii", "backslashreplace")
        expected = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
        raise EfganError(f"{path}: not a picture: it begins with {start!r}; expected {expected}")
    if missing := missing_reader(format_):
        raise EfganError(f"{path}: nothing here reads {format_}; {missing}")
    header = read_header(data, format_)
    if header.width * header.height > max_pixels:
        found = f"{header.width} x {header.height} is {header.width * header.height:,} pixels"
        raise EfganError(
            f"{path}: {found}, over the limit of {max_pixels:,}; raise it with --max-pixels"
        )
    if not header.may_fit or _is_cut_short(data, header):
        raise _cut_short(data, path, format_)
    if not header.width:
        raise EfganError(f"{path}: the {format_} file cannot be edited: its header is damaged")
    if header.count > 1 and format_ != "HEIC":
        raise EfganError(
            f"{path}: the {format_} file holds several pictures, as an animation or as "
            "pages; expected one, save each in a file of its own"
        )
    return header


def _cut_short(data: bytes, path: Path, format_: str) -> EfganError:
    return EfganError(
        f"{path}: the {format_} file is cut short after {len(data):,} bytes; get a whole copy of it"
    )


def _is_cut_short(data: bytes, header: Header) -> bool:
    """Whether a file ends before it says; of a JPEG and a TIFF only the decoder knows."""
    if header.format == "PNG":
        return all(kind != b"IEND" for kind, _ in png_chunks(data))
    if header.format == "WebP":
        return len(data) < int.from_bytes(data[4:8], "little") + 8
    if header.format == "BMP":
        return len(data) < int.from_bytes(data[2:6], "little")
    return header.format == "JPEG" and not header.width and b"\xff\xda" not in data


def decode_original(
    data: bytes,
    path: Path,
    *,
    max_pixels: int = MAX_PIXELS,
    header: Header | None = None,
    jpeg: "JpegCoder | None" = None,
) -> Original:
    """The picture that a file's bytes hold; see `read_original`.

    Args:
        data: the whole file.
        path: of the file, for the messages.
        max_pixels: the largest width times height accepted, known before decoding.
        header: from `checked_header`, where that has been called.
        jpeg: what decodes colour JPEGs in libjpeg's place.

    Raises:
        EfganError: as `checked_header`, or the file is damaged or of a kind that cannot be decoded.
    """
    header = header or checked_header(data, path, max_pixels=max_pixels)
    try:
        return _decoded(data, header, jpeg)
    except _UndecodableError as error:
        if header.format == "JPEG" and b"\xff\xd9" not in data[header.scan_at :]:
            raise _cut_short(data, path, "JPEG") from error
        why = str(error) or "it is damaged or of a kind that cannot be decoded"
        raise EfganError(f"{path}: the {header.format} file cannot be edited: {why}") from error


def _decoded(data: bytes, header: Header, jpeg: "JpegCoder | None") -> Original:
    format_ = header.format
    metadata, notes = read_metadata(data, header)
    held, alpha, extra_samples = _pixels(data, header, notes, jpeg)
    if isinstance(held, np.ndarray) and held.dtype not in (np.uint8, np.uint16):
        raise _UndecodableError(f"its pixels are {held.dtype}; expected 8 or 16 bits")
    # All but these are stored as the camera was held.
    is_turned = format_ in ("HEIC", "JPEG XL", "TIFF")
    orientation = 1 if is_turned else orientation_of(metadata.exif)
    metadata, more = _upright(metadata, orientation)
    metadata = metadata.fitting(held)
    space = _space_of(data, format_, metadata, held)
    upright: Pixels | OnDevice
    if isinstance(held, np.ndarray):
        upright = turned(held, orientation)
    else:  # on a GPU, where it is turned when it is looked at
        upright = held.upright(orientation)
    seen, stored = (upright, None) if space is None else in_srgb(on_host(upright), space)
    if stored is not None and format_ in ("HEIC", "AVIF") and not metadata.icc:
        stored, notes = None, [*notes, TO_SRGB]  # no place for it in what is written
    coding = coding_of(header.opened) if format_ == "JPEG" else None
    return Original(
        seen,
        None if alpha is None else turned(alpha, orientation),
        metadata,
        format_ == "WebP" and b"VP8L" in (data[12:16], data[30:34]),
        extra_samples == ASSOCIATED,
        coding.turned() if coding is not None and orientation >= 5 else coding,
        stored,
        tuple(dict.fromkeys((*notes, *more))),
    )


def _upright(metadata: Metadata, orientation: int) -> tuple[Metadata, tuple[str, ...]]:
    """The metadata of the pixels turned upright, and what was left out of them."""
    if metadata == NONE:
        return metadata, ()
    exif, left_of_exif = upright_exif(metadata.exif, quarter_turn=orientation >= 5)
    xmp, left_of_xmp = cleaned(metadata.xmp)
    density = metadata.density
    if density is not None and orientation >= 5:
        density = Density(density.y, density.x, density.unit)
    kept = replace(metadata, exif=exif, xmp=xmp, density=density)
    return kept, (*left_of_exif, *left_of_xmp)


def _space_of(
    data: bytes, format_: str, metadata: Metadata, pixels: "Pixels | OnDevice"
) -> Space | None:
    mode = {2: "L"}.get(len(pixels.shape), "CMYK" if pixels.shape[-1] == 4 else "RGB")
    if metadata.icc or mode == "CMYK":
        return icc_space(metadata.icc, mode)
    if format_ == "PNG":
        return png_space({chunk[4:8]: chunk[8:-4] for chunk in metadata.own})
    return nclx_space(data) if format_ in ("HEIC", "AVIF") else None


def _pixels(
    data: bytes, header: Header, notes: list[str], jpeg: "JpegCoder | None"
) -> "tuple[Pixels | DecodedThere, Pixels | None, int]":
    """Pixels, alpha, and a TIFF's ExtraSamples (0 without alpha)."""
    format_, opened = header.format, header.opened
    try:
        if format_ == "HEIC":
            notes += [FURTHER] if header.count > 1 else []
            notes += [TO_8_BITS] if opened.info.get("bit_depth", 8) > 8 else []
            return *_of_channels(np.asarray(opened.to_pillow())), 0
        if format_ == "JPEG XL":
            import imagecodecs

            return *_of_channels(imagecodecs.jpegxl_decode(data, numthreads=1)), 0
        if format_ == "AVIF":
            at = data.find(b"pixi")
            notes += [TO_8_BITS] if at >= 0 and any(b > 8 for b in data[at + 9 : at + 12]) else []
        if format_ == "AVIF" or (format_ == "JPEG" and opened.mode == "CMYK"):
            return *_of_channels(np.array(opened), inks=opened.mode == "CMYK"), 0
        if format_ == "TIFF" and _is_pillows_tiff(data):
            image = TiffImagePlugin.TiffImageFile(io.BytesIO(data))
            return *_of_channels(np.array(image), inks=image.mode == "CMYK"), 0
    # Whatever a library trips over in a malformed file, the file cannot be decoded.
    except Exception as error:
        raise _UndecodableError from error
    has_end = format_ == "JPEG" and b"\xff\xd9" in data[header.scan_at :]
    if jpeg is not None and has_end and opened.mode == "RGB":
        decoded = jpeg.decode(data)
        if decoded is not None and decoded.shape[:2] == (header.height, header.width):
            return decoded, None, 0
    return _opencv_pixels(data, header, notes)


def _is_pillows_tiff(data: bytes) -> bool:
    """Whether a TIFF holds what OpenCV would not give as it is: inks, or grey with alpha."""
    first = first_directory(data)
    if first is None or set(first.numbers(_BITS)) != {8}:
        return False
    photometric, samples = first.number(PHOTOMETRIC), first.number(SAMPLES, 1)
    return (photometric, samples) in ((1, 2), (_SEPARATED, 4))


def _of_channels(array: Pixels, *, inks: bool = False) -> tuple[Pixels, Pixels | None]:
    """Pixels and alpha of grey, grey with alpha, RGB, RGBA, or inks."""
    if array.ndim > 3:
        raise _UndecodableError("it holds several pictures")
    if array.ndim == 2 or array.shape[2] == 3 or inks:
        return array, None
    alpha = np.ascontiguousarray(array[..., -1]) if array.shape[2] in (2, 4) else None
    return np.ascontiguousarray(array[..., :3] if array.shape[2] == 4 else array[..., 0]), alpha


def _opencv_pixels(
    data: bytes, header: Header, notes: list[str]
) -> tuple[Pixels, Pixels | None, int]:
    format_, extra_samples = header.format, 0
    # The one kind that says beforehand what it decodes to is spared a second pass over its pixels.
    rgb = format_ == "JPEG" and header.opened.mode == "RGB"
    if format_ == "TIFF":
        data, extra_samples = _checked_tiff(data)
    decoded = _turbo_pixels(data, header) if rgb else None
    if decoded is None:
        decoded = _imdecode(data, _JPEG_RGB if rgb else cv2.IMREAD_UNCHANGED)
    if decoded is None and format_ == "JPEG":
        decoded = _of_endless_jpeg(data, header.scan_at)
        notes.append(NO_END)
    if decoded is None:
        raise _UndecodableError
    if rgb or decoded.ndim == 2:
        alpha = _png_grey_alpha(data, decoded) if format_ == "PNG" else None
        return decoded, alpha, 0
    if decoded.shape[2] == 3:
        return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB, dst=decoded), None, 0
    alpha = np.ascontiguousarray(decoded[..., 3])
    if format_ == "PNG" and data[25] == 4:  # grey with alpha, which OpenCV gives as BGRA
        return np.ascontiguousarray(decoded[..., 0]), alpha, 0
    return cv2.cvtColor(decoded, cv2.COLOR_BGRA2RGB), alpha, extra_samples


def _turbo_pixels(data: bytes, header: Header) -> Pixels | None:
    """The pixels of a sound JPEG in colour; None of one that is not whole to the last bit."""
    try:
        # Held against the header that the limit was asked of, before it takes memory by its own.
        if simplejpeg.decode_jpeg_header(data)[:2] != (header.height, header.width):
            return None
        decoded: Picture = simplejpeg.decode_jpeg(data)
    except ValueError:
        return None
    return decoded


def _imdecode(data: bytes, how: int) -> Pixels | None:
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), how)
    except cv2.error:
        return None


def _of_endless_jpeg(data: bytes, scan_at: int) -> Pixels | None:
    """The pixels of a JPEG without an end marker; None where some of them are missing.

    A decoder has all of them if nothing that follows makes a difference.
    """
    if b"\xff\xd9" in data[scan_at:]:
        return None
    data = data.removesuffix(b"\xff")
    ends = (io.BytesIO(data + filling * 64 + b"\xff\xd9") for filling in (b"\0", b"\xaa"))
    try:
        one, other = (np.array(JpegImagePlugin.JpegImageFile(end)) for end in ends)
    except OSError:
        return None
    return one if np.array_equal(one, other) else None


def _png_grey_alpha(data: bytes, grey: Pixels) -> Pixels | None:
    """The alpha of a grey PNG of which one grey level is transparent; OpenCV overlooks it."""
    at = data.find(b"tRNS", 33, data.find(b"IDAT", 33))
    if data[25] != 0 or at < 0 or len(data) < at + 6:
        return None
    (level,) = struct.unpack_from(">H", data, at + 4)
    bits = data[24]
    level = level * 255 // (2**bits - 1) if bits < 8 else level
    return np.where(grey == level, 0, np.iinfo(grey.dtype).max).astype(grey.dtype)


def _checked_tiff(data: bytes) -> tuple[bytes, int]:
    """A TIFF as OpenCV decodes it without a loss, and its ExtraSamples (0 without alpha).

    Raises:
        _UndecodableError: it is of a kind that OpenCV would decode to something else.
    """
    directory = first_directory(data)
    if directory is None:
        raise _UndecodableError
    samples, bits = directory.number(SAMPLES, 1), directory.number(_BITS, 1)
    photometric = directory.number(PHOTOMETRIC)
    if bits > 8 and (photometric == _SEPARATED or (photometric in (0, 1) and samples > 1)):
        raise _UndecodableError(f"{bits} bits are known for grey and RGB only")
    if bits > 8 and photometric > 2:
        raise _UndecodableError(f"{bits} bits are known for grey and RGB only")
    if photometric in (0, 1) and samples > 1:
        raise _UndecodableError(f"it is grey with {samples - 1} further channels; expected one")
    if photometric != 2 or samples < 4:
        return data, 0
    if samples > 4:
        raise _UndecodableError(f"it has {samples} channels; expected at most 4")
    extra = directory.number(EXTRA_SAMPLES, ASSOCIATED)
    entry = directory.entries.get(EXTRA_SAMPLES)
    if bits == 8 and entry is not None and entry.kind == 3 and entry.count == 1:
        # It claims that alpha is multiplied in already, lest OpenCV should do it.
        claim = struct.pack(f"{directory.order}H", ASSOCIATED)
        data = data[: entry.start] + claim + data[entry.start + 2 :]
    return data, extra
