"""Which kinds of TIFF OpenCV decodes to what they hold; the others are refused with the reason."""

import struct
from typing import Final

from efgan_rt.tiff_tags import EXTRA_SAMPLES, Directory, first_directory

ASSOCIATED, UNASSOCIATED = 1, 2  # ExtraSamples: the colours are multiplied by alpha, or not
_BITS, _PHOTOMETRIC, _SAMPLES = 258, 262, 277
_GREY_OR_RGB: Final = (0, 1, 2)
_SEPARATED: Final = 5


class UndecodableError(Exception):
    """The decoder cannot make a picture of the file; the message says why, if that is known."""


def is_cmyk(data: bytes) -> bool:
    """Whether a TIFF's four channels are inks, and the fourth is no alpha."""
    directory = first_directory(data)
    return directory is not None and directory.number(_PHOTOMETRIC) == _SEPARATED


def checked_tiff(data: bytes) -> tuple[bytes, int]:
    """A TIFF as OpenCV decodes it without a loss, and its ExtraSamples (0 without alpha).

    Raises:
        UndecodableError: it is of a kind that OpenCV would decode to something else.
    """
    directory = first_directory(data)
    if directory is None:
        raise UndecodableError
    samples = directory.number(_SAMPLES, 1)
    bits = directory.number(_BITS, 1)
    photometric = directory.number(_PHOTOMETRIC)
    if bits > 8 and photometric not in _GREY_OR_RGB:
        raise UndecodableError(f"{bits} bits are known for grey and RGB only")
    if photometric in (0, 1) and samples > 1:
        raise UndecodableError("grey with transparency is known in PNG only; convert it to PNG")
    if photometric != 2 or samples < 4:
        return data, 0
    if samples > 4:
        raise UndecodableError(f"it has {samples} channels; expected at most 4")
    extra = directory.number(EXTRA_SAMPLES, ASSOCIATED)
    return (data, extra) if bits > 8 else (_left_unmultiplied(data, directory), extra)


def _left_unmultiplied(data: bytes, directory: Directory) -> bytes:
    """The TIFF claiming that alpha is multiplied in already, lest OpenCV should do it."""
    entry = directory.entries.get(EXTRA_SAMPLES)
    if entry is None or entry.kind != 3 or entry.count != 1:
        return data
    value = struct.pack(f"{directory.order}H", ASSOCIATED)
    return data[: entry.start] + value + data[entry.start + 2 :]
