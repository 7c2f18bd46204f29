"""How much may be in flight: a number of pictures, and a number of decoded bytes.

Pictures differ in size by a factor of ten thousand, so memory is bounded by bytes; the number of
small ones is bounded too, for an interrupted run finishes what is in flight. First come, first
served, so that a large picture is not kept waiting by small ones. One that is larger than the whole
budget goes when it is alone.

To wake a thread costs more than a small picture's other Python. So those that wait for a place are
woken once there are several (`lot`).

Waiting for the number needs nothing from the waiter: more pictures are in flight than an open slot
has rows, so some of them are on their way. Waiting for bytes does: all that would free any may lie
in the slot that is still open. So the slots are told, and send what they have (`on_shortage`), and
as long as somebody waits (`is_short`) they keep nothing back.
"""

import threading
from collections.abc import Callable
from time import perf_counter
from typing import Final

from efgan_rt.pipeline.channel import AbortError

DEFAULT_BYTES: Final = 1 << 30


class Budget:
    """Shared by every thread of a run.

    Args:
        most_pictures: in flight at a time.
        most_bytes: that they may take together.
        lot: places that have to be free before those that wait are woken; no more than are sure to
            become free without them.

    Attributes:
        is_short: whether somebody waits for bytes.
        on_shortage: called by whoever begins to wait for bytes.
    """

    def __init__(
        self, most_pictures: int, most_bytes: int = DEFAULT_BYTES, *, lot: int = 1
    ) -> None:
        self.is_short = False
        self.on_shortage: Callable[[], None] = lambda: None
        self._free_places = most_pictures
        self._lot = lot
        self._free_bytes = self._all_bytes = most_bytes
        self._turn = threading.Lock()  # one thread at a time waits for bytes
        self._lock = threading.Lock()
        self._place_freed = threading.Condition(self._lock)
        self._bytes_freed = threading.Condition(self._lock)
        self._aborted = False

    def enter(self) -> "Share":
        """A place for one more picture, without any bytes yet; waits for one.

        Raises:
            AbortError: the run is being abandoned.
        """
        with self._lock:
            while not (self._free_places or self._aborted):
                self._place_freed.wait()
            if self._aborted:
                raise AbortError
            self._free_places -= 1
        return Share(self)

    def abort(self) -> None:
        """Wakes every thread that waits, with `AbortError`."""
        with self._lock:
            self._aborted = True
            self._place_freed.notify_all()
            self._bytes_freed.notify_all()

    def _take(self, share: "Share", wanted: int) -> float:
        waited_from: float | None = None
        with self._turn:
            while True:
                with self._lock:
                    if self._aborted:
                        raise AbortError
                    is_alone = self._free_bytes == self._all_bytes
                    if wanted <= self._free_bytes or is_alone:
                        self.is_short = False
                        self._charge(share, wanted)
                        return 0.0 if waited_from is None else perf_counter() - waited_from
                    waited_from = waited_from or perf_counter()
                    if self.is_short:
                        self._bytes_freed.wait()
                        continue
                    self.is_short = True
                self.on_shortage()

    def _charge(self, share: "Share", nbytes: int) -> None:
        self._free_bytes += share.nbytes - nbytes
        share.nbytes = nbytes
        self._bytes_freed.notify()


class Share:
    """What one picture takes of a budget; from `Budget.enter`.

    Attributes:
        nbytes: taken so far.
    """

    def __init__(self, budget: Budget) -> None:
        self.nbytes = 0
        self._budget = budget
        self._is_over = False

    def take(self, nbytes: int) -> float:
        """Waits until so many bytes are free, and takes them; the seconds waited.

        Raises:
            AbortError: the run is being abandoned.
        """
        return self._budget._take(self, nbytes)

    def correct(self, nbytes: int) -> None:
        """Says what was taken in truth, where it was only estimated; waits for nothing."""
        with self._budget._lock:
            if not self._is_over:
                self._budget._charge(self, nbytes)

    def give_back(self) -> None:
        """Gives everything back; of no effect the second time."""
        with self._budget._lock:
            if not self._is_over:
                self._is_over = True
                self._budget._charge(self, 0)
                self._budget._free_places += 1
                if self._budget._free_places >= self._budget._lot:
                    self._budget._place_freed.notify_all()
