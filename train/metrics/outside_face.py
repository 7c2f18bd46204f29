"""How much of a picture an edit changes outside the face.

The face is an ellipse laid by the key points: its centre lies on the line from the eyes to the
mouth, 0.42 of their distance d below the eyes; it reaches 1.35 d up and down and 1.0 d to the
sides. On the rendered crops that holds brow, cheeks and chin, a dropped jaw included, and leaves
hair, ears, neck and background outside (looked at on twelve of the test people, neutral and
surprised). No true picture is needed.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from engines.arrays import Bytes, Values

Points = npt.NDArray[np.floating]

STILL_BELOW_LEVELS: Final = 2
CENTRE: Final = 0.42  # of the eye-to-mouth distance, below the eyes
HALF_HEIGHT: Final = 1.35
HALF_WIDTH: Final = 1.0


def level_difference(first: Bytes, second: Bytes) -> Bytes:
    """Each pixel's difference: the largest of its channels' absolute ones.

    Args:
        first: uint8 (..., H, W, C).
        second: the same shape.

    Returns:
        uint8 (..., H, W).
    """
    result: Bytes = (np.maximum(first, second) - np.minimum(first, second)).max(axis=-1)
    return result


def face_ellipse(eyes: Points, mouth: Points, side_px: int) -> npt.NDArray[np.bool_]:
    """Where the face is, (side_px, side_px); nowhere if eyes and mouth are one point.

    Args:
        eyes: centre of the eyes, x and y in pixels, (2,).
        mouth: centre of the mouth, the same.
        side_px: of the square crop.
    """
    down = np.asarray(mouth, dtype=np.float64) - eyes
    distance = float(np.hypot(*down))
    if not distance > 0:
        return np.zeros((side_px, side_px), dtype=bool)
    down /= distance
    across = np.array([-down[1], down[0]])
    centre = np.asarray(eyes, dtype=np.float64) + CENTRE * distance * down
    y, x = np.mgrid[:side_px, :side_px]
    offset = np.stack([x - centre[0], y - centre[1]], axis=-1)
    height = offset @ down / (HALF_HEIGHT * distance)
    width = offset @ across / (HALF_WIDTH * distance)
    result: npt.NDArray[np.bool_] = height**2 + width**2 <= 1
    return result


def changed_outside(sources: Bytes, edits: Bytes, eyes: Points, mouths: Points) -> Values:
    """How much of each picture outside the face an edit changes: pixels 2 or more levels off.

    Args:
        sources: the inputs, uint8 RGB (n, H, H, 3).
        edits: what was made of them, the same shape.
        eyes: centre of each input's eyes, (n, 2), x and y in pixels.
        mouths: of each input's mouth.

    Returns:
        (n,), 0 to 1; not a number where the face fills the crop or has no size.

    Raises:
        ValueError: the shapes differ.
    """
    if sources.shape != edits.shape:
        raise ValueError(f"sources are {sources.shape}, edits {edits.shape}")
    changed = level_difference(sources, edits) >= STILL_BELOW_LEVELS
    shares = np.full(len(sources), np.nan)
    for i, (eye, mouth) in enumerate(zip(eyes, mouths, strict=True)):
        face = face_ellipse(eye, mouth, sources.shape[1])
        if face.any() and not face.all():
            shares[i] = changed[i][~face].mean()
    return shares
