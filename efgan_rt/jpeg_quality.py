"""How strongly a JPEG file was compressed, read from its own tables, so that its edit can be alike.

A file does not say its quality; it holds the quantisation tables, and each program has its own. The
rule here: the quality of a file is the lowest at which libjpeg's tables (those of the standard's
annex K, scaled as libjpeg scales them) are together no coarser than the file's. For a file that
libjpeg wrote this is the quality that was asked for; an edit never gets coarser tables than the
picture had.
"""

import struct
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import numpy as np

# ITU-T T.81, annex K, tables K.1 and K.2; the order does not matter to a sum.
_LUMA: Final = """
16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62
18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100
103 99"""
_CHROMA: Final = """
17 18 24 47 99 99 99 99 18 21 26 66 99 99 99 99 24 26 56 99 99 99 99 99 47 66 99 99 99 99 99 99
99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99"""
# What OpenCV can be asked for: the sampling factors of the three channels, a byte each.
_KNOWN_SAMPLINGS: Final = frozenset({0x111111, 0x211111, 0x121111, 0x221111, 0x411111})
_TURNED: Final = {0x211111: 0x121111, 0x121111: 0x211111, 0x411111: 0x221111}


@dataclass(frozen=True)
class JpegCoding:
    """How a JPEG file stores its pixels.

    Attributes:
        quality: 1 to 100.
        sampling: the channels' sampling factors, as OpenCV takes them; None for grey and for what
            OpenCV cannot write.
    """

    quality: int
    sampling: int | None = None

    def turned(self) -> "JpegCoding":
        """The same of a picture turned by a quarter, whose rows have become columns."""
        if self.sampling is None:
            return self
        return replace(self, sampling=_TURNED.get(self.sampling, self.sampling))


def coding_of(tables: tuple[bytes, ...], frame: bytes) -> JpegCoding | None:
    """How a JPEG file stores its pixels; None where its tables do not say.

    Args:
        tables: the contents of its quantisation segments.
        frame: the content of its frame header, from the sample precision on.
    """
    try:
        steps = _steps(tables)
        channels = [(frame[at + 1], frame[at + 2]) for at in range(6, 6 + 3 * frame[5], 3)]
        found = tuple(steps[table] for _, table in channels[:3:2])  # luma and, if any, chroma
    except (struct.error, IndexError, KeyError):
        return None
    if not found:
        return None
    sampling = None
    if len(channels) == 3:
        (first, _), (second, _), (third, _) = channels
        sampling = first << 16 | second << 8 | third
    return JpegCoding(_quality(found), sampling if sampling in _KNOWN_SAMPLINGS else None)


def _steps(tables: tuple[bytes, ...]) -> dict[int, int]:
    """The sum of each quantisation table, by its number."""
    found = {}
    for content in tables:
        at = 0
        while at < len(content):
            kind = content[at]
            layout = ">64H" if kind >> 4 else ">64B"
            found[kind & 15] = sum(struct.unpack_from(layout, content, at + 1))
            at += 1 + struct.calcsize(layout)
    return found


@cache
def _quality(sums: tuple[int, ...]) -> int:
    """The lowest quality with tables, of luma and perhaps chroma, no coarser than these sums."""
    names = (_LUMA, _CHROMA)[: len(sums)]
    standard = np.array([each.split() for each in names], dtype=np.int64)
    for quality in range(1, 100):
        scale = 5000 // quality if quality < 50 else 200 - 2 * quality
        table = np.clip((standard * scale + 50) // 100, 1, 255)
        if table.sum() <= sum(sums):
            return quality
    return 100
