"""XMP in a GIF: an application extension that old readers pass over.

Source: XMP Specification part 3, "GIF".
"""

from typing import Final

_START: Final = b"\x21\xff\x0bXMP DataXMP"
# The packet is no chain of sub-blocks: wherever a reader lands in this, it is led to its end.
_TRAILER: Final = b"\x01" + bytes(range(255, -1, -1)) + b"\x00"


def with_xmp(data: bytes, xmp: bytes) -> bytes:
    """A GIF with an XMP packet in it, behind its colour table.

    Args:
        data: a whole GIF 89a that holds no XMP.
        xmp: the packet, without null bytes; empty for none.
    """
    if not xmp or b"\0" in xmp:
        return data
    flags = data[10]
    behind = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    return data[:behind] + _START + xmp + _TRAILER + data[behind:]


def read_xmp(data: bytes) -> bytes:
    """The XMP packet of a whole file; empty where there is none."""
    start = data.find(_START)
    end = data.find(_TRAILER, start)
    return b"" if start < 0 or end < 0 else data[start + len(_START) : end]
