"""FID: the Fréchet distance between the features of real pictures and of edits.

    d = |m1 - m2|^2 + tr(C1) + tr(C2) - 2 tr((C1 C2)^(1/2))        (Heusel et al., NIPS 2017)

The trace of the root is the sum of the singular values of A B', where A and B are the centred
features over the root of n - 1: the matrix C1 C2 and A C2 A' have the same eigenvalues. A has as
many rows as there are pictures, so few pictures cost little however many features there are, and
no general matrix root is needed.

With few pictures the distance is too large (Chong and Forsyth, CVPR 2020) and with fewer pictures
than features the covariance is singular, so compare figures of one size of set only and read the
kernel distance beside it. `train.metrics.kernel_distance` has no such bias.
"""

from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from engines.arrays import Values
from train.metrics.feature_sets import OfPeople, feature_sets, interval_over_people

RESAMPLES: Final = 200  # each one takes the eigenvalues of a matrix
FEWEST: Final = 2  # pictures of each kind: one has no covariance


def frechet_distance(real: npt.ArrayLike, made: npt.ArrayLike) -> float:
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
    return _distance(one, np.ones(len(one)), *_moments(two))


def _resampled(features: OfPeople, draws: Values) -> Values:
    """The distance of each drawn set of people (resamples, people), from sums by person."""
    each = [features.made[features.whose_made == i] for i in range(features.people)]
    counts = np.array([len(rows) for rows in each], np.float64)
    sums = np.stack([rows.sum(axis=0) for rows in each])
    squares = np.stack([rows.T @ rows for rows in each])
    drawn = np.full(len(draws), np.nan)
    for r, times in enumerate(draws):
        weights = times[features.whose_real]
        n_made = times @ counts
        if weights.sum() < FEWEST or n_made < FEWEST:
            continue
        mean = times @ sums / n_made
        second = np.tensordot(times, squares, axes=1)
        covariance = (second - n_made * np.outer(mean, mean)) / (n_made - 1)
        drawn[r] = _distance(features.real, weights, mean, covariance)
    return drawn


def _distance(real: Values, weights: Values, mean_made: Values, made: Values) -> float:
    """The distance of weighted real features (n, D) from a mean (D,) and a covariance (D, D)."""
    total = weights.sum()
    mean_real = weights @ real / total
    a = np.sqrt(weights / (total - 1))[:, None] * (real - mean_real)
    if len(a) <= a.shape[1]:
        roots = np.linalg.eigvalsh(a @ made @ a.T)
    else:
        values, vectors = np.linalg.eigh(made)
        half = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
        roots = np.linalg.eigvalsh(half @ (a.T @ a) @ half)
    trace = np.sqrt(np.clip(roots, 0, None)).sum()
    apart = float(((mean_real - mean_made) ** 2).sum())
    return max(0.0, float(apart + (a**2).sum() + np.trace(made) - 2 * trace))


def _moments(features: Values) -> tuple[Values, Values]:
    mean = features.mean(axis=0)
    centred = features - mean
    return mean, centred.T @ centred / (len(features) - 1)


measure_frechet_distance: Final = partial(
    interval_over_people, frechet_distance, _resampled, resamples=RESAMPLES
)
"""The distance with its interval over people; see `interval_over_people`."""
