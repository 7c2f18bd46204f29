"""Label files of every format: what is read, what is dropped, what is said, what is refused."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from efgan_rt.action_units import AU_NAMES
from efgan_rt.choices import LabelFormat
from efgan_rt.errors import EfganError
from efgan_rt.labels.openface import read_openface
from efgan_rt.labels.own_table import read_own_table
from efgan_rt.labels.rows import canonical_expression
from tests.label_files import (
    affectnet_csv,
    ganimation_pickle,
    landmarks,
    libreface_csv,
    openface_csv,
    pyfeat_csv,
    python_2_pickle,
)
from train.data.affectnet import read_affectnet
from train.data.formats import read_any_labels
from train.data.ganimation import read_ganimation, read_id_list
from train.data.libreface import read_libreface
from train.data.pyfeat import read_pyfeat


def test_openface_columns_with_a_leading_space_are_found_by_name(tmp_path: Path) -> None:
    path = openface_csv(tmp_path / "clip.csv", [{"AU45_r": 4.5}], sequence=True)
    labels = read_openface(path)
    (row,) = labels.rows
    assert labels.au_names == AU_NAMES and labels.remarks == ()
    assert (row.au["AU12"], row.au["AU45"], row.frame, row.picture) == (3.2, 4.5, 1, "clip")


def test_openface_landmarks_are_all_x_then_all_y(tmp_path: Path) -> None:
    (row,) = read_openface(openface_csv(tmp_path / "a.csv", [{}], sequence=True)).rows
    assert row.landmarks is not None and row.region_centres is not None
    assert np.array_equal(row.landmarks, landmarks())
    assert row.region_centres.tolist() == [[60, 50], [60, 70], [60, 90]]


def test_openface_rows_without_success_or_confidence_are_dropped_and_counted(
    tmp_path: Path,
) -> None:
    rows = [{}, {"success": 0, "confidence": 0.02}, {"confidence": 0.5}, {"confidence": 0.79}]
    labels = read_openface(openface_csv(tmp_path / "a.csv", rows, sequence=True))
    assert [row.frame for row in labels.rows] == [1]
    assert labels.dropped == {"OpenFace had no success": 1, "confidence below 0.8": 2}
    kept = read_openface(tmp_path / "a.csv", min_confidence=0.4)
    assert [row.frame for row in kept.rows] == [1, 3, 4]


def test_openface_files_of_pictures_are_named_by_their_stem_and_may_hold_faces(
    tmp_path: Path,
) -> None:
    openface_csv(tmp_path / "ann.csv", [{}], sequence=False)
    openface_csv(tmp_path / "pair.csv", [{}, {"face": 1}], sequence=False, marks=False)
    labels = read_openface(tmp_path)
    assert [(row.picture, row.frame) for row in labels.rows] == [
        ("ann", None),
        ("pair", None),
        ("pair", None),
    ]
    assert labels.rows[1].landmarks is None


def test_an_openface_file_with_fewer_units_says_which_are_missing(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("frame, confidence, success, AU06_r, AU12_r\n1, 0.9, 1, 1.5, 2\n")
    labels = read_openface(path)
    assert labels.au_names == ("AU06", "AU12")
    assert "2 of the 17 action units; AU01 AU02 AU04" in labels.remarks[0]


def test_pyfeat_probabilities_are_refused_until_scaling_is_asked_for(tmp_path: Path) -> None:
    path = pyfeat_csv(tmp_path / "fex.csv", [{"input": "/data/a.jpg"}])
    with pytest.raises(EfganError, match=r"probabilities from 0 to 1.*--scale-probabilities"):
        read_pyfeat(path, scale_probabilities=False)
    labels = read_pyfeat(path, scale_probabilities=True)
    (row,) = labels.rows
    assert (row.au["AU12"], row.picture, row.frame) == (4.0, "/data/a.jpg", None)
    assert "AU45" not in labels.au_names and len(labels.au_names) == 16
    said = " ".join(labels.remarks)
    assert "multiplied by 5" in said
    assert "AU11 AU24 AU28 AU43 are not among the 17" in said
    assert "AU45 are missing" in said


def test_pyfeat_pictures_without_a_face_are_dropped(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"FaceScore": "", "AU12": ""},
        {"FaceScore": "nan"},
        {"FaceScore": 0.3},
        {},
    ]
    labels = read_pyfeat(pyfeat_csv(tmp_path / "a.csv", rows), scale_probabilities=True)
    assert len(labels.rows) == 1
    assert labels.dropped == {"no face, or a score below the floor": 3}


def test_libreface_has_twelve_intensities_and_its_guess_of_an_expression_is_not_read(
    tmp_path: Path,
) -> None:
    path = libreface_csv(tmp_path / "image_results.csv", [{"input_image_path": "x/a.png"}])
    labels = read_libreface(path)
    (row,) = labels.rows
    assert (row.au["AU12"], row.picture, row.expression) == (2.125, "x/a.png", "")
    assert len(labels.au_names) == 12
    assert "AU07 AU10 AU14 AU23 AU45 are missing" in labels.remarks[-1]


@pytest.mark.parametrize("protocol", range(6))
def test_ganimation_pickles_of_every_protocol_are_read(tmp_path: Path, protocol: int) -> None:
    labels = read_ganimation(ganimation_pickle(tmp_path / "aus_openface.pkl", ["a"], protocol))
    (row,) = labels.rows
    assert (row.picture, row.au["AU01"], row.au["AU45"]) == ("a", 0.0, 4.0)


def test_a_pickle_of_python_2_is_read(tmp_path: Path) -> None:
    (row,) = read_ganimation(python_2_pickle(tmp_path / "old.pkl")).rows
    assert (row.picture, row.au["AU45"]) == ("N_0000000356_00190", 4.0)


def test_a_list_of_dictionaries_as_forks_of_ganimation_write_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "aus.pkl"
    entries = [
        {"file_path": "a.jpg", "aus": [1.0] * 17},
        {"path": "b.jpg", "aus": [np.float64(2.0)] * 17},
        {"path": "c.jpg", "aus": np.ones((17,), ">f4")},
    ]
    path.write_bytes(pickle.dumps(entries))
    labels = read_ganimation(path)
    assert [(row.picture, row.au["AU12"]) for row in labels.rows] == [
        ("a.jpg", 1.0),
        ("b.jpg", 2.0),
        ("c.jpg", 1.0),
    ]


class _Harmful:
    """Pickled, it writes a file when somebody loads it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return open, (str(self.path), "w")


