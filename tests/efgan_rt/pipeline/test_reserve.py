"""Threads that are kept back while one alone is soon done with every picture."""

import threading
import time
from collections.abc import Callable

import pytest

from efgan_rt.pipeline import reserve as module
from efgan_rt.pipeline.reserve import LONG_S, VOTES, Reserve

SOON, LONG = 0.0, 2 * LONG_S
WAIT_S = 10.0


def thread(body: Callable[[], None]) -> threading.Thread:
    started = threading.Thread(target=body, daemon=True)
    started.start()
    return started


def worked(reserve: Reserve, seconds: float, times: int = 1) -> None:
    for _ in range(times):
        reserve.wait()
        with reserve.at_work():
            time.sleep(seconds)


def waiting(reserve: Reserve) -> tuple[threading.Thread, threading.Event]:
    """Another thread that is to wait for its turn, and what says that it has it."""
    has_turn = threading.Event()

    def body() -> None:
        reserve.wait()
        has_turn.set()

    return thread(body), has_turn


def test_one_thread_suffices_for_pictures_that_are_soon_done() -> None:
    reserve = Reserve()
    worked(reserve, SOON)
    _, has_turn = waiting(reserve)
    worked(reserve, SOON, 100)
    assert not has_turn.wait(0.1)
    reserve.end()
    assert has_turn.wait(WAIT_S)


def test_all_threads_work_where_pictures_take_long() -> None:
    reserve = Reserve()
    worked(reserve, SOON)
    _, has_turn = waiting(reserve)
    worked(reserve, LONG, VOTES - 1)
    assert not has_turn.is_set()  # a few may be long by chance
    worked(reserve, LONG)
    assert has_turn.wait(WAIT_S)


def test_one_thread_goes_on_alone_once_pictures_are_soon_done_again() -> None:
    reserve = Reserve()
    worked(reserve, LONG, VOTES)
    worked(reserve, SOON, VOTES)
    _, has_turn = waiting(reserve)
    assert not has_turn.wait(0.1)
    reserve.end()


def test_a_picture_that_takes_very_long_has_company(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    reserve = Reserve()
    reserve.wait()
    _, has_turn = waiting(reserve)
    with reserve.at_work():
        assert has_turn.wait(WAIT_S)
        monkeypatch.setattr(module, "LOOK_S", 1.0)
        time.sleep(1.05)
        started = time.monotonic()
        thread(reserve.wait).join(WAIT_S)
        assert time.monotonic() - started < 0.5  # nobody waits for it picture by picture


def test_waiting_for_a_picture_is_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    reserve = Reserve()
    worked(reserve, SOON)
    _, has_turn = waiting(reserve)
    assert not has_turn.wait(0.1)
    reserve.end()


def test_work_that_fails_counts_too() -> None:
    reserve = Reserve()
    for _ in range(VOTES):
        with pytest.raises(ValueError, match="torn"), reserve.at_work():
            time.sleep(LONG)
            raise ValueError("torn")
    _, has_turn = waiting(reserve)
    assert has_turn.wait(WAIT_S)


def test_after_the_end_nobody_is_kept_back_again() -> None:
    reserve = Reserve()
    reserve.end()
    worked(reserve, SOON, VOTES + 1)
    _, has_turn = waiting(reserve)
    assert has_turn.wait(WAIT_S)
