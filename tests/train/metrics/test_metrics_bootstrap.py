"""Intervals over people: against every possible resample, and what has no spread."""

from itertools import product

import numpy as np
import pytest

from train.metrics.bootstrap import bootstrap, mean, median

VALUES = {"a": [1.0, 2.0, 4.0], "b": [0.5, 3.0], "c": [7.0], "d": [2.5, 2.5, 9.0, 1.0]}


def flat() -> tuple[list[float], list[str]]:
    return (
        [value for values in VALUES.values() for value in values],
        [who for who, values in VALUES.items() for _ in values],
    )


@pytest.mark.parametrize("statistic", [mean, median])
def test_the_interval_is_that_of_every_possible_choice_of_people(statistic: object) -> None:
    compute = np.mean if statistic is mean else np.median
    every = [
        float(compute([value for who in chosen for value in VALUES[who]]))
        for chosen in product(VALUES, repeat=len(VALUES))
    ]
    values, people = flat()
    found = bootstrap(
        values, people, mean if statistic is mean else median, resamples=20_000, level=0.8
    )
    # 256 choices are steps: the quantile of draws may lie on the next step, never further.
    order = sorted(every)
    for tail, end in ((0.1, found.low), (0.9, found.high)):
        place = int(tail * len(order))
        assert order[place - 10] <= end <= order[place + 10]
    assert found.value == pytest.approx(compute(values))
    assert (found.people, found.count) == (4, 10)


def test_medians_counted_off_are_those_of_the_sets_themselves() -> None:
    values, people = flat()
    of_sets = bootstrap(values, people, lambda drawn: float(np.median(drawn)))
    assert bootstrap(values, people, median) == of_sets


def test_one_value_a_person_gives_the_interval_of_the_normal_law() -> None:
    values = np.random.default_rng(0).normal(5, 2, 200)
    found = bootstrap(values, [f"p{i}" for i in range(200)], resamples=4000)
    half = 1.96 * values.std() / np.sqrt(200)
    assert found.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_pictures_of_one_person_do_not_count_as_people() -> None:
    few, many = np.array([1.0, 3.0]), np.repeat([1.0, 3.0], 50)
    names = np.repeat(["a", "b"], 50).tolist()
    assert bootstrap(many, names).low == bootstrap(few, ["a", "b"]).low == 1.0


def test_one_person_has_an_interval_without_width() -> None:
    found = bootstrap([1.0, 2.0, 3.0], ["a"] * 3)
    assert (found.value, found.low, found.high, found.people) == (2.0, 2.0, 2.0, 1)


def test_constant_values_have_an_interval_without_width() -> None:
    found = bootstrap([1.0] * 6, ["a", "b", "c"] * 2)
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


def test_what_is_not_a_number_is_left_out() -> None:
    found = bootstrap([1.0, float("nan"), 3.0], ["a", "b", "c"])
    assert (found.value, found.people, found.count) == (2.0, 2, 2)


def test_no_values_at_all_are_no_number_and_none_in_a_file() -> None:
    found = bootstrap([float("nan")], ["a"])
    assert np.isnan(found.value)
    assert found.to_plain() == {"value": None, "low": None, "high": None, "people": 0, "count": 0}


def test_the_same_values_give_the_same_interval() -> None:
    values, people = flat()
    assert bootstrap(values, people) == bootstrap(values, people)
    assert bootstrap(values, people) != bootstrap(values, people, seed=1)


def test_the_order_of_the_pictures_does_not_matter() -> None:
    values, people = flat()
    assert bootstrap(values[::-1], people[::-1]).low == bootstrap(values, people).low


def test_values_without_their_people_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^values of shape \(2,\) for 1 people's names$"):
        bootstrap([1.0, 2.0], ["a"])
