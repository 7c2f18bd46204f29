"""Ways to edit a directory against each other: a trial of all, then turns of the best.

In the trial every way runs at every batch; the best of each family take turns, so that a machine
whose speed drifts treats them alike. What fails is left out aloud.
"""

import shutil
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.file_loops import largest_difference
from benchmarks.opponent_ways import ONE_BY_ONE, Way, leave_out
from efgan_rt.errors import EfganError
from engines.base import EngineError

COMPARED: Final = "onnxruntime fp32"
FIRST: Final = f"efgan-rt {COMPARED}"  # that all pictures are held against


class Contest:
    """The ways, how fast each was in the trial and in every turn, and what was left out."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder = folder
        self.seconds = seconds
        self.ways: dict[str, Way] = {}
        self.trials: dict[str, float] = {}
        self.turns: dict[str, list[float]] = {}
        self.apart: dict[str, int | None] = {}
        self.left_out: dict[str, str] = {}

    def attempt(self, way: Way) -> None:
        """Tries a way: one batch, and where that is short, about `seconds` of them."""
        out = self.folder / f"trial {way.name}"
        out.mkdir()
        try:
            speed = way.run(way.least_batches * way.batch, out)
            brief = way.least_batches * way.batch / speed < self.seconds / 2
            if brief and not way.times_itself:
                _empty(out)
                speed = way.run(way.count(speed, self.seconds), out)
        except (EfganError, EngineError) as error:
            leave_out(self.left_out, way.name, error)
            shutil.rmtree(out)
            return
        print(f"{way.name}: {speed:.2f} a second in the trial", file=sys.stderr, flush=True)
        self.ways[way.name], self.trials[way.name] = way, speed
        if not way.writes:
            shutil.rmtree(out)

    def compare(self) -> None:
        """How far the trials' pictures are apart from the first's; lets them go."""
        for name, way in self.ways.items():
            if way.writes:
                folders = (self.folder / f"trial {each}" for each in (FIRST, name))
                self.apart[name] = largest_difference(*folders) if FIRST in self.ways else None
        for name, way in self.ways.items():
            if way.writes:
                shutil.rmtree(self.folder / f"trial {name}")

    def best(self, family: str) -> Way | None:
        """The quickest of a family in the trial."""
        members = [way for way in self.ways.values() if way.family == family]
        return max(members, key=lambda way: self.trials[way.name], default=None)

    def finalists(self) -> list[Way]:
        """The best of each family, and the loop that goes one by one."""
        families = dict.fromkeys(way.family for way in self.ways.values())
        best = [way for family in families if (way := self.best(family)) is not None]
        names = {ONE_BY_ONE, *(way.name for way in best)}
        return [way for name, way in self.ways.items() if name in names]

    def turn(self, finalists: Sequence[Way]) -> None:
        """Lets each run once; who fails is out, whatever was measured of it."""
        for way in finalists:
            if way.name not in self.ways:
                continue
            out = self.folder / "turn"
            out.mkdir()
            try:
                speed = way.run(way.count(self.trials[way.name], self.seconds), out)
                self.turns.setdefault(way.name, []).append(speed)
            except (EfganError, EngineError) as error:
                leave_out(self.left_out, way.name, error)
                del self.ways[way.name]
            shutil.rmtree(out)

    def ways_document(self) -> dict[str, Any]:
        """Every way's figures, also of those that were only tried."""
        return {
            name: {
                "family": way.family,
                "batch": way.batch,
                "trial_images_per_s": self.trials[name],
                "images_per_s": statistics.median(self.turns[name]) if name in self.turns else None,
                "turns": self.turns.get(name, []),
                "largest_difference_levels": self.apart.get(name),
            }
            for name, way in self.ways.items()
        }


def _empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
