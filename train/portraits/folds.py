"""How skin gets lighter and darker when a face moves, as one picture for each action unit.

The pictures lie on the face model's neutral face seen from the front, so that a network needs to
say only where on the face a pixel is: what becomes of its light is looked up. A fold that is looked
up is as thin as it was drawn, wherever it lands; one that a network paints is as wide as it is
uncertain.
"""

from typing import Final

import cv2
import numpy as np

from efgan_rt.action_units import AU_NAMES
from engines.arrays import FloatArray, Values
from train.portraits.camera import Drawn, draw
from train.portraits.creases import crease_shade
from train.portraits.face_model import SKIN, FaceModel

FOLDS_PX: Final = 144
# The pictures' middle, and from there to their rims, in cm of the model: x to its left, y up.
MIDDLE_CM, REACH_CM = np.array([0.0, 1.0]), np.array([8.0, 9.0])
# Half the axes of an ellipse around the face, as places, and the share of it over which light fades
# out: beyond lies hair, of which photographs of smiles say nothing.
FACE_AXES, FADING = np.array([0.8, 0.93]), 0.3
FINER: Final = 4  # drawn so many times larger, then averaged
SOFT_PX: Final = 0.5


def skin_places(places: Values) -> FloatArray:
    """Where points of the neutral model lie in the pictures of folds.

    Args:
        places: (..., 3), cm, of the neutral model.

    Returns:
        float32 (..., 2), across and down, each from -1 to 1 between the pictures' rims.
    """
    across = (places[..., :2] - MIDDLE_CM) / REACH_CM * np.array([1.0, -1.0])
    return np.asarray(across, np.float32)


def drawn_places(model: FaceModel, drawn: Drawn) -> FloatArray:
    """`skin_places` of every pixel of a drawn face, float32 (H, W, 2); NaN where none is seen."""
    seen = drawn.triangle >= 0
    corners = model.triangles[drawn.triangle[seen]]
    found = np.full((*seen.shape, 2), np.nan, np.float32)
    found[seen] = skin_places((model.neutral[corners] * drawn.weights[seen][..., None]).sum(axis=1))
    return found


def fold_pictures(model: FaceModel, shading: Values) -> FloatArray:
    """The pictures.

    Args:
        model: the face model.
        shading: (V, K), logarithm of how much lighter each vertex is for an intensity of 1.

    Returns:
        float32 (K, FOLDS_PX, FOLDS_PX): logarithm of how much lighter encoded values get for an
        intensity of 1; 0 beside the skin and on the rims, which stand for all that lies beyond.
    """
    side = FOLDS_PX * FINER
    points = model.neutral.copy()
    points[:, :2] = (skin_places(model.neutral) + 1) * (side / 2) - 0.5
    drawn = draw(model, points, side)
    skin = drawn.part == SKIN
    corners = model.triangles[drawn.triangle[skin]]
    weights = drawn.weights[skin][..., None]
    places = (model.neutral[corners] * weights).sum(axis=1)
    lighter = (shading[corners] * weights).sum(axis=1)  # N K
    pictures = np.zeros((len(AU_NAMES), FOLDS_PX, FOLDS_PX), np.float32)
    for number, unit in enumerate(np.eye(len(AU_NAMES), dtype=np.float32)):
        fine = np.zeros((side, side), np.float32)
        fine[skin] = lighter[:, number] + crease_shade(places, unit)
        fine = np.asarray(cv2.GaussianBlur(fine, (0, 0), SOFT_PX * FINER), np.float32)
        pictures[number] = cv2.resize(fine, (FOLDS_PX, FOLDS_PX), interpolation=cv2.INTER_AREA)
    along = (np.arange(FOLDS_PX) + 0.5) * 2 / FOLDS_PX - 1
    out = np.hypot(along[np.newaxis] / FACE_AXES[0], along[:, np.newaxis] / FACE_AXES[1])
    pictures *= np.clip((1 - out) / FADING + 1, 0, 1)
    for rim in (0, -1):
        pictures[:, rim] = pictures[:, :, rim] = 0
    return pictures
