"""How a JPEG file stores its pixels, so that its edit is stored alike: with its own tables.

libjpeg's own tables, of a quality from 1 to 100, are recognised, because OpenCV, which asks for a
quality, encodes twice as fast as Pillow, which takes tables.
"""

import io
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Final

from PIL import Image, JpegImagePlugin

Tables = tuple[tuple[int, ...], ...]  # of luma and, if there is any, chroma
# The sampling factors of the three channels, a byte each, as OpenCV takes them; by Pillow's number.
PILLOW_SAMPLINGS: Final = {0x111111: 0, 0x211111: 1, 0x221111: 2}
_KNOWN_SAMPLINGS: Final = frozenset({*PILLOW_SAMPLINGS, 0x121111, 0x411111})
_TURNED: Final = {0x211111: 0x121111, 0x121111: 0x211111, 0x411111: 0x221111}


@dataclass(frozen=True)
class JpegCoding:
    """How a JPEG file stores its pixels.

    Attributes:
        tables: its quantisation tables.
        sampling: the channels' sampling factors; None for grey, inks, and what cannot be written.
    """

    tables: Tables
    sampling: int | None = None

    @property
    def quality(self) -> int:
        """The lowest of libjpeg's qualities with tables that are together no coarser."""
        return _quality(self.tables)

    @property
    def is_libjpegs(self) -> bool:
        """Whether the tables are those of `quality`."""
        return libjpegs(self.quality)[: len(self.tables)] == self.tables

    def turned(self) -> "JpegCoding":
        """The same of a picture turned by a quarter, whose rows have become columns."""
        return replace(self, sampling=_TURNED.get(self.sampling or 0, self.sampling))


def coding_of(image: JpegImagePlugin.JpegImageFile) -> JpegCoding | None:
    """How an opened JPEG stores its pixels; None where its tables do not say."""
    layers = image.layer
    try:
        tables = tuple(tuple(image.quantization[layer[3]]) for layer in layers[:2])
    except (KeyError, IndexError):
        return None
    sampling = None
    if len(layers) == 3:
        sampling = int.from_bytes(bytes(layer[1] << 4 | layer[2] for layer in layers), "big")
    return JpegCoding(tables, sampling if sampling in _KNOWN_SAMPLINGS else None)


@cache
def libjpegs(quality: int) -> Tables:
    """The tables that libjpeg has for a quality, read off a picture that it made."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", quality=quality)
    file.seek(0)
    found = coding_of(JpegImagePlugin.JpegImageFile(file))
    assert found is not None, "it has just been written"
    return found.tables


@lru_cache(maxsize=256)  # a folder's pictures have few tables among them
def _quality(tables: Tables) -> int:
    total, count = sum(map(sum, tables)), len(tables)
    finer = (q for q in range(1, 100) if sum(map(sum, libjpegs(q)[:count])) <= total)
    return next(finer, 100)
