"""Fits the face model to a face's landmarks, and reads action units off how they moved.

Camera, identity and expression are found in turn by linear least squares. Shapes that would explain
identity are all but kept out of the expression, else a face made neutral would lose its own shape.

The fitted shapes are no labels: identity and other shapes take part of a smile, so that true smiles
come out as an AU12 of 0.9. So a face's units are found by bounded least squares on the movement of
its landmarks from its own neutral, then held to what a smile's score and the lips' gap say.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from efgan_rt.action_units import AU_NAMES, MAX_INTENSITY
from efgan_rt.extras import needs_extra
from engines.arrays import FloatArray, Values
from train.portraits.camera import Fit, projected
from train.portraits.face_model import OUTLINE, FaceModel

IDENTITY_SHAPES: Final = 40
ROUNDS: Final = 5
# MediaPipe's 478 points that are Multi-PIE's 68.
OF_478: Final = (
    *(162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389, 71, 63),
    *(105, 66, 107, 336, 296, 334, 293, 301, 168, 197, 5, 4, 75, 97, 2, 326, 305, 33, 160, 158),
    *(133, 153, 144, 362, 385, 387, 263, 373, 380, 61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84),
    *(181, 78, 82, 13, 312, 308, 317, 14, 87),
)
LIPS_GAP: Final = (13, 14)  # of the 478: middle of the inner lips
LIPS_ENDS: Final = (61, 291)
# Upper and lower lid of the 478, two pairs an eye, and the eye's corners.
LIDS: Final = (
    *(((160, 144), (33, 133)), ((158, 153), (33, 133))),
    *(((385, 380), (362, 263)), ((387, 373), (362, 263))),
)
# Gaps of lids, of the eye's width, that are said as AU45 of 5 and of 0: at shut lids the fit
# explains as the person's own shape what is a movement.
SHUT_LIDS, BLINKING_LIDS = 0.05, 0.18
WEIGHTS: Final = np.concatenate([np.full(17, 0.15), np.ones(10), np.full(9, 1.2), np.full(32, 1.5)])
# Priors, in cm of landmark error: a standard deviation of identity, a full shape of expression away
# from what the landmarker scores it.
IDENTITY_CM: Final = 0.144
EXPRESSION_CM: Final = 0.375
KEPT_OUT: Final = ("cheekPuff", "Pupil", "jawForward")
BOUNDED: Final = (
    *("mouthFunnel", "mouthPucker", "jawLeft", "jawRight"),
    *("mouthLeft", "mouthRight"),
)
# Of the units: how much a landmark counts (brows, nose, eyes, mouth), and a prior against many
# small units where one large one explains as much.
UNIT_WEIGHTS: Final = np.concatenate(
    [np.full(10, 0.8), np.full(9, 0.6), np.full(12, 1.2), np.full(20, 1.5)]
)
GAP_WEIGHT: Final = 2.0
UNIT_CM: Final = 0.06
# Units that a resting face seems to show, because its brows, lids or lips are not the average's: up
# to this intensity they are the person's own shape (over 1,436 portraits, few of which frown or
# stare, AU01 is 1.4 on average, AU05 0.8, AU07 1.1).
OWN_SHAPE: Final = (
    *("AU01", "AU02", "AU04", "AU05", "AU07", "AU09", "AU10", "AU14", "AU15", "AU17", "AU20"),
    "AU23",
)
OWN_INTENSITY: Final = 1.3
# The shapes' own full smile is wider than a person's, so a said one moves less than it says.
SMILE: Final = ("AU06", "AU12")
LARGEST_AU09: Final = 2.5  # landmarks hardly see a wrinkled nose
SHIFT_CM: Final = 0.5  # of the whole face, the fit's own error of pose


def fit(model: FaceModel, landmarks: Values, scores: Mapping[str, float]) -> tuple[Fit, float]:
    """Fits the model.

    Args:
        model: the face model.
        landmarks: (478, 2), MediaPipe's, in pixels, y down.
        scores: MediaPipe's blendshape scores by name.

    Returns:
        The fit, and the root mean square error of the inner landmarks in cm.
    """
    places = list(model.landmarks)
    wanted = landmarks[list(OF_478)] * [1.0, -1.0]
    neutral = model.neutral[places]
    identities = model.identities[:IDENTITY_SHAPES, places]
    shapes = model.expressions[:, places]
    scored = scored_shapes(model, scores)
    most = np.array([_largest(name) for name in model.names])
    identity, expression = np.zeros(len(identities)), scored.copy()
    weights = np.sqrt(WEIGHTS)
    for _ in range(ROUNDS):
        points = neutral + np.tensordot(identity, identities, 1)
        points = points + np.tensordot(expression, shapes, 1)
        rotation, scale, shift = _camera(points, wanted)
        seen = rotation[:2]

        def columns(differences: Values, seen: Values = seen, scale: float = scale) -> Values:
            each = scale * np.einsum("ij,kvj->kvi", seen, differences) * weights[None, :, None]
            return np.asarray(each.reshape(len(differences), -1).T)

        left = ((wanted - (scale * (neutral @ seen.T) + shift)) * weights[:, None]).ravel()
        count, kinds = len(identities), len(shapes)
        rows = np.vstack(
            [
                np.hstack([columns(identities), columns(shapes)]),
                np.hstack([IDENTITY_CM * scale * np.eye(count), np.zeros((count, kinds))]),
                np.hstack([np.zeros((kinds, count)), EXPRESSION_CM * scale * np.eye(kinds)]),
            ]
        )
        goal = np.concatenate([left, np.zeros(count), EXPRESSION_CM * scale * scored])
        bounds = (
            np.concatenate([np.full(count, -3.0), np.zeros(kinds)]),
            np.concatenate([np.full(count, 3.0), most]),
        )
        found = _bounded(rows, goal, bounds, rounds=30)
        identity, expression = found[:count], found[count:]
    result = Fit(rotation, scale, shift, identity, expression)
    points = neutral + np.tensordot(identity, identities, 1) + np.tensordot(expression, shapes, 1)
    apart = (projected(result, points)[:, :2] * [1.0, -1.0] - wanted)[OUTLINE:]
    return result, float(np.sqrt((apart**2).sum(axis=1).mean()) / scale)


def _bounded(
    rows: Values, goal: Values, bounds: tuple[Values, Values], rounds: int | None = None
) -> Values:
    """Least squares with a lowest and a highest value for each unknown."""
    with needs_extra("portraits"):
        from scipy.optimize import lsq_linear
    return np.asarray(lsq_linear(rows, goal, bounds=bounds, max_iter=rounds).x)


def _largest(shape: str) -> float:
    if shape.startswith(KEPT_OUT):
        return 0.02
    return 0.15 if shape in BOUNDED else 1.0


def _camera(points: Values, wanted: Values) -> tuple[Values, float, Values]:
    """Rotation (3, 3), scale and shift (2,) that bring points onto landmarks, both (68, .)."""
    share = WEIGHTS[:, None] / WEIGHTS.sum()
    middle, goal = (points * share).sum(axis=0), (wanted * share).sum(axis=0)
    weights = np.sqrt(WEIGHTS)[:, None]
    affine = np.linalg.lstsq((points - middle) * weights, (wanted - goal) * weights)[0].T
    left, stretch, right = np.linalg.svd(affine, full_matrices=False)
    rows, scale = left @ right, float(stretch.mean())
    rotation = np.vstack([rows, np.cross(rows[0], rows[1])])
    return rotation, scale, goal - scale * rows @ middle


def scored_shapes(model: FaceModel, scores: Mapping[str, float]) -> Values:
    """MediaPipe's scores as the model's shapes, (E,)."""
    found = np.zeros(len(model.names))
    for name, score in scores.items():
        sides = [name]
        if name in ("browInnerUp", "cheekPuff"):
            sides = [f"{name}_L", f"{name}_R"]
        elif name not in model.names:
            sides = [
                name.removesuffix("Left") + "_L"
                if name.endswith("Left")
                else name.removesuffix("Right") + "_R"
            ]
        for each in sides:
            if each in model.names:
                found[model.names.index(each)] = score
    return found


def at_rest(model: FaceModel, found: Fit) -> Values:
    """A face's own shapes without any that an action unit drives, (E,)."""
    shapes = found.expression.copy()
    shapes[model.driven] = 0
    return shapes


