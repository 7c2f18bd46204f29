"""What edits teach a classifier: which pictures are used, and that useful ones help."""

from pathlib import Path

import numpy as np
import pytest

from tests.toy_people import read_people, write_people
from train.data.faces import FaceSet
from train.metrics.augmentation import augmentation_plan, measure_training_worth, real_crops
from train.metrics.judge_training import JudgeRecipe

RECIPE = JudgeRecipe(epochs=8, learning_rate=3e-3, batch=8)


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> FaceSet:
    return read_people(write_people(tmp_path_factory.mktemp("known"), ["id000", "id001", "id002"]))


def test_the_first_people_give_their_named_expressions(training: FaceSet) -> None:
    found = real_crops(training, 2)
    assert found.pixels.shape == (16, 128, 128, 3)
    assert set(found.people) == {"id000", "id001"}
    assert len(real_crops(training).people) == 24


def test_mixed_pictures_are_no_expression(tmp_path: Path) -> None:
    root = write_people(tmp_path, ["id000"])
    text = (root / "labels.csv").read_text().replace("id000,sad", "id000,mixed")
    (root / "labels.csv").write_text(text)
    assert len(real_crops(read_people(root)).expressions) == 7


def test_every_training_person_goes_from_neutral_to_each_other_expression(
    training: FaceSet,
) -> None:
    plan = augmentation_plan(training)
    what = training.table.expressions
    assert len(plan) == 3 * 7
    assert {what[s] for s in plan.sources} == {"neutral"}
    assert "neutral" not in {what[t] for t in plan.targets}


def test_perfect_edits_teach_and_wrongly_named_ones_harm(training: FaceSet) -> None:
    real, pixels = real_crops(training, 1), training.pixels.numpy()
    unseen = real_crops(training)
    plan = augmentation_plan(training)
    edits = pixels[list(plan.targets)]
    names = [training.table.expressions[t] for t in plan.targets]
    said: list[str] = []
    right = measure_training_worth(
        real, unseen, np.repeat(edits, 3, axis=0), np.repeat(names, 3).tolist(),
        recipe=JudgeRecipe(epochs=160, learning_rate=3e-3, batch=8), say=said.append,
    )  # fmt: skip
    shifted = names[1:] + names[:1]
    wrong = measure_training_worth(
        real, unseen, np.repeat(edits, 3, axis=0), np.repeat(shifted, 3).tolist(),
        recipe=JudgeRecipe(epochs=160, learning_rate=3e-3, batch=8),
    )  # fmt: skip
    assert right.value > 0.8 > 0.5 > wrong.value
    assert (right.people, right.count) == (3, 24)
    assert len(said) == round(160 * 8 / (8 + 63)), "as many steps as without edits"


def test_edits_without_their_expressions_are_refused(training: FaceSet) -> None:
    real = real_crops(training)
    with pytest.raises(ValueError, match=r"^2 edits with 1 expressions$"):
        measure_training_worth(real, real, real.pixels[:2], ["happy"], recipe=RECIPE)
