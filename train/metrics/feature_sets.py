"""What both distances between sets of features share: what they take, and their intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engines.arrays import Values
from train.metrics.bootstrap import NO_INTERVAL, SEED, Interval, around, draw_multiplicities

Rows = npt.NDArray[np.intp]
Distance = Callable[[Values, Values], float]


@dataclass(frozen=True)
class OfPeople:
    """Features of real pictures (n, D) and of edits (m, D), and which of the people each shows.

    `whose_real` (n,) and `whose_made` (m,) count from 0 to `people` - 1.
    """

    real: Values
    made: Values
    whose_real: Rows
    whose_made: Rows
    people: int


# How often each person is in each drawn set, (resamples, people), to the sets' distances.
Resampled = Callable[[OfPeople, Values], Values]


def interval_over_people(
    distance: Distance,
    resampled: Resampled,
    real: npt.ArrayLike,
    real_people: Sequence[str],
    made: npt.ArrayLike,
    made_people: Sequence[str],
    *,
    resamples: int,
    seed: int = SEED,
) -> Interval:
    """A distance with its interval over people, who are drawn with their real pictures and edits.

    Args:
        distance: of all real pictures from all edits.
        resampled: of the drawn sets.
        real: features of real pictures, (n, D).
        real_people: who they show, (n,).
        made: of edits, (m, D).
        made_people: who they show, (m,).
        resamples: how many sets of people are drawn.
        seed: of the draws.

    Raises:
        ValueError: the two have not the same number of features, or not one person for each.
    """
    one, two = feature_sets(real, made)
    known, whose_real, whose_made = people_of(one, real_people, two, made_people)
    value = distance(one, two)
    if np.isnan(value):
        return NO_INTERVAL
    features = OfPeople(one, two, whose_real, whose_made, len(known))
    drawn = resampled(features, draw_multiplicities(len(known), resamples, seed))
    low, high = around(value, drawn)
    return Interval(value, low, high, len(known), len(two))


def feature_sets(real: npt.ArrayLike, made: npt.ArrayLike) -> tuple[Values, Values]:
    """Both sets as float64, (n, D) and (m, D).

    Raises:
        ValueError: the two have not the same number of features.
    """
    one, two = np.asarray(real, dtype=np.float64), np.asarray(made, dtype=np.float64)
    if one.ndim != 2 or two.ndim != 2 or one.shape[1] != two.shape[1]:
        raise ValueError(f"features of shape {one.shape} and {two.shape}")
    return one, two


def people_of(
    real: Values, real_people: Sequence[str], made: Values, made_people: Sequence[str]
) -> tuple[list[str], Rows, Rows]:
    """Everybody's name, and which of them each real picture (n,) and each edit (m,) shows.

    Raises:
        ValueError: there is not one name for each picture.
    """
    if (len(real), len(made)) != (len(real_people), len(made_people)):
        raise ValueError(
            f"{len(real)} and {len(made)} features for {len(real_people)} and {len(made_people)} "
            "people's names"
        )
    known, place = np.unique([*real_people, *made_people], return_inverse=True)
    return [str(name) for name in known], place[: len(real)], place[len(real) :]
