"""Smiles on photographs: the framing, the test people, and what is said when something lacks."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.london import (
    compare_identity,
    parse_arguments,
    read,
    smile_scores,
)
from benchmarks.london_crops import (
    EYES,
    MOUTH,
    framed,
    is_test_person,
    read_cropped_pairs,
    read_pairs,
)
from efgan_rt.action_units import FloatArray
from efgan_rt.errors import EfganError
from train.metrics.paired import Bytes

POINTS = ["right_eye", "left_eye", "nose", "mouth_right", "mouth_left"]


def photograph(eyes: tuple[float, float], mouth: tuple[float, float]) -> Bytes:
    """600 x 600, grey, with a red disc at the eyes' middle and a blue one at the mouth's."""
    picture = np.full((600, 600, 3), 128, np.uint8)
    for (x, y), colour in ((eyes, (255, 0, 0)), (mouth, (0, 0, 255))):
        cv2.circle(picture, (round(x), round(y)), 12, colour, -1)
    return picture


def centre(crop: Bytes, channel: int) -> tuple[float, float]:
    """Where a disc of that colour lies, x and y."""
    others = [c for c in range(3) if c != channel]
    strong = crop[..., channel].astype(int) - crop[..., others].max(axis=2) > 80
    rows, columns = np.nonzero(strong)
    return float(columns.mean()), float(rows.mean())


@pytest.mark.parametrize(
    ("eyes", "mouth"),
    [((300, 250), (300, 370)), ((280, 300), (340, 420)), ((310, 200), (250, 260))],
)
def test_a_crop_has_eyes_and_mouth_where_the_rendered_set_has_them(
    eyes: tuple[float, float], mouth: tuple[float, float]
) -> None:
    crop = framed(photograph(eyes, mouth), np.array(eyes), np.array(mouth))
    assert crop.shape == (128, 128, 3)
    assert centre(crop, 0) == pytest.approx(EYES, abs=0.7)
    assert centre(crop, 2) == pytest.approx(MOUTH, abs=0.7)


def write_photographs(root: Path, people: list[str]) -> Path:
    (root / "images").mkdir()
    columns = [f"{name}_{axis}" for name in POINTS for axis in "xy"]
    lines = [",".join(["file", "identity", "expression", *columns])]
    for who in people:
        for expression in ("neutral", "happy"):
            file = f"{who}_{expression}.png"
            picture = photograph((300, 250), (300, 370))
            cv2.imwrite(str(root / "images" / file), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
            points = "250,250,350,250,300,310,260,370,340,370"
            lines.append(f"{file},london{who},{expression},{points}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    return root


def test_people_numbered_below_110_are_never_measured(tmp_path: Path) -> None:
    pairs = read_pairs(write_photographs(tmp_path, ["001", "109", "110", "173"]))
    assert [pair.person for pair in pairs] == ["london110", "london173"]
    assert not is_test_person("london109") and is_test_person("110")
    assert not is_test_person("somebody")


def test_crops_that_exist_are_taken_as_they_are(tmp_path: Path) -> None:
    crop = np.random.default_rng(0).integers(0, 256, (128, 128, 3)).astype(np.uint8)
    for name in ("113_neutral", "113_happy", "002_neutral", "002_happy", "114_neutral"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), crop[..., ::-1])
    (pair,) = read_cropped_pairs(tmp_path)
    assert pair.person == "113"
    np.testing.assert_array_equal(pair.happy, crop)


def test_a_crop_of_another_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "113_happy.png"
    cv2.imwrite(str(path), np.zeros((64, 32, 3), np.uint8))
    with pytest.raises(EfganError) as error:
        read_cropped_pairs(tmp_path)
    assert str(error.value) == f"{path}: 32 x 64, expected 128 x 128"


def test_a_folder_without_test_people_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EfganError, match="no test person has a neutral and a happy picture"):
        read_pairs(write_photographs(tmp_path, ["001"]))


def test_a_folder_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EfganError, match=r"labels\.csv: cannot be read .*named by --photographs"):
        read_pairs(tmp_path)


def test_a_table_without_a_point_is_refused(tmp_path: Path) -> None:
    root = write_photographs(tmp_path, ["110"])
    text = (root / "labels.csv").read_text().replace("mouth_left_y", "elsewhere")
    (root / "labels.csv").write_text(text)
    with pytest.raises(EfganError, match=r"a row lacks or garbles 'mouth_left_y'"):
        read_pairs(root)


def test_without_photographs_and_crops_it_asks_for_them() -> None:
    with pytest.raises(EfganError, match="name the London set's folder with --photographs"):
        read(parse_arguments(["--landmarker=x"]))


def test_a_missing_landmarker_is_named(tmp_path: Path) -> None:
    with pytest.raises(EfganError, match=r"x\.task: no such file; expected MediaPipe's face_land"):
        smile_scores({}, tmp_path, Path(sys.executable), tmp_path / "x.task")


def test_a_python_without_mediapipe_is_told_how_to_get_one(tmp_path: Path) -> None:
    (tmp_path / "x.task").write_bytes(b"")
    crops = np.zeros((1, 128, 128, 3), np.uint8)
    # -S: an interpreter without any installed package, whatever this one has.
    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    bare.chmod(0o755)
    with pytest.raises(EfganError) as error:
        smile_scores({"neutral": crops}, tmp_path / "made", bare, tmp_path / "x.task")
    assert str(error.value) == (
        f"{bare} has no MediaPipe; make an environment for it (python -m venv VENV && "
        "VENV/bin/pip install mediapipe) and name its interpreter with --mediapipe-python "
        "VENV/bin/python"
    )


def test_a_python_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.task").write_bytes(b"")
    with pytest.raises(EfganError, match=r"nowhere: cannot be started \(No such file"):
        smile_scores({}, tmp_path, tmp_path / "nowhere", tmp_path / "x.task")


def stand_in(path: Path, answer: str) -> Path:
    """An interpreter that answers without MediaPipe: what is read of an answer is what is tried."""
    path.write_text(f"#!{sys.executable}\nimport json, sys\nfiles = sys.argv[3:]\n{answer}\n")
    path.chmod(0o755)
    return path


def test_a_smile_is_the_mean_of_both_sides_and_no_number_without_a_face(tmp_path: Path) -> None:
    (tmp_path / "x.task").write_bytes(b"")
    crops = np.zeros((2, 128, 128, 3), np.uint8)
    python = stand_in(
        tmp_path / "answering",
        "found = {'mouthSmileLeft': 0.2, 'mouthSmileRight': 0.6}\n"
        "print(json.dumps({f: found if '000' in f else None for f in files}))",
    )
    found = smile_scores({"neutral": crops}, tmp_path / "made", python, tmp_path / "x.task")
    assert found["neutral"][0] == pytest.approx(0.4)
    assert np.isnan(found["neutral"][1])
    made = cv2.imread(str(tmp_path / "made" / "neutral-000.png"))
    assert made is not None and made.shape == (1024, 1024, 3)


def test_a_failing_mediapipe_is_said_with_its_last_line(tmp_path: Path) -> None:
    (tmp_path / "x.task").write_bytes(b"")
    python = stand_in(tmp_path / "failing", "sys.exit('no such graph')")
    with pytest.raises(EfganError, match=r"^MediaPipe failed with status 1: no such graph$"):
        smile_scores({}, tmp_path / "made", python, tmp_path / "x.task")


class Colours:
    """An embedder that a test can compute by hand: a crop's mean colour."""

    def embed(self, pixels: Bytes) -> FloatArray:
        means = pixels.astype(np.float64).mean(axis=(1, 2))
        unit: FloatArray = (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)
        return unit


def test_identity_is_judged_with_what_the_judge_is_worth() -> None:
    colours = np.array([[200, 20, 20], [20, 200, 20], [20, 20, 200]], np.uint8)
    people = np.broadcast_to(colours[:, None, None], (3, 8, 8, 3))
    values, check = compare_identity(people, people[[1, 2, 0]], people, Colours())
    assert values["neutral_to_true"] == pytest.approx([1, 1, 1], abs=1e-6)
    assert values["neutral_nearest_own"].tolist() == [1, 1, 1]
    assert values["nearest_own"].tolist() == [0, 0, 0]
    assert check["accuracy"] == check["tar_at_far"] == 1
    assert check["stranger"] == pytest.approx((2 * 4000 + 400) / (40000 + 2 * 400), abs=1e-5)


def test_one_person_alone_has_no_stranger() -> None:
    person = np.full((1, 8, 8, 3), 90, np.uint8)
    values, check = compare_identity(person, person, person, Colours())
    assert values["nearest_own"].tolist() == [1]
    assert check["stranger"] is None and check["accuracy"] is None
