"""How long each stage took, in bounded memory however long the run.

Count and mean are exact. Percentiles are nearest-rank over a uniform sample of at most 4,096
measurements a stage (reservoir sampling, Vitter's algorithm R), hence exact up to that many. How
the times went over the run is kept as at most 120 means, each of as many batches as it takes.
"""

import math
import random
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.table import Table

SAMPLE_SIZE: Final = 4096
SAMPLE_SEED: Final = 0
MOST_MEANS: Final = 120
WAIT_PREFIX: Final = "wait "


@dataclass(frozen=True)
class StageLatency:
    """One stage's time per batch, in milliseconds, over n batches."""

    stage: str
    n: int
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Timeline:
    """Each stage's course over the run.

    Attributes:
        batches: that every mean stands for; the last one may stand for fewer.
        means_ms: by stage, from the first batch to the last.
    """

    batches: int
    means_ms: Mapping[str, Sequence[float]]


class LatencyRecorder:
    """Collects measurements by stage, from any thread; stages keep the order they first came in."""

    def __init__(self, sample_size: int = SAMPLE_SIZE) -> None:
        self._sample_size = sample_size
        self._stages: dict[str, _Reservoir] = {}
        self._lock = threading.Lock()

    def add(self, stage: str, seconds: float) -> None:
        """Records one measurement."""
        with self._lock:
            if stage not in self._stages:
                self._stages[stage] = _Reservoir(self._sample_size)
            self._stages[stage].add(seconds)

    def summary(self) -> list[StageLatency]:
        """The stages' latencies so far."""
        with self._lock:
            return [reservoir.summary(stage) for stage, reservoir in self._stages.items()]

    def timeline(self) -> Timeline:
        """The stages' times in the order they came in."""
        with self._lock:
            batches = max((each.course.batches for each in self._stages.values()), default=1)
            means = {stage: each.course.means_ms() for stage, each in self._stages.items()}
        return Timeline(batches, means)


class _Reservoir:
    """A uniform sample of a stream of numbers."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._sample: list[float] = []
        self._n = 0
        self._total = 0.0
        self._random = random.Random(SAMPLE_SEED)
        self.course = _Course()

    def add(self, value: float) -> None:
        self.course.add(value)
        self._n += 1
        self._total += value
        if len(self._sample) < self._size:
            self._sample.append(value)
            return
        index = self._random.randrange(self._n)
        if index < self._size:
            self._sample[index] = value

    def summary(self, stage: str) -> StageLatency:
        ordered = sorted(self._sample)
        p50, p90, p99 = (1000 * nearest_rank(ordered, percent) for percent in (50, 90, 99))
        return StageLatency(stage, self._n, 1000 * self._total / self._n, p50, p90, p99)


class _Course:
    """A stream of numbers as a few means in a row: when they are too many, two become one."""

    def __init__(self) -> None:
        self.batches = 1
        self._sums: list[float] = []
        self._n = 0

    def add(self, value: float) -> None:
        if self._n == MOST_MEANS * self.batches:
            self._sums = [sum(self._sums[at : at + 2]) for at in range(0, MOST_MEANS, 2)]
            self.batches *= 2
        if self._n % self.batches == 0:
            self._sums.append(0.0)
        self._sums[-1] += value
        self._n += 1

    def means_ms(self) -> list[float]:
        counts = [self.batches] * len(self._sums)
        if counts:
            counts[-1] = self._n - self.batches * (len(counts) - 1)
        return [1000 * total / n for total, n in zip(self._sums, counts, strict=True)]


def nearest_rank(ordered: Sequence[float], percent: float) -> float:
    """The smallest measured value that at least `percent` of all values do not exceed.

    Args:
        ordered: values in ascending order, at least one.
        percent: above 0, up to 100.
    """
    return ordered[math.ceil(percent / 100 * len(ordered)) - 1]


def latency_table(latencies: Sequence[StageLatency], title: str) -> "Table":
    """A table for people: milliseconds per batch, and each stage's share of the work.

    Stages overlap, so the shares say where the work is, not how long the run took; waits are no
    work and have no share.
    """
    from rich.table import Table

    work_ms = sum(each.mean_ms for each in latencies if not each.stage.startswith(WAIT_PREFIX))
    table = Table(title=title, title_justify="left", caption_justify="left")
    table.add_column("stage")
    for heading in ("p50 ms", "p90 ms", "p99 ms", "mean ms", "share", "n"):
        table.add_column(heading, justify="right")
    for each in latencies:
        is_wait = each.stage.startswith(WAIT_PREFIX)
        table.add_row(
            each.stage,
            *(f"{ms:.2f}" for ms in (each.p50_ms, each.p90_ms, each.p99_ms, each.mean_ms)),
            "" if is_wait or not work_ms else f"{each.mean_ms / work_ms:.0%}",
            f"{each.n:,}",
            style="dim" if is_wait else None,
        )
    return table
