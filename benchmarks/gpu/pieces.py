"""The GPU measurements' one file of results: parts of units, written after every unit.

A GPU is lent for minutes, and a command there for fewer: what has been measured is on the disk, and
the same command measures what is still missing. A unit that cannot be is left out with its reason:
a backend that is not there, or a batch that the memory does not hold. One that fails otherwise
does not end the part either; its traceback is kept, and it is measured again next time.
"""

import gc
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from engines.base import EngineError

Document = dict[str, Any]
FILE: Final = "gpu.json"
FAILED: Final = "traceback"
TAIL_LINES: Final = 12


class Piece:
    """One part of the results, and the time that is left for more of it."""

    def __init__(self, path: Path, part: str, minutes: float = 60) -> None:
        self._path = path
        self._until = time.monotonic() + 60 * minutes
        self._document: Document = json.loads(path.read_text()) if path.is_file() else {}
        self.units: Document = self._document.setdefault(part, {})

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
        self._write()
        shown = json.dumps(self.units[name])
        print(f"{name}: {time.perf_counter() - started:.1f} s, {shown[:300]}", flush=True)
        return True

    def failed(self) -> list[str]:
        """The units that ended in an error of their own."""
        return [name for name, unit in self.units.items() if FAILED in unit]

    def _write(self) -> None:
        """The whole document or the one before it, there, and in $OUT where that names a folder."""
        content = json.dumps(self._document, indent=1) + "\n"
        out = os.environ.get("OUT")
        for path in (self._path, *([Path(out, FILE)] if out else [])):
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{path.name}.part")
            part.write_text(content)
            part.replace(path)


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
