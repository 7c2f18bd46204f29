"""The judges: trained on training people's real crops, kept, and trained anew when stale."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.toy_people import SMILE_AU12, read_people, write_people
from train.metrics.judge_shelf import JudgeShelf
from train.metrics.judge_training import JudgeRecipe, changed, train_classifier
from train.metrics.judges import Judges, load_or_train_judges, reliability
from train.metrics.people import UNSEEN_PEOPLE

QUICK = JudgeRecipe(epochs=1, learning_rate=1e-3, batch=8)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_people(tmp_path_factory.mktemp("people"), [f"id00{n}" for n in range(3)])


@pytest.fixture(scope="module")
def judges(people: Path, tmp_path_factory: pytest.TempPathFactory) -> Judges:
    """Judges that know the toy people."""
    recipe = JudgeRecipe(epochs=16, learning_rate=3e-3, batch=8)
    shelf = JudgeShelf(people, tmp_path_factory.mktemp("judges"))
    return load_or_train_judges(shelf, classifier_recipe=recipe, reader_recipe=recipe)


def quick_judges(data: Path, cache: Path) -> list[str]:
    """What is said while judges are loaded or trained for one epoch."""
    said: list[str] = []
    shelf = JudgeShelf(data, cache, say=said.append)
    load_or_train_judges(shelf, classifier_recipe=QUICK, reader_recipe=QUICK)
    return said


def test_the_test_people_are_the_last_forty() -> None:
    assert len(UNSEEN_PEOPLE) == 40
    assert {"id200", "id239"} < UNSEEN_PEOPLE and "id199" not in UNSEEN_PEOPLE


def test_judges_learn_to_read_real_crops(people: Path, judges: Judges) -> None:
    found = reliability(judges, read_people(people))
    assert found.accuracy > 0.9
    assert found.named_pictures == found.pictures == 24
    assert found.au_error_active["AU12"] < SMILE_AU12 / 2
    assert "AU01" not in found.au_error_active  # nobody raises a brow in the toy set


def test_a_judgement_does_not_depend_on_the_other_pictures(people: Path, judges: Judges) -> None:
    pixels = read_people(people).pixels.numpy()
    together = judges.au(pixels)
    np.testing.assert_allclose(judges.au(pixels[3:4])[0], together[3], atol=1e-4)
    assert judges.name(pixels)[3] == judges.name(pixels[3:4])[0]


def test_readings_stay_on_the_scale(judges: Judges) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (4, 128, 128, 3)).astype(np.uint8)
    readings = judges.au(noise)
    assert readings.min() >= 0 and readings.max() <= 5


def test_kept_judges_are_used_again(people: Path, tmp_path: Path) -> None:
    assert quick_judges(people, tmp_path)
    assert quick_judges(people, tmp_path) == []


def test_judges_of_other_labels_are_trained_anew(people: Path, tmp_path: Path) -> None:
    quick_judges(people, tmp_path / "judges")
    others = tmp_path / "others"
    others.mkdir()
    write_people(others, ["id001", "id002"])
    said = quick_judges(others, tmp_path / "judges")
    assert sum("training one" in line for line in said) == 2


def test_a_damaged_judge_is_trained_anew(people: Path, tmp_path: Path) -> None:
    quick_judges(people, tmp_path)
    (tmp_path / "au.pt").write_bytes(b"no judge")
    said = quick_judges(people, tmp_path)
    assert [line for line in said if "training one" in line] == [
        f"{tmp_path / 'au.pt'}: no judge made from these labels by this recipe, training one"
    ]


def test_kept_judges_load_without_running_code(people: Path, tmp_path: Path) -> None:
    quick_judges(people, tmp_path)
    for name in ("expression.pt", "au.pt"):
        content = torch.load(tmp_path / name, weights_only=True)
        assert content["format"] == "efgan-rt judge 1"


def test_training_never_opens_a_test_persons_picture(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    write_people(data, ["id000", "id001", "id200"], without_pictures=["id200"])
    assert quick_judges(data, tmp_path / "judges")


def test_the_same_recipe_gives_the_same_judge(people: Path) -> None:
    faces = read_people(people)
    first, second = (train_classifier(faces, QUICK).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_training_leaves_the_global_random_state_alone(people: Path) -> None:
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    train_classifier(read_people(people), QUICK)
    assert torch.equal(torch.rand(3), wanted)


def half_lit() -> np.ndarray:
    crop = np.full((32, 32, 3), 20, np.uint8)
    crop[:, 16:] = 220
    return crop


def test_changes_keep_shape_and_type() -> None:
    found = changed(half_lit(), np.random.default_rng(0), flip=True)
    assert found.shape == (32, 32, 3)
    assert found.dtype == np.uint8


@pytest.mark.parametrize(("flip", "both_sides"), [(False, False), (True, True)])
def test_only_what_may_be_mirrored_is(flip: bool, both_sides: bool) -> None:
    rng = np.random.default_rng(0)
    crops = [changed(half_lit(), rng, flip=flip) for _ in range(30)]
    lit_left = {bool(crop[:, :8].mean() > crop[:, -8:].mean()) for crop in crops}
    assert lit_left == ({True, False} if both_sides else {False})
