"""Identity: cosines against their definition, the bounds, and an embedder that learns people."""

from pathlib import Path

import numpy as np
import pytest

from engines.arrays import Bytes, FloatArray
from tests.toy_people import read_people, write_people
from train.data.faces import FaceSet
from train.metrics.identity import person_directions, score_identity, verify_embedder
from train.metrics.identity_embedder import load_or_train_embedder, reduced
from train.metrics.judge_shelf import JudgeShelf
from train.metrics.judge_training import JudgeRecipe
from train.metrics.paired import EditPlan, plan_edits

PEOPLE = ["id200", "id201", "id202"]


class Colours:
    """An embedder that a test can compute by hand: a crop's mean colour."""

    def embed(self, pixels: Bytes) -> FloatArray:
        means = pixels.astype(np.float64).mean(axis=(1, 2))
        unit: FloatArray = (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)
        return unit


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> FaceSet:
    return read_people(write_people(tmp_path_factory.mktemp("identity"), PEOPLE))


@pytest.fixture(scope="module")
def plan(faces: FaceSet) -> EditPlan:
    return plan_edits(faces.table)


def cosine(first: Bytes, second: Bytes) -> float:
    a, b = (picture.astype(np.float64).mean(axis=(0, 1)) for picture in (first, second))
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def test_similarities_are_cosines_to_the_right_pictures(faces: FaceSet, plan: EditPlan) -> None:
    pixels = faces.pixels.numpy()
    edits = np.random.default_rng(0).integers(0, 256, (len(plan), 128, 128, 3)).astype(np.uint8)
    found = score_identity(faces, plan, edits, Colours())
    for i in (0, 5, 20, 41):
        source, truth = pixels[plan.sources[i]], pixels[plan.targets[i]]
        assert found.to_truth[i] == pytest.approx(cosine(edits[i], truth), abs=1e-6)
        assert found.to_source[i] == pytest.approx(cosine(edits[i], source), abs=1e-6)
        assert found.real[i] == pytest.approx(cosine(source, truth), abs=1e-6)
        target = plan.targets[i]
        strangers = [
            cosine(truth, pixels[row])
            for row in range(len(pixels))
            if faces.table.identities[row] != faces.table.identities[target]
            and faces.table.expressions[row] == faces.table.expressions[target]
        ]
        assert len(strangers) == 2
        assert found.stranger[i] == pytest.approx(np.mean(strangers), abs=1e-6)


def test_the_truth_is_the_same_person(faces: FaceSet, plan: EditPlan) -> None:
    edits = faces.pixels.numpy()[list(plan.targets)]
    found = score_identity(faces, plan, edits, Colours())
    assert found.to_truth == pytest.approx(np.ones(len(plan)), abs=1e-6)
    assert found.nearest_own.all()
    assert (found.stranger < found.real).all()


def test_another_persons_picture_is_nearest_to_that_person(faces: FaceSet, plan: EditPlan) -> None:
    table = faces.table
    row_of = {k: i for i, k in enumerate(zip(table.identities, table.expressions, strict=True))}
    swapped = {"id200": "id201", "id201": "id202", "id202": "id200"}
    rows = [
        row_of[swapped[faces.table.identities[t]], faces.table.expressions[t]] for t in plan.targets
    ]
    found = score_identity(faces, plan, faces.pixels.numpy()[rows], Colours())
    assert not found.nearest_own.any()


def test_one_person_alone_has_no_stranger_and_is_nearest(tmp_path: Path) -> None:
    faces = read_people(write_people(tmp_path, ["id200"]))
    plan = plan_edits(faces.table)
    found = score_identity(faces, plan, faces.pixels.numpy()[list(plan.sources)], Colours())
    assert np.isnan(found.stranger).all()
    assert found.nearest_own.all()
    assert np.isnan(verify_embedder(faces, Colours()).accuracy)


def test_people_are_placed_by_their_mixed_pictures_where_there_are_any(tmp_path: Path) -> None:
    root = write_people(tmp_path, ["id200", "id201"])
    labels = (root / "labels.csv").read_text().replace("id200,sad", "id200,mixed")
    (root / "labels.csv").write_text(labels)
    faces = read_people(root)
    directions = np.eye(len(faces.table), dtype=np.float64)  # every picture its own direction
    people, gallery = person_directions(faces.table, directions)
    assert people == ["id200", "id201"]
    mixed = faces.table.expressions.index("mixed")
    assert gallery[0].tolist() == directions[mixed].tolist()
    assert np.count_nonzero(gallery[1]) == 8
    assert np.linalg.norm(gallery, axis=1) == pytest.approx([1, 1])


def test_verification_takes_all_pairs_of_one_person_and_as_many_of_two(faces: FaceSet) -> None:
    found = verify_embedder(faces, Colours())
    assert found.same_pairs == found.different_pairs == 3 * 8 * 7 // 2


# With 12 epochs the order of additions decides: 0.74 on one processor, above 0.8 on others.
QUICK = JudgeRecipe(epochs=30, learning_rate=3e-3, batch=8)


def test_an_embedder_learns_to_tell_people_apart(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    people = [f"id00{n}" for n in range(4)]
    data = write_people(tmp_path / "data", people)
    said: list[str] = []
    first = load_or_train_embedder(JudgeShelf(data, tmp_path / "kept", say=said.append), QUICK)
    faces = read_people(data)
    directions = first.embed(faces.pixels.numpy())
    assert directions.shape == (32, 64)
    assert np.linalg.norm(directions, axis=1) == pytest.approx(np.ones(32), abs=1e-5)
    # Four people on the very crops that were learnt: far above the half that chance gives.
    assert verify_embedder(faces, first).accuracy > 0.8
    assert len(said) == 1 + QUICK.epochs

    again = load_or_train_embedder(JudgeShelf(data, tmp_path / "kept", say=said.append), QUICK)
    assert len(said) == 1 + QUICK.epochs, "a kept embedder is not trained anew"
    np.testing.assert_array_equal(again.embed(faces.pixels.numpy()), directions)


def test_training_an_embedder_never_opens_a_test_persons_picture(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    data = write_people(tmp_path / "data", ["id000", "id200"], without_pictures=["id200"])
    recipe = JudgeRecipe(epochs=1, learning_rate=1e-3, batch=8)
    assert load_or_train_embedder(JudgeShelf(data, tmp_path / "kept"), recipe)


def test_an_embedder_looks_at_means_of_four_pixels() -> None:
    crop = np.random.default_rng(0).integers(0, 256, (1, 128, 128, 3)).astype(np.uint8)
    means = crop[0].astype(np.float64).reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    assert np.abs(reduced(crop)[0] - means).max() <= 0.5
