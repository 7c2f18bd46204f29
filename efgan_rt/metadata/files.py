"""Takes metadata from one file and puts it into another; OpenCV's codecs keep none of it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from efgan_rt.metadata import bmp, jpeg, png, tiff, webp
from efgan_rt.metadata.record import NONE, Metadata

_READERS: Final[dict[str, Callable[[bytes], Metadata]]] = {
    "JPEG": jpeg.read,
    "PNG": png.read,
    "WebP": webp.read,
    "BMP": bmp.read,
    "TIFF": tiff.read,
}
_WRITERS: Final[dict[str, Callable[[bytes, Metadata], bytes]]] = {
    "JPEG": jpeg.write,
    "PNG": png.write,
    "WebP": webp.write,
    "BMP": bmp.write,
    "TIFF": tiff.write,
}


def read_metadata(data: bytes, format_: str) -> Metadata:
    """The metadata of a whole file; what is malformed is left out.

    Args:
        data: the file.
        format_: as `efgan_rt.picture_header.FORMATS` names it.
    """
    return _READERS[format_](data)


def with_metadata(data: bytes, format_: str, metadata: Metadata) -> bytes:
    """A freshly encoded file with the metadata in it, as far as its format has a place for it.

    Args:
        data: the file, as OpenCV encoded it.
        format_: as `efgan_rt.picture_header.FORMATS` names it.
        metadata: upright.
    """
    if metadata == NONE:
        return data
    own = metadata.own if metadata.own_format == format_ else ()
    return _WRITERS[format_](data, replace(metadata, own=own))
