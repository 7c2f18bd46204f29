"""How well one picture's action units agree with another's: ICC(3,1) and mean squared error.

The two tables of EET ("Explicit Facial Expression Transfer via Fine-Grained Representations",
section IV): the intensities of the picture that lends an expression against those of the edit that
took it over, read by one and the same annotator, for each action unit and on average, on the 0 to 5
scale.

ICC(3,1) is that of Shrout and Fleiss (1979): two-way, mixed, single measures, consistency. With two
readings x and y of each picture its mean squares are half the variance of x + y and of x - y, so

    ICC(3,1) = (MSR - MSE) / (MSR + MSE) = 2 cov(x, y) / (var(x) + var(y)).

It has no value where neither reading varies (0 / 0); such a unit is left out of the average, and
`undefined` names it. Where only one of the two varies it is 0: nothing agrees.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engines.arrays import Values
from train.metrics.bootstrap import (
    RESAMPLES,
    SEED,
    Interval,
    draw_multiplicities,
    middle,
)

STILL: Final = 1e-9  # a variance below it is rounding: readings of 0 to 5 in float32


@dataclass(frozen=True)
class Agreement:
    """Both measures by action unit and on average.

    `undefined` are the units without an ICC, in none of whose readings anything varies.
    """

    icc: dict[str, Interval]
    mse: dict[str, Interval]
    icc_average: Interval
    mse_average: Interval
    undefined: tuple[str, ...]

    def to_plain(self) -> dict[str, Any]:
        """Plain values for JSON; what is no number is None."""
        return {
            "icc": {unit: interval.to_plain() for unit, interval in self.icc.items()},
            "mse": {unit: interval.to_plain() for unit, interval in self.mse.items()},
            "icc_average": self.icc_average.to_plain(),
            "mse_average": self.mse_average.to_plain(),
            "icc_undefined": list(self.undefined),
        }


def icc31(first: npt.ArrayLike, second: npt.ArrayLike) -> Values:
    """ICC(3,1) of two readings of each picture, for each action unit.

    Args:
        first: (n, K), or (n,) for one unit.
        second: the same shape.

    Returns:
        (K,), or () for one unit; -1 to 1, not a number where nothing varies or there is but one
        picture.

    Raises:
        ValueError: the shapes differ.
    """
    x, y = _readings(first, second)
    if len(x) < 2:
        return np.full(x.shape[1:], np.nan)
    dx, dy = x - x.mean(axis=0), y - y.mean(axis=0)
    return _ratio((dx**2).mean(axis=0), (dy**2).mean(axis=0), (dx * dy).mean(axis=0))


def mean_squared_error(first: npt.ArrayLike, second: npt.ArrayLike) -> Values:
    """Mean squared difference of two readings of each picture, for each action unit.

    Args:
        first: (n, K), or (n,) for one unit.
        second: the same shape.

    Raises:
        ValueError: the shapes differ.
    """
    x, y = _readings(first, second)
    if len(x) == 0:
        return np.full(x.shape[1:], np.nan)
    found: Values = ((x - y) ** 2).mean(axis=0)
    return found


def measure_agreement(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    people: Sequence[str],
    au_names: Sequence[str],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Agreement:
    """Both measures with their intervals over people.

    Args:
        first: one reading of each picture, (n, K), 0 to 5.
        second: the other, the same shape.
        people: whose edit each is, (n,).
        au_names: the K units.
        resamples: how many sets of people are drawn.
        seed: of the draws.

    Raises:
        ValueError: the shapes differ, or there is not one person for each picture.
    """
    x, y = _readings(first, second)
    if x.shape != (len(people), len(au_names)):
        raise ValueError(
            f"readings of shape {x.shape} for {len(people)} pictures and {len(au_names)} units"
        )
    icc, mse = icc31(x, y), mean_squared_error(x, y)
    known = np.unique(np.asarray(people))
    drawn_icc, drawn_mse = _drawn(x, y, np.asarray(people), known, resamples, seed)

    def interval(value: float, drawn: Values) -> Interval:
        low, high = middle(drawn)
        return Interval(float(value), low, high, len(known), len(x))

    undefined = tuple(unit for unit, value in zip(au_names, icc, strict=True) if np.isnan(value))
    return Agreement(
        {unit: interval(icc[k], drawn_icc[:, k]) for k, unit in enumerate(au_names)},
        {unit: interval(mse[k], drawn_mse[:, k]) for k, unit in enumerate(au_names)},
        interval(_mean(icc), np.array([_mean(row) for row in drawn_icc])),
        interval(_mean(mse), np.array([_mean(row) for row in drawn_mse])),
        undefined,
    )


def _drawn(
    x: Values, y: Values, who: npt.NDArray[Any], known: npt.NDArray[Any], resamples: int, seed: int
) -> tuple[Values, Values]:
    """ICC and error of each drawn set of people, (resamples, K) each, from the people's sums."""
    if len(x) == 0:
        return (np.full((1, x.shape[1]), np.nan),) * 2
    # About the common mean, so that the sums of squares lose no digits.
    dx, dy = x - x.mean(axis=0), y - y.mean(axis=0)
    error = (x - y) ** 2
    own = [who == name for name in known]
    times = draw_multiplicities(len(known), resamples, seed)
    count = (times @ np.array([rows.sum() for rows in own]))[:, None]

    def mean(values: Values) -> Values:
        sums = np.stack([values[rows].sum(axis=0) for rows in own])
        result: Values = times @ sums / count
        return result

    mx, my = mean(dx), mean(dy)
    icc = _ratio(mean(dx**2) - mx**2, mean(dy**2) - my**2, mean(dx * dy) - mx * my)
    return icc, mean(error)


def _ratio(var_x: Values, var_y: Values, covariance: Values) -> Values:
    total = np.asarray(var_x + var_y)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Values = np.where(total > STILL, 2 * covariance / total, np.nan)
    return found


def _mean(values: Values) -> float:
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if len(kept) else float("nan")


def _readings(first: npt.ArrayLike, second: npt.ArrayLike) -> tuple[Values, Values]:
    x, y = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if x.shape != y.shape:
        raise ValueError(f"readings of shape {x.shape} and {y.shape}")
    return x, y
