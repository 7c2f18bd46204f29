"""An atlas of mouths: what a photograph does not show when a mouth opens.

Each mouth is cut from a generated person's picture and straightened once: along the inner lips as a
share of their length, down from the upper lip in lengths from eye to eye, so that teeth keep their
size in whatever face they are drawn. Past the donor's own lower lip a mouth goes on into the dark.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from engines.arrays import Bytes, Values

ROWS, COLUMNS = 96, 160
DEPTH: Final = 0.6  # of the eyes' distance, at the last row
GAMMA: Final = 2.2
# MediaPipe's points: inner lips from the right corner to the left, outer corners of the eyes,
# cheeks.
UPPER_LIP: Final = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LOWER_LIP: Final = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
EYES: Final = (33, 263)
CHEEKS: Final = (50, 280, 205, 425)
DARKEST: Final = 30.0  # levels, at most, of that dark
DARKENED: Final = 0.08  # lengths from eye to eye over which it gets dark there
INSIDE: Final = 0.95  # of a donor's gap: the rim of its lower lip is left out


@dataclass(frozen=True, eq=False)
class Mouth:
    """A straightened mouth.

    Attributes:
        pixels: uint8 RGB (ROWS, COLUMNS, 3).
        skin: float64 (3,), the median of both cheeks in linear light, 0 to 1.
        gap: between the lips in the middle, in lengths from eye to eye.
    """

    pixels: Bytes
    skin: Values
    gap: float


def linear(encoded: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    """Levels 0 to 255 to linear light, 0 to 1."""
    return np.asarray((np.asarray(encoded, np.float32) / 255) ** GAMMA, np.float32)


def straightened(picture: Bytes, landmarks: Values) -> Mouth:
    """Cuts a mouth out.

    Args:
        picture: uint8 RGB.
        landmarks: (478, 2), MediaPipe's, in its pixels.
    """
    upper, lower = landmarks[list(UPPER_LIP)], landmarks[list(LOWER_LIP)]
    eyes = float(np.linalg.norm(landmarks[EYES[0]] - landmarks[EYES[1]]))
    along = upper[-1] - upper[0]
    width = float(np.linalg.norm(along))
    along /= width
    down = np.array([-along[1], along[0]])
    share = (np.arange(COLUMNS) + 0.5) / COLUMNS
    depth = (np.arange(ROWS) + 0.5) / ROWS * DEPTH
    above = np.interp(share, (upper - upper[0]) @ along / width, (upper - upper[0]) @ down)
    below = np.interp(share, (lower - upper[0]) @ along / width, (lower - upper[0]) @ down)
    gap = np.maximum(INSIDE * (below - above), 0)
    there = above[None] + np.minimum(depth[:, None] * eyes, gap[None])
    places = upper[0] + share[None, :, None] * width * along + there[..., None] * down
    pixels = cv2.remap(
        picture,
        places[..., 0].astype(np.float32),
        places[..., 1].astype(np.float32),
        cv2.INTER_CUBIC,
    )
    past = np.clip((depth[:, None] * eyes - gap[None]) / (DARKENED * eyes), 0, 1)[..., None]
    soft = np.where(past > 0, cv2.GaussianBlur(pixels, (0, 0), 6), pixels)
    dark = np.percentile(pixels[past[..., 0] == 0], 10, axis=0) if (past == 0).any() else 0
    dark = dark * min(1.0, DARKEST / max(float(np.mean(dark)), 1.0))
    pixels = np.rint(soft * (1 - past) + dark * past).astype(np.uint8)
    return Mouth(
        np.asarray(pixels), cheek_colour(picture, landmarks), float(gap[40:120].mean()) / eyes
    )


def cheek_colour(picture: Bytes, landmarks: Values) -> Values:
    """Median colour of both cheeks in linear light, float64 (3,)."""
    found = []
    for x, y in landmarks[list(CHEEKS)].astype(int):
        found.append(picture[max(0, y - 4) : y + 5, max(0, x - 4) : x + 5].reshape(-1, 3))
    return np.asarray(np.median(linear(np.concatenate(found)), axis=0), np.float64)


def atlas(
    mouths: Sequence[Mouth],
) -> tuple[Bytes, npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """All mouths (M, ROWS, COLUMNS, 3), their skins (M, 3) and gaps (M,)."""
    return (
        np.stack([mouth.pixels for mouth in mouths]),
        np.stack([mouth.skin for mouth in mouths]).astype(np.float32),
        np.array([mouth.gap for mouth in mouths], np.float32),
    )
