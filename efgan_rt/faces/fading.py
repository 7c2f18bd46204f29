"""Folds that fade: a line is lit where a fold was, no more than that fold was dark.

The networks know where most people's folds lie. Where this person's do not, the light that is to
take one away would draw a bright one. Light on wider parts, as on cheeks, stays.
"""

from typing import Final

import cv2
import numpy as np

from efgan_rt.faces.occlusion import GRID, light_of, moved
from efgan_rt.pictures.original import Picture
from engines.arrays import FloatArray

AROUND: Final = 3.0  # steps of a grid of `GRID` a side, the blur that is held against a pixel
DARKEST: Final = 2.0  # levels, added to both


def faded(fields: FloatArray, crop: Picture) -> FloatArray:
    """The shade of fields (h, h, 10) that lights no fold of a crop above its surroundings."""
    shade = fields[..., 2]
    if not (shade > 0).any():
        return shade
    sigma = AROUND * len(fields) / GRID
    light = moved(light_of(crop, len(fields)), fields[..., :2])
    around = cv2.GaussianBlur(light, (0, 0), sigma)
    most = np.log((around + DARKEST) / (light + DARKEST))
    wide = cv2.GaussianBlur(shade, (0, 0), sigma)
    return np.asarray(np.minimum(shade, np.maximum(np.maximum(most, wide), 0)), np.float32)