def test_a_pickle_that_asks_for_code_is_refused_and_runs_none(tmp_path: Path) -> None:
    path = tmp_path / "bad.pkl"
    path.write_bytes(pickle.dumps({"a": _Harmful(tmp_path / "written")}))
    with pytest.raises(EfganError, match=r"it asks for _?io\.open; a table of labels needs"):
        read_ganimation(path)
    assert not (tmp_path / "written").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": np.ones(16)}, "'a': 16 values, expected OpenFace's 17"),
        ({"a": np.full(17, 6.0)}, "'a': AU01 is 6, expected an intensity from 0 to 5"),
        ({"a": np.full(17, np.nan)}, "'a': AU01 is nan, expected an intensity"),
        ({"a": "text"}, "'a': found a str, expected an array of numbers"),
        ({"a": np.array(["x"] * 17)}, "'a': the array cannot be read: it does not hold numbers"),
        ({3: np.ones(17)}, "a name is '3', expected a picture's name"),
        ({}, "holds no labels"),
        ("text", "holds a str, expected a dictionary of names"),
    ],
)
def test_what_a_pickle_must_not_hold_is_named(
    tmp_path: Path, content: object, message: str
) -> None:
    path = tmp_path / "aus.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(EfganError, match=message):
        read_ganimation(path)


def test_a_list_of_names_gives_stems(tmp_path: Path) -> None:
    path = tmp_path / "train_ids.csv"
    path.write_text("N_1_00540.jpg\n\nfolder/N_2.jpg\n")
    assert read_id_list(path) == {"N_1_00540", "N_2"}
    path.write_text("\n")
    with pytest.raises(EfganError, match="the list of names is empty"):
        read_id_list(path)


def test_affectnet_classes_become_expressions_and_the_last_three_are_dropped(
    tmp_path: Path,
) -> None:
    rows = [("689/a.jpg", 1), ("b.jpg", 6), ("c.jpg", 8), ("d.jpg", 10)]
    labels = read_affectnet(affectnet_csv(tmp_path / "training.csv", rows))
    assert [(row.picture, row.expression) for row in labels.rows] == [
        ("689/a.jpg", "happy"),
        ("b.jpg", "angry"),
    ]
    assert labels.dropped == {"no expression: none": 1, "no expression: no face": 1}
    assert labels.au_names == () and "AffectNet has no action units" in labels.remarks[0]
    assert labels.rows[0].landmarks is not None
    assert np.array_equal(labels.rows[0].landmarks, landmarks())


def test_affectnets_later_layout_of_one_file_a_picture_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "12_exp.npy", np.array("3"))
    np.save(tmp_path / "12_lnd.npy", landmarks().ravel())
    np.save(tmp_path / "13_exp.npy", np.array("7"))
    labels = read_any_labels(tmp_path)
    assert [(row.picture, row.expression) for row in labels.rows] == [
        ("12", "surprised"),
        ("13", "contemptuous"),
    ]
    assert labels.rows[0].landmarks is not None and labels.rows[1].landmarks is None


@pytest.mark.parametrize("number", [-1, 11])
def test_a_class_that_affectnet_does_not_have_is_named(tmp_path: Path, number: int) -> None:
    path = affectnet_csv(tmp_path / "a.csv", [("a.jpg", number)])
    with pytest.raises(EfganError, match=f"expression is {number}, expected a class from 0 to 10"):
        read_affectnet(path)


