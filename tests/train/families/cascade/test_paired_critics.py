"""The critics for paired data: they find blur, they teach edits, and they resume exactly."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from efgan_rt.errors import EfganError
from tests.train.same_training import assert_same_training
from train.data.faces import FaceSet
from train.families.cascade.networks.paired_critics import FACE, PairedCritics
from train.families.cascade.phases.paired_terms import (
    paired_critics_loss,
    paired_critics_optimizer,
    update_paired_critics,
)
from train.families.cascade.recipe import LossRecipe, PhaseRecipe
from train.families.cascade.state import TrainingState
from train.families.registry import load_checkpoint
from train.loop import Intervals, train
from train.recipe import Recipe
from train.recipes import read_recipe

QUIET = Intervals(log=1, samples=1000, checkpoint=1000)
WEIGHTS = LossRecipe(
    paired=1.0,
    paired_adversarial=0.1,
    feature_matching=0.5,
    zero_centred_penalty=1.0,
    condition=1.0,
)
PHASE = PhaseRecipe(
    kind="paired_adversarial",
    steps=4,
    batch=2,
    learning_rate=1e-3,
    critic_learning_rate=2e-3,
    penalty_every=2,
    loss=WEIGHTS,
)


def recipe_of(*phases: PhaseRecipe, critic_width: int = 8) -> Recipe:
    """The shipped recipe's model, shrunk, with paired critics and the given phases."""
    recipe = read_recipe("rendered-w16")
    model = dataclasses.replace(
        recipe.model,
        width=8,
        residual_blocks=1,
        critic_width=8,
        paired_critic_width=critic_width,
    )
    return dataclasses.replace(recipe, phases=phases, model=model)


def start(faces: FaceSet, **changes: int) -> TrainingState:
    """Fresh networks."""
    return TrainingState.start(recipe_of(PHASE, **changes), faces, torch.device("cpu"))


def blurred(picture: Tensor) -> Tensor:
    """What a generator without critics makes of a truth."""
    return torch.nn.functional.avg_pool2d(picture, 5, 1, 2, count_include_pad=False)


def teach(state: TrainingState, faces: FaceSet, steps: int) -> list[float]:
    """Shows the critics blurred truths; the shares of places where they were right."""
    optimizer, right = paired_critics_optimizer(state, PHASE), []
    for step in range(steps):
        state.step = step
        pair = faces.draw_pairs(2, state.rng)
        source, truth = pair.source.image, pair.target.image
        logged = update_paired_critics(
            state, PHASE, optimizer, source, blurred(truth), truth, PHASE.learning_rate
        )
        right.append(logged["critic_right"])
    return right


def test_the_critics_learn_to_tell_a_blurred_picture_from_its_truth(toy_faces: FaceSet) -> None:
    right = teach(start(toy_faces), toy_faces, 60)
    assert sum(right[:5]) / 5 < 0.7
    assert sum(right[-5:]) / 5 > 0.9


def test_what_the_critics_say_asks_less_of_a_truth_than_of_its_blur(toy_faces: FaceSet) -> None:
    state = start(toy_faces)
    teach(state, toy_faces, 40)
    pair = toy_faces.draw_pairs(4, state.rng)
    source, truth = pair.source.image, pair.target.image
    of_truth, parts = paired_critics_loss(state, PHASE, source, truth, truth)
    of_blur, _ = paired_critics_loss(state, PHASE, source, blurred(truth), truth)
    assert parts["features"] == 0
    assert of_truth < of_blur


def test_the_verdict_teaches_the_edit_and_not_the_critics(toy_faces: FaceSet) -> None:
    state = start(toy_faces)
    pair = toy_faces.draw_pairs(2, state.rng)
    edit = blurred(pair.target.image).requires_grad_()
    loss, _ = paired_critics_loss(state, PHASE, pair.source.image, edit, pair.target.image)
    loss.backward()
    assert edit.grad is not None
    box = state.config.regions["mouth"]
    assert edit.grad[:, :, box.rows, box.columns].abs().sum() > 0
    assert edit.grad[:, :, 0].abs().sum() == 0  # outside all patches
    assert state.paired_critics is not None
    assert all(p.grad is None and p.requires_grad for p in state.paired_critics.parameters())


def test_the_critics_learning_rate_falls_with_the_generators(toy_faces: FaceSet) -> None:
    state = start(toy_faces)
    optimizer = paired_critics_optimizer(state, PHASE)
    pair = toy_faces.draw_pairs(2, state.rng)
    images = (pair.source.image, blurred(pair.target.image), pair.target.image)
    update_paired_critics(state, PHASE, optimizer, *images, PHASE.learning_rate / 4)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(2e-3 / 4)
    assert optimizer.param_groups[0]["betas"] == PHASE.critic_betas


def test_only_every_nth_update_is_penalised(toy_faces: FaceSet) -> None:
    state = start(toy_faces)
    optimizer = paired_critics_optimizer(state, PHASE)
    pair = toy_faces.draw_pairs(2, state.rng)
    images = (pair.source.image, blurred(pair.target.image), pair.target.image)
    penalised = []
    for state.step in range(4):
        logged = update_paired_critics(state, PHASE, optimizer, *images, PHASE.learning_rate)
        penalised.append("critic_penalty" in logged)
    assert penalised == [True, False, True, False]


def test_a_model_without_regions_has_one_critic_of_the_whole() -> None:
    critics = PairedCritics({}, 8)
    picture = torch.zeros(2, 3, 64, 64)
    judged = critics.judge(picture, picture)
    assert list(judged) == [FACE]
    assert judged[FACE].scores.shape == (2, 1, 16, 16)


def test_the_other_networks_start_alike_with_and_without_paired_critics(
    toy_faces: FaceSet,
) -> None:
    with_them, without = start(toy_faces), start(toy_faces, critic_width=0)
    assert with_them.paired_critics is not None and without.paired_critics is None
    for part in ("cascade", "critics"):
        expected = getattr(without, part).state_dict()
        for name, value in getattr(with_them, part).state_dict().items():
            assert torch.equal(value, expected[name]), f"{part}.{name}"


def test_a_phase_that_needs_paired_critics_says_so(toy_faces: FaceSet, tmp_path: Path) -> None:
    with pytest.raises(EfganError, match=r"set model\.paired_critic_width above 0"):
        train(recipe_of(PHASE, critic_width=0), toy_faces, tmp_path / "run", intervals=QUIET)


def test_a_paired_adversarial_phase_resumed_equals_one_that_never_stopped(
    toy_faces: FaceSet, tmp_path: Path
) -> None:
    recipe = recipe_of(PHASE)
    whole = load_checkpoint(train(recipe, toy_faces, tmp_path / "whole", intervals=QUIET))
    out = tmp_path / "pieces"
    train(recipe, toy_faces, out, intervals=QUIET, stop_after=1)
    pieces = load_checkpoint(train(recipe, toy_faces, out, intervals=QUIET, resume=True))
    assert_same_training(whole, pieces)
    lines = [json.loads(line) for line in (out / "losses.jsonl").read_text().splitlines()]
    assert {"critic_right", "edit_against_truth", "features", "au_fake"} <= set(lines[-1])
