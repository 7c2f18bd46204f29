"""`efgan-rt prepare --face-model` as a user types it."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Cli = Callable[..., Any]


def shared(repository: Path) -> Path:
    folder = Path(os.environ.get("EFGAN_SHARED", repository.parent / "shared")) / "data"
    for needed in ("ict/ict-light.npz", "models/face_landmarker.task"):
        if not (folder / needed).is_file():
            pytest.skip(f"no {needed}: {folder / needed} is missing (EFGAN_SHARED moves it)")
    return folder


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--pairs", "3"), "--pairs: needs --face-model and --landmarker"),
        (("--held-out", "a*"), "--held-out: needs --face-model and --landmarker"),
        (("--face-model", "m"), "--landmarker: pairs for motion need it too"),
        (("--landmarker", "m"), "--face-model: pairs for motion need it too"),
        (
            ("--face-model", "m", "--landmarker", "l", "--crops"),
            "--crops: does not go with pairs for motion",
        ),
        (
            ("labels.csv", "--face-model", "m", "--landmarker", "l"),
            "LABELS: does not go with pairs for motion",
        ),
    ],
)
def test_options_that_would_do_nothing_are_refused(
    cli: Cli, arguments: tuple[str, ...], message: str
) -> None:
    result = cli("prepare", "pictures", *arguments)
    assert result.status == 2
    assert message in " ".join(result.err.replace("│", " ").split())


def test_without_mediapipe_the_command_says_what_to_install(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "mediapipe", None)
    result = cli("prepare", tmp_path, "--face-model", "m.npz", "--landmarker", "l.task")
    assert result.status == 1
    assert 'error: landmarks need MediaPipe: pip install "efgan-rt[portraits]"' in result.err


@pytest.mark.slow
def test_a_photograph_becomes_pairs_that_a_training_reads(
    cli: Cli, tmp_path: Path, repository: Path, astronaut: Any
) -> None:
    pytest.importorskip("mediapipe", reason='no MediaPipe: pip install "efgan-rt[portraits]"')
    from efgan_rt.pictures.write import write_picture
    from train.families.cascade.motion.pairs_set import PairSet

    data = shared(repository)
    pictures = tmp_path / "in"
    pictures.mkdir()
    write_picture(pictures / "astronaut.png", astronaut)
    write_picture(pictures / "sky.png", np.full((300, 300, 3), 120, np.uint8))
    model, landmarker = data / "ict" / "ict-light.npz", data / "models" / "face_landmarker.task"
    arguments: tuple[object, ...] = (
        "prepare",
        pictures,
        "--face-model",
        model,
        "--landmarker",
        landmarker,
    )
    arguments = (*arguments, "--pairs", "2", "--min-crop", "100")
    result = cli(*arguments, "--workers", "1")
    assert result.status == 3
    assert "2 pairs of 1 portraits to train on and 0 to test on" in result.out
    assert "left out: 1 x no face was found" in result.out
    out = tmp_path / "in-pairs"
    pairs = PairSet([out / "train_00000"])
    moved = pairs.batch([0, 1], [[2, 2]], None).truths[0].displacement
    assert 0.5 < moved.abs().max() < 40
    record = json.loads((out / "chunks" / "00000.json").read_text())
    assert record["train"] == ["astronaut.png"]
    again = cli(*arguments)
    assert "1 of 1 chunks are there already" in again.err
    shutil.rmtree(out)
