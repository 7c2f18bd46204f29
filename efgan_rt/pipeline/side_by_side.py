"""One call for each of many items, side by side where the calls wait and one by one where not.

A renaming takes some microseconds on a local disk and a millisecond or more on a network's file
system. A thread costs more than the former and hides the latter, so what the quickest of the last
calls took decides on the next.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from time import perf_counter
from typing import Final, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

WORTH_A_THREAD_S: Final = 2e-4
TRIED: Final = 4  # calls, before it is decided anew


class SideBySide:
    """Threads for calls that wait; for one thread at a time.

    Args:
        threads: at most.
        waits: whether the first calls are taken to wait.
    """

    def __init__(self, threads: int, *, waits: bool = False) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, "efgan-side")
        self._waits = waits

    def each(self, call: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """The results in the items' order; all calls have ended when it returns or raises."""
        results: list[Result] = []
        while len(results) < len(items):
            if self._waits:
                results += self._in_threads(call, items[len(results) :])
            else:
                results += self._timed(call, items[len(results) :][:TRIED])
        return results

    def _timed(self, call: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        results = []
        quickest_s = float("inf")
        for item in items:
            began = perf_counter()
            results.append(call(item))
            quickest_s = min(quickest_s, perf_counter() - began)
        self._waits = quickest_s >= WORTH_A_THREAD_S
        return results

    def _in_threads(self, call: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        step = -(-len(items) // self._threads)
        parts = [items[at : at + step] for at in range(0, len(items), step)]
        futures = [self._pool.submit(self._timed, call, part) for part in parts]
        try:
            return [result for future in futures for result in future.result()]
        finally:
            wait(futures)