def moved_units(model: FaceModel, found: Fit, landmarks: Values) -> FloatArray:
    """The units (17,) whose shapes move the landmarks as this face has moved them from rest."""
    inner = list(model.landmarks[OUTLINE:])
    resting = model.vertices(found.identity, at_rest(model, found))[inner]
    before = projected(found, resting)[:, :2]
    moved = (landmarks[list(OF_478)][OUTLINE:] - before) / found.scale * [1.0, -1.0]
    shapes = np.tensordot(model.of_units, model.expressions[:, inner], 1)  # K 51 3
    seen = np.einsum("ij,kvj->kvi", found.rotation[:2], shapes)  # K 51 2
    count = len(AU_NAMES)
    weights = np.sqrt(UNIT_WEIGHTS)[:, None]
    shifts = np.zeros((2 * len(inner), 2))
    shifts[0::2, 0] = shifts[1::2, 1] = weights[:, 0]
    upper, lower = np.array([61, 62, 63]) - OUTLINE, np.array([67, 66, 65]) - OUTLINE
    gap_rows = (seen[:, upper] - seen[:, lower]).reshape(count, -1).T * GAP_WEIGHT
    gap = (moved[upper] - moved[lower]).ravel() * GAP_WEIGHT
    rows = np.vstack(
        [
            np.hstack([(seen * weights).reshape(count, -1).T, shifts]),
            np.hstack([gap_rows, np.zeros((len(gap_rows), 2))]),
            np.hstack([UNIT_CM * np.eye(count), np.zeros((count, 2))]),
        ]
    )
    goal = np.concatenate([(moved * weights).ravel(), gap, np.zeros(count)])
    most = np.full(count, MAX_INTENSITY)
    most[AU_NAMES.index("AU09")] = LARGEST_AU09
    bounds = (
        np.concatenate([np.zeros(count), [-SHIFT_CM] * 2]),
        np.concatenate([most, [SHIFT_CM] * 2]),
    )
    units = _bounded(rows, goal, bounds)[:count]
    _raise_cheeks(units, 0.65)
    return np.asarray(units, np.float32)


