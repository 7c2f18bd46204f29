"""An opened engine set whose batches are timed: for sets and precisions that run by turns."""

import statistics
import time
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import numpy as np

from benchmarks.kit import turns
from efgan_rt.editing import OpenedSet
from efgan_rt.expressions import target_places
from engines.arrays import Bytes

WHOLE: Final = "whole batch"
PROCESSOR: Final = "whole batch, processor"
WARM_UP: Final = 3
Name = TypeVar("Name")


class TimedSet:
    """Runs one batch again and again, and keeps how long each network took."""

    def __init__(self, opened: OpenedSet, faces: Bytes) -> None:
        self.opened = opened
        self.lane = opened.lane()
        side = opened.crop_px
        self._pixels = np.resize(faces, (opened.batch, side, side, 3))
        # Every unit up by one: what is asked for makes no difference to the speed.
        target = np.ones((opened.batch, len(opened.au_names)), np.float32)
        self._goal = target_places(target, target)
        self._times: dict[str, list[float]] = {}

    def run(self) -> None:
        """Runs the batch once."""
        started, processor = time.perf_counter(), time.process_time()
        seconds: dict[str, Any] = dict(self.lane.run(self._pixels, self._goal).seconds)
        seconds[PROCESSOR] = time.process_time() - processor
        seconds[WHOLE] = time.perf_counter() - started
        for name, taken in seconds.items():
            self._times.setdefault(name, []).append(taken)

    def medians(self) -> dict[str, float]:
        """Seconds of each network, of the whole batch, and of the processor for it."""
        return {name: statistics.median(each[WARM_UP:]) for name, each in self._times.items()}


def medians_by_turns(sets: Mapping[Name, TimedSet], rounds: int) -> dict[Name, dict[str, float]]:
    """Each set's medians over so many rounds, in which the sets take turns, after a warm-up."""
    for timed in turns(list(sets.values()), WARM_UP + rounds):
        timed.run()
    return {name: timed.medians() for name, timed in sets.items()}
