"""Recipes: every one that comes along resolves, and a slip is named."""

import dataclasses
from pathlib import Path

import pytest

from efgan_rt.errors import EfganError
from train.recipes import read_recipe, recipe_files, recipe_from_dict


@pytest.mark.parametrize("name", recipe_files())
def test_every_recipe_resolves_and_survives_plain_values(name: str) -> None:
    recipe = read_recipe(name)
    assert recipe.name == name
    assert recipe_from_dict(recipe.to_dict(), where="test") == recipe


def test_the_side_of_the_crops_is_a_recipes_and_is_said_where_it_is_another() -> None:
    assert "image_px" not in read_recipe("paper").to_dict()["data"]  # as earlier versions wrote it
    recipe = read_recipe("paper", ["data.image_px=256"])
    assert recipe.to_dict()["data"]["image_px"] == 256
    with pytest.raises(EfganError, match=r"data.image_px is 100, expected a power of 2 from 32"):
        read_recipe("paper", ["data.image_px=100"])


def test_the_papers_recipe_has_the_published_values_and_no_departure() -> None:
    recipe = read_recipe("paper")
    phase, cascade = recipe.phases
    loss = phase.loss
    assert (loss.condition, loss.content, loss.attention, loss.interpolation) == (3000, 10, 0.1, 1)
    assert (loss.interpolation_adversarial, loss.gradient_penalty) == (0.1, 10)
    assert (phase.epochs, phase.batch, phase.learning_rate, phase.betas) == (
        100,
        2,
        1e-4,
        (0.5, 0.999),
    )
    assert phase.flat_share == 0.5
    assert loss.paired == loss.paired_eyes_mouth == phase.unchanged_share == 0
    assert loss.paired_adversarial == loss.feature_matching == loss.zero_centred_penalty == 0
    assert recipe.model.paired_critic_width == 0
    assert loss.condition_start == 1 and phase.penalty_every == 1
    assert not recipe.model.residual_refiner and not recipe.bf16 and recipe.ema_decay == 0
    assert recipe.model.width == 64 and recipe.model.regions == ("eyes", "nose", "mouth")

    assert (cascade.kind, cascade.stages, cascade.epochs) == ("cascade", 3, 10)
    assert (cascade.learning_rate, cascade.flat_share, cascade.loss) == (1e-5, 0, phase.loss)
    changed = {"kind", "stages", "epochs", "learning_rate", "flat_share"}
    for field in dataclasses.fields(phase):
        same = getattr(phase, field.name) == getattr(cascade, field.name)
        assert same or field.name in changed, field.name


@pytest.mark.parametrize(
    ("name", "regions", "stages"),
    [
        ("paper-baseline", (), [0]),
        ("paper-local", ("eyes", "nose", "mouth"), [0]),
        ("paper-cascade", (), [0, 3]),
        ("rafd", ("eyes", "nose", "mouth"), [0, 3]),
        ("cfee", ("eyes", "nose", "mouth"), [0, 3]),
    ],
)
def test_the_papers_other_recipes_differ_in_what_they_are_named_for(
    name: str, regions: tuple[str, ...], stages: list[int]
) -> None:
    recipe, paper = read_recipe(name), read_recipe("paper")
    assert recipe.model == dataclasses.replace(paper.model, regions=regions)
    assert [phase.stages for phase in recipe.phases] == stages
    assert recipe.phases == paper.phases[: len(stages)]
    as_paper = dataclasses.replace(
        recipe, name="paper", model=paper.model, data=paper.data, phases=paper.phases
    )
    assert as_paper == paper


def test_fine_tuning_in_the_wild_keeps_the_losses_of_phase_two() -> None:
    (phase,) = read_recipe("affectnet").phases
    _, cascade = read_recipe("paper").phases
    assert phase.loss == cascade.loss
    assert (phase.kind, phase.batch, phase.learning_rate) == ("cascade", 2, 1e-5)


def test_an_epoch_is_the_set_seen_once() -> None:
    phase, cascade = read_recipe("paper").phases
    assert phase.step_count(1600) == 100 * 800
    assert cascade.step_count(1600) == 10 * 800


def test_a_recipe_can_be_changed_and_cut_on_the_command_line() -> None:
    changes = ["model.width=8", "phases.2.steps=7", "phases.2.epochs=0", "data.source=mine"]
    recipe = read_recipe("paper", [*changes, "model.regions=[]"])
    assert (recipe.model.width, recipe.model.regions, recipe.data.source) == (8, (), "mine")
    (phase,) = recipe.only("cascade").phases
    assert (phase.steps, phase.epochs) == (7, 0)


@pytest.mark.parametrize(
    "change",
    ["model.width", "phases.9.steps=1", "phases.0.steps=1", "phases.x.steps=1", "name.x=1"],
)
def test_a_change_that_leads_nowhere_is_named(change: str) -> None:
    with pytest.raises(EfganError, match=r"such as .* 2 phases, counted from 1$"):
        read_recipe("paper", [change])


def test_a_phase_that_is_not_there_is_named() -> None:
    with pytest.raises(EfganError, match="recipe paper has no phase 'warm_up', it has adversarial"):
        read_recipe("paper").only("warm_up")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "not TOML"),
        ('name = "x"', r"no \[\[phases\]\]"),
        ('name = "x"\nspeed = 3\n[[phases]]\nsteps = 1', "unknown speed"),
        ('name = "x"\n[[phases]]\nsteps = 1\nlerning_rate = 1.0', "unknown lerning_rate"),
        ('name = "x"\n[[phases]]\nsteps = "many"', "steps is 'many', expected a whole number"),
        (
            'name = "x"\n[[phases]]\nkind = "magic"\nsteps = 1',
            "kind is 'magic', expected one of au_head",
        ),
        ('name = "x"\n[[phases]]\nbatch = 8', "expected exactly one of them above 0"),
        ('name = "x"\n[[phases]]\nsteps = 1\nbatch = 0', "start at 1"),
        ('name = "x"\n[[phases]]\nsteps = 1\nprogress_min = 0.0', "progress_min 0.0 not in"),
        ("[[phases]]\nsteps = 1", "r.toml has no 'name'"),
        ('name = "x"\n[[phases]]\nsteps = 1\nstages = -1', "stages -1, expected 0 or more"),
        (
            'name = "x"\n[[phases]]\nsteps = 1\nloss = { feature_matching = 1.0 }',
            "for phases whose every edit has a truth",
        ),
        (
            'name = "x"\n[[phases]]\nkind = "cascade"\nsteps = 1\n'
            "loss = { feature_matching = 1.0 }",
            "loss.paired must be above 0",
        ),
    ],
)
def test_a_slip_in_a_recipe_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "r.toml"
    path.write_text(text)
    with pytest.raises(EfganError, match=message):
        read_recipe(str(path))


def test_an_unknown_recipe_lists_those_there_are() -> None:
    with pytest.raises(EfganError, match=r"no recipe 'papr'; there are .*paper"):
        read_recipe("papr")
