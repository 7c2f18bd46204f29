"""From two states of a fitted face to what a network is to learn: fields on a grid.

A state is a set of action units. Between two states every vertex moves on a straight line, so a
third of the way is a third of every movement. What the fit leaves at the landmarks is added to all
states, by a kernel that is measured with the jaw open, so that upper and lower lip do not mix.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from efgan_rt.action_units import AU_NAMES, MAX_INTENSITY
from efgan_rt.faces.mouths import DEPTH
from engines.arrays import Bytes, FloatArray, Values
from train.portraits.camera import Drawn, draw, projected
from train.portraits.creases import crease_shade
from train.portraits.face_model import (
    EYE,
    EYES,
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
# Gaps of lids, of the eye's width: below the first an eye is shut; the second one opens to.
SHUT_GAP: Final = 0.1
OPENED_GAP: Final = 0.3
OVERLAP: Final = 0.05  # of the eye's width, by which lids that meet cover each other
LIDS_APART: Final = 0.006  # as lips are, where they come to meet
BLINK, WIDE, SQUINT, CHEEKS = (AU_NAMES.index(unit) for unit in ("AU45", "AU05", "AU07", "AU06"))
MEETING: Final = (2.0, 4.5)  # intensities of AU45 from which lids begin to meet, and meet
SPREAD_PX: Final = (2.0, 4.0, 8.0)  # of a grid of 128: movement beyond the model fades out


@dataclass(frozen=True, eq=False)
class Fields:
    """What becomes of a face from one state to another, on a grid of n pixels.

    Attributes:
        displacement: float32 (n, n, 2), x and y in grid pixels from a pixel of the target to where
            in the source it comes from.
        mouth: bool (n, n): the inside of a mouth, or of an eye, that the source does not show.
        place: float32 (n, n, 2), of those pixels: along the inner lips, or from one corner of an
            eye to the other, as a share, less a half; down from the upper lip, or from the line
            between the corners plus half of `DEPTH`, in lengths from eye to eye.
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

    def points(
        self, face: FittedFace, units: FloatArray, side: int, *, lids_apart: bool = False
    ) -> Values:
        """The face's vertices in a state, (V, 3), on a grid of `side` pixels over its picture.

        Args:
            face: the face.
            units: (K,), the state; `face.moved` is the picture's own.
            side: of the grid.
            lids_apart: whether the picture's own lids are taken a little apart, for a state that
                shuts them, so that no line of the eye sticks to them.
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
        found[:, :2] += self._kernel @ self._rest(face, found, units, own, lids_apart)
        share = side / len(face.picture)
        found[:, :2] = (found[:, :2] + 0.5) * share - 0.5
        found[:, 2] *= share
        return found

    def _rest(
        self, face: FittedFace, state: Values, units: FloatArray, own: bool, lids_apart: bool
    ) -> Values:
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
        if not own:
            _set_lids(rest, state[places][:, :2], units, down, is_shut=face.lids < SHUT_GAP)
        parted = any(units[AU_NAMES.index(unit)] > 0.3 for unit in PARTING)
        upper, lower = list(UPPER_INNER_LIP), list(LOWER_INNER_LIP)
        if own:
            if lids_apart:
                for eye in EYES:
                    rest[eye.start + 1 : eye.start + 3] -= LIDS_APART * len(face.picture) * down
                    rest[eye.start + 4 : eye.stop] += LIDS_APART * len(face.picture) * down
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
        eyes = target.part == EYE
        _cover(displacement, eyes & ~_opened(eyes))
        displacement = _spread(displacement, seen)
        rows, columns = np.mgrid[:side, :side]
        at = source.part[
            np.clip(np.rint(rows + displacement[..., 1]), 0, side - 1).astype(int),
            np.clip(np.rint(columns + displacement[..., 0]), 0, side - 1).astype(int),
        ]
        mouth = (target.part == MOUTH) & (at != MOUTH)
        eyes &= at != EYE
        # A sliver is a line between closed lips, or where the lips of both states do not fit.
        place, mouth = self._places_in_mouth(target.points, _opened(mouth))
        there = self._places_in_eyes(target.points, _opened(eyes))
        place, mouth = np.where(mouth[..., None], place, there[0]), mouth | there[1]
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

    def _places_in_eyes(
        self, points: Values, eyes: npt.NDArray[np.bool_]
    ) -> tuple[Grid, npt.NDArray[np.bool_]]:
        place = np.zeros((*eyes.shape, 2), np.float32)
        rows, columns = np.nonzero(eyes)
        marks = points[self._places][:, :2]
        apart = float(np.linalg.norm(marks[RIGHT_EYE_CORNER] - marks[LEFT_EYE_CORNER]))
        shares, depths = [], []
        for eye in EYES:
            begin, end = marks[eye.start], marks[eye.start + 3]
            width = float(np.linalg.norm(end - begin))
            along = (end - begin) / max(width, 1e-6)
            there = np.stack([columns, rows], axis=1) - begin
            shares.append(there @ along / max(width, 1e-6) - 0.5)
            depths.append(there @ np.array([-along[1], along[0]]) / apart + DEPTH / 2)
        nearer = np.abs(shares[1]) < np.abs(shares[0])
        found = np.stack([np.where(nearer, *both[::-1]) for both in (shares, depths)], axis=1)
        kept = np.abs(found[:, 0]) <= 0.5
        place[rows[kept], columns[kept]] = found[kept]
        shown = np.zeros_like(eyes)
        shown[rows[kept], columns[kept]] = True
        return place, shown

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

        eyes = around(EYES[0], 0.026) | around(EYES[1], 0.026)
        return np.asarray(
            (target.part > 0).astype(np.uint8)
            | (around(OUTER_LIPS, 0.031) << 1)
            | (eyes << 2)
            | ((target.part == MOUTH).astype(np.uint8) << 3)
        )


def _set_lids(
    rest: Values, marks: Values, units: FloatArray, down: Values, *, is_shut: bool
) -> None:
    """What is added to a state's lids, so that they meet where it shuts them.

    Of a picture whose eyes are shut it is not known how open they are at rest; they get the gap of
    most people, above the lower lid of the picture.

    Args:
        rest: (68, 2), what the picture's own state leaves at its landmarks; changed.
        marks: (68, 2), the state's landmarks.
        units: (K,), the state.
        down: (2,), of the face.
        is_shut: whether the picture's own eyes are.
    """
    shut = float(np.clip(units[BLINK] / MAX_INTENSITY, 0, 1))
    meeting = float(np.clip((units[BLINK] - MEETING[0]) / (MEETING[1] - MEETING[0]), 0, 1))
    wide = 1 + (units[WIDE] - units[SQUINT] - units[CHEEKS] / 2) / 10
    for eye in EYES:
        first = eye.start
        width = float(np.linalg.norm(marks[first] - marks[first + 3]))
        for upper, lower in ((first + 1, first + 5), (first + 2, first + 4)):
            if is_shut:
                rest[upper] = rest[lower]
            gap = float((marks[lower] + rest[lower] - marks[upper] - rest[upper]) @ down)
            wanted = (1 - meeting) * gap - meeting * OVERLAP * width
            if is_shut:
                wanted = (1 - shut) * OPENED_GAP * wide * width
            rest[upper] += (gap - wanted) * down


def _opened(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    return np.asarray(
        cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
    )


def _cover(displacement: Grid, slivers: npt.NDArray[np.bool_]) -> None:
    """Puts the upper lid over what is left of an eye between lids that meet."""
    left = slivers.copy()
    for _ in range(int(left.sum(axis=0).max(initial=0))):
        rows, columns = np.nonzero(left[1:] & ~left[:-1])
        displacement[rows + 1, columns] = displacement[rows, columns]
        left[rows + 1, columns] = False


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


def lips_seam(points: Values, model: FaceModel) -> list[Values]:
    """The line where closed lips meet, (N, 2) pixels."""
    marks = points[list(model.landmarks)][:, :2]
    return [_between(marks, 60, UPPER_INNER_LIP, LOWER_INNER_LIP, 64)]


def lids_seams(points: Values, model: FaceModel) -> list[Values]:
    """The lines where closed lids meet, each (N, 2) pixels."""
    marks = points[list(model.landmarks)][:, :2]
    return [
        _between(marks, i, (i + 1, i + 2), (i + 5, i + 4), i + 3)
        for i in (eye.start for eye in EYES)
    ]


def _between(
    marks: Values, begin: int, upper: Sequence[int], lower: Sequence[int], end: int
) -> Values:
    middle = [(marks[a] + marks[b]) / 2 for a, b in zip(upper, lower, strict=True)]
    knots = np.array([marks[begin], *middle, marks[end]])
    steps = np.linspace(0, len(knots) - 1, 10 * len(knots) - 9)
    return np.stack([np.interp(steps, range(len(knots)), knots[:, i]) for i in (0, 1)], axis=1)


def seam_darkened(
    picture: npt.NDArray[np.float32], lines: Sequence[Values], strength: float, soft: float
) -> npt.NDArray[np.float32]:
    """Lines between closed lips or lids, as a moved picture does not have them.

    Args:
        picture: float32 (n, n, 3).
        lines: each (N, 2), the picture's pixels.
        strength: 0 to 1, how dark.
        soft: standard deviation in pixels.
    """
    drawn = np.zeros(picture.shape[:2], np.float32)
    knots = [np.rint(line * 8).astype(np.int32) for line in lines]
    cv2.polylines(drawn, knots, False, 1.0, 2, cv2.LINE_AA, 3)
    blurred = cv2.GaussianBlur(drawn, (0, 0), soft)
    mask = blurred / max(float(blurred.max()), 1e-3)
    return np.asarray(
        picture * (1 - mask[..., None] * strength * np.array([0.85, 1.0, 1.0], np.float32)),
        np.float32,
    )
