"""A fitted face: its camera, its shapes, and the model drawn as that camera sees it.

The camera is a scaled orthographic one. Pictures are y down, the model is y up; everything public
here is in the picture's pixels, the centre of the first pixel at (0, 0).
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from efgan_rt.extras import needs_extra
from engines.arrays import Values
from train.portraits.face_model import NOTHING, FaceModel, Ints

BEHIND: Final = -1e9
Similarity2 = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Fit:
    """A face model fitted to a face.

    Attributes:
        rotation: (3, 3).
        scale: pixels a cm.
        shift: (2,), pixels, y up as the model.
        identity: (I,), standard deviations.
        expression: (E,), 0 to 1.
    """

    rotation: Values
    scale: float
    shift: Values
    identity: Values
    expression: Values

    @property
    def yaw_deg(self) -> float:
        """How far the head is turned, in degrees, above 0 towards the picture's right."""
        return float(np.degrees(np.arcsin(np.clip(self.rotation[0, 2], -1, 1))))

    def moved(self, matrix: Similarity2, shift: Values) -> "Fit":
        """The fit in a picture that was turned, scaled and shifted.

        Args:
            matrix: (2, 2), a scale times a rotation, from old to new pixels, y down.
            shift: (2,), pixels, added after it.
        """
        grown = float(np.sqrt(abs(np.linalg.det(matrix))))
        flip = np.diag([1.0, -1.0])
        rows = (flip @ (matrix / grown) @ flip) @ self.rotation[:2]
        rotation = np.vstack([rows, np.cross(rows[0], rows[1])])
        where = flip @ (matrix @ (flip @ self.shift) + shift)
        return replace(self, rotation=rotation, scale=self.scale * grown, shift=where)


def projected(fit: Fit, vertices: Values) -> Values:
    """(V, 3): x, y in pixels, and how near each is to the camera, in pixels, larger is nearer."""
    seen = vertices @ fit.rotation.T * fit.scale
    return np.stack([seen[:, 0] + fit.shift[0], -(seen[:, 1] + fit.shift[1]), seen[:, 2]], axis=1)


@dataclass(frozen=True, eq=False)
class Drawn:
    """A model drawn on a grid.

    Attributes:
        points: (V, 3), x, y and nearness of all vertices, in the grid's pixels.
        triangle: int32 (H, W), which triangle is seen, -1 for none.
        weights: float32 (H, W, 3), of its corners.
        part: int32 (H, W), what is seen: `NOTHING`, `SKIN`, `EYE`, `MOUTH`.
    """

    points: Values
    triangle: Ints
    weights: npt.NDArray[np.float32]
    part: Ints


def draw(model: FaceModel, points: Values, side: int) -> Drawn:
    """Draws the model's triangles, those that face the camera, on a grid of `side` pixels."""
    with needs_extra("portraits"):
        from train.portraits.z_buffer import rasterise
    nearness = np.full((side, side), BEHIND)
    triangle = np.full((side, side), -1, np.int32)
    weights = np.zeros((side, side, 3), np.float32)
    rasterise(points, model.triangles, nearness, triangle, weights)
    part = np.where(triangle >= 0, model.parts[np.maximum(triangle, 0)], NOTHING).astype(np.int32)
    return Drawn(points, triangle, weights, part)
