"""The loop: it learns, it resumes exactly, and it stops with a sentence."""

import dataclasses
import json
import sys
from pathlib import Path

import cv2
import pytest
import torch

from efgan_rt.errors import EfganError
from tests.train.same_training import assert_same_training
from train.data.faces import FaceSet
from train.families.registry import load_checkpoint
from train.loop import Intervals, Progress, train
from train.phase import update
from train.recipe import Recipe
from train.recipes import read_recipe

QUIET = Intervals(log=1, samples=1000, checkpoint=1000)


@pytest.fixture(scope="module")
def toy_recipe() -> Recipe:
    """The shipped recipe, shrunk: a phase of each kind, 8 channels, 3 steps, batches of 2.

    But the paired critics' phase, which has tests of its own.
    """
    recipe = read_recipe("rendered-w16")
    by_kind = {p.kind: p for p in recipe.phases if p.kind != "paired_adversarial"}
    phases = tuple(dataclasses.replace(p, steps=3, batch=2) for p in by_kind.values())
    model = dataclasses.replace(recipe.model, width=8, residual_blocks=1, critic_width=8)
    return dataclasses.replace(recipe, phases=phases, model=model)


def test_resuming_anywhere_equals_never_having_stopped(
    toy_recipe: Recipe, toy_faces: FaceSet, tmp_path: Path
) -> None:
    whole = load_checkpoint(train(toy_recipe, toy_faces, tmp_path / "whole", intervals=QUIET))
    out = tmp_path / "pieces"
    train(toy_recipe, toy_faces, out, intervals=QUIET, stop_after=2)  # within the first phase
    train(toy_recipe, toy_faces, out, intervals=QUIET, stop_after=3, resume=True)  # the second
    train(toy_recipe, toy_faces, out, intervals=QUIET, stop_after=2, resume=True)  # the third
    pieces = load_checkpoint(train(toy_recipe, toy_faces, out, intervals=QUIET, resume=True))
    assert_same_training(whole, pieces)
    assert pieces.training["pictures_seen"] == 18


def test_a_warm_up_brings_edits_nearer_to_the_truth(
    toy_recipe: Recipe, toy_faces: FaceSet, tmp_path: Path
) -> None:
    warm_up = dataclasses.replace(toy_recipe.phases[1], steps=25, batch=4, learning_rate=6e-3)
    model = dataclasses.replace(toy_recipe.model, regions=())
    recipe = dataclasses.replace(toy_recipe, phases=(warm_up,), model=model)
    seen: list[float] = []
    train(
        recipe,
        toy_faces,
        tmp_path / "run",
        intervals=QUIET,
        on_progress=lambda p: seen.append(p.losses["final"]),
    )
    assert sum(seen[-5:]) < 0.5 * sum(seen[:5])


