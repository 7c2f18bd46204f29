"""Recipes: every one that comes along resolves, and a slip is named."""

from pathlib import Path

import pytest

from efgan_rt.errors import EfganError
from train.recipe import read_recipe, recipe_from_dict, recipe_names


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_resolves_and_survives_plain_values(name: str) -> None:
    recipe = read_recipe(name)
    assert recipe.name == name
    assert recipe_from_dict(recipe.to_dict(), where="test") == recipe


def test_the_papers_recipe_has_the_published_values_and_no_departure() -> None:
    recipe = read_recipe("paper")
    (phase,) = recipe.phases
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


def test_an_epoch_is_the_set_seen_once() -> None:
    (phase,) = read_recipe("paper").phases
    assert phase.step_count(1600) == 100 * 800


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "not TOML"),
        ('name = "x"', r"no \[\[phases\]\]"),
        ('name = "x"\nspeed = 3\n[[phases]]\nsteps = 1', "unknown speed"),
        ('name = "x"\n[[phases]]\nsteps = 1\nlerning_rate = 1.0', "unknown lerning_rate"),
        ('name = "x"\n[[phases]]\nsteps = "many"', "steps is 'many', expected a int"),
        ('name = "x"\n[[phases]]\nkind = "magic"\nsteps = 1', "phase kind 'magic'"),
        ('name = "x"\n[[phases]]\nbatch = 8', "expected exactly one of them above 0"),
        ('name = "x"\n[[phases]]\nsteps = 1\nbatch = 0', "start at 1"),
        ('name = "x"\n[[phases]]\nsteps = 1\nprogress_min = 0.0', "progress_min 0.0 not in"),
        ("[[phases]]\nsteps = 1", "missing.*name"),
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
