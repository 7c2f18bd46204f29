"""Metadata of a BMP: its density is all there is."""

import struct

from efgan_rt.metadata.record import NONE, Density, Metadata


def read(data: bytes) -> Metadata:
    """The metadata of a whole file; what is malformed is left out."""
    if len(data) < 46 or struct.unpack_from("<I", data, 14)[0] < 40:
        return NONE
    x, y = struct.unpack_from("<ii", data, 38)
    return Metadata(density=Density(x, y, "metre")) if x > 0 and y > 0 else NONE


def write(data: bytes, metadata: Metadata) -> bytes:
    """A file that OpenCV encoded, with the metadata in it."""
    if metadata.density is None or metadata.density.unit == "none":
        return data
    return data[:38] + struct.pack("<ii", *metadata.density.per("metre")) + data[46:]
