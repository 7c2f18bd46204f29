"""The face model from its repository's meshes or an `.npz`, and what of it is drawn."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from efgan_rt.action_units import AU_NAMES
from efgan_rt.errors import EfganError
from tests.toy_face_model import toy_arrays, toy_model
from train.portraits.face_model import EYE, MOUTH, SKIN, load_face_model, units_vector
from train.portraits.obj_shapes import read_obj_shapes

SQUARE = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])


def write_obj(path: Path, vertices: np.ndarray, faces: str = "f 1/1 2/2 3/3 4/4\n") -> None:
    lines = [f"v {x:.5f} {y:.5f} {z:.5f}\n" for x, y, z in vertices]
    path.write_text("# a mesh\nmtllib a.mtl\n" + "".join(lines) + "vt 0 0\n" + faces)


@pytest.fixture
def repository_copy(tmp_path: Path) -> Path:
    """A square with two identities and two expressions, as the repository has its meshes."""
    meshes = tmp_path / "FaceXModel"
    meshes.mkdir()
    write_obj(meshes / "generic_neutral_mesh.obj", SQUARE)
    for number, name in enumerate(["identity000", "identity001", "jawOpen", "browDown_L"], 1):
        write_obj(meshes / f"{name}.obj", SQUARE + np.array([0, 0, number]))
    (meshes / "vertex_indices.json").write_text("{}")
    return tmp_path


@pytest.mark.parametrize("inside", ["", "FaceXModel"])
def test_shapes_are_what_meshes_add_to_the_neutral_one(repository_copy: Path, inside: str) -> None:
    read = read_obj_shapes(repository_copy / inside)
    assert np.array_equal(read.neutral, SQUARE)
    assert read.names == ("browDown_L", "jawOpen")
    assert read.identities[:, 0, 2].tolist() == [1, 2]
    assert read.expressions[:, 3, 2].tolist() == [4, 3]
    assert read.triangles.tolist() == [[0, 1, 2], [0, 2, 3]]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("jawOpen", "v 0 0 0\n", "jawOpen.obj: 1 vertices, expected the neutral mesh's 4"),
        ("jawOpen", "v 0 0\n", "jawOpen.obj: its vertices are not three numbers each"),
        ("jawOpen", "v 0 0 é\n", "jawOpen.obj: not an OBJ file"),
        (
            "generic_neutral_mesh",
            "v 0 0 0\nf 1 2 3\n",
            "generic_neutral_mesh.obj: its faces are not of its 1 vertices",
        ),
        (
            "generic_neutral_mesh",
            "v 0 0 0\nf a b c\n",
            "generic_neutral_mesh.obj: its faces are not vertices' numbers",
        ),
    ],
)
def test_a_damaged_mesh_is_named(repository_copy: Path, name: str, text: str, message: str) -> None:
    (repository_copy / "FaceXModel" / f"{name}.obj").write_text(text)
    with pytest.raises(EfganError, match=message):
        read_obj_shapes(repository_copy)


def test_a_folder_of_something_else_is_no_face_model(tmp_path: Path) -> None:
    with pytest.raises(EfganError, match=r"expected generic_neutral_mesh.obj there or in FaceX"):
        load_face_model(tmp_path)
    write_obj(tmp_path / "generic_neutral_mesh.obj", SQUARE)
    with pytest.raises(EfganError, match="found 0 identities and 0 expressions"):
        load_face_model(tmp_path)


def test_meshes_of_another_numbering_are_refused(repository_copy: Path) -> None:
    with pytest.raises(EfganError, match=r"its neutral is \(4, 3\), expected .* more than 24,590"):
        load_face_model(repository_copy)


def write_npz(path: Path, **changes: Any) -> Path:
    neutral, identities, expressions, names, triangles = toy_arrays()
    arrays: dict[str, Any] = {
        "neutral": neutral.astype(np.float32),
        "identities": identities.astype(np.float16),
        "expressions": expressions.astype(np.float16),
        "expression_names": np.array(names),
        "triangles": triangles,
    }
    arrays |= changes
    np.savez_compressed(path, **{k: v for k, v in arrays.items() if v is not None})
    return path


def test_an_npz_gives_its_arrays_and_knows_skin_from_mouth(tmp_path: Path) -> None:
    model = load_face_model(write_npz(tmp_path / "model.npz"))
    assert np.abs(model.neutral - toy_model().neutral).max() < 1e-5
    assert model.names == toy_model().names
    assert set(model.parts.tolist()) == {SKIN, EYE, MOUTH}
    assert (model.parts == MOUTH).sum() == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"triangles": None}, "no face model: 'triangles is not a file in the archive'"),
        ({"expression_names": np.array(["one"])}, "1 names for "),
        ({"identities": np.zeros((2, 5, 3))}, r"its identities are \(2, 5, 3\), expected"),
        ({"triangles": np.zeros((2, 4), int)}, r"its triangles are int64 \(2, 4\), expected"),
        ({"triangles": np.full((1, 3), 10**6)}, "its triangles are not of its vertices"),
        ({"neutral": np.full((24591, 3), np.nan)}, "values that are no finite numbers"),
    ],
)
def test_an_npz_that_is_no_face_model_says_why(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(EfganError, match=message):
        load_face_model(write_npz(tmp_path / "model.npz", **changes))


def test_a_model_that_lacks_a_shape_of_an_action_unit_is_refused(tmp_path: Path) -> None:
    names = np.array([name.replace("jawOpen", "jawShut") for name in toy_model().names])
    with pytest.raises(EfganError, match="it has no shape jawOpen, which an action unit needs"):
        load_face_model(write_npz(tmp_path / "model.npz", expression_names=names))


@pytest.mark.parametrize("content", [None, b"no archive", b"PK\x03\x04 broken"])
def test_a_file_that_is_missing_or_no_archive_is_no_face_model(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "model.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EfganError, match=r"model.npz: no (such )?face model"):
        load_face_model(path)


def test_both_sides_of_a_face_move_alike() -> None:
    model = toy_model()
    for name, row in zip(AU_NAMES, model.of_units, strict=True):
        sides = {each.removesuffix("_L"): row[i] for i, each in enumerate(model.names)}
        others = {each.removesuffix("_R"): row[i] for i, each in enumerate(model.names)}
        assert all(others.get(each, value) == value for each, value in sides.items()), name


def test_units_are_ordered_as_openface_has_them() -> None:
    vector = units_vector({"AU12": 3.0})
    assert vector.tolist() == [3.0 if name == "AU12" else 0.0 for name in AU_NAMES]


def test_the_shared_model_is_read(shared_face_model: Callable[[], Path]) -> None:
    model = load_face_model(shared_face_model())
    assert model.neutral.shape == (26719, 3) and len(model.identities) == 60
    # Eyes above the mouth, the nose nearest to the camera.
    marks = model.neutral[list(model.landmarks)]
    assert marks[36:48, 1].min() > marks[48:, 1].max()
    assert marks[:, 2].argmax() in range(27, 36)
