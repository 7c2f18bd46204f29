"""`efgan-rt` in this process with clocks around its parts, for `benchmarks/startup.py` to start.

It imports nothing but the standard library before the clocks run.
"""

import builtins
import json
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

STARTED = time.monotonic()
PYTHON, IMPORTS, OPENING = "Python itself", "imports", "opening the engines"
PIPELINE, REST = "the rest of the pipeline", "the rest of the command"


class Clocks:
    """Time inside nested parts, each without those inside it."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._open: list[str] = []
        self._since = time.monotonic()

    def _note(self) -> None:
        now = time.monotonic()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """A part, for as long as the context is open."""
        self._note()
        self._open.append(name)
        try:
            yield
        finally:
            self._note()
            self._open.pop()

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, as a part."""

        def timed(*arguments: Any, **named: Any) -> Any:
            with self.part(name):
                return function(*arguments, **named)

        return timed


def timed_command(arguments: Sequence[str]) -> None:
    """The command in this process with its clocks; writes what they say behind its output.

    Args:
        arguments: when the process was started, by the system's clock; then those of `efgan-rt`.
    """
    spawned, *words = arguments
    clocks = Clocks()
    clocks.seconds[PYTHON] = STARTED - float(spawned)
    importing, own_import = 0, builtins.__import__
    main_thread = threading.get_ident()

    def counted_import(*given: Any, **named: Any) -> Any:
        nonlocal importing
        if importing or threading.get_ident() != main_thread:
            return own_import(*given, **named)
        importing += 1
        try:
            with clocks.part(IMPORTS):
                return own_import(*given, **named)
        finally:
            importing -= 1

    with clocks.part(REST):
        builtins.__import__ = counted_import
        from efgan_rt.cli import app, edited_folder
        from efgan_rt.editing import OpenedSet

        opened = clocks.around(OPENING, OpenedSet.open)
        OpenedSet.open = staticmethod(opened)  # type: ignore[method-assign]
        for name, part in (("choose_for_run", OPENING), ("run_batch", PIPELINE)):
            setattr(edited_folder, name, clocks.around(part, getattr(edited_folder, name)))
        sys.argv = ["efgan-rt", *words]
        try:
            app.main()
        except SystemExit as end:
            assert not end.code, f"status {end.code}"
    builtins.__import__ = own_import
    sys.stdout.flush()
    ended = time.monotonic()
    print(json.dumps({"parts": dict(clocks.seconds), "ended": ended}), flush=True)
    os._exit(0)  # as the command itself ends


if __name__ == "__main__":
    timed_command(sys.argv[1:])
