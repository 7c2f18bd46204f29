"""EET's two stages: what learns in each, what stays, and a training that was stopped between."""

from pathlib import Path

import pytest
import torch

from efgan_rt.errors import EfganError
from tests.train.families.toy_eet import eet_faces, eet_recipe
from tests.train.same_training import assert_same_training
from train.data.faces import Augmentation, FaceSet
from train.families.eet.family import begin, start
from train.families.eet.labels import mirrored_poses, pose_classes
from train.families.registry import load_checkpoint
from train.loop import Intervals, train
from train.recipe import Recipe
from train.recipes import read_recipe

Weights = dict[str, dict[str, torch.Tensor]]
EVERYTHING = {"E", "C", "E_f", "E_r", "G", "D_u", "D_d", "D_sc", "D_g"}


@pytest.fixture
def faces(tmp_path: Path) -> FaceSet:
    folder = tmp_path / "people"
    folder.mkdir()
    return eet_faces(folder)


def changed(recipe: Recipe, faces: FaceSet, phase: int) -> set[str]:
    """The networks that a step of a phase changes in anything: weights, norms' statistics."""
    state = start(recipe, faces, torch.device("cpu"), None)
    stage = begin(state, recipe.phases[phase], faces)
    before: Weights = {
        name: {key: value.clone() for key, value in network.state_dict().items()}
        for name, network in state.trained.items()
    }
    losses = stage.step(1e-3, 0.0)
    assert all(value == value for value in losses.values())
    return {
        name
        for name, network in state.trained.items()
        for key, value in network.state_dict().items()
        if not torch.equal(value, before[name][key])
    }


def test_stage_1_trains_encoders_constraint_and_feature_discriminators(faces: FaceSet) -> None:
    assert changed(eet_recipe(), faces, 0) == {"E", "C", "E_f", "E_r", "D_u", "D_d"}


def test_stage_2_leaves_e_c_and_the_feature_discriminators_as_they_are(faces: FaceSet) -> None:
    assert changed(eet_recipe(), faces, 1) == {"E_f", "E_r", "G", "D_sc", "D_g"}


def test_without_multi_class_adversarial_training_nobody_trains_its_discriminators(
    faces: FaceSet,
) -> None:
    recipe = eet_recipe(unit_adversarial=0.0, identity_adversarial=0.0, swap_consistency=0.0)
    assert changed(recipe, faces, 0) == {"E", "C", "E_r"}
    assert changed(recipe, faces, 1) == {"E_f", "E_r", "G", "D_g"}


def test_each_stage_says_its_losses(faces: FaceSet) -> None:
    recipe = eet_recipe()
    state = start(recipe, faces, torch.device("cpu"), None)
    first = begin(state, recipe.phases[0], faces).step(1e-3, 0.0)
    second = begin(state, recipe.phases[1], faces).step(1e-3, 0.0)
    said = {"units", "attributes"}
    assert set(first) == said | {"unit_discrimination", "identity_discrimination"}
    assert set(second) == said | {
        "reconstruction",
        "unit_confusion",
        "identity_confusion",
        "swap_consistency",
        "image_adversarial",
        "critic_D_sc",
        "critic_D_g",
    }


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_a_stopped_training_is_the_one_that_was_not_across_the_change_of_stage(
    faces: FaceSet, tmp_path: Path, stop_after: int
) -> None:
    recipe, intervals = eet_recipe(), Intervals(samples=100, checkpoint=100)
    whole = train(recipe, faces, tmp_path / "whole", intervals=intervals)
    pieces = tmp_path / "pieces"
    train(recipe, faces, pieces, intervals=intervals, stop_after=stop_after)
    resumed = train(recipe, faces, pieces, intervals=intervals, resume=True)
    assert_same_training(load_checkpoint(whole), load_checkpoint(resumed))


