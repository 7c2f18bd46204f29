"""The comparison of int8 with bf16 and fp32: whose faces, what is divided, and a run on toys."""

from pathlib import Path

import pytest

from benchmarks.int8 import ratios, run, unseen_faces
from efgan_rt.errors import EfganError
from efgan_rt.pictures.write import write_picture
from engines.base import EngineError
from tests.toy_engines import toy_faces


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two toy faces of unseen people and one whose face gave ranges."""
    for name, face in zip(("id203_sad.png", "id210_sad.png", "me.png"), toy_faces(), strict=False):
        write_picture(tmp_path / name, face)
    return tmp_path


def test_people_whose_faces_gave_ranges_are_left_out(folder: Path) -> None:
    assert unseen_faces(folder, 16).shape == (2, 16, 16, 3)


def test_a_folder_without_other_faces_is_told(tmp_path: Path) -> None:
    write_picture(tmp_path / "id200_sad.png", toy_faces()[0])
    with pytest.raises(EfganError, match=r"found no \.jpg or \.png of a face to compare edits of"):
        unseen_faces(tmp_path, 16)


def test_int8_is_divided_by_each_other_precision() -> None:
    seconds = {"int8": {"stage_1": 1.0}, "bf16": {"stage_1": 2.0}, "fp32": {"stage_1": 4.0}}
    assert ratios(seconds) == {"stage_1": {"bf16": 0.5, "fp32": 0.25}}


def test_engines_with_int8_files_are_measured_as_they_are(int8_toy: Path, folder: Path) -> None:
    options = ["--engines", str(int8_toy), "--pictures", str(folder), "--rounds", "2"]
    document, _ = run([*options, "--batch", "2"])
    assert document["edits"] == 4  # two faces to two expressions
    assert document["ratio"].keys() >= {"stage_1", "stage_2", "whole batch"}
    assert 0 < document["pixels_psnr_db"]["int8"]["worst"] < 99


def test_a_folder_that_is_no_engine_directory_is_told(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"no manifest\.json, so this is no engine directory"):
        run(["--engines", str(tmp_path)])
