"""KID: the kernel distance between the features of real pictures and of edits.

The unbiased estimate of the squared maximum mean discrepancy under k(x, y) = (x'y / D + 1)^3
(Binkowski et al., ICLR 2018), over all pictures at once instead of over random subsets of them: the
test sets are small enough. Unlike FID it does not grow as pictures become few, and it may come out
a little below 0 where the two sets are alike. Tables usually show 1,000 times its value.
"""

from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from engines.arrays import Values
from train.metrics.bootstrap import RESAMPLES
from train.metrics.feature_sets import OfPeople, feature_sets, interval_over_people

DEGREE: Final = 3
FEWEST: Final = 2  # pictures of each kind: one has no pair


def kernel_distance(real: npt.ArrayLike, made: npt.ArrayLike) -> float:
    """The distance between two sets of features; not a number with fewer than two of either.

    Args:
        real: (n, D).
        made: (m, D).

    Raises:
        ValueError: the two have not the same number of features.
    """
    one, two = feature_sets(real, made)
    if min(len(one), len(two)) < FEWEST:
        return float("nan")
    within_one, within_two = (_off_diagonal(_kernel(each, each)) for each in (one, two))
    between = _kernel(one, two).mean()
    return float(
        within_one.sum() / (len(one) * (len(one) - 1))
        + within_two.sum() / (len(two) * (len(two) - 1))
        - 2 * between
    )


def _resampled(features: OfPeople, draws: Values) -> Values:
    """The distance of each drawn set of people (resamples, people), from sums by pair of people.

    A picture that a drawn set holds twice is never compared with its own copy.
    """
    one, two = features.real, features.made
    first = _membership(features.whose_real, features.people)
    second = _membership(features.whose_made, features.people)
    sums = (
        first @ _off_diagonal(_kernel(one, one)) @ first.T,
        second @ _off_diagonal(_kernel(two, two)) @ second.T,
        first @ _kernel(one, two) @ second.T,
    )
    counts = (
        first @ _off_diagonal(np.ones((len(one),) * 2)) @ first.T,
        second @ _off_diagonal(np.ones((len(two),) * 2)) @ second.T,
        np.outer(first.sum(axis=1), second.sum(axis=1)),
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        parts = [
            np.einsum("rp,pq,rq->r", draws, s, draws, optimize=True)
            / np.einsum("rp,pq,rq->r", draws, c, draws, optimize=True)
            for s, c in zip(sums, counts, strict=True)
        ]
    found: Values = parts[0] + parts[1] - 2 * parts[2]
    return found


def _kernel(one: Values, two: Values) -> Values:
    result: Values = (one @ two.T / one.shape[1] + 1) ** DEGREE
    return result


def _off_diagonal(square: Values) -> Values:
    result = square.copy()
    np.fill_diagonal(result, 0)
    return result


def _membership(place: npt.NDArray[np.intp], people: int) -> Values:
    """1 where a picture shows a person, (people, pictures)."""
    found: Values = (np.arange(people)[:, None] == place[None]).astype(np.float64)
    return found


measure_kernel_distance: Final = partial(
    interval_over_people, kernel_distance, _resampled, resamples=RESAMPLES
)
"""The distance with its interval over people; see `interval_over_people`."""
