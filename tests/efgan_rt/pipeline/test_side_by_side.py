"""Calls that wait are made side by side, others one by one."""

import threading
import time

import pytest

from efgan_rt.pipeline import side_by_side
from efgan_rt.pipeline.side_by_side import SideBySide


def test_results_come_in_the_order_of_the_items() -> None:
    assert SideBySide(3).each(lambda n: 2 * n, range(50)) == list(range(0, 100, 2))
    assert SideBySide(3, waits=True).each(lambda n: 2 * n, range(50)) == list(range(0, 100, 2))
    assert SideBySide(3).each(lambda n: n, []) == []


def test_quick_calls_stay_in_one_thread_and_calls_that_wait_get_several() -> None:
    seen: set[int] = set()

    def note(wait_s: float) -> None:
        seen.add(threading.get_ident())
        time.sleep(wait_s)

    calls = SideBySide(8)
    side_by_side_s = 2 * side_by_side.WORTH_A_THREAD_S
    calls.each(lambda _: seen.add(threading.get_ident()), range(100))
    assert seen == {threading.get_ident()}
    calls.each(note, [side_by_side_s] * 40)
    assert len(seen) > 4
    # The last group has shown what calls take.
    calls.each(lambda _: None, range(100))
    seen.clear()
    calls.each(lambda _: seen.add(threading.get_ident()), range(100))
    assert seen == {threading.get_ident()}


def test_an_exception_comes_out_once_all_calls_have_ended() -> None:
    ended: list[int] = []

    def call(number: int) -> None:
        if number == 0:
            raise ValueError("the first")
        time.sleep(0.05)
        ended.append(number)

    with pytest.raises(ValueError, match="the first"):
        SideBySide(4, waits=True).each(call, range(4))
    assert sorted(ended) == [1, 2, 3]
