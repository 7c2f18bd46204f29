"""Where skin folds when a face moves: lines on the face model, darkened along, lighter beside.

The model's shapes are too smooth for folds: its normals say where a cheek turns to the light, not
that a brow that lowers cuts two lines above the nose. The lines stand here in the frontal plane of
the model's neutral face, in cm, so that they hold for every identity, pose and size of a grid.
Where they run is what the Facial Action Coding System names for each unit (glabellar lines for
AU04, the nose's root for AU09, nasolabial folds for AU10, the chin's for AU17); places, widths and
depths are ours, chosen by looking at edited photographs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from efgan_rt.action_units import AU_NAMES, MAX_INTENSITY
from engines.arrays import FloatArray, Values


@dataclass(frozen=True)
class Crease:
    """A fold of one side of the face; the other side has its mirror image.

    Attributes:
        line: x and y of its knots in cm; x grows from the middle of the face.
        width_cm: standard deviation across.
        depth: how much darker it is at intensity 5, as a logarithm of encoded values.
    """

    line: tuple[tuple[float, float], ...]
    width_cm: float
    depth: float


CREASES: Final[Mapping[str, tuple[Crease, ...]]] = {
    "AU01": (
        Crease(((-2.2, 7.2), (0, 7.45), (2.2, 7.2), (3.0, 6.9)), 0.17, 0.2),
        Crease(((-2.2, 8.1), (0, 8.25), (2.2, 8.1), (3.2, 7.8)), 0.17, 0.2),
    ),
    "AU02": (
        Crease(((1.2, 7.3), (3.2, 7.6), (4.4, 7.4), (5.4, 6.8)), 0.17, 0.2),
        Crease(((1.2, 8.2), (3.2, 8.45), (4.5, 8.2), (5.4, 7.7)), 0.17, 0.2),
    ),
    "AU04": (
        Crease(((0.55, 4.5), (0.74, 5.3), (0.72, 6.0), (0.6, 6.7)), 0.17, 0.32),
        Crease(((1.1, 4.5), (2.4, 4.75), (3.6, 4.8)), 0.3, 0.18),
    ),
    "AU07": (Crease(((1.6, 2.9), (2.8, 2.5), (4.2, 2.7)), 0.16, 0.22),),
    "AU09": (
        Crease(((-0.8, 4.15), (0, 3.95), (0.8, 4.15)), 0.15, 0.22),
        Crease(((-0.8, 3.6), (0, 3.4), (0.8, 3.6)), 0.15, 0.22),
        Crease(((0.75, 3.5), (1.05, 2.8), (1.2, 2.1)), 0.16, 0.22),
        Crease(((1.4, 0.6), (1.9, -0.5), (2.5, -1.5)), 0.2, 0.3),
    ),
    "AU10": (Crease(((1.45, 0.3), (2.3, -1.0), (2.9, -2.2), (3.2, -3.3)), 0.22, 0.32),),
    "AU15": (Crease(((2.65, -3.4), (3.0, -4.2), (3.1, -5.1)), 0.2, 0.26),),
    "AU17": (
        Crease(((-1.6, -5.6), (-0.8, -5.2), (0, -5.1), (0.8, -5.2), (1.6, -5.6)), 0.25, 0.24),
    ),
    "AU20": (Crease(((2.9, -2.2), (3.4, -3.3), (3.4, -4.5)), 0.22, 0.24),),
    "AU23": (Crease(((-1.4, -4.9), (0, -4.95), (1.4, -4.9)), 0.3, 0.2),),
}
RIDGE: Final = 0.25  # how light the skin beside a line gets, of the line's depth
RIDGE_WIDTH: Final = 2.4  # of the line's
TAPER: Final = 0.3  # of a line's length, over which it begins and ends


def crease_shade(places: Values, gained: FloatArray) -> FloatArray:
    """How much lighter the skin gets by its folds, (N,), a logarithm of encoded values.

    Args:
        places: (N, 3), cm, of the neutral model.
        gained: (K,), the target's action units less the source's, -5 to 5.
    """
    shade = np.zeros(len(places))
    for unit, creases in CREASES.items():
        amount = float(gained[AU_NAMES.index(unit)]) / MAX_INTENSITY
        if abs(amount) > 1e-6:
            for crease in creases:
                shade += amount * _profile(places, crease)
    return np.asarray(shade, np.float32)


def _profile(places: Values, crease: Crease) -> Values:
    """A crease at full strength, (N,)."""
    distance, along = _nearest(np.stack([abs(places[:, 0]), places[:, 1]], axis=1), crease.line)
    ends = np.clip(np.minimum(along, 1 - along) / TAPER, 0, 1)
    line = np.exp(-0.5 * (distance / crease.width_cm) ** 2)
    ridge = np.exp(-0.5 * (distance / (RIDGE_WIDTH * crease.width_cm)) ** 2)
    fading = ends * ends * (3 - 2 * ends)
    return np.asarray(-crease.depth * fading * ((1 + RIDGE) * line - RIDGE * ridge))


def _nearest(places: Values, line: tuple[tuple[float, float], ...]) -> tuple[Values, Values]:
    """Each place's distance from a line, and where along it, 0 to 1."""
    knots = np.array(line)
    steps = np.diff(knots, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    before = np.concatenate([[0], np.cumsum(lengths)])
    distance, along = np.full(len(places), np.inf), np.zeros(len(places))
    for number, (start, step, length) in enumerate(zip(knots, steps, lengths, strict=False)):
        share = np.clip((places - start) @ step / length**2, 0, 1)
        apart = np.linalg.norm(places - start - share[:, None] * step, axis=1)
        nearer = apart < distance
        distance = np.where(nearer, apart, distance)
        along = np.where(nearer, (before[number] + share * length) / before[-1], along)
    return distance, along
