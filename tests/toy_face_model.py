"""A face model of a few hundred vertices, numbered as the ICT Face Model's light version.

Its shapes are bumps; its lips part where the real ones do; behind them lies a plane that is the
inside of the mouth, and between its lids others that are the eyes. With it, faces whose pose,
shapes and landmarks are known exactly.
"""

from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from efgan_rt.action_units import AU_NAMES
from engines.arrays import Values
from train.portraits.camera import Drawn, Fit, projected
from train.portraits.eyes import LIDS
from train.portraits.face_model import (
    EYEBALLS,
    EYES,
    INSIDE_MOUTH,
    LANDMARKS_68,
    SHAPES_OF_UNITS,
    FaceModel,
    face_model,
)
from train.portraits.fit import OF_478, FittedFace, lids_gap, lips_gap
from train.portraits.mouths import LOWER_LIP, UPPER_LIP
from train.portraits.movement import Mover

MOUTH_Y = -6.0
SINGLE = ("jawOpen", "mouthShrugLower", "mouthShrugUpper", "mouthRollLower", "mouthRollUpper")
# Centre on the left side (x > 0), movement, in cm.
BUMPS = {
    "browInnerUp": ((1.8, 3.2), (0, 0.8, 0)),
    "browOuterUp": ((5.2, 3.2), (0, 0.8, 0)),
    "browDown": ((3.2, 3.2), (-0.2, -0.7, 0)),
    "eyeWide": ((3.2, 1.3), (0, 0.4, 0)),
    "eyeSquint": ((3.2, -0.4), (0, 0.4, 0)),
    "eyeBlink": ((3.2, 1.3), (0, -0.8, 0)),
    "cheekRaiser": ((4.4, -1.4), (0, 0.5, 0.2)),
    "cheekSquint": ((4.6, -2.4), (0, 0.4, 0.2)),
    "noseSneer": ((1.2, -2.8), (0, 0.5, 0)),
    "mouthSmile": ((2.6, -6.0), (0.8, 0.7, -0.2)),
    "mouthDimple": ((2.6, -6.0), (0.5, 0.0, -0.4)),
    "mouthFrown": ((2.6, -6.0), (0.1, -0.8, 0)),
    "mouthStretch": ((2.4, -6.2), (0.8, -0.3, 0)),
    "mouthPress": ((1.4, -6.4), (0, 0.2, -0.2)),
    "mouthUpperUp": ((1.0, -5.4), (0, 0.6, 0)),
    "mouthLowerDown": ((1.0, -6.6), (0, -0.6, 0)),
    "mouthShrugLower": ((0.0, -7.2), (0, 0.5, 0.2)),
    "mouthShrugUpper": ((0.0, -5.2), (0, 0.3, 0.2)),
    "mouthRollLower": ((0.0, -6.6), (0, 0.2, -0.3)),
    "mouthRollUpper": ((0.0, -5.4), (0, -0.2, -0.3)),
}


def marks() -> Values:
    """(68, 2), x and y of Multi-PIE's landmarks, cm, y up."""
    turn = np.linspace(0, np.pi, 17)
    jaw = np.stack([-7.5 * np.cos(turn), 1 - 11.5 * np.sin(turn)], axis=1)
    across = np.linspace(-6.2, -1.6, 5)
    brow = np.stack([across, 3.2 - 0.06 * (across + 3.9) ** 2], axis=1)
    nose = [(0, 1), (0, -0.2), (0, -1.4), (0, -2.6), (-1.4, -3.2), (-0.7, -3.4), (0, -3.5)]
    nose += [(0.7, -3.4), (1.4, -3.2)]
    eye = [(-4.6, 0.6), (-3.8, 1.1), (-2.6, 1.1), (-1.8, 0.5), (-2.6, 0.15), (-3.8, 0.15)]
    other = [(-x, y) for x, y in (eye[3], eye[2], eye[1], eye[0], eye[5], eye[4])]
    lips = [(-2.6, -6), (-1.6, -5.5), (-0.6, -5.3), (0, -5.4), (0.6, -5.3), (1.6, -5.5), (2.6, -6)]
    lips += [(1.6, -6.6), (0.6, -6.9), (0, -7), (-0.6, -6.9), (-1.6, -6.6)]
    lips += [(-2.3, -6), (-1, -5.98), (0, -5.97), (1, -5.98), (2.3, -6)]
    lips += [(1, -6.02), (0, -6.03), (-1, -6.02)]
    return np.vstack([jaw, brow, brow[::-1] * [-1, 1], nose, eye, other, lips])


