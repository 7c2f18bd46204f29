"""Phase two: it starts from phase one's weights, in either file, and trains all stages."""

import dataclasses
import json
from pathlib import Path

import cv2
import pytest
import torch

from efgan_rt.errors import EfganError
from tests.train.same_training import assert_same_training
from train.checkpoint import Checkpoint
from train.data.faces import FaceSet
from train.data.labels import read_labels
from train.families.cascade.phases.cascade import arrivals, ask_all_stages
from train.families.cascade.phases.edits import natural_au, run_stages
from train.families.cascade.phases.objective import paired_terms
from train.families.cascade.predecessor import take_over, take_over_au_head
from train.families.cascade.recipe import LossRecipe, PhaseRecipe
from train.families.cascade.state import TrainingState
from train.families.registry import load_checkpoint
from train.loop import Intervals, train
from train.pixels import to_unit_range
from train.recipe import Recipe
from train.recipes import recipe_from_dict

QUIET = Intervals(log=1, samples=1000, checkpoint=1000)
MODEL = {
    **{"width": 8, "residual_blocks": 1, "critic_width": 8, "interpolator_width": 8},
    "regions": ["mouth"],  # all of them: test_loop.py
}


def recipe_of(*phases: dict[str, object], **changes: object) -> Recipe:
    model = {**MODEL, "residual_refiner": True}
    shared = {"steps": 2, "batch": 2}
    values = {"name": "toy", "seed": 3, "ema_decay": 0.5, "model": model, **changes}
    return recipe_from_dict(
        {**values, "phases": [{**shared, **phase} for phase in phases]}, where="test"
    )


OURS = {"residual_refiner": True, "paired_critic_width": 4}
PAIRED_CRITICS = {"paired_adversarial": 0.1, "feature_matching": 1.0, "zero_centred_penalty": 1.0}
PAIRED = {"paired": 1.0, "paired_eyes_mouth": 1.0, "paired_detail": 1.0}
SINGLE = {"kind": "adversarial", "critic_updates": 1}
CASCADE = {"kind": "cascade", "stages": 3, "critic_updates": 1, "flat_share": 0.0}
SHORT_CASCADE = {**CASCADE, "stages": 2}


