"""A queue between threads that can be closed (finish what is in it) and aborted (drop it all).

It has no bound of its own. What travels through the pipeline's channels is slots, or rows of slots,
and there are a fixed number of those: the ring of slots is the one bound, and only waiting for a
free slot ever holds a thread up.
"""

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class AbortError(Exception):
    """The run is being abandoned; a worker that sees it ends."""


class Channel(Generic[T]):
    """First in, first out, for any number of threads on both sides."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._aborted = False

    def put(self, item: T) -> None:
        """Adds an item, without waiting."""
        with self._changed:
            self._items.append(item)
            self._changed.notify()

    def take(self) -> T | None:
        """The next item, waiting for one; None once the channel is closed and empty.

        Raises:
            AbortError: the run is being abandoned.
        """
        with self._changed:
            while not (self._items or self._closed or self._aborted):
                self._changed.wait()
            if self._aborted:
                raise AbortError
            return self._items.popleft() if self._items else None

    def close(self) -> None:
        """Says that nothing more will be put."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def abort(self) -> None:
        """Makes every `take`, waiting or to come, raise `AbortError`."""
        with self._changed:
            self._aborted = True
            self._changed.notify_all()
