"""The paired protocol: which edits are made."""

from pathlib import Path

import pytest

from efgan_rt.errors import EfganError
from tests.toy_people import read_people, write_people
from train.data.faces import FaceSet
from train.metrics.paired import LARGE_GAPS, EditPlan, plan_edits


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> FaceSet:
    return read_people(write_people(tmp_path_factory.mktemp("pairs"), ["id200", "id201"]))


@pytest.fixture(scope="module")
def plan(faces: FaceSet) -> EditPlan:
    return plan_edits(faces.table)


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
