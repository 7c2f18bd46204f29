"""Places and bytes of what is in flight: waited for, given back, and never a standstill."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from efgan_rt.pipeline.budget import Budget, Share
from efgan_rt.pipeline.channel import AbortError


@pytest.fixture(name="budget")
def budget_fixture() -> Iterator[Budget]:
    """Nine places and 100 bytes; nobody waits for them for longer than the test."""
    budget = Budget(9, 100)
    yield budget
    budget.abort()


@pytest.fixture(name="beside")
def beside_fixture(budget: Budget) -> Iterator[Callable[..., Future[object]]]:
    """`beside(function, *arguments)` runs it in a thread of its own."""
    with ThreadPoolExecutor(9) as threads:
        yield threads.submit
        budget.abort()


def share_of(budget: Budget, nbytes: int) -> Share:
    share = budget.enter()
    share.take(nbytes)
    return share


def test_a_place_is_waited_for(budget: Budget, beside: Callable[..., Future[Share]]) -> None:
    first, *_ = [budget.enter() for _ in range(9)]
    third = beside(budget.enter)
    with pytest.raises(TimeoutError):
        third.result(0.05)
    first.give_back()
    assert third.result(5).nbytes == 0


def test_who_waits_for_a_place_is_woken_once_there_are_several(
    beside: Callable[..., Future[Share]],
) -> None:
    budget = Budget(4, 100, lot=2)
    first, second, *_ = [budget.enter() for _ in range(4)]
    waiting = [beside(budget.enter) for _ in range(2)]
    first.give_back()
    with pytest.raises(TimeoutError):
        waiting[0].result(0.05)
    second.give_back()
    assert [each.result(5).nbytes for each in waiting] == [0, 0]


def test_bytes_are_waited_for_and_the_slots_are_told(
    budget: Budget, beside: Callable[..., Future[float]]
) -> None:
    told = threading.Event()
    budget.on_shortage = told.set
    first, _ = share_of(budget, 60), share_of(budget, 40)
    third = beside(budget.enter().take, 50)
    assert told.wait(5)
    assert budget.is_short
    first.give_back()
    assert third.result(5) > 0
    assert not budget.is_short


def test_what_fits_waits_for_nothing(budget: Budget) -> None:
    assert budget.enter().take(60) == 0
    assert budget.enter().take(40) == 0
    assert not budget.is_short


def test_a_picture_over_the_whole_budget_goes_alone(
    budget: Budget, beside: Callable[..., Future[float]]
) -> None:
    first = share_of(budget, 1)
    large = budget.enter()
    waiting = beside(large.take, 1000)
    with pytest.raises(TimeoutError):
        waiting.result(0.05)
    first.give_back()
    waiting.result(5)
    small = beside(budget.enter().take, 1)
    with pytest.raises(TimeoutError):
        small.result(0.05)
    large.give_back()
    small.result(5)


def test_a_large_picture_is_not_kept_waiting_by_small_ones(
    budget: Budget, beside: Callable[..., Future[float]]
) -> None:
    told = threading.Event()
    budget.on_shortage = told.set
    first = share_of(budget, 60)
    large = beside(budget.enter().take, 90)
    assert told.wait(5)
    small = beside(budget.enter().take, 20)  # would fit, but came later
    with pytest.raises(TimeoutError):
        small.result(0.05)
    first.give_back()
    large.result(5)
    with pytest.raises(TimeoutError):
        small.result(0.05)


def test_an_estimate_is_corrected_without_waiting(
    budget: Budget, beside: Callable[..., Future[float]]
) -> None:
    share = share_of(budget, 100)
    second = beside(budget.enter().take, 60)
    share.correct(40)
    second.result(5)
    share.correct(500)
    assert share.nbytes == 500


def test_what_was_given_back_is_given_back_once(
    budget: Budget, beside: Callable[..., Future[Share]]
) -> None:
    share = share_of(budget, 100)
    share.give_back()
    share.give_back()
    share.correct(70)
    budget.enter().take(100)
    for _ in range(8):
        budget.enter()
    with pytest.raises(TimeoutError):
        beside(budget.enter).result(0.05)


def test_an_abort_wakes_all_that_wait(
    budget: Budget, beside: Callable[..., Future[object]]
) -> None:
    share_of(budget, 100)
    waiting = [beside(budget.enter().take, 50) for _ in range(8)] + [beside(budget.enter)]
    with pytest.raises(TimeoutError):
        waiting[0].result(0.05)
    budget.abort()
    for each in waiting:
        with pytest.raises(AbortError):
            each.result(5)
