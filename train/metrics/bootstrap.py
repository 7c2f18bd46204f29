"""How far a figure would move if other people had been judged: intervals by bootstrap over people.

A test set has few people and many pictures of each, and pictures of one person err alike. So people
are drawn anew, with replacement and as many as there are, each with all of their values; the
statistic of each such set is computed, and the middle 95 % of them are the interval (percentile
method: Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13). The draws come from a
fixed seed, so a figure's interval is the same in every run.

Two limits to know: with one person, or where every value is the same, the interval has no width,
which says that nothing was seen to vary, not that nothing can; and it does not cover the training
of a model with another seed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Statistic = Callable[[Values], float]

RESAMPLES: Final = 2000
SEED: Final = 20261121
LEVEL: Final = 0.95


def mean(values: Values) -> float:
    """The mean, as a statistic of the bootstrap."""
    return float(values.mean())


def median(values: Values) -> float:
    """The median, as a statistic of the bootstrap."""
    return float(np.median(values))


@dataclass(frozen=True)
class Interval:
    """A figure and where it would lie with other people.

    `count` values of `people` people; all three figures are not numbers where there is no value.
    """

    value: float
    low: float
    high: float
    people: int
    count: int

    def to_plain(self) -> dict[str, Any]:
        """Plain values for JSON; what is no number is None."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        return {
            **{name: v if np.isfinite(v) else None for name, v in numbers.items()},
            "people": self.people,
            "count": self.count,
        }


def bootstrap(
    values: npt.ArrayLike,
    people: Sequence[str],
    statistic: Statistic = mean,
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    level: float = LEVEL,
) -> Interval:
    """The statistic of values and its interval.

    Args:
        values: (n,), finite, or not a number where a picture has no such value; those are left out.
        people: whose each value is, (n,).
        statistic: values (m,) to one figure.
        resamples: how many sets of people are drawn.
        seed: of the draws.
        level: the share of the sets' figures that the interval holds.

    Raises:
        ValueError: there is not one person for each value.
    """
    found = np.asarray(values, dtype=np.float64)
    if found.shape != (len(people),):
        raise ValueError(f"values of shape {found.shape} for {len(people)} people's names")
    kept = ~np.isnan(found)
    names = np.asarray(people)[kept]
    found = found[kept]
    if len(found) == 0:
        return Interval(float("nan"), float("nan"), float("nan"), 0, 0)
    groups = [found[names == name] for name in np.unique(names)]
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(groups), size=(resamples, len(groups)))
    figures = [statistic(np.concatenate([groups[i] for i in draw])) for draw in draws]
    tail = (1 - level) / 2
    low, high = np.quantile(figures, [tail, 1 - tail])
    return Interval(statistic(found), float(low), float(high), len(groups), len(found))
