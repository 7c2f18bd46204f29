"""The paired protocol: which edits are made, and what doing nothing and everything is worth."""

from pathlib import Path

import numpy as np
import pytest

from efgan_rt.action_units import FloatArray
from efgan_rt.errors import EfganError
from tests.toy_people import SMILE_AU12, read_people, write_people
from train.data.faces import FaceSet
from train.metrics.paired import (
    LARGE_GAPS,
    Bytes,
    EditPlan,
    EditQuality,
    measure_edits,
    plan_edits,
)


class Oracle:
    """A judge that knows a set's pictures by heart."""

    def __init__(self, faces: FaceSet) -> None:
        pixels, table = faces.pixels.numpy(), faces.table
        self._known = {
            picture.tobytes(): (expression, au)
            for picture, expression, au in zip(pixels, table.expressions, table.au, strict=True)
        }

    def name(self, pixels: Bytes) -> list[str]:
        return [self._known[picture.tobytes()][0] for picture in pixels]

    def au(self, pixels: Bytes) -> FloatArray:
        return np.stack([self._known[picture.tobytes()][1] for picture in pixels])


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> FaceSet:
    return read_people(write_people(tmp_path_factory.mktemp("pairs"), ["id200", "id201"]))


@pytest.fixture(scope="module")
def plan(faces: FaceSet) -> EditPlan:
    return plan_edits(faces.table)


def worth(faces: FaceSet, plan: EditPlan, rows: tuple[int, ...]) -> EditQuality:
    """What it is worth to give those of the set's pictures as edits."""
    oracle = Oracle(faces)
    return measure_edits(faces, plan, faces.pixels.numpy()[list(rows)], oracle, oracle.au)


def test_each_person_goes_from_each_start_to_every_other_expression(
    faces: FaceSet, plan: EditPlan
) -> None:
    table = faces.table
    pairs = [
        (table.identities[s], table.expressions[s], table.expressions[t])
        for s, t in zip(plan.sources, plan.targets, strict=True)
    ]
    assert len(set(pairs)) == len(plan) == 2 * 2 * 7
    assert ("id201", "angry", "neutral") in pairs
    assert {start for _, start, _ in pairs} == {"neutral", "angry"}
    assert all(start != end for _, start, end in pairs)


def test_source_and_target_show_the_same_person(faces: FaceSet, plan: EditPlan) -> None:
    who = faces.table.identities
    assert all(who[s] == who[t] for s, t in zip(plan.sources, plan.targets, strict=True))


def test_unchanged_edits_go_from_each_start_to_itself(faces: FaceSet) -> None:
    plan = plan_edits(faces.table, unchanged=True)
    assert plan.sources == plan.targets
    assert len(plan) == 4


def test_pairs_name_the_very_edits(faces: FaceSet) -> None:
    plan = plan_edits(faces.table, pairs=LARGE_GAPS)
    what = faces.table.expressions
    found = [(what[s], what[t]) for s, t in zip(plan.sources, plan.targets, strict=True)]
    assert found == [("angry", "happy"), ("sad", "surprised")] * 2


def test_pairs_need_no_other_expression(tmp_path: Path) -> None:
    faces = read_people(write_people(tmp_path, ["id200"], without_expression="fearful"))
    assert len(plan_edits(faces.table, pairs=LARGE_GAPS)) == 2
    with pytest.raises(EfganError, match=r"^id200 has no picture that is fearful$"):
        plan_edits(faces.table, pairs=[("neutral", "fearful")])


def test_a_person_without_an_expression_is_named(tmp_path: Path) -> None:
    faces = read_people(write_people(tmp_path, ["id200"], without_expression="sad"))
    with pytest.raises(EfganError, match=r"^id200 has no picture that is sad$"):
        plan_edits(faces.table)


def test_doing_nothing_gains_nothing(faces: FaceSet, plan: EditPlan) -> None:
    found = worth(faces, plan, plan.sources)
    assert found.gain_db == 0
    assert found.accuracy.overall == 0
    assert found.au12_by_judge.rise == 0
    assert found.background.mean_change == found.background_denoised.mean_change == 0
    assert found.au_error > 0


def test_the_truth_is_right_in_every_figure(faces: FaceSet, plan: EditPlan) -> None:
    found = worth(faces, plan, plan.targets)
    assert (found.edits, found.people) == (28, 2)
    assert found.psnr_db == pytest.approx(95.05, abs=0.01)
    assert found.accuracy.overall == 1
    assert found.au12_by_judge.rise == found.au12_by_estimator.rise == SMILE_AU12
    assert found.au12_by_judge.count == 2  # from neutral only
    assert found.au_error == 0
    assert found.sharpness == {"eyes": 1.0, "mouth": 1.0}


def test_a_better_edit_of_one_expression_gains_in_that_expression_only(
    faces: FaceSet, plan: EditPlan
) -> None:
    what = faces.table.expressions
    rows = tuple(
        t if what[t] == "sad" else s for s, t in zip(plan.sources, plan.targets, strict=True)
    )
    gained = {e for e, db in worth(faces, plan, rows).gain_db_by_expression.items() if db > 0}
    assert gained == {"sad"}
