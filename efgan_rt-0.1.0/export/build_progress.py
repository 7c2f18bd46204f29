"""How far a compilation is, and how it is stopped.

TensorRT takes from seconds to many minutes a network. It reports nested phases to a monitor, whose
answer decides whether it goes on. The compilation runs in a thread of its own: Python raises
KeyboardInterrupt in the main thread only, so none can be raised inside a callback, which TensorRT's
C++ code could not pass on. The main thread waits, and on Ctrl-C has the monitor answer no.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import SupportsInt, TypeVar

from export.tensorrt_module import trt

T = TypeVar("T")
Watch = Callable[[float, str], None]
"""Called with how much is done, 0 to 1, and the innermost phase; from any thread, must not raise.
"""


@dataclass
class _Phase:
    """One phase that is under way."""

    parent: str
    steps: int
    done: int = 0


class BuildMonitor(trt.IProgressMonitor):  # type: ignore[misc]  # untyped where there are no stubs
    """Reports progress, and stops the compilation once `cancel` was called.

    Callbacks come from TensorRT's threads; phases are shared under a lock.
    """

    def __init__(self, watch: Watch) -> None:
        trt.IProgressMonitor.__init__(self)  # the bindings ask for it by name
        self._watch = watch
        self._cancelled = threading.Event()
        self._lock = threading.Lock()
        self._phases: dict[str, _Phase] = {}
        self._furthest = 0.0

    def cancel(self) -> None:
        """Has TensorRT stop at its next step; its build then answers None."""
        self._cancelled.set()

    def phase_start(
        self, phase_name: str, parent_phase: str | None, num_steps: SupportsInt
    ) -> None:
        """Called by TensorRT."""
        with self._lock:
            self._phases[phase_name] = _Phase(parent_phase or "", max(int(num_steps), 1))
        self._report(phase_name)

    def step_complete(self, phase_name: str, step: SupportsInt) -> bool:
        """Called by TensorRT; False makes it stop."""
        with self._lock:
            if phase := self._phases.get(phase_name):
                phase.done = int(step) + 1
        self._report(phase_name)
        return not self._cancelled.is_set()

    def phase_finish(self, phase_name: str) -> None:
        """Called by TensorRT."""
        with self._lock:
            self._phases.pop(phase_name, None)
        self._report(phase_name)

    def _report(self, phase_name: str) -> None:
        with self._lock:
            roots = [name for name, each in self._phases.items() if each.parent not in self._phases]
            done = max((self._done(name) for name in roots), default=1.0)
            self._furthest = max(self._furthest, done)  # a phase may end before its steps do
            furthest = self._furthest
        self._watch(furthest, phase_name)

    def _done(self, name: str) -> float:
        """The share of a phase that is done, its children's share of the current step included."""
        phase = self._phases[name]
        children = [key for key, each in self._phases.items() if each.parent == name]
        begun = max((self._done(key) for key in children), default=0.0)
        return min((phase.done + begun) / phase.steps, 1.0)


def run_cancellable(work: Callable[[], T], monitor: BuildMonitor) -> T:
    """Runs `work` in a thread of its own until it ends, or ends early on Ctrl-C.

    Raises:
        KeyboardInterrupt: Ctrl-C; the thread has ended by then.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="tensorrt") as thread:
        future = thread.submit(work)
        try:
            return future.result()
        except KeyboardInterrupt:
            monitor.cancel()
            raise  # leaving the block waits for the thread
