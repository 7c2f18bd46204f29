"""What a detector is shown of a picture, so that faces of every size, turn and light are found.

A whole picture is searched at two sizes. Where faces of the smallest size that is asked for would
be too small for the network at the larger of them, overlapping tiles are searched as well. When
views are turned by quarters and brought to a normal exposure is the detector's to decide
(`efgan_rt.faces.detect`).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from efgan_rt.faces.align import Similarity
from efgan_rt.pictures.original import Picture

SEARCH_SIDES: Final = (320, 960)  # YuNet finds faces of about 10 to 300 pixels
# The share of the longer side that is laid around a picture, so that a face at its edge is found.
BORDER_SHARE: Final = 0.125
# The smallest face shall have this many pixels in the largest search: of 18 people as many were
# found at 11, 14 at 10 and 7 at 9.
ENOUGH_PX: Final = 11
# Up to this side the whole picture is searched a little larger for it, instead of in tiles: a
# telephone's 12 megapixels (4032 pixels wide) for faces of 40 pixels.
LARGEST_WHOLE: Final = 1152
TILE_FACE_PX: Final = 12  # what the smallest face has in a tile
LEAST_FACE_PX: Final = 10  # nothing smaller is found: nothing is made larger to be searched
TILE_SIDE: Final = 960
TILE_OVERLAP: Final = 200  # faces larger than this are found in the whole picture
TILE_BORDER: Final = 64
# Mean luminances outside of which a picture is dim or high-key, and the ratio of the brightest
# channel's mean to the darkest one's from which it is tinted.
DIM: Final = 60
BRIGHT: Final = 200
TINT_RATIO: Final = 2.0
NORMAL_MEAN: Final = 0.45  # of full scale
STATISTICS_SIDE: Final = 64

ExposureTable = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class View:
    """A part of a picture at some size, with a border around it.

    Attributes:
        pixels: uint8 RGB (H, W, 3).
        to_picture: from its pixels to the picture's.
        cuts: which of its left, upper, right and lower edge have more of the picture behind them.
    """

    pixels: Picture
    to_picture: Similarity
    cuts: tuple[bool, bool, bool, bool] = (False, False, False, False)

    def holds(self, left: float, top: float, right: float, bottom: float) -> bool:
        """Whether a box lies in it whole, rather than being cut off: a neighbour has it whole."""
        height, width = self.pixels.shape[:2]
        beyond = (left <= 0, top <= 0, right >= width - 1, bottom >= height - 1)
        return not any(cut and out for cut, out in zip(self.cuts, beyond, strict=True))


def views_of(picture: Picture, sides: Sequence[int], min_face_px: int) -> Iterator[View]:
    """The whole picture at each search side, and tiles where those are too small.

    Args:
        picture: uint8 RGB (H, W, 3).
        sides: longer sides at which the whole is searched.
        min_face_px: of the smallest face to be found, in the picture's pixels.
    """
    height, width = picture.shape[:2]
    longer = max(height, width)
    needed = min(longer, math.ceil(longer * ENOUGH_PX / min_face_px))
    if max(sides) < needed <= LARGEST_WHOLE:
        sides = (*sorted(sides)[:-1], needed)
    # A picture smaller than a side is searched as it is, once.
    for side in sorted({min(side, longer) for side in sides}):
        scale, border = side / longer, round(side * BORDER_SHARE)
        yield _view(picture, (0, 0, width, height), scale, (border,) * 4)
    if needed <= max(sides):
        return
    scale = min(1.0, TILE_FACE_PX / min_face_px)
    for left, right in _spans(width, scale):
        for top, bottom in _spans(height, scale):
            cuts = (left > 0, top > 0, right < width, bottom < height)
            borders = tuple(0 if cut else TILE_BORDER for cut in cuts)
            yield _view(picture, (left, top, right, bottom), scale, borders, cuts)


def _spans(length: int, scale: float) -> list[tuple[int, int]]:
    """Begin and end of overlapping parts of one side, of equal length."""
    tile, overlap = round(TILE_SIDE / scale), round(TILE_OVERLAP / scale)
    if length <= tile:
        return [(0, length)]
    parts = -(-(length - overlap) // (tile - overlap))
    begins = [round(number * (length - tile) / (parts - 1)) for number in range(parts)]
    return [(begin, begin + tile) for begin in begins]


def _view(
    picture: Picture,
    part: tuple[int, int, int, int],
    scale: float,
    borders: tuple[int, ...],
    cuts: tuple[bool, bool, bool, bool] = (False, False, False, False),
) -> View:
    """A part of a picture (left, top, right, bottom), made smaller, with borders in that order."""
    left, top, right, bottom = part
    size = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    small = cv2.resize(picture[top:bottom, left:right], size, interpolation=cv2.INTER_AREA)
    edges = ((borders[1], borders[3]), (borders[0], borders[2]), (0, 0))
    framed = np.pad(np.asarray(small, dtype=np.uint8), edges, mode="edge")
    shift = complex(0.5 - borders[0], 0.5 - borders[1]) / scale - 0.5 - 0.5j + complex(left, top)
    return View(framed, Similarity(1 / scale, shift), cuts)


def quarter_turned(pixels: Picture, quarters: int) -> tuple[Picture, Similarity]:
    """Pixels turned to the left by so many quarters, and the way back from their places."""
    height, width = pixels.shape[:2]
    back = (
        Similarity(1, 0),
        Similarity(1j, width - 1),
        Similarity(-1, complex(width - 1, height - 1)),
        Similarity(-1j, 1j * (height - 1)),
    )
    return np.ascontiguousarray(np.rot90(pixels, quarters)), back[quarters % 4]


def normal_exposure(picture: Picture) -> ExposureTable | None:
    """What brings a dim, high-key or tinted picture to a normal exposure; None for any other.

    Each channel is stretched between its darkest and brightest hundredth, then all are brightened
    or darkened by one power until their mean is a photograph's usual one.

    Args:
        picture: uint8 RGB (H, W, 3).

    Returns:
        uint8 (1, 256, 3), for `cv2.LUT`.
    """
    height, width = (min(side, STATISTICS_SIDE) for side in picture.shape[:2])
    small = np.asarray(
        cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.float32
    )
    means = small.reshape(-1, 3).mean(axis=0)
    is_usual = DIM <= means @ (0.299, 0.587, 0.114) <= BRIGHT
    if is_usual and means.max() <= TINT_RATIO * max(means.min(), 1):
        return None
    low, high = np.percentile(small.reshape(-1, 3), (1, 99), axis=0)
    if (high - low).max() < 1:  # a plain surface
        return None
    levels = np.arange(256, dtype=np.float64)[:, np.newaxis]
    stretched = ((levels - low) / np.maximum(high - low, 1)).clip(0, 1)
    mean = float(((small - low) / np.maximum(high - low, 1)).clip(0, 1).mean())
    power = np.log(NORMAL_MEAN) / np.log(min(max(mean, 0.01), 0.99))
    table = np.rint(255 * stretched**power).astype(np.uint8)
    return np.ascontiguousarray(table[np.newaxis])
