"""What both ways of pasting do to a region of a picture: tiles, samples, and its own steps.

A place is a complex number, x + iy, in pixels.
"""

from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from efgan_rt.pictures.original import Pixels
from engines.arrays import FloatArray, Places

# A region is worked on in tiles: those without an edit are passed over, and a face that fills a
# picture of 24 megapixels takes little more memory than a small one.
TILE_PX: Final = 192


def pieces(region: Pixels, top: int = 0, left: int = 0) -> Iterator[tuple[Pixels, complex]]:
    """A region's tiles from `top` and `left` on, and their first pixels' places in it."""
    for row in range(top, region.shape[0], TILE_PX):
        for column in range(left, region.shape[1], TILE_PX):
            yield region[row : row + TILE_PX, column : column + TILE_PX], complex(column, row)


def tiles(region: Pixels, top: int = 0, left: int = 0) -> Iterator[tuple[Pixels, Places]]:
    """A region's tiles from `top` and `left` on, and the places of their pixels in it."""
    for tile, corner in pieces(region, top, left):
        down, across = np.mgrid[: tile.shape[0], : tile.shape[1]].astype(np.float32)
        yield tile, (across + 1j * down + corner).astype(np.complex64)


def sampled(image: Pixels | FloatArray, places: Places, how: int = cv2.INTER_LINEAR) -> FloatArray:
    """An image at these places of it; beyond its border the border is repeated."""
    return sampled_at(
        image, np.ascontiguousarray(places.real), np.ascontiguousarray(places.imag), how
    )


def sampled_at(
    image: Pixels | FloatArray, across: FloatArray, down: FloatArray, how: int = cv2.INTER_LINEAR
) -> FloatArray:
    """As `sampled`, with the places' x and y."""
    found = cv2.remap(image, across, down, how, borderMode=cv2.BORDER_REPLICATE)
    return found  # type: ignore[return-value]


def per_channel(share: npt.NDArray[np.generic], like: npt.NDArray[np.generic]) -> FloatArray:
    """A share (H, W) as it multiplies `like`, (H, W) or (H, W, C)."""
    return share if like.ndim == 2 else share[..., np.newaxis]  # type: ignore[return-value]


def unit_of(pixels: Pixels) -> np.float32:
    """The picture's steps for a level of 8 bits."""
    return np.float32(257 if pixels.dtype == np.uint16 else 1)


def stored(values: FloatArray, like: Pixels) -> Pixels:
    """Values in the picture's own steps, rounded and within its range."""
    kind = cv2.CV_16U if like.dtype == np.uint16 else cv2.CV_8U
    return np.asarray(cv2.add(values, 0.0, dtype=kind), like.dtype)  # type: ignore[call-overload]
