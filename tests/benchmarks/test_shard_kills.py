"""A handful of the kills of `benchmarks/shard_kills.py`."""

import pytest

from benchmarks.shard_kills import Kills, shard_kills


@pytest.mark.slow
def test_runs_whose_workers_and_coordinators_are_killed_lose_nothing() -> None:
    result = shard_kills(pictures=60, kills=5, seed=3)
    assert result.kills == 5
    assert result.workers_killed and result.coordinators_killed
    assert result.is_clean, result
    assert result.read >= 60
    # Two shards of nine in each of two workers, at every kill.
    assert result.in_flight_read_twice <= 5 * 2 * 2 * 9


@pytest.mark.parametrize(
    "fault",
    ["torn_or_wrong", "not_ours", "left_over", "finished_read_twice", "wrong_exit_status"],
)
def test_each_fault_is_one(fault: str) -> None:
    assert Kills(60, 10).is_clean
    assert not Kills(60, 10, **{fault: 1}).is_clean
