"""Telling pairs apart: against counting by hand, and kinds without a pair."""

import numpy as np
import pytest

from train.metrics.verification import measure_verification


def brute_tar(same: list[float], different: list[float], far: float) -> float:
    """The best share of accepted one-person pairs over every threshold that keeps to the FAR."""
    best = 0.0
    for threshold in [*same, *different, -2.0]:
        wrong = sum(score > threshold for score in different) / len(different)
        if wrong <= far:
            best = max(best, sum(score > threshold for score in same) / len(same))
    return best


@pytest.mark.parametrize("far", [0.01, 0.1, 0.5])
def test_tar_at_far_is_the_best_that_any_threshold_gives(far: float) -> None:
    rng = np.random.default_rng(3)
    same, different = rng.normal(0.5, 0.3, 70), rng.normal(0, 0.3, 110)
    found = measure_verification(same, different, far=far)
    assert found.tar_at_far == brute_tar(same.tolist(), different.tolist(), far)


def test_equal_scores_are_all_accepted_or_none() -> None:
    found = measure_verification([0.5, 0.5, 0.9], [0.5, 0.5, 0.1], far=0.34)
    assert (
        found.tar_at_far
        == pytest.approx(1 / 3)
        == brute_tar([0.5, 0.5, 0.9], [0.5, 0.5, 0.1], 0.34)
    )


def test_kinds_that_do_not_overlap_are_told_apart_without_error() -> None:
    found = measure_verification(np.linspace(0.6, 0.9, 40), np.linspace(-0.5, 0.5, 90))
    assert (found.accuracy, found.tar_at_far) == (1.0, 1.0)
    assert (found.same_pairs, found.different_pairs) == (40, 90)


def test_scores_that_say_nothing_are_right_half_of_the_time() -> None:
    rng = np.random.default_rng(1)
    found = measure_verification(rng.normal(size=4000), rng.normal(size=400))
    assert found.accuracy == pytest.approx(0.5, abs=0.05)


def test_the_accuracy_is_that_of_thresholds_found_elsewhere() -> None:
    same, different = [0.8, 0.2], [0.1, 0.3]
    # The first fold learns from 0.2 and 0.3 that anything passes, the second from 0.8 and 0.1 that
    # 0.45 is the border; by hand: (1 + 0) / 2 and (0 + 1) / 2.
    assert measure_verification(same, different).accuracy == 0.5


def test_one_pair_of_each_kind_is_enough() -> None:
    assert measure_verification([0.9], [0.1]).accuracy == 1.0


@pytest.mark.parametrize(("same", "different"), [([], [0.1]), ([0.9], [])])
def test_a_kind_without_a_pair_is_no_number_and_none_in_a_file(
    same: list[float], different: list[float]
) -> None:
    found = measure_verification(same, different)
    assert np.isnan(found.accuracy) and np.isnan(found.tar_at_far)
    assert found.to_plain()["accuracy"] is None
    assert found.to_plain()["same_pairs"] == len(same)
