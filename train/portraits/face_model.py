"""The face model: linear shapes of identity and expression, and how action units drive them.

The shapes are those of the ICT Face Model (light), made from light-stage scans; its public
repository is MIT. Vertices are in cm, y up, z towards the camera. The table from action units to
shapes stands here and nowhere else: renders and photographs that are labelled by it mean the same
by the same number. Its values are ours, chosen by looking; both sides of a face move alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, TypeAlias
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from efgan_rt.action_units import AU_NAMES, MAX_INTENSITY
from efgan_rt.errors import EfganError
from engines.arrays import FloatArray, Values
from train.portraits.obj_shapes import read_obj_shapes

Ints = npt.NDArray[np.int32]
Arrays: TypeAlias = tuple[
    npt.NDArray[np.floating],
    npt.NDArray[np.floating],
    npt.NDArray[np.floating],
    tuple[str, ...],
    npt.NDArray[np.integer],
]

# Shapes at intensity 5, linear between.
SHAPES_OF_UNITS: Final[Mapping[str, Mapping[str, float]]] = {
    "AU01": {"browInnerUp": 1.0},
    "AU02": {"browOuterUp": 1.0},
    "AU04": {"browDown": 1.0},
    "AU05": {"eyeWide": 1.0},
    "AU06": {"cheekRaiser": 0.8, "cheekSquint": 0.5, "eyeSquint": 0.3},
    "AU07": {"eyeSquint": 1.0, "eyeBlink": 0.12},
    "AU09": {"noseSneer": 1.0, "browDown": 0.2},
    "AU10": {"mouthUpperUp": 1.0},
    "AU12": {"mouthSmile": 1.0},
    "AU14": {"mouthDimple": 1.0},
    "AU15": {"mouthFrown": 1.0},
    "AU17": {"mouthShrugLower": 1.0, "mouthShrugUpper": 0.2},
    "AU20": {"mouthStretch": 1.0},
    "AU23": {"mouthPress": 0.8, "mouthRollLower": 0.3, "mouthRollUpper": 0.3},
    "AU25": {"mouthLowerDown": 0.5, "mouthUpperUp": 0.35},
    "AU26": {"jawOpen": 0.55},
    "AU45": {"eyeBlink": 1.0},
}
# Shapes that no action unit drives, but that a mouth at rest has none of.
AT_REST: Final = (
    "mouthClose",
    "mouthFunnel",
    "mouthPucker",
    "mouthStretch",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthPress",
    "mouthShrugUpper",
    "mouthShrugLower",
)
# The 68 landmarks of Multi-PIE as vertices of the model, from its own documentation.
LANDMARKS_68: Final = (
    *(1225, 1888, 1052, 367, 1719, 1722, 2199, 1447, 966, 3661, 4390, 3927, 3924, 2608, 3272),
    *(4088, 3443, 268, 493, 1914, 2044, 1401, 3615, 4240, 4114, 2734, 2509, 978, 4527, 4942),
    *(4857, 1140, 2075, 1147, 4269, 3360, 1507, 1542, 1537, 1528, 1518, 1511, 3742, 3751, 3756),
    *(3721, 3725, 3732, 5708, 5695, 2081, 0, 4275, 6200, 6213, 6346, 6461, 5518, 5957, 5841),
    *(5702, 5711, 5533, 6216, 6207, 6470, 5517, 5966),
)
OUTLINE: Final = 17  # of the 68, the jaw's outline: it slides over the skin as a head turns
# Places among the 68.
RIGHT_EYE_CORNER, LEFT_EYE_CORNER = 36, 45
EYES: Final = (slice(36, 42), slice(42, 48))  # a corner, upper lid, other corner, lower lid
OUTER_LIPS, INNER_LIPS = slice(48, 60), slice(60, 68)
UPPER_INNER_LIP, LOWER_INNER_LIP = (61, 62, 63), (67, 66, 65)
# Vertices by part, first and last (ICT Face Model light).
HEAD: Final = (0, 11247)
FACE: Final = (0, 9408)
INSIDE_MOUTH: Final = ((11248, 13293), (14062, 21450))  # socket; gums, tongue and teeth
EYEBALLS: Final = (21451, 24590)

ARRAYS: Final = ("neutral", "identities", "expressions", "expression_names", "triangles")

NOTHING, SKIN, EYE, MOUTH = range(4)
"""What a pixel of a drawn model shows."""


@dataclass(frozen=True, eq=False)
class FaceModel:
    """Shapes of faces.

    Attributes:
        neutral: (V, 3), cm.
        identities: (I, V, 3), differences of one standard deviation each.
        expressions: (E, V, 3), differences at full strength.
        names: of the expressions, `_L` and `_R` where there are two sides.
        triangles: (T, 3), vertices, those drawn only.
        parts: (T,), what each triangle is: `SKIN`, `EYE` or `MOUTH`.
    """

    neutral: Values
    identities: Values
    expressions: Values
    names: tuple[str, ...]
    triangles: Ints
    parts: Ints
    landmarks: tuple[int, ...] = LANDMARKS_68

    def both_sides(self, shape: str) -> list[int]:
        """The rows of `expressions` that a shape's name means: one, or one a side."""
        if shape in self.names:
            return [self.names.index(shape)]
        return [self.names.index(f"{shape}_{side}") for side in "LR"]

    @cached_property
    def of_units(self) -> Values:
        """(K, E): what an intensity of 1 of each action unit, OpenFace's 17, adds to the shapes."""
        table = np.zeros((len(AU_NAMES), len(self.names)))
        for row, unit in zip(table, AU_NAMES, strict=True):
            for shape, strength in SHAPES_OF_UNITS[unit].items():
                row[self.both_sides(shape)] += strength / MAX_INTENSITY
        return table

    @cached_property
    def driven(self) -> list[int]:
        """The shapes that an action unit drives, or that a face at rest has none of."""
        rest = {i for shape in AT_REST for i in self._known(shape)}
        return sorted(rest | set(np.flatnonzero(self.of_units.any(axis=0)).tolist()))

    def _known(self, shape: str) -> list[int]:
        try:
            return self.both_sides(shape)
        except ValueError:
            return []

    def vertices(self, identity: Values, expression: Values) -> Values:
        """(V, 3) of a person, identity (up to I,), with an expression (E,)."""
        mine = np.tensordot(identity, self.identities[: len(identity)], 1)
        return np.asarray(self.neutral + mine + np.tensordot(expression, self.expressions, 1))


