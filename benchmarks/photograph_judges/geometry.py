"""Where the judges look: squares around faces, mouths, and one picture laid over another.

A face is as YuNet finds it: a box, and the eyes, the nose and the corners of the mouth.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from efgan_rt.faces.align import Similarity, similarity_between, warp
from efgan_rt.faces.detect import Face
from efgan_rt.faces.template import STANDARD_POINTS, STANDARD_PX
from efgan_rt.pictures.original import Picture, rgb8
from engines.arrays import FloatArray
from train.metrics.sharpness import Patch

STEADY: Final = slice(0, 3)  # of the five points: eyes and nose, which a smile moves least
# The mouth's box in shares of the way from the eyes' middle to the mouth's.
MOUTH_ASIDE, MOUTH_ABOVE, MOUTH_BELOW = 0.55, 0.3, 0.45


def cut_square(picture: Picture, face: Face, margin: float, side_px: int) -> Picture:
    """A face's box, made square around its middle and grown by a margin, at another size.

    Args:
        picture: uint8 RGB (H, W, 3).
        face: its box.
        margin: on each side, in shares of the box.
        side_px: of the result.
    """
    side = max(face.width, face.height) * (1 + 2 * margin)
    scale = side_px / side
    corner = face.centre - complex(side, side) / 2
    to_square = Similarity(scale, (0.5 + 0.5j - corner) * scale - 0.5 - 0.5j)
    return rgb8(warp(picture, to_square, side_px, side_px))


def box_patch(face: Face, shape: tuple[int, ...]) -> Patch:
    """The rows and columns of a face's box inside its picture."""
    return _inside(face.top, face.top + face.height, face.left, face.left + face.width, shape)


def mouth_patch(points: FloatArray, shape: tuple[int, ...]) -> Patch:
    """The rows and columns around a mouth, closed, smiling or open.

    Args:
        points: (5, 2), of an upright face.
        shape: of its picture.
    """
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    length = float(np.hypot(*(mouth - eyes)))
    x, y = (float(v) for v in mouth)
    aside = MOUTH_ASIDE * length
    return _inside(y - MOUTH_ABOVE * length, y + MOUTH_BELOW * length, x - aside, x + aside, shape)


def _inside(top: float, bottom: float, left: float, right: float, shape: tuple[int, ...]) -> Patch:
    rows = (int(np.clip(round(v), 0, shape[0])) for v in (top, bottom))
    columns = (int(np.clip(round(v), 0, shape[1])) for v in (left, right))
    return slice(*rows), slice(*columns)


def frame_of(points: FloatArray, side_px: int) -> Similarity:
    """From a picture to a crop that is framed as the networks' are."""
    scale = side_px / STANDARD_PX
    template = (STANDARD_POINTS + 0.5) * scale - 0.5
    return similarity_between(points, template.astype(np.float32))


def registration(moving: FloatArray, fixed: FloatArray) -> Similarity:
    """Lays a picture over another of the same person, by the eyes and the nose.

    Args:
        moving: (5, 2), the points in the picture that is laid over.
        fixed: (5, 2), the points in the picture that stays.
    """
    return similarity_between(moving[STEADY], fixed[STEADY])


def evenness(
    corners: npt.NDArray[np.float64],
    neutral: npt.NDArray[np.float64],
    full: npt.NDArray[np.float64],
) -> float:
    """How much of the full edit's movement of the mouth's corners an edit has, along its way.

    Args:
        corners: (2, 2) of the edit of some intensity.
        neutral: (2, 2) of the input.
        full: (2, 2) of the full edit.

    Returns:
        0 for none, 1 for all; not a number where the full edit moves the corners by less than a
        hundredth of the mouth's width.
    """
    way = (full - neutral).ravel()
    width = float(np.hypot(*(neutral[1] - neutral[0])))
    if np.linalg.norm(way) < 0.01 * width:
        return float("nan")
    return float((corners - neutral).ravel() @ way / (way @ way))