def said_units(units: FloatArray, smile: float, gap: float, lids: float) -> FloatArray:
    """Units as a person would name them.

    Args:
        units: (17,), of `moved_units`.
        smile: MediaPipe's score, 0 to 1, the mean of both sides.
        gap: between the inner lips, as a share of the mouth's width.
        lids: between the lids, as a share of the eye's width.
    """
    said = dict(zip(AU_NAMES, units.astype(float), strict=True))
    smiling = float(np.clip((smile - 0.35) / 0.3, 0, 1))
    if smile > 0.2:
        said["AU12"] = max(said["AU12"], 4.7 * smile)
    said["AU06"] = max(said["AU06"], 0.75 * said["AU12"])
    parted = float(np.clip(2.5 * max(gap - 0.01, 0) / 0.14, 0, MAX_INTENSITY))
    said["AU25"] += smiling * (parted - said["AU25"])
    said["AU26"] += smiling * (max(said["AU26"] - 1.5, 0) - said["AU26"])
    said["AU10"] *= 1 - 0.6 * smiling
    said["AU09"] *= 1 - 0.8 * smiling
    said["AU23"] *= 1 - smiling
    shut = (BLINKING_LIDS - lids) / (BLINKING_LIDS - SHUT_LIDS)
    said["AU45"] = max(said["AU45"], MAX_INTENSITY * float(np.clip(shut, 0, 1)))
    for unit in OWN_SHAPE:
        said[unit] = max(said[unit] - OWN_INTENSITY, 0) / (1 - OWN_INTENSITY / MAX_INTENSITY)
    return np.clip(np.array(list(said.values()), np.float32), 0, MAX_INTENSITY)


def _raise_cheeks(units: Values, share: float) -> None:
    """A smile lifts the cheeks, which landmarks hardly see."""
    cheeks, smile = AU_NAMES.index("AU06"), AU_NAMES.index("AU12")
    units[cheeks] = max(units[cheeks], share * units[smile])


@dataclass(frozen=True, eq=False)
class FittedFace:
    """A portrait with all that is known of its face.

    Attributes:
        picture: uint8 RGB (n, n, 3), framed as the training crops are.
        fit: in the picture's pixels.
        landmarks: (478, 2), pixels.
        moved: float32 (17,), the units by which the model is moved.
        said: float32 (17,), the units as labels.
        gap: between the inner lips, as a share of the mouth's width.
        lids: between the lids, as a share of the eye's width, the mean of both eyes.
    """

    picture: np.ndarray
    fit: Fit
    landmarks: Values
    moved: FloatArray
    said: FloatArray
    gap: float
    lids: float

    def placed(self, picture: np.ndarray, matrix: Values, shift: Values) -> "FittedFace":
        """The same face in a picture of other pixels: turned, scaled, shifted."""
        return replace(
            self,
            picture=picture,
            fit=self.fit.moved(matrix, shift),
            landmarks=self.landmarks @ matrix.T + shift,
        )


def lips_gap(landmarks: Values) -> float:
    """Between the inner lips, as a share of the mouth's width; landmarks (478, 2)."""
    return _share(landmarks, LIPS_GAP, LIPS_ENDS)


def lids_gap(landmarks: Values) -> float:
    """Between the lids, as a share of the eye's width, over both eyes; landmarks (478, 2)."""
    return float(np.mean([_share(landmarks, *pair) for pair in LIDS]))


def _share(landmarks: Values, these: tuple[int, int], of: tuple[int, int]) -> float:
    apart, whole = (landmarks[a] - landmarks[b] for a, b in (these, of))
    return float(np.linalg.norm(apart) / np.linalg.norm(whole))


def fitted_face(
    model: FaceModel, picture: np.ndarray, found: Fit, landmarks: Values, smile: float
) -> FittedFace:
    """Puts together what is known of a portrait's face."""
    gap, lids = lips_gap(landmarks), lids_gap(landmarks)
    measured = moved_units(model, found, landmarks)
    said = said_units(measured, smile, gap, lids)
    moved = said.copy()
    for unit in SMILE:
        moved[AU_NAMES.index(unit)] = (said + measured)[AU_NAMES.index(unit)] / 2
    return FittedFace(picture, found, landmarks, moved, said, gap, lids)
