"""Keeps a stage's other threads back while one of them alone is soon done with every picture.

Small crops are mostly Python's own work, of which one thread at a time can do any: several would
only pass the interpreter's lock to and fro, at every call that lets go of it. Photographs, and slow
disks, need all threads.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Final

# A picture that takes the stage longer than the one asks for all threads, one that takes less than
# the other for one alone. Apart, because the same takes several threads longer each.
LONG_S: Final = 0.003
SHORT_S: Final = 0.0015
# So many more of the one kind decide; a few pictures may be long because a machine is busy.
VOTES: Final = 6
LOOK_S: Final = 0.05  # so long the thread at work is waited for; what takes longer has company


class Reserve:
    """One stage's threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._votes = 0
        self._all = False
        self._ended = False
        self._first: int | None = None
        self._busy_since: float | None = None

    def wait(self) -> None:
        """Holds the thread back as long as another one suffices; call it before every picture."""
        if self._all:
            return
        me = threading.get_ident()
        with self._changed:
            if self._first is None:
                self._first = me
            while not self._all and self._first != me:
                since = self._busy_since
                if since is not None and monotonic() - since > LOOK_S:
                    return
                self._changed.wait(LOOK_S)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """A picture's way through the stage."""
        started = monotonic()
        is_first = self._first == threading.get_ident()
        if is_first:
            self._busy_since = started
        try:
            yield
        finally:
            if is_first:
                self._busy_since = None
            self._note(monotonic() - started)

    def end(self) -> None:
        """Lets all threads go: there is no more work, or one of them hangs."""
        with self._changed:
            self._all = self._ended = True
            self._changed.notify_all()

    def _note(self, seconds: float) -> None:
        vote = 1 if seconds > LONG_S else -1 if seconds < SHORT_S else 0
        self._votes = min(max(self._votes + vote, 0), VOTES)
        if self._votes == 0 and not self._ended:
            self._all = False
        elif self._votes == VOTES and not self._all:
            with self._changed:
                self._all = True
                self._changed.notify_all()