@cache
def toy_arrays() -> tuple[Values, Values, Values, tuple[str, ...], npt.NDArray[np.int32]]:
    """`neutral`, `identities`, `expressions`, their names and `triangles`."""
    from scipy.spatial import Delaunay

    places = marks()
    grid = np.stack(np.meshgrid(np.arange(-9, 9.1, 0.7), np.arange(-12, 7, 0.7)), -1).reshape(-1, 2)
    apart = np.linalg.norm(grid[:, None] - places[None], axis=2).min(axis=1) > 0.35
    slit = (abs(grid[:, 1] - MOUTH_Y) < 0.3) & (abs(grid[:, 0]) < 2.8)
    eyes = (abs(grid[:, 1] - 0.6) < 0.7) & (abs(abs(grid[:, 0]) - 3.2) < 1.5)
    grid = grid[apart & ~slit & ~eyes]
    flat = np.vstack([places, grid])
    numbers = np.concatenate([LANDMARKS_68, 6500 + np.arange(len(grid))])
    # Joined as they lie with the mouth open, so that nothing joins its lips.
    corners = Delaunay(flat - np.stack([0 * flat[:, 0], 2 * _below(*flat.T)], axis=1)).simplices
    corners = corners[~((corners >= 60) & (corners < 68)).all(axis=1)]
    middles = flat[corners].mean(axis=1).astype(np.float32)
    for eye in EYES:
        lids = places[eye].astype(np.float32)
        shows = [cv2.pointPolygonTest(lids, middle.tolist(), False) > 0 for middle in middles]
        corners, middles = corners[~np.array(shows)], middles[~np.array(shows)]
    a, b, c = (flat[corners[:, i]] for i in range(3))
    (ux, uy), (vx, vy) = (b - a).T, (c - a).T
    away = ux * vy - uy * vx < 0
    corners[away] = corners[away][:, ::-1]
    neutral = np.zeros((EYEBALLS[1] + 1, 3))
    x, y = flat.T
    nose = 2.2 * np.exp(-(x**2) / 1.5 - (y + 2.2) ** 2 / 3)
    neutral[numbers] = np.stack([x, y, 6 - 0.06 * x**2 - 0.02 * y**2 + nose], axis=1)
    first = INSIDE_MOUTH[0][0]
    neutral[first : first + 4] = [(-3, -10, 3), (3, -10, 3), (3, -5, 3), (-3, -5, 3)]
    quad = np.array([[0, 1, 2], [0, 2, 3]])
    behind = [quad + first]
    for middle in (-3.2, 3.2):
        first = EYEBALLS[0] if middle < 0 else EYEBALLS[0] + 4
        sides = (middle - 1.6, middle + 1.6)
        neutral[first : first + 4] = [(sides[i], y, 3) for i, y in ((0, 0), (1, 0), (1, 2), (0, 2))]
        behind.append(quad + first)
    triangles = np.vstack([numbers[corners], *behind]).astype(np.int32)
    identities = np.zeros((2, *neutral.shape))
    identities[0, :, 0] = 0.05 * neutral[:, 0]
    identities[1, numbers, 1] = -0.4 * np.exp(-((y + 9) ** 2) / 8)
    names, shapes = [], []
    for name in sorted({shape for each in SHAPES_OF_UNITS.values() for shape in each}):
        for side in ("",) if name in SINGLE else ("_L", "_R"):
            names.append(name + side)
            shapes.append(_shape(name, -1.0 if side == "_R" else 1.0, neutral, numbers))
    return neutral, identities, np.stack(shapes), tuple(names), triangles