def test_a_run_leaves_a_log_a_grid_and_weights(
    toy_recipe: Recipe, toy_faces: FaceSet, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    reports: list[Progress] = []
    train(toy_recipe, toy_faces, out, intervals=QUIET, on_progress=reports.append)
    lines = [json.loads(line) for line in (out / "losses.jsonl").read_text().splitlines()]
    assert [line["phase"] for line in lines] == ["au_head"] * 3 + ["warm_up"] * 3 + [
        "adversarial"
    ] * 3
    assert {"wasserstein", "penalty", "au_fake", "content", "paired"} <= set(lines[-1])
    assert (reports[-1].phase_number, reports[-1].step, reports[-1].steps) == (3, 3, 3)
    grid = cv2.imread(str(out / "samples" / "3-adversarial-000003.png"))
    assert grid is not None and grid.shape == (
        2 * 3 * 128,
        5 * 128,
        3,
    )  # picture and attention of 3 people, 4 targets
    assert (out / "weights.safetensors").stat().st_size < (out / "latest.pt").stat().st_size
    assert load_checkpoint(out / "weights.safetensors").training["pictures_seen"] == 18


def test_the_papers_phase_runs_unpaired(
    toy_recipe: Recipe, toy_faces: FaceSet, tmp_path: Path
) -> None:
    phase, _ = read_recipe("paper").phases
    phase = dataclasses.replace(phase, steps=1, epochs=0, critic_updates=2)
    recipe = dataclasses.replace(toy_recipe, phases=(phase,), bf16=False, ema_decay=0.0)
    train(recipe, toy_faces, tmp_path / "run", intervals=QUIET)
    line = json.loads((tmp_path / "run" / "losses.jsonl").read_text())
    assert "paired" not in line and line["content"] > 0


def test_a_loss_that_is_not_finite_stops_the_run_with_the_step_named(
    toy_recipe: Recipe, toy_faces: FaceSet, tmp_path: Path
) -> None:
    toy_faces.au[:] = float("nan")
    with pytest.raises(EfganError, match=r"step 0: the loss is nan.*p[0-2]_") as e:
        train(toy_recipe, toy_faces, tmp_path / "run", intervals=QUIET)
    assert "no checkpoint was saved" in str(e.value)


def test_a_gradient_that_is_not_finite_stops_the_run_before_it_does_harm() -> None:
    weight = torch.nn.Parameter(torch.tensor([0.0, 1.0]))
    optimizer = torch.optim.Adam([weight])
    with pytest.raises(FloatingPointError, match=r"the loss is 1, its gradient (inf|nan)"):
        update(optimizer, weight.sqrt().sum(), 1e-3)  # the slope of a square root at 0
    assert torch.equal(weight.detach(), torch.tensor([0.0, 1.0]))


def test_the_pictures_of_a_step_that_went_wrong_are_named(
    toy_recipe: Recipe, toy_faces: FaceSet, tmp_path: Path
) -> None:
    toy_faces.au[5] = float("nan")
    culprit = toy_faces.table.files[5]
    recipe = dataclasses.replace(toy_recipe.only("au_head"), seed=4)
    steps = dataclasses.replace(recipe.phases[0], steps=200, batch=1)
    with pytest.raises(EfganError, match=f"the weight that grew: {culprit}$"):
        train(dataclasses.replace(recipe, phases=(steps,)), toy_faces, tmp_path / "run")


def test_a_run_says_how_long_it_will_take(
    toy_recipe: Recipe, toy_faces: FaceSet, tmp_path: Path
) -> None:
    reports: list[Progress] = []
    recipe = toy_recipe.only("au_head")
    train(recipe, toy_faces, tmp_path / "run", intervals=QUIET, on_progress=reports.append)
    first, *_, last = reports
    assert first.left_s == pytest.approx(2 * first.step_ms / 1e3) and last.left_s == 0


def test_tensorboard_that_is_missing_is_named_with_its_install_line(
    toy_recipe: Recipe, toy_faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)  # as if it were not there
    with pytest.raises(EfganError, match=r'pip install "efgan-rt\[tensorboard\]"'):
        train(toy_recipe, toy_faces, tmp_path / "run", tensorboard=True)


def test_tensorboard_gets_the_losses_that_the_log_has(
    toy_recipe: Recipe, toy_faces: FaceSet, tmp_path: Path
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = tmp_path / "run"
    recipe = toy_recipe.only("au_head")
    train(recipe, toy_faces, run, intervals=Intervals(log=1), tensorboard=True)
    logged = [
        json.loads(line)["au_real"] for line in (run / "losses.jsonl").read_text().splitlines()
    ]
    events = EventAccumulator(str(run / "tensorboard")).Reload()
    shown = [event.value for event in events.Scalars("au_head/au_real")]
    assert shown == pytest.approx(logged, rel=1e-4)


def test_a_run_directory_is_neither_overwritten_nor_resumed_by_mistake(
    toy_recipe: Recipe, toy_faces: FaceSet, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with pytest.raises(EfganError, match="nothing to resume"):
        train(toy_recipe, toy_faces, out, resume=True)
    train(toy_recipe, toy_faces, out, intervals=QUIET, stop_after=1)
    with pytest.raises(EfganError, match="exists: add --resume"):
        train(toy_recipe, toy_faces, out)
    toy_faces.au[0] += 0.5
    with pytest.raises(EfganError, match="on other pictures"):
        train(toy_recipe, toy_faces, out, resume=True)
    other = dataclasses.replace(toy_recipe, seed=99)
    with pytest.raises(EfganError, match="made by another recipe"):
        train(other, toy_faces, out, resume=True)