def test_an_annotation_that_would_run_code_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "1_exp.npy", np.array(_Harmful(tmp_path / "written")), allow_pickle=True)
    with pytest.raises(EfganError, match=r"1_exp\.npy: not an array of plain values"):
        read_affectnet(tmp_path)
    assert not (tmp_path / "written").exists()


def test_our_own_table_may_lack_all_but_the_file(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("file,identity,AU12,AU06_r\na.jpg,ann,1,2\n")
    labels = read_own_table(path)
    (row,) = labels.rows
    assert labels.au_names == ("AU06", "AU12")
    assert (row.identity, row.expression, row.regions, row.au["AU12"]) == ("ann", "", None, 1.0)


def test_five_points_give_the_three_centres(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    five = "right_eye_x,right_eye_y,left_eye_x,left_eye_y,nose_x,nose_y,"
    five += "mouth_right_x,mouth_right_y,mouth_left_x,mouth_left_y"
    path.write_text(f"file,{five}\na.jpg,40,50,80,52,60,70,50,90,70,94\n")
    (row,) = read_own_table(path).rows
    assert row.region_centres is not None
    assert row.region_centres.tolist() == [[60, 51], [60, 70], [60, 92]]


def test_the_format_is_seen_by_the_columns(tmp_path: Path) -> None:
    openface_csv(tmp_path / "openface.csv", [{}], sequence=True)
    pyfeat_csv(tmp_path / "py-feat.csv", [{}])
    libreface_csv(tmp_path / "libreface.csv", [{}])
    affectnet_csv(tmp_path / "affectnet.csv", [("a.jpg", 1)])
    ganimation_pickle(tmp_path / "ganimation.pkl", ["a"])
    (tmp_path / "table.csv").write_text("file,AU12_r\na.jpg,1\n")
    for file in sorted(tmp_path.iterdir()):
        labels = read_any_labels(file, scale_probabilities=True)
        assert labels.format.lower() == file.stem
    (tmp_path / "other.csv").write_text("name,smile\na,1\n")
    with pytest.raises(EfganError, match=r"no known label format.*name smile.*--format table"):
        read_any_labels(tmp_path / "other.csv")


@pytest.mark.parametrize(
    ("label_format", "text", "message"),
    [
        (LabelFormat.OPENFACE, "frame, AU12_r\n1, 2\n", "columns missing: confidence"),
        (LabelFormat.OPENFACE, "frame, confidence\n1, 0.9\n", "columns missing: AU01_r"),
        (LabelFormat.OPENFACE, "confidence, AU12_r\n0.9, high\n", "row 0: AU12_r is 'high'"),
        (LabelFormat.OPENFACE, "confidence, AU12_r\n0.9, 5.5\n", "AU12_r is 5.5, expected an int"),
        (LabelFormat.OPENFACE, "frame, confidence, AU12_r\n1.5, 1, 2\n", "frame is '1.5', expect"),
        (LabelFormat.OPENFACE, "confidence, AU12_r\n0.9\n", "row 0: 1 values, expected 2"),
        (LabelFormat.OPENFACE, "confidence, confidence\n", "columns named twice: confidence"),
        (LabelFormat.OPENFACE, "", "the label table is empty"),
        (LabelFormat.PYFEAT, "FaceScore,AU12\n0.9,1.5\n", "AU12 is 1.5, expected a probability"),
        (LabelFormat.PYFEAT, "AU12\n0.5\n", "columns missing: FaceScore"),
        (LabelFormat.LIBREFACE, "file,au_12\na,1\n", "no column such as au_12_intensity"),
        (LabelFormat.AFFECTNET, "expression\n1\n", "columns missing: subDirectory_filePath"),
        (
            LabelFormat.AFFECTNET,
            "subDirectory_filePath,expression,facial_landmarks\na,1,1;2;3\n",
            "3 landmark values, expected 136",
        ),
        (LabelFormat.TABLE, "name\na\n", "columns missing: file"),
    ],
)
def test_a_file_that_is_not_as_its_format_has_it_is_named(
    tmp_path: Path, label_format: LabelFormat, text: str, message: str
) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(EfganError, match=message):
        read_any_labels(path, label_format, scale_probabilities=True)


def test_no_file_and_a_folder_without_one_are_named(tmp_path: Path) -> None:
    with pytest.raises(EfganError, match="no such file or folder; expected labels"):
        read_any_labels(tmp_path / "none.csv")
    with pytest.raises(EfganError, match="no CSV file in this folder"):
        read_openface(tmp_path)


def test_other_names_of_an_expression_are_ours() -> None:
    names = ("Happiness", "anger", "Fear", "Happily Surprised", "08-awed")
    assert [canonical_expression(name) for name in names] == [
        "happy",
        "angry",
        "fearful",
        "happily_surprised",
        "08_awed",
    ]
