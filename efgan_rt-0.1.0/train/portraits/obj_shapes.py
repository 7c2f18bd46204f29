"""The face model's shapes from a copy of its public repository, ICT-VGL/ICT-FaceKit (MIT).

There every shape is a whole mesh as an OBJ file: `generic_neutral_mesh`, `identity000` and so on,
and one for each expression, named after it. What a shape adds is the difference to the neutral one.
Read as the repository was at commit da5f95a.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from efgan_rt.errors import EfganError

FOLDER: Final = "FaceXModel"
NEUTRAL: Final = "generic_neutral_mesh"
IDENTITY: Final = "identity"
IDENTITIES: Final = 60
"""So many are read: a fit uses the first 40, and each one more explains less of a face."""


@dataclass(frozen=True, eq=False)
class ObjShapes:
    """The arrays of a face model.

    Attributes:
        neutral: float64 (V, 3), cm.
        identities: float64 (I, V, 3), differences.
        expressions: float64 (E, V, 3), differences.
        names: of the expressions, sorted.
        triangles: int32 (T, 3), quads split in two.
    """

    neutral: npt.NDArray[np.float64]
    identities: npt.NDArray[np.float64]
    expressions: npt.NDArray[np.float64]
    names: tuple[str, ...]
    triangles: npt.NDArray[np.int32]


def read_obj_shapes(
    folder: Path, on_progress: Callable[[int, int], None] = lambda _done, _all: None
) -> ObjShapes:
    """Reads the repository's folder, or the folder of meshes inside it.

    Args:
        folder: either.
        on_progress: called with how many meshes are read, and of how many.

    Raises:
        EfganError: a mesh is missing, cannot be read or is not of the neutral one's vertices.
    """
    meshes = folder / FOLDER if (folder / FOLDER).is_dir() else folder
    if not (meshes / f"{NEUTRAL}.obj").is_file():
        raise EfganError(
            f"{folder}: no face model: expected {NEUTRAL}.obj there or in {FOLDER}; give a copy of "
            "the repository ICT-VGL/ICT-FaceKit, or an .npz of its arrays"
        )
    stems = sorted(path.stem for path in meshes.glob("*.obj"))
    identities = [stem for stem in stems if _is_identity(stem)][:IDENTITIES]
    names = tuple(stem for stem in stems if stem != NEUTRAL and not _is_identity(stem))
    if not identities or not names:
        raise EfganError(
            f"{meshes}: no face model: found {len(identities)} identities and {len(names)} "
            "expressions beside the neutral mesh, expected some of both"
        )
    neutral, triangles = _neutral(meshes / f"{NEUTRAL}.obj")
    count = len(identities) + len(names)
    differences = []
    for number, stem in enumerate((*identities, *names), start=1):
        path = meshes / f"{stem}.obj"
        vertices = _vertices(path, _lines(path))
        if len(vertices) != len(neutral):
            raise EfganError(
                f"{path}: {len(vertices):,} vertices, expected the neutral mesh's {len(neutral):,}"
            )
        differences.append(vertices - neutral)
        on_progress(number, count)
    shapes = np.stack(differences)
    split = len(identities)
    return ObjShapes(neutral, shapes[:split], shapes[split:], names, triangles)


def _is_identity(stem: str) -> bool:
    return stem.startswith(IDENTITY) and stem.removeprefix(IDENTITY).isdigit()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise EfganError(f"{path}: not an OBJ file: {error}") from error


def _vertices(path: Path, lines: list[str]) -> npt.NDArray[np.float64]:
    rows = [line[2:] for line in lines if line.startswith("v ")]
    try:
        # Python's own numbers: NumPy takes twenty times as long to read a list of texts.
        return np.fromiter(map(float, " ".join(rows).split()), np.float64).reshape(len(rows), 3)
    except ValueError as error:
        raise EfganError(f"{path}: its vertices are not three numbers each: {error}") from error


def _neutral(path: Path) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int32]]:
    lines = _lines(path)
    vertices = _vertices(path, lines)
    triangles = []
    try:
        for line in lines:
            if line.startswith("f "):
                first, *others = (int(corner.split("/")[0]) - 1 for corner in line.split()[1:])
                triangles += [(first, b, c) for b, c in pairwise(others)]
    except ValueError as error:
        raise EfganError(f"{path}: its faces are not vertices' numbers: {error}") from error
    found = np.array(triangles, np.int32).reshape(-1, 3)
    if not len(found) or found.min() < 0 or found.max() >= len(vertices):
        raise EfganError(f"{path}: its faces are not of its {len(vertices):,} vertices")
    return vertices, found
