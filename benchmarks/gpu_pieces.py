"""The GPU script's results: a file a part, added to after every measurement, and all in one.

A GPU is lent for minutes, and a command there for fewer: what has been measured is on the disk, and
the same command measures what is still missing. A unit that cannot be is left out with its reason:
a backend that is not there, or a batch that the memory does not hold. One that fails otherwise
does not end the part either; its traceback is kept, and it is measured again next time.
"""

import gc
import json
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from engines.base import EngineError

Document = dict[str, Any]
FAILED: Final = "traceback"
TAIL_LINES: Final = 12


class Piece:
    """One part's file: units by name, written after each, and the time that is left for more."""

    def __init__(self, path: Path, minutes: float) -> None:
        self._path = path
        self._until = time.monotonic() + 60 * minutes
        self.units: Document = json.loads(path.read_text()) if path.is_file() else {}

    def run(self, name: str, measure: Callable[[], Any]) -> bool:
        """Measures a unit unless it is there; False once the time is over."""
        if name in self.units and name not in self.failed():
            return True
        if time.monotonic() > self._until:
            print(f"time is over before {name}; run the same command again", flush=True)
            return False
        started = time.perf_counter()
        try:
            self.units[name] = measure()
        except EngineError as error:
            self.units[name] = {"left_out": str(error)}
        except Exception as error:
            if is_out_of_memory(error):
                self.units[name] = {"left_out": f"out of memory: {error}"}
            else:
                self.units[name] = {FAILED: traceback.format_exc().splitlines()[-TAIL_LINES:]}
        if not {"left_out", FAILED}.isdisjoint(self.units[name]):
            give_back_memory()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(self.units, indent=1) + "\n")
        shown = json.dumps(self.units[name])
        print(f"{name}: {time.perf_counter() - started:.1f} s, {shown[:300]}", flush=True)
        return True

    def failed(self) -> list[str]:
        """The units that ended in an error of their own."""
        return [name for name, unit in self.units.items() if FAILED in unit]


def is_out_of_memory(error: Exception) -> bool:
    """True where the device or the host had too little: a fact about the unit, not a fault."""
    # PyTorch's own class is a RuntimeError, and so are the words of cuDNN and of CUDA within it.
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and "out of memory" in str(error).lower()
    )


def give_back_memory() -> None:
    """Lets go of what a unit that failed has left, so that the next one has the whole device."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


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
