"""Scores of edits: the bounds, groups of edits, and two models edit by edit."""

import numpy as np
import pytest

from engines.arrays import Bytes, FloatArray
from tests.toy_people import read_people, write_people
from train.data.faces import FaceSet
from train.metrics.bootstrap import bootstrap
from train.metrics.edit_scores import STATISTICS, EditScores, score_edits
from train.metrics.paired import LARGE_GAPS, EditPlan, plan_edits


class ByHeart:
    """Judge and embedder of a toy set: knows its pictures, takes any other for a neutral one."""

    def __init__(self, faces: FaceSet) -> None:
        table = faces.table
        self._known = {picture.tobytes(): i for i, picture in enumerate(faces.pixels.numpy())}
        self._table = table
        self._people = sorted(set(table.identities))

    def _rows(self, pixels: Bytes) -> list[int]:
        return [self._known.get(picture.tobytes(), 0) for picture in pixels]

    def name(self, pixels: Bytes) -> list[str]:
        return [self._table.expressions[i] for i in self._rows(pixels)]

    def au(self, pixels: Bytes) -> FloatArray:
        return self._table.au[self._rows(pixels)]

    def embed(self, pixels: Bytes) -> FloatArray:
        who = [self._people.index(self._table.identities[i]) for i in self._rows(pixels)]
        return np.eye(len(self._people), dtype=np.float32)[who]


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> FaceSet:
    return read_people(write_people(tmp_path_factory.mktemp("scores"), ["id200", "id201"]))


@pytest.fixture(scope="module")
def plan(faces: FaceSet) -> EditPlan:
    return plan_edits(faces.table)


def scores(faces: FaceSet, plan: EditPlan, rows: tuple[int, ...]) -> EditScores:
    """What it is worth to give those of the set's pictures as edits."""
    judge = ByHeart(faces)
    return score_edits(faces, plan, faces.pixels.numpy()[list(rows)], judge, judge)


def test_the_truth_is_right_in_every_figure(faces: FaceSet, plan: EditPlan) -> None:
    found = scores(faces, plan, plan.targets).figures()
    assert set(found) == set(STATISTICS)
    wanted = {
        "psnr_db": 95.05, "named_as_wanted": 1, "au_error": 0, "identity_to_truth": 1,
        "identity_nearest_own": 1, "identity_stranger": 0, "sharpness_eyes": 1,
        "sharpness_mouth": 1,
    }  # fmt: skip
    for name, value in wanted.items():
        assert found[name].value == pytest.approx(value, abs=0.01), name
        assert (found[name].people, found[name].count) == (2, 28)


def test_doing_nothing_gains_nothing(faces: FaceSet, plan: EditPlan) -> None:
    found = scores(faces, plan, plan.sources).figures()
    assert found["gain_db"].value == found["gain_db"].high == 0
    assert found["named_as_wanted"].value == 0
    assert found["au_error"].value > 0


def test_a_group_of_edits_is_summed_up_alone(faces: FaceSet, plan: EditPlan) -> None:
    what = faces.table.expressions
    rows = tuple(
        t if what[t] == "sad" else s for s, t in zip(plan.sources, plan.targets, strict=True)
    )
    found = scores(faces, plan, rows)
    assert found.figure("named_as_wanted", found.wanting("sad")).value == 1
    assert found.figure("named_as_wanted", found.wanting("happy")).value == 0
    assert found.figure("named_as_wanted").count == 28


def test_an_expression_that_nothing_wanted_is_no_number(faces: FaceSet) -> None:
    plan = plan_edits(faces.table, pairs=LARGE_GAPS)
    found = scores(faces, plan, plan.targets)
    figure = found.figure("named_as_wanted", found.wanting("contemptuous"))
    assert np.isnan(figure.value) and figure.count == 0


def test_two_models_are_compared_edit_by_edit(faces: FaceSet, plan: EditPlan) -> None:
    better, worse = scores(faces, plan, plan.targets), scores(faces, plan, plan.sources)
    found = better.above(worse, "psnr_db")
    differences = better.values["psnr_db"] - worse.values["psnr_db"]
    assert found == bootstrap(differences, better.people)
    assert found.value == pytest.approx(differences.mean())
    assert better.above(better, "psnr_db").high == 0


def test_scores_of_different_plans_are_not_compared(faces: FaceSet, plan: EditPlan) -> None:
    gaps = plan_edits(faces.table, pairs=LARGE_GAPS)
    with pytest.raises(ValueError, match=r"^scores of different plans cannot be compared"):
        scores(faces, plan, plan.targets).above(scores(faces, gaps, gaps.targets), "psnr_db")
