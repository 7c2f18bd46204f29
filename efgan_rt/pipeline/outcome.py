"""What became of each picture: counts, and the failures as values with their reasons."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# Failures are told one by one as they happen; a run keeps this many for its summary.
KEPT_FAILURES: Final = 100


@dataclass(frozen=True)
class Failure:
    """A picture, or one output of it, that could not be made."""

    source: Path
    reason: str


@dataclass(frozen=True)
class Outcome:
    """The end of a run.

    Attributes:
        pictures: pictures dealt with, failed ones included.
        written: files written.
        failed: pictures of which at least one output is missing.
        failures: the first `KEPT_FAILURES` of the failures.
        interrupted: the user stopped the run.
        abandoned: threads of it are still at work, so the process must end without waiting for them
            (native code that is still running may crash an interpreter that shuts down).
        seconds: wall clock.
    """

    pictures: int
    written: int
    failed: int
    failures: tuple[Failure, ...]
    interrupted: bool
    abandoned: bool
    seconds: float


class Tally:
    """Counts while the run goes on, from any thread.

    Args:
        on_failure: told of every failure, from the thread that met it, one at a time.
    """

    def __init__(self, on_failure: Callable[[Failure], None]) -> None:
        self._on_failure = on_failure
        self._lock = threading.Lock()
        self._pictures = 0
        self._written = 0
        self._failed = 0
        self._failures: list[Failure] = []

    @property
    def pictures(self) -> int:
        """Pictures dealt with so far."""
        return self._pictures

    @property
    def failed(self) -> int:
        """Pictures that failed so far."""
        return self._failed

    def finish_picture(self, written: int, failures: list[Failure]) -> None:
        """Counts a picture that is done with, and tells of its failures."""
        with self._lock:
            self._pictures += 1
            self._written += written
            self._failed += bool(failures)
            for failure in failures:
                if len(self._failures) < KEPT_FAILURES:
                    self._failures.append(failure)
                self._on_failure(failure)

    def outcome(self, *, interrupted: bool, abandoned: bool, seconds: float) -> Outcome:
        """The counts as they stand."""
        with self._lock:
            return Outcome(
                self._pictures,
                self._written,
                self._failed,
                tuple(self._failures),
                interrupted,
                abandoned,
                seconds,
            )
