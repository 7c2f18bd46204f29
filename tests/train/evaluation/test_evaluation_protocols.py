"""Who is judged, what is edited towards what, which pairs are drawn, and the file they go to."""

from pathlib import Path

import numpy as np
import pytest

from efgan_rt.action_units import AU_NAMES
from efgan_rt.errors import EfganError
from tests.toy_people import write_people
from train.data.labels import LabelTable, read_labels
from train.evaluation.pair_file import read_pairs, write_pairs
from train.evaluation.people_choice import choose_people
from train.evaluation.protocols import draw_face_pairs, draw_transfers, plan_every_edit
from train.metrics.paired import NO_TRUTH
from train.metrics.people import EXPRESSIONS

FEW = ("neutral", "happy", "sad")


def table_of(*pictures: tuple[str, str]) -> LabelTable:
    """A table of pictures that show (who, what)."""
    count = len(pictures)
    return LabelTable(
        tuple(f"{who}_{what}_{i}.png" for i, (who, what) in enumerate(pictures)),
        tuple(who for who, _ in pictures),
        tuple(what for _, what in pictures),
        np.zeros((count, len(AU_NAMES)), np.float32),
        {},
    )


@pytest.fixture
def whole(tmp_path: Path) -> LabelTable:
    return read_labels(write_people(tmp_path, ["ann", "bob", "cat"]) / "labels.csv")


def test_every_picture_goes_to_every_other_expression(whole: LabelTable) -> None:
    plan, notes = plan_every_edit(whole, EXPRESSIONS)
    assert len(plan) == 3 * 8 * 7
    assert notes == []
    for source, target, wanted in zip(plan.sources, plan.targets, plan.wanted, strict=True):
        assert whole.identities[source] == whole.identities[target]
        assert whole.expressions[source] != whole.expressions[target] == wanted


def test_an_edit_without_a_true_picture_is_made_and_noted() -> None:
    table = table_of(("ann", "neutral"), ("ann", "happy"), ("bob", "neutral"), ("bob", "sad"),
                     ("ann", "sad"))  # fmt: skip
    plan, notes = plan_every_edit(table, FEW)
    without = [i for i, target in enumerate(plan.targets) if target == NO_TRUTH]
    assert [(table.identities[plan.sources[i]], plan.wanted[i]) for i in without] == [
        ("bob", "happy"),
        ("bob", "happy"),
    ]
    assert not plan.has_truth()[without].any()
    assert notes == [
        "2 of 10 edits have no true picture (bob happy): they are named by the judge, and left out "
        "of PSNR, SSIM and what else compares with the truth",
        "one picture shows happy: its interval has no width, which says nothing",
    ]


def test_an_expression_that_nobody_shows_is_edited_towards_and_noted() -> None:
    plan, notes = plan_every_edit(table_of(("ann", "neutral"), ("ann", "happy")), FEW)
    assert plan.wanted.count("sad") == 2
    assert "nobody shows sad: it is edited towards, and has no truth" in notes


def test_of_several_pictures_those_in_the_same_place_are_paired() -> None:
    table = table_of(*(("ann", what) for what in ("happy",) * 3 + ("sad",) * 3))
    plan, _ = plan_every_edit(table, ("happy", "sad"))
    assert dict(zip(plan.sources, plan.targets, strict=True)) == {
        0: 3,
        1: 4,
        2: 5,
        3: 0,
        4: 1,
        5: 2,
    }


def test_pictures_of_no_named_expression_are_not_edited() -> None:
    plan, _ = plan_every_edit(table_of(("ann", "mixed"), ("ann", "happy"), ("ann", "sad")), FEW)
    assert 0 not in plan.sources
    with pytest.raises(EfganError, match=r"^no picture of the people to be judged shows happy$"):
        plan_every_edit(table_of(("ann", "mixed")), ("happy",))


def test_every_picture_takes_over_expressions_of_other_people(whole: LabelTable) -> None:
    transfers, notes = draw_transfers(whole, EXPRESSIONS, count=5)
    assert len(transfers) == 24 * 5
    assert notes == []
    who = whole.identities
    pairs = list(zip(transfers.sources, transfers.references, strict=True))
    assert all(who[source] != who[reference] for source, reference in pairs)
    assert len(set(pairs)) == len(pairs)


def test_draws_come_from_their_seed(whole: LabelTable) -> None:
    plan, _ = plan_every_edit(whole, EXPRESSIONS)
    first = draw_transfers(whole, EXPRESSIONS, seed=1), draw_face_pairs(whole, plan, 20, seed=1)
    again = draw_transfers(whole, EXPRESSIONS, seed=1), draw_face_pairs(whole, plan, 20, seed=1)
    other = draw_transfers(whole, EXPRESSIONS, seed=2), draw_face_pairs(whole, plan, 20, seed=2)
    assert first == again
    assert first[0] != other[0] and first[1] != other[1]


