"""How much lighter or darker skin gets when it moves: cheeks, as a logarithm a vertex.

The model's own shapes under a light from above say where skin turns to and from the light.
"""

from typing import Final

import numpy as np

from efgan_rt.action_units import MAX_INTENSITY
from engines.arrays import Values
from train.portraits.face_model import FACE, SKIN, FaceModel

LIGHT: Final = np.array([0.0, 0.55, 0.83])  # from above and before
AMBIENT: Final = 0.4
GAMMA: Final = 2.2
EMPHASIS: Final = 1.5
LARGEST: Final = 0.4


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
