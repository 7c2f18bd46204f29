"""Notices work that does not come to an end: a decoder, an encoder or an engine that hangs.

A thread cannot be ended from outside. So what hangs is given up: its picture becomes a failure, a
new thread takes the old one's place, and the old one, should it ever wake, ends by `GivenUpError`
without a result. The networks, and the writing of the journal, have nobody to take their place:
where they hang, the run stops.
"""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from time import monotonic
from typing import Final

from efgan_rt.errors import EfganError

DEFAULT_TIMEOUT_S: Final = 300.0
# Each thread given up keeps its memory, so there cannot be ever more of them.
MAX_GIVEN_UP: Final = 16


class GivenUpError(Exception):
    """This thread was given up while it hung; whoever sees this ends."""


class HangError(EfganError):
    """Something hangs and the run stops; a thread still runs, so the process must just end."""


class Watchdog:
    """Watches what the workers do; `check` is to be called again and again by the main thread.

    Args:
        timeout_s: what one picture, or one batch in the networks, may take.
    """

    def __init__(self, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._tasks: set[_Task] = set()
        self.given_up = 0

    def over(
        self, what: str, give_up: Callable[[str], None] | None = None
    ) -> AbstractContextManager[None]:
        """Watches the body of a `with`.

        Args:
            what: named in the message, such as "decoding a.jpg".
            give_up: told the reason, from the main thread, when the body takes too long; it sees to
                the picture and to a new thread. Without it the run stops.

        Raises:
            GivenUpError: the body has come to an end after it was given up.
        """
        return _Task(what, monotonic() + self._timeout_s, give_up, self)

    def check(self) -> None:
        """Gives up what has taken too long.

        Raises:
            HangError: nothing can take its place, or too many threads hang.
        """
        now = monotonic()
        with self._lock:
            overdue = [task for task in self._tasks if task.until < now]
            self._tasks.difference_update(overdue)
            self.given_up += len(overdue)
        for task in overdue:
            reason = (
                f"{task.what} has not come to an end in {self._timeout_s:g} s; "
                "--timeout allows more"
            )
            if task.give_up is None:
                raise HangError(reason)
            task.give_up(reason)
        if self.given_up > MAX_GIVEN_UP:
            raise HangError(f"{self.given_up} threads hang, so the run stops; the last: {reason}")


@dataclass(eq=False, slots=True)
class _Task(AbstractContextManager[None]):
    """Something that is watched while it is entered; a class, for a generator costs twice that."""

    what: str
    until: float
    give_up: Callable[[str], None] | None
    watchdog: Watchdog

    def __enter__(self) -> None:
        with self.watchdog._lock:
            self.watchdog._tasks.add(self)

    def __exit__(self, *_: object) -> None:
        tasks = self.watchdog._tasks
        with self.watchdog._lock:
            is_given_up = self not in tasks
            tasks.discard(self)
        if is_given_up:
            raise GivenUpError
