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

from engines.arrays import Values

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


NO_INTERVAL: Final = Interval(float("nan"), float("nan"), float("nan"), 0, 0)


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
        return NO_INTERVAL
    groups = [found[names == name] for name in np.unique(names)]
    if statistic is mean:  # of sums: the same figures, a hundred times as fast
        times = draw_multiplicities(len(groups), resamples, seed)
        sums, counts = (np.array([f(g) for g in groups], np.float64) for f in (np.sum, len))
        figures = ((times @ sums) / (times @ counts)).tolist()
    elif statistic is median:
        figures = _medians(groups, draw_multiplicities(len(groups), resamples, seed))
    else:
        draws = draw_people(len(groups), resamples, seed)
        figures = [statistic(np.concatenate([groups[i] for i in draw])) for draw in draws]
    low, high = middle(figures, level)
    return Interval(statistic(found), low, high, len(groups), len(found))


def _medians(groups: Sequence[Values], draws: Values) -> list[float]:
    """The median of each drawn set (resamples, people), counted off along the sorted values."""
    values = np.concatenate(groups)
    order = values.argsort()
    values = values[order]
    whose = np.repeat(np.arange(len(groups)), [len(group) for group in groups])[order]
    figures = []
    for times in draws:
        held = times[whose].cumsum()  # of the drawn set, up to each value
        middle_two = (held[-1] - 1) // 2, held[-1] // 2
        figures.append(float(values[held.searchsorted(middle_two, side="right")].mean()))
    return figures


def draw_people(count: int, resamples: int = RESAMPLES, seed: int = SEED) -> npt.NDArray[np.int64]:
    """Which of `count` people each set holds, (resamples, count), with replacement."""
    rng = np.random.default_rng(seed)
    return rng.integers(count, size=(resamples, count))


def draw_multiplicities(count: int, resamples: int = RESAMPLES, seed: int = SEED) -> Values:
    """How often each of `count` people is in each of the same sets, (resamples, count).

    For statistics of sums: the sums of a set are these times the people's own sums.
    """
    draws = draw_people(count, resamples, seed)
    multiplicities = np.zeros((resamples, count))
    np.add.at(multiplicities, (np.arange(resamples)[:, None], draws), 1)
    return multiplicities


def middle(figures: npt.ArrayLike, level: float = LEVEL) -> tuple[float, float]:
    """Between which two figures the middle share of them lies; not numbers are left out.

    Args:
        figures: of the drawn sets, (resamples,).
        level: the share.
    """
    found = np.asarray(figures, dtype=np.float64)
    found = found[~np.isnan(found)]
    if len(found) == 0:
        return float("nan"), float("nan")
    tail = (1 - level) / 2
    low, high = np.quantile(found, [tail, 1 - tail])
    return float(low), float(high)


def around(value: float, figures: npt.ArrayLike, level: float = LEVEL) -> tuple[float, float]:
    """`middle`, moved so that the figures' mean lies at `value`.

    For a statistic that repeated pictures bias, as a distance between two sets of pictures is: a
    set drawn with replacement is less varied than the one it is drawn from, so all drawn figures
    lie on one side of the value. Their spread still tells how far it would move.
    """
    found = np.asarray(figures, dtype=np.float64)
    low, high = middle(found, level)
    shift = value - float(np.nanmean(found)) if not np.isnan(found).all() else 0.0
    return low + shift, high + shift
