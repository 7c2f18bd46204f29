"""A handful of the kills of `benchmarks/shard_kills.py`."""

from dataclasses import asdict

import pytest

from benchmarks.shard_kills import Kills, added, shard_kills
from efgan_rt.errors import EfganError


@pytest.mark.slow
def test_runs_whose_workers_and_coordinators_are_killed_lose_nothing() -> None:
    result = shard_kills(pictures=60, kills=5, seed=3)
    assert result.kills == 5
    assert result.workers_killed and result.coordinators_killed
    assert result.is_clean, result
    assert result.read >= 60
    # Two shards of nine in each of two workers, at every kill.
    assert result.in_flight_read_twice <= 5 * 2 * 2 * 9


def test_kills_of_another_seed_are_added() -> None:
    before = {"seeds": [0], "kills": 5, **asdict(Kills(60, 10, workers_killed=3, read=100))}
    more = Kills(60, 10, workers_killed=2, coordinators_killed=1, torn_or_wrong=1)
    both = added(before, more, 7)
    assert (both["seeds"], both["kills"], both["pictures"]) == ([0, 7], 8, 60)
    assert (both["workers_killed"], both["read"], both["torn_or_wrong"]) == (5, 100, 1)
    with pytest.raises(EfganError, match=r"seeds \[0\]; expected as many pictures and another"):
        added(before, more, 0)


@pytest.mark.parametrize(
    "fault",
    ["torn_or_wrong", "not_ours", "left_over", "finished_read_twice", "wrong_exit_status"],
)
def test_each_fault_is_one(fault: str) -> None:
    assert Kills(60, 10).is_clean
    assert not Kills(60, 10, **{fault: 1}).is_clean