def test_one_person_alone_takes_over_nothing_and_that_is_noted() -> None:
    transfers, notes = draw_transfers(table_of(("ann", "happy"), ("ann", "sad")), FEW, count=5)
    assert len(transfers) == 0
    assert notes == [
        "2 pictures have fewer than 5 pictures of other people to take an expression from; all "
        "there are were taken"
    ]


def test_pairs_show_one_person_and_two_as_often(whole: LabelTable) -> None:
    plan, _ = plan_every_edit(whole, EXPRESSIONS)
    pairs, notes = draw_face_pairs(whole, plan, 50)
    assert notes == []
    assert pairs.same.count(True) == pairs.same.count(False) == 50
    who = whole.identities
    for edit, other, same in zip(pairs.edits, pairs.others, pairs.same, strict=True):
        assert (who[plan.sources[edit]] == who[other]) == same
        assert plan.sources[edit] != other


def test_as_many_pairs_as_there_are_and_a_note() -> None:
    table = table_of(("ann", "happy"), ("ann", "sad"), ("bob", "happy"))
    plan, _ = plan_every_edit(table, ("happy", "sad"))
    pairs, notes = draw_face_pairs(table, plan, 50)
    assert len(pairs) == 4
    assert notes == [
        "verification: 2 pairs of each kind, not 50: there are 2 of one person and 4 of two"
    ]


def test_pairs_come_back_from_their_file(whole: LabelTable, tmp_path: Path) -> None:
    plan, _ = plan_every_edit(whole, EXPRESSIONS)
    transfers, _ = draw_transfers(whole, EXPRESSIONS)
    pairs, _ = draw_face_pairs(whole, plan, 30)
    write_pairs(tmp_path / "pairs.csv", whole, plan, transfers, pairs)
    assert read_pairs(tmp_path / "pairs.csv", whole, plan) == (transfers, pairs)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind,picture,wanted,other\ntransfer,gone.png,,ann_sad.png\n", "names gone.png, which is"),
        ("a,b\n1,2\n", "names kind, which is not among"),
        ("kind,picture,wanted,other\nfriends,a,b,c\n", "kind 'friends', expected transfer"),
        ("kind,picture\ntransfer\n", "which is not among|no table of pairs"),
    ],
)
def test_another_file_is_no_table_of_pairs(
    whole: LabelTable, tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(text)
    plan, _ = plan_every_edit(whole, EXPRESSIONS)
    with pytest.raises(EfganError, match=message):
        read_pairs(path, whole, plan)


def test_a_missing_file_of_pairs_is_named(whole: LabelTable, tmp_path: Path) -> None:
    plan, _ = plan_every_edit(whole, EXPRESSIONS)
    with pytest.raises(EfganError, match=r"gone\.csv: no table of pairs"):
        read_pairs(tmp_path / "gone.csv", whole, plan)


def test_people_are_named_by_range_by_list_and_by_file(whole: LabelTable, tmp_path: Path) -> None:
    file = tmp_path / "unseen.txt"
    file.write_text("cat\n\nbob\n")
    assert choose_people("bob:cat", whole) == (["bob", "cat"], [])
    assert choose_people("bob, cat", whole) == (["bob", "cat"], [])
    assert choose_people(str(file), whole) == (["bob", "cat"], [])


def test_somebody_without_a_picture_is_noted(whole: LabelTable) -> None:
    people, notes = choose_people("ann,zoe", whole)
    assert people == ["ann"]
    assert notes == ["no picture of zoe: left out of every figure"]


def test_pictures_without_a_name_are_noted() -> None:
    table = table_of(("", "happy"), ("ann", "happy"), ("", "sad"))
    assert choose_people("ann", table)[1] == [
        "2 pictures have no identity and are left out of everything"
    ]


def test_the_rendered_sets_people_are_known(tmp_path: Path) -> None:
    table = read_labels(write_people(tmp_path, ["id000", "id200"]) / "labels.csv")
    people, notes = choose_people(None, table)
    assert people == ["id200"]
    assert notes == [
        "no picture of id201, id202, id203, id204, id205, id206, id207 ... id239 (39 in all): left "
        "out of every figure"
    ]


@pytest.mark.parametrize("text", [None, "zoe", "x:y"])
def test_nobody_to_judge_is_refused(whole: LabelTable, text: str | None) -> None:
    with pytest.raises(EfganError, match=r"--test-people.*labels.csv,? (which )?has ann, bob, cat"):
        choose_people(text, whole)
