"""Metadata of a TIFF: tags of its first directory (TIFF 6.0)."""

import struct

from efgan_rt.metadata.record import NONE, Metadata
from efgan_rt.tiff_tags import (
    DESCRIPTIVE,
    EXTRA_SAMPLES,
    ICC,
    XMP,
    Tag,
    copied_tags,
    exif_block,
    first_directory,
    tiff_with_tags,
)

_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 282, 283, 296
_NO_UNIT, _INCH, _CENTIMETRE = 1, 2, 3


def read(data: bytes) -> Metadata:
    """The metadata of a whole file; what is malformed is left out."""
    directory = first_directory(data)
    if directory is None:
        return NONE
    exif = exif_block(copied_tags(directory, DESCRIPTIVE))
    return Metadata(exif, directory.value(XMP), directory.value(ICC))


def write(data: bytes, metadata: Metadata) -> bytes:
    """A file that OpenCV encoded, with the metadata in it."""
    directory = first_directory(metadata.exif)
    tags = {} if directory is None else copied_tags(directory, DESCRIPTIVE)
    if metadata.density is not None and _X_RESOLUTION not in tags:
        unit = {"inch": _INCH, "metre": _CENTIMETRE, "none": _NO_UNIT}[metadata.density.unit]
        per = 100 if unit == _CENTIMETRE else 1
        tags[_X_RESOLUTION] = Tag(5, 1, struct.pack("<II", metadata.density.x, per))
        tags[_Y_RESOLUTION] = Tag(5, 1, struct.pack("<II", metadata.density.y, per))
        tags[_RESOLUTION_UNIT] = Tag(3, 1, struct.pack("<H", unit))
    for tag, kind, value in ((XMP, 1, metadata.xmp), (ICC, 7, metadata.icc)):
        if value:
            tags[tag] = Tag(kind, len(value), value)
    return tiff_with_tags(data, tags)


def with_alpha(data: bytes, extra_samples: int) -> bytes:
    """A TIFF of four channels that says what the fourth is, which OpenCV leaves out."""
    return tiff_with_tags(data, {EXTRA_SAMPLES: Tag(3, 1, struct.pack("<H", extra_samples))})