def test_a_training_on_other_pictures_is_not_gone_on_with(faces: FaceSet, tmp_path: Path) -> None:
    recipe = eet_recipe()
    train(recipe, faces, tmp_path / "run", stop_after=1)
    faces.table.au[0, 0] = 3.0
    with pytest.raises(EfganError, match="made by another recipe or on other pictures"):
        train(recipe, faces, tmp_path / "run", resume=True)


def test_a_set_of_one_person_is_refused(faces: FaceSet) -> None:
    faces.table = faces.table.where(lambda who: who == "ann")
    with pytest.raises(EfganError, match="EET learns to tell people apart, and the set has one"):
        start(eet_recipe(), faces, torch.device("cpu"), None)


def test_a_mirrored_head_is_turned_the_other_way(faces: FaceSet) -> None:
    object.__setattr__(faces.table, "yaw_deg", torch.linspace(-40, 40, len(faces.table)).numpy())
    poses = pose_classes(faces.table)
    assert set(poses.tolist()) == {0, 1, 2}
    batch = faces.draw(64, torch.Generator().manual_seed(1), Augmentation(flip=True))
    found, plain = mirrored_poses(poses, batch), poses[batch.rows]
    assert torch.equal(found[batch.mirrored], 2 - plain[batch.mirrored])
    assert torch.equal(found[~batch.mirrored], plain[~batch.mirrored])
    assert 0 < batch.mirrored.sum() < 64


def test_pose_counts_only_where_heads_are_turned(faces: FaceSet) -> None:
    recipe = eet_recipe()
    state = start(recipe, faces, torch.device("cpu"), None)
    assert begin(state, recipe.phases[0], faces).pose_weight == 0.0  # type: ignore[attr-defined]
    object.__setattr__(faces.table, "yaw_deg", torch.linspace(-40, 40, len(faces.table)).numpy())
    assert begin(state, recipe.phases[0], faces).pose_weight == 1.0  # type: ignore[attr-defined]


def test_averaged_weights_are_refused(faces: FaceSet) -> None:
    recipe = read_recipe("eet", ["ema_decay=0.9"])
    with pytest.raises(EfganError, match="ema_decay and channels_last are for cascades"):
        start(recipe, faces, torch.device("cpu"), None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("phases.1.kind=warm", "phase kind 'warm', expected one of disentangle transfer"),
        ("phases.1.steps=3", "steps 3 and epochs 4, expected exactly one of them above 0"),
        ("phases.1.batch=0", "batch 0, expected 1 or more"),
        ("data.image_px=100", "data.image_px is 100, expected a power of 2"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(change: str, message: str) -> None:
    with pytest.raises(EfganError) as error:
        read_recipe("eet", [change])
    assert message in str(error.value)


def test_the_recipes_are_the_papers_variants_at_both_sizes() -> None:
    for size in ("eet", "eet-paper"):
        b, bs, single, whole = (
            read_recipe(f"{size}{name}") for name in ("-b-net", "-bs-net", "-single", "")
        )
        assert [r.phases[1].loss.swap_consistency for r in (b, bs, single, whole)] == [
            0,
            *3 * [0.15],
        ]
        assert [r.phases[0].loss.unit_adversarial for r in (b, bs, single, whole)] == [0, 0, 40, 40]
        assert [r.model.single for r in (b, bs, single, whole)] == [False, False, True, False]
        assert len(whole.data.au_names or ()) == 12
        assert len(read_recipe(f"{size}-17").data.au_names or ()) == 17
    paper = read_recipe("eet-paper")
    assert [phase.betas for phase in paper.phases] == [(0.95, 0.999), (0.5, 0.9)]
    assert [phase.learning_rate for phase in paper.phases] == [1e-4, 3e-5]
    assert (paper.data.image_px, paper.model.width) == (256, 32)
    weights = paper.phases[1].loss
    assert (weights.attribute, weights.pose, weights.reconstruction) == (2, 1, 40)
    assert (weights.identity_adversarial, weights.image_adversarial) == (40, 1.2)