@pytest.fixture(scope="module")
def phase_one(toy_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of a finished phase one of two steps."""
    faces = FaceSet(toy_set / "images", read_labels(toy_set / "labels.csv"))
    out = tmp_path_factory.mktemp("phase-one")
    train(recipe_of(SINGLE), faces, out, intervals=QUIET)
    return out


def weights_of(path: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(path).weights


def logged(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "losses.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("file", ["latest.pt", "weights.safetensors"])
def test_every_stage_starts_as_the_single_ef_gan(
    phase_one: Path, file: str, toy_faces: FaceSet
) -> None:
    checkpoint = load_checkpoint(phase_one / file)
    state = TrainingState.start(recipe_of(CASCADE), toy_faces, torch.device("cpu"))
    take_over(state, checkpoint)
    state.set_stages(3)
    assert state.average is not None and state.config.stages == 3
    image, au = to_unit_range(toy_faces.pixels[:2]), toy_faces.au[2:4]
    wanted = checkpoint.build().cascade.stage(1)(image, au).final
    averaged = state.average.cascade
    for number in (1, 2, 3):
        # The averaged weights, folded: in a .safetensors they were rounded to half precision.
        difference = (averaged.stage(number)(image, au).final - wanted).abs().max().item()
        print(f"stage {number} of {file}: max difference {difference:.2e}")
        assert difference < 2e-2


def test_weights_alone_start_the_final_critic_at_the_action_unit_head(
    phase_one: Path, toy_faces: FaceSet
) -> None:
    checkpoint = load_checkpoint(phase_one / "weights.safetensors")
    state = TrainingState.start(recipe_of(CASCADE), toy_faces, torch.device("cpu"))
    face = {k: v.clone() for k, v in state.critics.face.state_dict().items()}
    sentence = take_over(state, checkpoint)
    assert "other critics and optimisers start anew" in sentence
    image = to_unit_range(toy_faces.pixels[:4])
    wanted = checkpoint.build().au_reader.au(image)
    torch.testing.assert_close(state.critics.final.eval().au(image), wanted, atol=2e-2, rtol=0)
    for name, value in state.critics.face.state_dict().items():
        assert torch.equal(value, face[name])


def test_a_resumable_checkpoint_hands_on_its_critics(phase_one: Path, toy_faces: FaceSet) -> None:
    checkpoint = load_checkpoint(phase_one / "latest.pt")
    state = TrainingState.start(recipe_of(CASCADE, seed=9), toy_faces, torch.device("cpu"))
    assert "critics and Interpolator go on" in take_over(state, checkpoint)
    assert checkpoint.training_state is not None
    for name, value in checkpoint.training_state["critics"].items():
        assert torch.equal(value, state.critics.state_dict()[name])


def test_the_published_cascade_trains_every_stage_and_the_interpolator(
    phase_one: Path, toy_faces: FaceSet, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    recipe = recipe_of({**CASCADE, "learning_rate": 1e-3}, ema_decay=0.0)
    train(recipe, toy_faces, out, start_from=phase_one / "latest.pt", intervals=QUIET)
    before, after = weights_of(phase_one / "latest.pt"), weights_of(out / "latest.pt")
    for stage in range(3):
        old = before["cascade.stages.0.transformer.face.heads.weight"]
        assert not torch.equal(old, after[f"cascade.stages.{stage}.transformer.face.heads.weight"])
    name = "cascade.interpolator.correction.4.bias"
    assert not torch.equal(before[name], after[name])
    first = logged(out)[0]
    assert {"au_fake_1", "au_fake_2", "au_fake_3", "content", "wasserstein_au"} <= set(first)
    assert "paired" not in first
    assert load_checkpoint(out / "weights.safetensors").training["started_from"]["step"] == 0
    picture = cv2.imread(str(out / "samples" / "1-cascade-000002.png"))
    assert picture is not None and picture.shape == (3 * 3 * 2 * 128, 5 * 128, 3)


@pytest.mark.parametrize(
    "phase",
    [
        {**SHORT_CASCADE, "loss": PAIRED, "unchanged_share": 0.5, "share_edits": True},
        {**SHORT_CASCADE, "loss": {**PAIRED, "adversarial": 0.0, "condition": 10.0}},
        {**SHORT_CASCADE, "loss": {**PAIRED, **PAIRED_CRITICS}},
        {"kind": "warm_up", "stages": 2, "loss": {**PAIRED, "stage_condition": 1.0}},
        {
            "kind": "paired_adversarial",
            "stages": 2,
            "loss": {**PAIRED, **PAIRED_CRITICS, "stage_condition": 1.0},
        },
    ],
    ids=[
        "paired",
        "paired without picture critics",
        "paired critics too",
        "warm-up over two stages",
        "paired critics alone over two stages",
    ],
)
def test_our_switches_work_over_stages_and_resume_exactly(
    phase: dict[str, object], phase_one: Path, toy_faces: FaceSet, tmp_path: Path
) -> None:
    recipe = recipe_of(phase, model={**MODEL, **OURS}, data={"expressions": ["happy"]})
    start = phase_one / "weights.safetensors"
    whole = load_checkpoint(
        train(recipe, toy_faces, tmp_path / "whole", start_from=start, intervals=QUIET)
    )
    out = tmp_path / "pieces"
    train(recipe, toy_faces, out, start_from=start, intervals=QUIET, stop_after=1)
    pieces = load_checkpoint(train(recipe, toy_faces, out, intervals=QUIET, resume=True))
    assert_same_training(whole, pieces)
    assert logged(out)[-1]["paired"] > 0


def test_phase_one_and_two_run_in_one_recipe(toy_faces: FaceSet, tmp_path: Path) -> None:
    recipe = recipe_of({**SINGLE, "steps": 1}, {**CASCADE, "steps": 1})
    checkpoint = load_checkpoint(train(recipe, toy_faces, tmp_path / "run", intervals=QUIET))
    assert checkpoint.config.stages == 3
    assert len(checkpoint.build().cascade.stages) == 3


def started(faces: FaceSet, stages: int) -> TrainingState:
    state = TrainingState.start(recipe_of(CASCADE), faces, torch.device("cpu"))
    state.set_stages(stages)
    return state


def test_stages_are_asked_for_equal_parts_of_the_way(toy_faces: FaceSet) -> None:
    state = started(toy_faces, 3)
    request = ask_all_stages(state, PhaseRecipe(kind="cascade", steps=1, batch=4), toy_faces)
    source, target = request.source.au, request.real.au
    for k, au in enumerate(request.pseudo_au, start=1):
        torch.testing.assert_close(au, source + (target - source) * k / 3)
    assert request.truth_weights == (None, None, None)


def test_only_the_last_stage_has_a_truth_unless_no_change_is_asked(toy_faces: FaceSet) -> None:
    state = started(toy_faces, 3)

    def weights(unchanged_share: float) -> list[list[float]]:
        phase = PhaseRecipe(
            kind="cascade",
            steps=1,
            batch=4,
            unchanged_share=unchanged_share,
            loss=LossRecipe(paired=1.0),
        )
        request = ask_all_stages(state, phase, toy_faces)
        return [weight.tolist() for weight in request.truth_weights if weight is not None]

    assert weights(0.0) == [[0.0] * 4, [0.0] * 4, [1.0] * 4]
    assert weights(1.0) == [[1.0] * 4] * 3


def test_pairs_that_arrive_early_have_a_truth_from_there_on(toy_faces: FaceSet) -> None:
    state = started(toy_faces, 3)
    phase = PhaseRecipe(
        kind="cascade", steps=1, batch=32, early_share=0.5, loss=LossRecipe(paired=1.0)
    )
    request = ask_all_stages(state, phase, toy_faces)
    source, target = request.source.au, request.real.au
    weights = torch.stack([weight for weight in request.truth_weights if weight is not None])
    arrived_at = 4 - weights.sum(dim=0)  # (B,): once arrived, always arrived
    assert set(arrived_at.tolist()) == {1, 2, 3}
    for k, au in enumerate(request.pseudo_au, start=1):
        done = (k / arrived_at).clamp(max=1)[:, None]
        torch.testing.assert_close(au, source + (target - source) * done)
        assert torch.equal(weights[k - 1] == 1, arrived_at <= k)


def test_no_pair_arrives_early_unless_asked_to() -> None:
    state = torch.Generator().manual_seed(0)
    assert arrivals(100, 3, 0.0, state).tolist() == [3] * 100
    drawn = arrivals(10_000, 3, 0.4, state)
    assert 0.58 < (drawn == 3).float().mean() < 0.62
    assert abs((drawn == 1).sum() - (drawn == 2).sum()) < 250


def test_the_truth_reaches_every_stage_through_the_last(toy_faces: FaceSet) -> None:
    state = started(toy_faces, 2)
    phase = PhaseRecipe(kind="cascade", steps=1, batch=2, loss=LossRecipe(paired=1.0))
    request = ask_all_stages(state, phase, toy_faces)
    steps = run_stages(state, request, natural_au(state, request))
    loss, _ = paired_terms(steps, phase.loss)
    loss.backward()
    gradient = state.cascade.stage(1).transformer.face.heads.weight.grad
    assert gradient is not None and gradient.abs().sum() > 0


def test_what_does_not_fit_is_named(phase_one: Path, toy_faces: FaceSet, tmp_path: Path) -> None:
    def run(recipe: Recipe, out: str = "run", start: str = "latest.pt") -> None:
        train(recipe, toy_faces, tmp_path / out, start_from=phase_one / start, intervals=QUIET)

    with pytest.raises(EfganError, match="the checkpoint has width = 8, the recipe 16"):
        run(recipe_of(CASCADE, model={**MODEL, "residual_refiner": True, "width": 16}))
    with pytest.raises(EfganError, match="regions mouth, the recipe none"):
        run(recipe_of(CASCADE, model={**MODEL, "residual_refiner": True, "regions": []}))
    with pytest.raises(EfganError, match="the model has 1 stage, expected more"):
        run(recipe_of({**CASCADE, "stages": 0}))
    with pytest.raises(EfganError, match="phase cascade: stages 1, expected 2 or more"):
        recipe_of({**CASCADE, "stages": 1})
    run(recipe_of({**CASCADE, "stages": 2, "steps": 1}), out="two")
    with pytest.raises(EfganError, match="the model has 2 stages, the phase asks for 3"):
        train(
            recipe_of(CASCADE),
            toy_faces,
            tmp_path / "three",
            start_from=tmp_path / "two" / "latest.pt",
        )


def test_an_action_unit_head_alone_can_be_shared(phase_one: Path, toy_faces: FaceSet) -> None:
    checkpoint = load_checkpoint(phase_one / "weights.safetensors")
    plain = {**MODEL, "regions": []}
    state = TrainingState.start(recipe_of(SINGLE, model=plain), toy_faces, torch.device("cpu"))
    take_over_au_head(state, checkpoint)
    image = to_unit_range(toy_faces.pixels[:4])
    wanted = checkpoint.build().au_reader.au(image)
    torch.testing.assert_close(state.critics.final.eval().au(image), wanted, atol=2e-2, rtol=0)
    assert state.average is not None
    torch.testing.assert_close(state.average.au_reader.au(image), wanted, atol=2e-2, rtol=0)
    wide = {**plain, "critic_width": 16}
    other = TrainingState.start(recipe_of(SINGLE, model=wide), toy_faces, torch.device("cpu"))
    with pytest.raises(EfganError, match="head has critic_width = 8, the recipe 16"):
        take_over_au_head(other, checkpoint)


def test_other_action_units_are_named(phase_one: Path, toy_faces: FaceSet) -> None:
    found = load_checkpoint(phase_one / "latest.pt")
    fewer = dataclasses.replace(found.config, au_names=found.config.au_names[:-1])
    checkpoint: Checkpoint = dataclasses.replace(found, config=fewer)
    state = TrainingState.start(recipe_of(CASCADE), toy_faces, torch.device("cpu"))
    with pytest.raises(EfganError, match=r"the checkpoint reads AU01 .*the labels have AU01 "):
        take_over(state, checkpoint)
