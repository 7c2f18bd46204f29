"""The threads of a run: started by stage, waited for together, and never left hanging.

A thread that raises stops the whole crew, and the exception is raised where the crew was started.
A picture that fails is not an exception here: workers turn it into a value (`outcome.Failure`).
"""

import threading
from collections.abc import Callable, Sequence

from efgan_rt.pipeline.channel import AbortError


class Crew:
    """Runs the stages' threads.

    Args:
        abort: wakes every thread that waits for another; called once a thread has raised.
    """

    def __init__(self, abort: Callable[[], None]) -> None:
        self._abort = abort
        self._lock = threading.Lock()
        self._running = 0
        self._finished = threading.Event()
        self._error: BaseException | None = None

    def start(
        self, stage: str, bodies: Sequence[Callable[[], None]], then: Callable[[], None]
    ) -> None:
        """Starts one thread for each body, and calls `then` when the last of them has ended well.

        All stages must be started before `wait` is called.
        """
        remaining = len(bodies)

        def run(body: Callable[[], None]) -> None:
            nonlocal remaining
            try:
                body()
                with self._lock:
                    remaining -= 1
                    last = remaining == 0
                if last:
                    then()
            except AbortError:
                pass
            except BaseException as error:  # whatever it is, it is raised again in `wait`
                with self._lock:
                    self._error = self._error or error
                self._abort()
            finally:
                with self._lock:
                    self._running -= 1
                    if self._running == 0:
                        self._finished.set()

        with self._lock:
            self._running += len(bodies)
        for number, body in enumerate(bodies):
            name = f"efgan-{stage}-{number}"
            threading.Thread(target=run, args=(body,), name=name, daemon=True).start()

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
