"""The GPU script's results: a file a part, added to after every measurement, and all in one.

A GPU is lent for minutes, and a command there for fewer: what has been measured is on the disk, and
the same command measures what is still missing.
"""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engines.base import EngineError

Document = dict[str, Any]


class Piece:
    """One part's file: units by name, written after each, and the time that is left for more."""

    def __init__(self, path: Path, minutes: float) -> None:
        self._path = path
        self._until = time.monotonic() + 60 * minutes
        self.units: Document = json.loads(path.read_text()) if path.is_file() else {}

    def run(self, name: str, measure: Callable[[], Any]) -> bool:
        """Measures a unit unless it is there; False once the time is over."""
        if name in self.units:
            return True
        if time.monotonic() > self._until:
            print(f"time is over before {name}; run the same command again", flush=True)
            return False
        started = time.perf_counter()
        try:
            self.units[name] = measure()
        except EngineError as error:
            self.units[name] = {"left_out": str(error)}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(self.units, indent=1) + "\n")
        shown = json.dumps(self.units[name])
        print(f"{name}: {time.perf_counter() - started:.1f} s, {shown[:300]}", flush=True)
        return True


def join(parts: Sequence[str], out: Path, destination: Path) -> None:
    """All parts that there are, in one file."""
    document: Document = {}
    for part in parts:
        path = out / f"gpu-{part}.json"
        if path.is_file():
            document[part] = json.loads(path.read_text())
    destination.parent.mkdir(parents=True, exist_ok=True)
    destination.write_text(json.dumps(document, indent=1) + "\n")
    print(f"{destination}: {', '.join(document)}")
