"""The threads of a run: started by stage, waited for together, and never left hanging.

A thread that raises stops the whole crew, and the exception is raised where the crew was started.
A picture that fails is not an exception here: workers turn it into a value (`outcome.Failure`).
A thread that hangs can be replaced: from then on its successor counts in its place.
"""

import itertools
import threading
from collections.abc import Callable, Sequence

from efgan_rt.pipeline.channel import AbortError
from efgan_rt.pipeline.watchdog import GivenUpError


class Crew:
    """Runs the stages' threads.

    Args:
        abort: wakes every thread that waits for another; called once a thread has raised.
    """

    def __init__(self, abort: Callable[[], None]) -> None:
        self._abort = abort
        self._lock = threading.Lock()
        self._running = 0
        self._stages: dict[str, _Countdown] = {}
        self._numbers = itertools.count()
        self._finished = threading.Event()
        self._error: BaseException | None = None

    def start(
        self, stage: str, bodies: Sequence[Callable[[], None]], then: Callable[[], None]
    ) -> None:
        """Starts one thread for each body, and calls `then` when the last of them has ended well.

        All stages must be started before `wait` is called.
        """
        stage_left = _Countdown(len(bodies), then)
        self._stages[stage] = stage_left
        with self._lock:
            self._running += len(bodies)
        for body in bodies:
            self._start_thread(stage, body)

    def replace(self, stage: str, body: Callable[[], None]) -> None:
        """Starts a thread in the place of one that the watchdog has given up."""
        self._start_thread(stage, body)

    def _start_thread(self, stage: str, body: Callable[[], None]) -> None:
        name = f"efgan-{stage}-{next(self._numbers)}"
        arguments = (body, self._stages[stage])
        threading.Thread(target=self._run, args=arguments, name=name, daemon=True).start()

    def _run(self, body: Callable[[], None], stage_left: "_Countdown") -> None:
        try:
            body()
            stage_left.count_one()
        except GivenUpError:
            return  # its successor counts
        except AbortError:
            pass
        except BaseException as error:  # whatever it is, it is raised again in `wait`
            with self._lock:
                self._error = self._error or error
            self._abort()
        with self._lock:
            self._running -= 1
            if self._running == 0:
                self._finished.set()

    def wait(self, timeout_s: float) -> bool:
        """True once every thread has ended; False if that takes longer than `timeout_s`.

        Raises:
            BaseException: what the first thread that failed raised, with its traceback.
        """
        if not self._finished.wait(timeout_s):
            return False
        if self._error is not None:
            raise self._error
        return True

    def join(self, timeout_s: float) -> bool:
        """Like `wait`, but raises nothing: for a run that ends another way."""
        return self._finished.wait(timeout_s)


class _Countdown:
    """Calls `then` when a stage's last thread has ended well."""

    def __init__(self, count: int, then: Callable[[], None]) -> None:
        self._left = count
        self._then = then
        self._lock = threading.Lock()

    def count_one(self) -> None:
        with self._lock:
            self._left -= 1
            is_last = self._left == 0
        if is_last:
            self._then()
