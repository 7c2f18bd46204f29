"""Morphs move things from one picture's places to the other's, and are exact at both ends."""

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from train.data.faces import FaceSet
from train.data.morph import morphs
from train.families.cascade.phases.cascade import ask_all_stages, goals
from train.families.cascade.recipe import PhaseRecipe
from train.families.cascade.state import TrainingState
from train.recipes import recipe_from_dict


def disc_at(x: int) -> Tensor:
    """A textured disc on a textured ground, (1, 3, 128, 128) in [-1, 1]."""
    rng = np.random.default_rng(0)
    ground = cv2.GaussianBlur(rng.uniform(60, 120, (128, 128)).astype(np.float32), (0, 0), 3)
    disc = np.zeros((128, 128), np.float32)
    cv2.circle(disc, (x, 64), 18, (1.0,), -1)
    grain = cv2.GaussianBlur(rng.uniform(0, 255, (128, 128)).astype(np.float32), (0, 0), 2)
    grain = np.roll(grain, x, axis=1)
    picture = np.where(disc > 0, 170 + 0.3 * (grain - 128), ground)
    return torch.from_numpy(picture / 127.5 - 1)[None, None].repeat(1, 3, 1, 1).float()


def middle_of_disc(picture: Tensor) -> float:
    """x of the bright places' centre of mass."""
    bright = (picture[0] > 0.15).float().sum(dim=0)
    return float((bright * torch.arange(128)).sum() / bright.sum())


def test_half_way_a_thing_lies_half_way_and_is_there_once() -> None:
    first, last = disc_at(58), disc_at(66)
    (between,) = morphs(first, last, [torch.tensor([0.5])])
    assert middle_of_disc(between[0]) == pytest.approx(62, abs=0.5)
    blend = (first + last) / 2
    truth = disc_at(62)
    assert (between - truth).abs().mean() < 0.5 * (blend - truth).abs().mean()


def test_both_ends_are_exact() -> None:
    first, last = disc_at(58), disc_at(66)
    start, end = morphs(first, last, [torch.zeros(1), torch.ones(1)])
    assert torch.equal(start, first) and torch.equal(end, last)


def test_no_change_has_no_way_to_go() -> None:
    same = disc_at(60)
    (between,) = morphs(same, same.clone(), [torch.tensor([0.4])])
    assert torch.equal(between, same)


def test_each_picture_goes_its_own_share() -> None:
    first, last = disc_at(58).repeat(2, 1, 1, 1), disc_at(66).repeat(2, 1, 1, 1)
    (between,) = morphs(first, last, [torch.tensor([0.25, 0.75])])
    found = [middle_of_disc(each) for each in between]
    assert found == pytest.approx([60, 64], abs=0.5)


def test_goals_are_whole_unless_parts_are_asked_for() -> None:
    rng = torch.Generator().manual_seed(0)
    assert torch.equal(goals(5, 0.0, rng), torch.ones(5))
    drawn = torch.stack([goals(3, 0.5, rng) for _ in range(2000)])
    parts = drawn < 1
    assert torch.equal(parts.any(dim=1), parts.all(dim=1))
    assert parts.float().mean().item() == pytest.approx(0.5, abs=0.05)
    assert 0.2 <= drawn.min() < 0.22


def test_with_morphs_every_stage_has_a_truth_of_its_own(toy_faces: FaceSet) -> None:
    phase = PhaseRecipe(
        kind="paired_adversarial", stages=3, steps=1, batch=4, morphed_truth=True, part_share=0.5
    )
    recipe = recipe_from_dict(
        {
            "name": "toy",
            "model": {"width": 8, "residual_blocks": 1, "critic_width": 8},
            "phases": [{"steps": 1}],
        },
        where="test",
    )
    state = TrainingState.start(recipe, toy_faces, torch.device("cpu"))
    state.set_stages(3)
    request = ask_all_stages(state, phase, toy_faces)
    assert [weight.tolist() for weight in request.truth_weights if weight is not None] == [
        [1.0] * 4
    ] * 3
    first, second, third = (truth for truth in request.truths if truth is not None)
    assert torch.equal(third, request.real.image)
    assert torch.equal(request.pseudo_au[-1], request.real.au)
    for near, far in ((first, second), (second, third)):
        distance = [(each - request.source.image).abs().mean() for each in (near, far)]
        assert 0 < distance[0] < distance[1]
