"""`efgan-rt train`: phases, changes and starting weights; how a training shows itself."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from efgan_rt.cli import training_progress
from tests.toy_people import write_people

Cli = Callable[..., Any]

RECIPE = """
name = "toy"
ema_decay = 0.5
[model]
width = 8
critic_width = 8
interpolator_width = 8
residual_blocks = 1
[[phases]]
kind = "au_head"
steps = 1
batch = 2
[[phases]]
kind = "cascade"
stages = 2
steps = 1
batch = 2
critic_updates = 1
"""


def test_a_phase_and_changes_are_in_what_a_dry_run_prints(cli: Cli) -> None:
    result = cli("train", "paper", "--phase", "cascade", "--set", "model.width=8", "--dry-run")
    recipe = json.loads(result.out)
    assert [phase["kind"] for phase in recipe["phases"]] == ["cascade"]
    assert (recipe["model"]["width"], recipe["phases"][0]["stages"]) == (8, 3)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """The file of a recipe of two phases."""
    path = tmp_path / "toy.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def places(tmp_path: Path) -> list[object]:
    """The options that name a set of two people."""
    people = write_people(tmp_path, ["ann", "bob"])
    return ["--pictures", people / "images", "--labels", people / "labels.csv"]


def test_the_cascade_starts_from_a_finished_training(
    cli: Cli, recipe: Path, places: list[object], tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert cli("train", recipe, "--phase", "au_head", *places, "--out", first).status == 0
    weights = first / "weights.safetensors"
    result = cli("train", recipe, "--phase", "cascade", "--from", weights, *places, "--out", second)
    assert result.status == 0
    assert f"{weights}: generators and Interpolator go on" in result.err.replace("\n", " ")
    assert "1/1 cascade 1/1, " in result.err and " left  wasserstein" in result.err
    assert (second / "weights.safetensors").is_file()


def test_a_file_that_is_no_checkpoint_is_told(
    cli: Cli, places: list[object], tmp_path: Path
) -> None:
    missing = tmp_path / "none.pt"
    result = cli("train", "paper", "--from", missing, *places, "--out", tmp_path / "run")
    assert result.status == 1
    assert "none.pt: no such checkpoint" in result.err


def test_a_folder_that_cannot_be_made_is_told(
    cli: Cli, recipe: Path, places: list[object], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "run"
    result = cli("train", recipe, *places, "--out", out)
    assert result.status == 1
    assert result.err.splitlines()[-1] == (
        f"error: {out}: cannot be written: Not a directory; mend that and run the same command "
        "again, with --resume where a checkpoint was saved"
    )


@pytest.mark.parametrize("grids", [1, 2])
def test_ctrl_c_says_what_is_saved(
    cli: Cli,
    recipe: Path,
    places: list[object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    grids: int,
) -> None:
    from train.families.cascade import family

    drawn = []

    def interrupted(*_: object) -> None:
        drawn.append(1)
        if len(drawn) == grids:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(
        family, "write_grid", interrupted
    )  # drawn at a phase's end, before it saves
    out = tmp_path / "run"
    result = cli("train", recipe, *places, "--out", out)
    assert result.status == 130
    said = ["nothing was saved yet", f"--resume goes on from {out}/latest.pt"][grids - 1]
    assert result.err.replace("\n", " ").endswith(f"interrupted: {said} ")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.0, "59 s"), (61.0, "1 min"), (3599.0, "1 h 00 min"), (7500.0, "2 h 05 min")],
)
def test_durations_read_well(seconds: float, words: str) -> None:
    assert training_progress.as_duration(seconds) == words


def test_a_log_file_gets_a_line_now_and_then_and_at_a_phases_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 10.0, 40.0, 41.0])
    monkeypatch.setattr("efgan_rt.cli.training_progress.monotonic", lambda: next(clock))
    with training_progress.training_progress() as show:
        for step in (1, 2, 3, 4):
            show(
                SimpleNamespace(
                    phase="warm_up",
                    phase_number=2,
                    phase_count=3,
                    step=step,
                    steps=4,
                    losses={"final": 0.25},
                    step_ms=10_000.0,
                    left_s=10.0 * (4 - step),
                )
            )
    assert capsys.readouterr().err.splitlines() == [
        "2/3 warm_up 1/4, 10000 ms a step, 30 s left  final 0.25",
        "2/3 warm_up 3/4, 10000 ms a step, 10 s left  final 0.25",
        "2/3 warm_up 4/4, 10000 ms a step, 0 s left  final 0.25",
    ]
