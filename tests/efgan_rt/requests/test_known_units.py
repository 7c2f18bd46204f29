"""`--aus` and `--reference`: action units of files instead of the estimator's."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from efgan_rt.action_units import AU_NAMES
from efgan_rt.errors import EfganError
from efgan_rt.faces.detect import Face
from efgan_rt.faces.detector_facts import DetectorFacts
from efgan_rt.faces.framing import FaceChoice, FaceFramer
from efgan_rt.pictures.original import Picture
from efgan_rt.pictures.write import write_picture
from efgan_rt.requests.known_units import read_known_units
from efgan_rt.requests.reference import crop_of_picture, is_table, say_units, units_of_table
from engines.arrays import FloatArray
from tests.label_files import openface_csv

AU12 = AU_NAMES.index("AU12")
NAMES = ("AU12", "AU45", "AU01")


def test_openfaces_rows_go_to_their_pictures_in_the_models_order(tmp_path: Path) -> None:
    for name, smile in (("anna", 1.5), ("ben", 4)):
        row = {"AU12_r": smile, "AU45_r": 0.5, "AU01_r": 2}
        openface_csv(tmp_path / f"{name}.csv", [row], sequence=False)
    found = read_known_units(tmp_path, NAMES, ["a/ben.jpg", "anna.png"])
    assert {name: units.tolist() for name, units in found.units.items()} == {
        "a/ben.jpg": [4, 0.5, 2],
        "anna.png": [1.5, 0.5, 2],
    }
    assert found.remarks == ()
    assert found.units["anna.png"].dtype == np.float32


def test_frames_of_a_sequence_are_told_by_their_number(tmp_path: Path) -> None:
    rows = [{"AU12_r": 1}, {"AU12_r": 2, "success": 0}, {"AU12_r": 3}]
    path = openface_csv(tmp_path / "film.csv", rows, sequence=True)
    found = read_known_units(path, NAMES, ["f_001.png", "f_002.png", "f_003.png"])
    assert {name: units[0] for name, units in found.units.items()} == {
        "f_001.png": 1,
        "f_003.png": 3,
    }
    assert found.remarks == (
        f"{path}: 1 rows left out: OpenFace had no success",
        f"{path}: 1 pictures have no row; the engines' own estimator reads them",
    )


def test_a_table_of_this_project_will_do(tmp_path: Path) -> None:
    path = tmp_path / "aus.csv"
    path.write_text("file,AU12,AU45,AU01\nb/x.png,1,2,3\nnone.png,1,1,1\n")
    found = read_known_units(path, NAMES, ["a/x.png", "b/x.png"])
    assert {name: units.tolist() for name, units in found.units.items()} == {"b/x.png": [1, 2, 3]}
    assert f"{path}: 1 rows belong to no picture here" in found.remarks


def test_of_several_faces_the_largest_is_taken(tmp_path: Path) -> None:
    wide = {f"x_{i}": i * 5 for i in range(68)} | {"AU12_r": 4, "confidence": 0.9}
    path = openface_csv(tmp_path / "two.csv", [{"AU12_r": 1}, wide], sequence=False)
    found = read_known_units(path, NAMES, ["two.jpg"])
    assert found.units["two.jpg"][0] == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,AU12,AU45\nx.png,1,2\n", "AU01 are missing, which the model needs"),
        ("name,AU12\nx.png,1\n", "neither OpenFace's CSV (confidence, AU01_r ...) nor a table"),
        (
            "file,AU12,AU45,AU01\ny.png,1,2,3\n",
            "none of its rows belongs to a picture here (1 x no",
        ),
        ("file,AU12,AU45,AU01\n", "none of its rows belongs to a picture here (no rows)"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "aus.csv"
    path.write_text(text)
    with pytest.raises(EfganError) as error:
        read_known_units(path, NAMES, ["x.png"])
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EfganError) as error:
        read_known_units(tmp_path / "none.csv", NAMES, ["x.png"])
    assert str(error.value).endswith("none.csv: no such file or folder; expected OpenFace's CSV")


def test_an_openface_file_of_one_face_is_a_reference(tmp_path: Path) -> None:
    path = openface_csv(tmp_path / "smile.CSV", [{"AU12_r": 4.25}], sequence=False)
    assert is_table(path)
    assert units_of_table(path, AU_NAMES)[AU12] == 4.25


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{}, {}], "has 2 faces, expected one as a reference"),
        ([{"confidence": 0.1}], "has 0 faces (1 rows of low confidence left out), expected one"),
    ],
)
def test_a_reference_of_another_number_of_faces_is_refused(
    tmp_path: Path, rows: list[dict[str, object]], message: str
) -> None:
    path = openface_csv(tmp_path / "faces.csv", rows, sequence=False)
    with pytest.raises(EfganError) as error:
        units_of_table(path, AU_NAMES)
    assert message in str(error.value)


class Boxes:
    """A detector that finds what it is told to."""

    facts = DetectorFacts("haar", "", "")

    def __init__(self, *faces: Face) -> None:
        self._faces = list(faces)

    def find(self, picture: Picture) -> list[Face]:
        return self._faces


COLOURS = ("red", "green", "blue")


def mean_colour(pixels: Picture) -> FloatArray:
    return np.asarray(pixels.reshape(len(pixels), -1, 3).mean(axis=1), dtype=np.float32)


@pytest.fixture
def photograph(tmp_path: Path, make_picture: Callable[..., Picture]) -> Path:
    """Red on the left, blue on the right."""
    picture = np.zeros((200, 400, 3), np.uint8)
    picture[:, :200, 0] = picture[:, 200:, 2] = 200
    write_picture(tmp_path / "two.png", picture)
    return tmp_path / "two.png"


def test_a_reference_picture_is_read_at_its_largest_face(photograph: Path) -> None:
    said: list[str] = []
    small, large = Face(40, 60, 60, 60), Face(250, 50, 100, 100)
    framer = FaceFramer(Boxes(small, large), None, FaceChoice(crops=False))
    found = mean_colour(crop_of_picture(photograph, framer, said.append)[np.newaxis])[0]
    say_units(photograph, found, COLOURS, said.append)
    assert not is_table(photograph)
    assert found[2] > 190 and found[0] < 10
    assert said == [
        f"{photograph}: 2 faces; the largest one is the reference",
        f"{photograph}: the reference shows blue {found[2]:.1f}",
    ]


def test_a_reference_in_which_nothing_is_read_is_said_to_be_one(photograph: Path) -> None:
    said: list[str] = []
    say_units(photograph, np.zeros(3, np.float32), COLOURS, said.append)
    assert said == [
        f"{photograph}: hardly any expression is read in the reference; if it has one, give its "
        "action units as OpenFace measures them (a CSV file)"
    ]


def test_a_reference_picture_without_a_face_is_refused(photograph: Path) -> None:
    framer = FaceFramer(Boxes(), None, FaceChoice(crops=False))
    with pytest.raises(EfganError) as error:
        crop_of_picture(photograph, framer, print)
    assert str(error.value) == f"{photograph}: no face found; expected one as a reference"
