"""From two states of a fitted face to what a network is to learn: fields on a grid.

A state is a set of action units. Between two states every vertex moves on a straight line, so a
third of the way is a third of every movement. What the fit leaves at the landmarks is added to all
states, by a kernel that is measured with the jaw open, so that upper and lower lip do not mix.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from efgan_rt.action_units import AU_NAMES
from engines.arrays import Bytes, FloatArray, Values
from train.portraits.camera import Drawn, draw, projected
from train.portraits.creases import crease_shade
from train.portraits.face_model import (
    INNER_LIPS,
    LEFT_EYE_CORNER,
    LOWER_INNER_LIP,
    MOUTH,
    OUTER_LIPS,
    OUTLINE,
    RIGHT_EYE_CORNER,
    SKIN,
    UPPER_INNER_LIP,
    FaceModel,
)
from train.portraits.fit import OF_478, FittedFace, at_rest

Grid = npt.NDArray[np.float32]

KERNEL_CM: Final = 0.55
# Inner lips are taken so far apart when a picture with an open mouth is sampled (of its side), that
# no line of teeth sticks to them.
LIPS_APART: Final = 0.0055
OPEN_GAP: Final = 0.06  # of the mouth's width
# Units that part the lips; a state without any has its mouth closed.
PARTING: Final = ("AU09", "AU10", "AU20", "AU25", "AU26")
SPREAD_PX: Final = (2.0, 4.0, 8.0)  # of a grid of 128: movement beyond the model fades out


@dataclass(frozen=True, eq=False)
class Fields:
    """What becomes of a face from one state to another, on a grid of n pixels.

    Attributes:
        displacement: float32 (n, n, 2), x and y in grid pixels from a pixel of the target to where
            in the source it comes from.
        mouth: bool (n, n): the inside of a mouth that the source does not show.
        place: float32 (n, n, 2), of those pixels: along the inner lips as a share, less a half;
            down from the upper lip in lengths from eye to eye.
        shade: float32 (n, n), logarithm of how much lighter the skin gets.
        weights: uint8 (n, n), bits: 1 the face, 2 around the mouth, 4 around the eyes, 8 inside
            of the target's mouth.
    """

    displacement: Grid
    mouth: npt.NDArray[np.bool_]
    place: Grid
    shade: Grid
    weights: Bytes


class Mover:
    """States of faces as vertices, and fields between them, for one face model."""

    def __init__(self, model: FaceModel, shading: Values | None = None) -> None:
        """Takes a model.

        Args:
            model: the face model.
            shading: (V, K), logarithm of how much lighter each vertex is for an intensity of 1 of
                each action unit; None for no shading.
        """
        self.model = model
        self.shading = shading
        self._places = list(model.landmarks)
        self._resting: tuple[FittedFace, Values] | None = None

    @cached_property
    def _kernel(self) -> Values:
        """(V, 51): how much of each inner landmark's rest each vertex takes."""
        model = self.model
        opened = model.neutral + model.expressions[model.names.index("jawOpen")]
        marks = opened[self._places[OUTLINE:]]
        far = ((opened[:, None] - marks[None]) ** 2).sum(axis=-1)
        near = np.exp(-far / (2 * KERNEL_CM**2))
        return np.asarray(near / (near.sum(axis=1, keepdims=True) + 0.05))

    def points(self, face: FittedFace, units: FloatArray, side: int) -> Values:
        """The face's vertices in a state, (V, 3), on a grid of `side` pixels over its picture.

        Args:
            face: the face.
            units: (K,), the state; `face.moved` is the picture's own.
            side: of the grid.
        """
        own = units is face.moved
        if self._resting is None or self._resting[0] is not face:
            rest = self.model.vertices(face.fit.identity, at_rest(self.model, face.fit))
            self._resting = face, rest
        shapes = at_rest(self.model, face.fit)
        added = np.clip(shapes + units.astype(np.float64) @ self.model.of_units, 0, 1) - shapes
        some = np.flatnonzero(added)
        moved = np.tensordot(added[some], self.model.expressions[some], 1)
        found = projected(face.fit, self._resting[1] + moved)
        found[:, :2] += self._kernel @ self._rest(face, found, units, own)
        share = side / len(face.picture)
        found[:, :2] = (found[:, :2] + 0.5) * share - 0.5
        found[:, 2] *= share
        return found

    def _rest(self, face: FittedFace, state: Values, units: FloatArray, own: bool) -> Values:
        """What the picture's own state leaves at its landmarks, as another has it: (51, 2)."""
        shapes = at_rest(self.model, face.fit)
        mine = np.clip(shapes + face.moved.astype(np.float64) @ self.model.of_units, 0, 1)
        places = self._places
        points = (
            self.model.neutral[places]
            + np.tensordot(
                face.fit.identity, self.model.identities[:, places][: len(face.fit.identity)], 1
            )
            + np.tensordot(mine, self.model.expressions[:, places], 1)
        )
        rest = face.landmarks[list(OF_478)] - projected(face.fit, points)[:, :2]
        rest[:OUTLINE] = 0
        is_open = face.gap > OPEN_GAP
        down = np.array([face.fit.rotation[0, 1], -face.fit.rotation[1, 1]])
        down = -down / np.linalg.norm(down)
        parted = any(units[AU_NAMES.index(unit)] > 0.3 for unit in PARTING)
        upper, lower = list(UPPER_INNER_LIP), list(LOWER_INNER_LIP)
        if own:
            if is_open:
                rest[upper] -= LIPS_APART * len(face.picture) * down
                rest[lower] += LIPS_APART * len(face.picture) * down
            return np.asarray(rest[OUTLINE:])
        if is_open:  # the opening is the state's to say
            for above, below in zip(
                (61, 62, 63, 49, 50, 51, 52, 53), (67, 66, 65, 59, 58, 57, 56, 55), strict=True
            ):
                rest[above] = rest[below] = (rest[above] + rest[below]) / 2
        if not parted:  # the lips meet
            marks = state[places][:, :2]
            for above, below in zip(upper, lower, strict=True):
                a, b = marks[above] + rest[above], marks[below] + rest[below]
                rest[above] += (a + b) / 2 - a
                rest[below] += (a + b) / 2 - b
        return np.asarray(rest[OUTLINE:])

    def drawn(self, points: Values, side: int) -> Drawn:
        """The model in a state, drawn."""
        return draw(self.model, points, side)

    def fields(self, source: Drawn, target: Drawn, gained: FloatArray | None = None) -> Fields:
        """What becomes of the source.

        Args:
            source: the model in the source's state.
            target: in the target's, on the same grid.
            gained: (K,), the target's units less the source's, for the shade.
        """
        side = len(source.part)
        seen = target.triangle >= 0
        corners = self.model.triangles[target.triangle[seen]]
        weights = target.weights[seen][..., None]
        displacement = np.zeros((side, side, 2), np.float32)
        apart = (source.points - target.points)[:, :2]
        displacement[seen] = (apart[corners] * weights).sum(axis=1)
        displacement = _spread(displacement, seen)
        rows, columns = np.mgrid[:side, :side]
        at = source.part[
            np.clip(np.rint(rows + displacement[..., 1]), 0, side - 1).astype(int),
            np.clip(np.rint(columns + displacement[..., 0]), 0, side - 1).astype(int),
        ]
        mouth = (target.part == MOUTH) & (at != MOUTH)
        # A sliver is a line between closed lips, or where the lips of both states do not fit.
        opened = cv2.morphologyEx(mouth.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        mouth = opened > 0
        place, mouth = self._places_in_mouth(target.points, mouth)
        shade = np.zeros((side, side), np.float32)
        if self.shading is not None and gained is not None:
            lighter = self.shading @ gained.astype(np.float64)
            shade[seen] = (lighter[corners] * weights[..., 0]).sum(axis=1)
            shade[seen] += crease_shade((self.model.neutral[corners] * weights).sum(axis=1), gained)
            shade[target.part != SKIN] = 0
            shade = np.asarray(cv2.GaussianBlur(shade, (0, 0), side / 256), np.float32)
        return Fields(displacement, mouth, place, shade, self._weights(target))

    def _places_in_mouth(
        self, points: Values, mouth: npt.NDArray[np.bool_]
    ) -> tuple[Grid, npt.NDArray[np.bool_]]:
        side = len(mouth)
        place = np.zeros((side, side, 2), np.float32)
        marks = points[self._places][:, :2]
        lips = marks[INNER_LIPS]
        upper = lips[[0, 1, 2, 3, 4]]
        along = upper[-1] - upper[0]
        width = float(np.linalg.norm(along))
        if mouth.sum() < 4 or width < 4:
            return place, np.zeros_like(mouth)
        rows, columns = np.nonzero(mouth)
        along = along / width
        across = np.array([-along[1], along[0]])
        there = np.stack([columns, rows], axis=1) - upper[0]
        share, depth = there @ along / width, there @ across
        edge = upper - upper[0]
        lip = np.interp(share, edge @ along / width, edge @ across)
        eyes = float(np.linalg.norm(marks[RIGHT_EYE_CORNER] - marks[LEFT_EYE_CORNER]))
        place[mouth] = np.stack([share - 0.5, (depth - lip) / eyes], axis=1)
        return place, mouth

    def _weights(self, target: Drawn) -> Bytes:
        side = len(target.part)
        marks = target.points[self._places][:, :2]

        def around(which: slice, share: float) -> Bytes:
            hull = cv2.convexHull(np.rint(marks[which]).astype(np.int32))
            mask = np.zeros((side, side), np.uint8)
            cv2.fillConvexPoly(mask, hull, 1)
            size = 2 * round(share * side) + 1
            round_ = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
            return np.asarray(cv2.dilate(mask, round_))

        eyes = around(slice(36, 42), 0.026) | around(slice(42, 48), 0.026)
        return np.asarray(
            (target.part > 0).astype(np.uint8)
            | (around(OUTER_LIPS, 0.031) << 1)
            | (eyes << 2)
            | ((target.part == MOUTH).astype(np.uint8) << 3)
        )


def _spread(displacement: Grid, seen: npt.NDArray[np.bool_]) -> Grid:
    """Movement beyond the drawn model, fading out."""
    found, known = displacement, seen.astype(np.float32)
    for sigma in SPREAD_PX:
        sigma *= len(seen) / 128
        near = cv2.GaussianBlur(known, (0, 0), sigma)
        blurred = cv2.GaussianBlur(found * known[..., None], (0, 0), sigma)
        grown = blurred / np.maximum(near, 1e-3)[..., None] * np.minimum(1, near * 2)[..., None]
        found = np.where(seen[..., None], displacement, grown).astype(np.float32)
        known = np.where(seen, 1, np.minimum(1, near)).astype(np.float32)
    return found


def moved_picture(picture: Bytes, displacement: Grid) -> Bytes:
    """A picture moved by a displacement on a coarser grid: what the target looks like."""
    side, coarse = len(picture), len(displacement)
    grown = cv2.resize(displacement, (side, side), interpolation=cv2.INTER_CUBIC) * (side / coarse)
    rows, columns = np.mgrid[:side, :side].astype(np.float32)
    return np.asarray(
        cv2.remap(
            picture,
            columns + grown[..., 0],
            rows + grown[..., 1],
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )
    )


def seam_darkened(
    picture: npt.NDArray[np.float32],
    points: Values,
    model: FaceModel,
    strength: float,
    soft: float,
) -> npt.NDArray[np.float32]:
    """A closed mouth's line between the lips, as a moved picture does not have it.

    Args:
        picture: float32 (n, n, 3).
        points: of the state, in the picture's pixels.
        model: the face model.
        strength: 0 to 1, how dark.
        soft: standard deviation in pixels.
    """
    marks = points[list(model.landmarks)][:, :2]
    middle = [
        (marks[a] + marks[b]) / 2 for a, b in zip(UPPER_INNER_LIP, LOWER_INNER_LIP, strict=True)
    ]
    knots = np.array([marks[60], *middle, marks[64]])
    steps = np.linspace(0, 4, 41)
    line = np.stack([np.interp(steps, range(5), knots[:, i]) for i in (0, 1)], axis=1)
    drawn = np.zeros(picture.shape[:2], np.float32)
    cv2.polylines(drawn, [np.rint(line * 8).astype(np.int32)], False, 1.0, 2, cv2.LINE_AA, 3)
    blurred = cv2.GaussianBlur(drawn, (0, 0), soft)
    mask = blurred / max(float(blurred.max()), 1e-3)
    return np.asarray(
        picture * (1 - mask[..., None] * strength * np.array([0.85, 1.0, 1.0], np.float32)),
        np.float32,
    )
