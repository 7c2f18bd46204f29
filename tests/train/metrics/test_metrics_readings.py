"""What is made of a judge's readings: shares named as wanted."""

import pytest

from train.metrics.expression_accuracy import measure_accuracy


def test_accuracy_weighs_every_edit_and_balanced_accuracy_every_expression() -> None:
    found = measure_accuracy(["happy", "happy", "happy", "angry"], ["happy", "happy", "sad", "sad"])
    assert found.count == 4
    assert found.overall == pytest.approx(2 / 4)
    assert found.by_expression == {"happy": pytest.approx(2 / 3), "angry": 0.0}
    assert found.balanced == pytest.approx(1 / 3)


def test_the_confusion_says_what_was_named_instead() -> None:
    found = measure_accuracy(["happy", "happy", "angry"], ["happy", "sad", "sad"])
    assert found.confusion == {"happy": {"happy": 1, "sad": 1}, "angry": {"sad": 1}}


@pytest.mark.parametrize(
    ("wanted", "named", "message"),
    [([], [], "0 edits with 0 readings"), (["happy"], [], "1 edits with 0 readings")],
)
def test_accuracy_needs_a_reading_for_each_edit(
    wanted: list[str], named: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        measure_accuracy(wanted, named)
