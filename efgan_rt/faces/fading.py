"""Folds that fade: a line is lit where a fold was, no more than that fold was dark.

The networks know where most people's folds lie. Where this person's do not, the light that is to
take one away would draw a bright one. Light on wider parts, as on cheeks, stays, and so does that
beside folds that come.
"""

from typing import Final

import cv2
import numpy as np

from efgan_rt.faces.occlusion import GRID, light_of, moved
from efgan_rt.pictures.original import Picture
from engines.arrays import FloatArray

AROUND: Final = 3.0  # steps of a grid of `GRID` a side, the blur that is held against a pixel
DARKEST: Final = 2.0  # levels, added to both
# Whether folds fade or come is told by whether what gets lighter is dark: by the correlation of the
# shade with how much darker than its surroundings a pixel is, both without what is wider than a
# fold, from the one to the other.
NARROW, WIDE = 1.0, 4.0
AGREEMENT: Final = (0.05, 0.15)
LOWER_HALF: Final = 0.45  # and the upper one, each by itself: a brow's folds come as a smile's go
LEAST_SHADE: Final = 0.01


def faded(fields: FloatArray, crop: Picture) -> FloatArray:
    """The shade of fields (h, h, 10), lighting no fading fold of a crop above what is around it."""
    shade = fields[..., 2]
    if not (shade > 0).any():
        return shade
    unit = len(fields) / GRID
    light = moved(light_of(crop, len(fields)), fields[..., :2])
    wide = _blurred(shade, AROUND * unit)
    most = np.log((_blurred(light, AROUND * unit) + DARKEST) / (light + DARKEST))
    limited = np.minimum(shade, np.maximum(np.maximum(most, wide), 0))
    narrow = _blurred(shade, NARROW * unit) - _blurred(shade, WIDE * unit)
    around, here = (_blurred(light, sigma * unit) + DARKEST for sigma in (WIDE, NARROW))
    is_lit = np.abs(shade) > LEAST_SHADE
    dark = np.log(around / here) * is_lit
    half = round(LOWER_HALF * len(fields))
    found = shade.copy()
    for part in (slice(half), slice(half, None)):
        share = _agreement((narrow * is_lit)[part], dark[part])
        found[part] += share * (limited - shade)[part]
    return found


def _agreement(shade: FloatArray, dark: FloatArray) -> float:
    """0 where folds come, 1 where they fade."""
    both = float((shade * dark).sum())
    size = float(np.sqrt(np.square(shade).sum() * np.square(dark).sum()))
    first, second = AGREEMENT
    return min(max((both / max(size, 1e-6) - first) / (second - first), 0.0), 1.0)


def _blurred(values: FloatArray, sigma: float) -> FloatArray:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma), np.float32)
