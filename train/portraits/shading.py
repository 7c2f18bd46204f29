"""How much lighter or darker skin gets when it moves: folds and cheeks, as a logarithm a vertex.

Two sources. The model's own shapes under a light from above say where skin turns to and from the
light. For a smile, neutral and smiling photographs of the same people say it better: the median,
over people, of what is left when the neutral picture was moved onto the smiling one (the expression
ratio image of Liu, Shan and Zhang, 2001).
"""

from collections.abc import Iterable
from typing import Final

import cv2
import numpy as np

from efgan_rt.action_units import AU_NAMES, MAX_INTENSITY
from engines.arrays import FloatArray, Values
from train.portraits.face_model import FACE, SKIN, FaceModel
from train.portraits.fit import FittedFace
from train.portraits.movement import Mover, moved_picture

LIGHT: Final = np.array([0.0, 0.55, 0.83])  # from above and before
AMBIENT: Final = 0.4
GAMMA: Final = 2.2
EMPHASIS: Final = 1.5
LARGEST: Final = 0.4
LEAST_PEOPLE: Final = 10
SOFT_PX: Final = 1.6  # of a crop of 256


def from_shapes(model: FaceModel) -> Values:
    """(V, K): logarithm of encoded values for an intensity of 1 of each unit, by the shapes."""
    none = np.zeros(1), np.zeros(len(model.names))
    before = np.log(_lit(model, model.vertices(*none)))
    columns = []
    for shapes in model.of_units:
        after = np.log(_lit(model, model.vertices(none[0], MAX_INTENSITY * shapes)))
        columns.append((after - before) * EMPHASIS / GAMMA / MAX_INTENSITY)
    table = np.clip(np.stack(columns, axis=1), -LARGEST / MAX_INTENSITY, LARGEST / MAX_INTENSITY)
    table[FACE[1] + 1 :] = 0
    return np.asarray(table)


def _lit(model: FaceModel, vertices: Values) -> Values:
    skin = model.triangles[model.parts == SKIN]
    a, b, c = (vertices[skin[:, i]] for i in range(3))
    across = np.cross(b - a, c - a)
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, skin[:, corner], across)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    return np.asarray(AMBIENT + (1 - AMBIENT) * np.clip(normals @ LIGHT, 0, 1))


def from_smiles(
    mover: Mover, pairs: Iterable[tuple[FittedFace, FittedFace]], emphasis: float = 1.2
) -> FloatArray:
    """(V,): logarithm of encoded values for an AU12 of 1, the median over people.

    Args:
        mover: of the face model.
        pairs: of each person, neutral and smiling, at the same size.
        emphasis: times the median, which averages places that differ between people.
    """
    found, gained = [], []
    smile = AU_NAMES.index("AU12")
    for neutral, smiling in pairs:
        side = len(neutral.picture)
        before = mover.drawn(mover.points(neutral, neutral.moved, side), side)
        after = mover.drawn(mover.points(smiling, smiling.moved, side), side)
        moved = moved_picture(neutral.picture, mover.fields(before, after).displacement)
        moved = moved_picture(moved, _left_over(moved, smiling.picture))
        ratio = _light(smiling.picture) - _light(moved)
        ratio -= np.median(ratio[after.part == SKIN])
        points = after.points[: FACE[1] + 1]
        corners = mover.model.triangles[np.maximum(after.triangle, 0)]
        near = np.where(
            after.triangle >= 0, (after.points[corners][..., 2] * after.weights).sum(-1), -1e9
        )
        values = _at(ratio, points, cv2.INTER_LINEAR)
        hidden = abs(_at(near, points, cv2.INTER_NEAREST) - points[:, 2])
        values[hidden > 0.25 * smiling.fit.scale * side / len(smiling.picture)] = np.nan
        found.append(np.clip(values, -0.6, 0.6))
        gained.append(float(smiling.said[smile] - neutral.said[smile]))
    every = np.array(found)
    seen = (~np.isnan(every)).sum(axis=0) >= LEAST_PEOPLE
    median = np.zeros(every.shape[1])
    median[seen] = np.nanmedian(every[:, seen], axis=0) / float(np.mean(gained)) * emphasis
    whole = np.zeros(len(mover.model.neutral), np.float32)
    whole[: len(median)] = median
    return whole


def _left_over(moved: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """What movement the model left between two pictures, smooth; (n, n, 2)."""
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = [cv2.cvtColor(each, cv2.COLOR_RGB2GRAY) for each in (wanted, moved)]
    found = flow.calc(grey[0], grey[1], np.zeros((*grey[0].shape, 2), np.float32))
    return np.asarray(cv2.GaussianBlur(found, (0, 0), len(moved) * 6 / 256))


def _light(picture: np.ndarray) -> np.ndarray:
    grey = np.log((picture.astype(np.float32) / 255).mean(axis=-1) + 0.02)
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), SOFT_PX * len(picture) / 256))


def _at(grid: np.ndarray, points: np.ndarray, how: int) -> np.ndarray:
    columns, rows = (points[:, i].astype(np.float32)[None] for i in (0, 1))
    return np.asarray(cv2.remap(grid.astype(np.float32), columns, rows, how)[0])