def _below(x: Values, y: Values) -> Values:
    """How much of a place goes with the jaw: all or nothing at the lips, softly beside them."""
    return np.asarray(np.where(abs(x) < 2.2, y < MOUTH_Y, 1 / (1 + np.exp((y - MOUTH_Y) / 0.5))))


def _shape(name: str, side: float, neutral: Values, numbers: npt.NDArray[np.integer]) -> Values:
    x, y = neutral[numbers, 0] * side, neutral[numbers, 1]
    below = _below(x, y)
    found = np.zeros_like(neutral)
    if name == "jawOpen":
        found[numbers, 1] = -2.4 * below * np.exp(-(x**2) / 40)
        return found
    (left, up), moved = BUMPS[name]
    weight = np.exp(-((x - left) ** 2 + (y - up) ** 2) / (2 * 1.1**2))
    if name.startswith(("mouthUpper", "mouthShrugUpper", "mouthRollUpper")):
        weight = weight * (1 - below)
    elif name == "eyeBlink":
        weight = weight * (y > 0.6)
    elif name.startswith(("mouthLower", "mouthShrugLower", "mouthRollLower")):
        weight = weight * below
    found[numbers] = weight[:, None] * np.array(moved) * [side, 1, 1]
    return found


@cache
def toy_model() -> FaceModel:
    """The model."""
    return face_model(*toy_arrays())


def turned(yaw: float = 0.0, roll: float = 0.0) -> Values:
    """A rotation (3, 3), from degrees."""
    a, b = np.deg2rad([yaw, roll])
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y)


def toy_fit(side: int, units: dict[str, float], rotation: Values | None = None) -> Fit:
    """A face in the middle of a picture, with the shapes of some action units."""
    model = toy_model()
    scale = side * 0.335 / 6.55
    values = np.array([units.get(name, 0.0) for name in AU_NAMES])
    expression = np.clip(values @ model.of_units, 0, 1)
    shift = np.array([side / 2, -side * 0.555 + 2.7 * scale])
    rotation = np.eye(3) if rotation is None else rotation
    return Fit(rotation, scale, shift, np.array([0.7, -0.4]), expression)


def landmarks_of(fit: Fit) -> Values:
    """(478, 2): MediaPipe's landmarks of a fit, those that are used."""
    model = toy_model()
    points = projected(fit, model.vertices(fit.identity, fit.expression))
    found = np.zeros((478, 2))
    found[list(OF_478)] = points[list(model.landmarks), :2]
    for line in (UPPER_LIP, LOWER_LIP, *LIDS[0], *LIDS[1]):
        known = [place for place, mark in enumerate(line) if mark in OF_478]
        for axis in (0, 1):
            there = found[[line[place] for place in known], axis]
            found[list(line), axis] = np.interp(range(len(line)), known, there)
    return found


def toy_face(side: int, units: dict[str, float], rotation: Values | None = None) -> FittedFace:
    """A face of known units, with its picture."""
    fit = toy_fit(side, units, rotation)
    landmarks = landmarks_of(fit)
    values = np.array([units.get(name, 0.0) for name in AU_NAMES], np.float32)
    model = toy_model()
    points = projected(fit, model.vertices(fit.identity, fit.expression))
    picture = painted(Mover(model).drawn(points, side))
    gap, lids = lips_gap(landmarks), lids_gap(landmarks)
    return FittedFace(picture, fit, landmarks, values, values.copy(), gap, lids)


def painted(drawn: Drawn) -> npt.NDArray[np.uint8]:
    """What a drawn model looks like: colours that stick to its vertices, dark where there is no
    skin."""
    model = toy_model()
    x, y = model.neutral[:, 0], model.neutral[:, 1]
    colours = np.stack([np.sin(0.9 * x), np.sin(0.8 * y), np.cos(0.6 * (x + y))], 1) * 60 + 130
    colours[INSIDE_MOUTH[0][0] :] = 20
    seen = drawn.triangle >= 0
    picture = np.full((*seen.shape, 3), 40.0)
    corners = model.triangles[drawn.triangle[seen]]
    picture[seen] = (colours[corners] * drawn.weights[seen][..., None]).sum(axis=1)
    return np.asarray(np.rint(picture), np.uint8)
