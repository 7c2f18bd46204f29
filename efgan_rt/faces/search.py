"""What a detector is shown of a picture, so that faces of every size, turn and light are found.

A whole picture is searched at two sizes, the larger of which shows the smallest face that is asked
for well. Where that would be a large one, overlapping tiles are searched instead. When views are
turned by quarters and brought to a normal exposure is the detector's to decide
(`efgan_rt.faces.detect`).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from efgan_rt.faces.align import Similarity
from efgan_rt.faces.image import Borders, Image
from efgan_rt.pictures.original import Picture

# YuNet finds faces of about 10 to 300 pixels, but not surely the small ones: of 70 faces of
# 40 to 46 pixels 36 were found when they were shown with 15 pixels, 59 with 20, 61 with 24.
WELL_SEEN_PX: Final = 20  # what the smallest face has, where nothing is made larger for it
SMALL_SIDE: Final = 320  # the whole picture at this side shows the largest faces
LEAST_SIDE: Final = 480  # at which a larger picture is searched at least
LARGEST_WHOLE: Final = 2048  # a picture that has to be larger than this is searched in tiles
# What is laid around a picture so that a face at its edge is found: around the small whole a share
# of its longer side, around what shows smaller faces pixels.
BORDER_SHARE: Final = 0.125
BORDER_PX: Final = 64
LEAST_FACE_PX: Final = 10  # nothing smaller is found: nothing is made larger to be searched
TILE_SIDE: Final = 1536
TILE_OVERLAP: Final = 200  # faces larger than this are found in the whole picture
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
        image: the part.
        to_picture: from its pixels to the picture's.
        cuts: which of its left, upper, right and lower edge have more of the picture behind them.
    """

    image: Image
    to_picture: Similarity
    cuts: tuple[bool, bool, bool, bool] = (False, False, False, False)

    def holds(self, left: float, top: float, right: float, bottom: float) -> bool:
        """Whether a box lies in it whole, rather than being cut off: a neighbour has it whole."""
        height, width = self.image.shape[:2]
        beyond = (left <= 0, top <= 0, right >= width - 1, bottom >= height - 1)
        return not any(cut and out for cut, out in zip(self.cuts, beyond, strict=True))


def views_of(picture: Image, min_face_px: int) -> Iterator[View]:
    """The whole picture once small and once as large as the smallest face asks for, or in tiles.

    Args:
        picture: to be searched.
        min_face_px: of the smallest face to be found, in the picture's pixels.
    """
    height, width = picture.shape[:2]
    longer = max(height, width)
    scale = min(1.0, max(WELL_SEEN_PX / min_face_px, LEAST_SIDE / longer))
    needed = math.ceil(longer * scale)
    seen = _smaller(picture, scale)
    if needed > LARGEST_WHOLE:
        yield from _tiles(seen, scale)
    elif needed > SMALL_SIDE:
        yield _view(seen, needed / longer, (BORDER_PX, BORDER_PX, BORDER_PX, BORDER_PX))
    # What does not fit between two tiles shall be seen well in the small whole.
    side = max(SMALL_SIDE, math.ceil(needed * WELL_SEEN_PX / TILE_OVERLAP))
    shown = min(1.0, side / longer)
    border = round(min(side, longer) * BORDER_SHARE)
    small = _smaller(seen, shown * longer / max(seen.shape[:2]))
    yield _view(small, shown, (border, border, border, border))


def _tiles(seen: Image, scale: float) -> Iterator[View]:
    """Overlapping parts of a picture that has been made smaller by a scale."""
    height, width = seen.shape[:2]
    for left, right in _spans(width):
        for top, bottom in _spans(height):
            cuts = (left > 0, top > 0, right < width, bottom < height)
            around = [0 if cut else BORDER_PX for cut in cuts]
            borders = around[0], around[1], around[2], around[3]
            part = seen.part(slice(top, bottom), slice(left, right))
            yield _view(part, scale, borders, complex(left, top) / scale, cuts)


def _spans(length: int) -> list[tuple[int, int]]:
    """Begin and end of overlapping parts of one side, of equal length."""
    if length <= TILE_SIDE:
        return [(0, length)]
    parts = -(-(length - TILE_OVERLAP) // (TILE_SIDE - TILE_OVERLAP))
    tile = -(-(length + (parts - 1) * TILE_OVERLAP) // parts)  # none larger than it need be
    begins = [round(number * (length - tile) / (parts - 1)) for number in range(parts)]
    return [(begin, begin + tile) for begin in begins]


def _smaller(image: Image, scale: float) -> Image:
    """Averaged down; by halves first, which OpenCV does several times quicker."""
    if scale == 1:
        return image
    width, height = (max(1, round(side * scale)) for side in (image.shape[1], image.shape[0]))
    while min(image.shape[1] / width, image.shape[0] / height) > 2:
        half = image.shape[1] // 2, image.shape[0] // 2
        # A row or column that has no other is left out: it would keep the others from being pairs.
        image = image.part(slice(2 * half[1]), slice(2 * half[0])).smaller(*half)
    return image.smaller(width, height)


def _view(
    small: Image,
    scale: float,
    borders: Borders,
    corner: complex = 0,
    cuts: tuple[bool, bool, bool, bool] = (False, False, False, False),
) -> View:
    """A part of a picture with borders around it.

    Args:
        small: the part, made smaller.
        scale: by how much.
        borders: to its left, above, to its right and below, in its pixels.
        corner: where it begins in the picture, x + iy.
        cuts: as in `View`.
    """
    shift = complex(0.5 - borders[0], 0.5 - borders[1]) / scale - 0.5 - 0.5j + corner
    return View(small.bordered(borders), Similarity(1 / scale, shift), cuts)


def quarter_turned(image: Image, quarters: int) -> tuple[Image, Similarity]:
    """An image turned to the left by so many quarters, and the way back from its places."""
    height, width = image.shape[:2]
    back = (
        Similarity(1, 0),
        Similarity(1j, width - 1),
        Similarity(-1, complex(width - 1, height - 1)),
        Similarity(-1j, 1j * (height - 1)),
    )
    return image.turned(quarters), back[quarters % 4]


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
