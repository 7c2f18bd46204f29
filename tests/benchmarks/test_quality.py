"""The quality benchmark: from a checkpoint to figures and sheets, and what it refuses."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks.picture_set import find_picture_set
from efgan_rt.action_units import AU_NAMES
from efgan_rt.errors import EfganError
from tests.toy import toy_config, toy_networks
from tests.toy_people import write_people
from train.checkpoint import Checkpoint, plain_weights, save_pt
from train.evaluation.sheet import HEADING_PX, NAME_PX, write_sheet
from train.metrics.people import EXPRESSIONS


def run_script(
    repository: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(repository / "benchmarks" / "quality.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )


def test_a_missing_picture_set_is_one_sentence(repository: Path, tmp_path: Path) -> None:
    done = run_script(repository, "--data", str(tmp_path))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        f"error: {tmp_path}: no picture set, expected labels.csv and images/ in it; "
        "name its folder with --data, or the one that holds data/synth with EFGAN_SHARED\n"
    )


def test_a_checkpoint_is_not_measured_with_a_backend(repository: Path, people: Path) -> None:
    done = run_script(
        repository, "--data", str(people), "--checkpoint", "x.pt", "--backend", "openvino"
    )
    assert done.returncode == 1
    assert "--checkpoint is run in PyTorch; leave out --engines and --backend" in done.stderr


def test_the_picture_set_is_found_by_name_then_by_variable(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "synth").symlink_to(people)
    monkeypatch.setenv("EFGAN_SHARED", str(tmp_path))
    assert find_picture_set(None) == tmp_path / "data" / "synth"
    assert find_picture_set(people) == people
    monkeypatch.setenv("EFGAN_SHARED", str(tmp_path / "elsewhere"))
    with pytest.raises(EfganError, match="no picture set"):
        find_picture_set(None)


def test_a_sheet_shows_each_crop_in_its_place(tmp_path: Path) -> None:
    red, green = (np.full((8, 8, 3), colour, np.uint8) for colour in ((255, 0, 0), (0, 255, 0)))
    path = tmp_path / "deep" / "sheet.png"
    write_sheet(path, ["a", "b"], [("one", [red, green]), ("two", [green, red])])
    sheet = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    assert sheet is not None
    body = sheet[HEADING_PX:, NAME_PX:]
    assert body.shape == (16, 16, 3)
    assert body[4, 4].tolist() == body[12, 12].tolist() == [255, 0, 0]
    assert body[4, 12].tolist() == body[12, 4].tolist() == [0, 255, 0]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One person to train the judges on and one to judge."""
    return write_people(tmp_path_factory.mktemp("people"), ["id000", "id200"])


@pytest.fixture(scope="module")
def measured(
    repository: Path, people: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """The folder that a run over a toy checkpoint has written, and what it printed."""
    folder = tmp_path_factory.mktemp("measured")
    config = toy_config(stages=1)
    networks = toy_networks(config)
    weights = {
        f"{name}.{key}": value
        for name, module in (("cascade", networks.cascade), ("au_reader", networks.au_reader))
        for key, value in plain_weights(module).items()
    }
    flat = dict.fromkeys(EXPRESSIONS, np.zeros(len(AU_NAMES), np.float32))
    save_pt(Checkpoint(config, weights, flat, {"step": 7}), folder / "toy.pt")
    places = [
        f"--{name}={folder / name}" for name in ("judges", "sheets", "examples")
    ]  # no such examples: the set's own faces are taken
    done = run_script(
        repository, f"--data={people}", f"--checkpoint={folder / 'toy.pt'}", *places,
        OMP_NUM_THREADS="1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "sheets", done.stdout


@pytest.fixture(scope="module")
def figures(measured: tuple[Path, str]) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((measured[0] / "quality.json").read_text())
    return content


def test_the_figures_stand_between_doing_nothing_and_the_truth(figures: dict[str, Any]) -> None:
    nothing, edited, truth = figures["columns"]
    assert [c["name"] for c in figures["columns"]] == ["input", "torch fp32", "truth"]
    assert nothing["gain_db"] == 0
    assert edited["psnr_db"] < truth["psnr_db"]
    assert edited["edits"] == 14


def test_the_figures_say_what_was_measured_on_what(figures: dict[str, Any]) -> None:
    assert figures["people"] == {"n": 1, "first": "id200", "last": "id200"}
    assert figures["judges"]["classifier"]["seed"] > 0
    assert figures["machine"]["processor"]
    edited = figures["columns"][1]
    assert (edited["backend"], edited["precision"]) == ("torch", "fp32")
    assert edited["origin"] == {"file": "toy.pt", "training": {"step": 7}}
    assert edited["examples_shown"] == 3


def test_every_sheet_is_written(measured: tuple[Path, str]) -> None:
    sheets = sorted(path.name for path in measured[0].glob("*.png"))
    assert sheets == [
        "torch-fp32-contact-sheet.png",
        "torch-fp32-from-angry.png",
        "torch-fp32-from-neutral.png",
    ]


def test_the_table_has_a_row_for_each_expression(measured: tuple[Path, str]) -> None:
    assert all(f"{name}: right" in measured[1] for name in EXPRESSIONS)