def units_vector(units: Mapping[str, float]) -> FloatArray:
    """Named intensities as OpenFace's 17, float32."""
    return np.array([units.get(name, 0.0) for name in AU_NAMES], np.float32)


def lips_gap_of_units(model: FaceModel) -> FloatArray:
    """How far an intensity of 1 of each action unit parts the lips, float32 (K,).

    In lengths from eye to eye, of the average face.
    """
    places = list(model.landmarks)
    eyes = model.neutral[places[RIGHT_EYE_CORNER]] - model.neutral[places[LEFT_EYE_CORNER]]
    shapes = np.tensordot(model.of_units, model.expressions[:, places, 1], 1)  # K 68, up
    parted = shapes[:, list(UPPER_INNER_LIP)] - shapes[:, list(LOWER_INNER_LIP)]
    return np.asarray(parted.mean(axis=1) / np.linalg.norm(eyes), np.float32)


def load_face_model(path: Path) -> FaceModel:
    """Reads the face model from a copy of its repository, or from a `.npz` of its arrays.

    The arrays are `neutral`, `identities`, `expressions`, `expression_names` and `triangles`.

    Raises:
        EfganError: there is nothing, or it is no face model.
    """
    if path.is_dir():
        read = read_obj_shapes(path)
        arrays: Arrays = (
            read.neutral,
            read.identities,
            read.expressions,
            read.names,
            read.triangles,
        )
    else:
        arrays = _arrays(path)
    try:
        _check(*arrays)
    except ValueError as error:
        raise EfganError(f"{path}: no face model: {error}") from error
    return face_model(*arrays)


def _arrays(path: Path) -> Arrays:
    if not path.is_file():
        raise EfganError(
            f"{path}: no such face model; expected a copy of the repository ICT-VGL/ICT-FaceKit, "
            "or an .npz of its arrays"
        )
    try:
        with np.load(path) as file:
            found = {name: file[name] for name in ARRAYS}
    except (OSError, KeyError, ValueError, TypeError, AttributeError, BadZipFile) as error:
        raise EfganError(f"{path}: no face model: {error}") from error
    names = tuple(str(name) for name in found["expression_names"])
    return found["neutral"], found["identities"], found["expressions"], names, found["triangles"]


def _check(
    neutral: npt.NDArray[np.generic],
    identities: npt.NDArray[np.generic],
    expressions: npt.NDArray[np.generic],
    names: tuple[str, ...],
    triangles: npt.NDArray[np.generic],
) -> None:
    """Holds arrays against each other and against what is used of the model.

    Raises:
        ValueError: what is wrong.
    """
    count = len(neutral)
    if neutral.shape != (count, 3) or count <= EYEBALLS[1]:
        raise ValueError(
            f"its neutral is {neutral.shape}, expected (V, 3) with more than {EYEBALLS[1]:,} "
            "vertices, numbered as the ICT Face Model's light version"
        )
    for what, shapes in (("identities", identities), ("expressions", expressions)):
        if shapes.shape != (len(shapes), count, 3) or not len(shapes):
            raise ValueError(f"its {what} are {shapes.shape}, expected (N, {count}, 3)")
    if len(names) != len(expressions):
        raise ValueError(f"{len(names)} names for {len(expressions)} expressions")
    if triangles.ndim != 2 or triangles.shape[1] != 3 or triangles.dtype.kind not in "iu":
        raise ValueError(f"its triangles are {triangles.dtype} {triangles.shape}, expected (T, 3)")
    if not len(triangles) or triangles.min() < 0 or triangles.max() >= count:
        raise ValueError("its triangles are not of its vertices")
    missing = sorted(
        shape
        for shapes in SHAPES_OF_UNITS.values()
        for shape in shapes
        if shape not in names and not {f"{shape}_L", f"{shape}_R"} <= set(names)
    )
    if missing:
        raise ValueError(f"it has no shape {missing[0]}, which an action unit needs")
    for array in (neutral, identities, expressions):
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise ValueError("a shape has values that are no finite numbers")


def face_model(
    neutral: npt.NDArray[np.floating],
    identities: npt.NDArray[np.floating],
    expressions: npt.NDArray[np.floating],
    names: Sequence[str],
    triangles: npt.NDArray[np.integer],
) -> FaceModel:
    """A face model of the ICT model's arrays, with the triangles that are never seen left out."""
    last = triangles.max(axis=1)
    eyes = (last >= EYEBALLS[0]) & (last <= EYEBALLS[1])
    mouth = np.logical_or.reduce([(last >= a) & (last <= b) for a, b in INSIDE_MOUTH])
    skin = last <= HEAD[1]
    parts = np.select([skin, eyes, mouth], [SKIN, EYE, MOUTH], NOTHING)
    drawn = parts != NOTHING
    return FaceModel(
        neutral.astype(np.float64),
        identities.astype(np.float64),
        expressions.astype(np.float64),
        tuple(names),
        np.ascontiguousarray(triangles[drawn], dtype=np.int32),
        np.ascontiguousarray(parts[drawn], dtype=np.int32),
    )
