"""Whether similarities tell pairs of one person from pairs of two: how far an embedder is trusted.

Accuracy is that of the best threshold, each tenth of the pairs being judged by the threshold that
suits the other nine (as Labeled Faces in the Wild is scored); pairs of one person and of two count
alike, however many there are of each. TAR at FAR is the share of one-person pairs above the lowest
threshold that at most the given share of two-person pairs lie above.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engines.arrays import Values
from train.metrics.bootstrap import NO_INTERVAL, SEED, Interval, draw_multiplicities, middle

FOLDS: Final = 10
PAIR_RESAMPLES: Final = 200  # ten folds of some thousand pairs in each


@dataclass(frozen=True)
class Verification:
    """What similarities are worth; shares from 0 to 1, not numbers where a kind has no pair."""

    same_pairs: int
    different_pairs: int
    accuracy: float
    tar_at_far: float
    far: float

    def to_plain(self) -> dict[str, Any]:
        """Plain values for JSON; what is no number is None."""
        return {k: None if v != v else v for k, v in asdict(self).items()}


def measure_verification(
    same: npt.ArrayLike, different: npt.ArrayLike, *, far: float = 0.01
) -> Verification:
    """Scores similarities.

    Args:
        same: of pairs that show one person, (n,).
        different: of pairs that show two, (m,).
        far: the share of two-person pairs that may be taken for one person.
    """
    one = np.asarray(same, dtype=np.float64)
    two = np.asarray(different, dtype=np.float64)
    if len(one) == 0 or len(two) == 0:
        return Verification(len(one), len(two), float("nan"), float("nan"), far)
    threshold = _threshold_at(two, far)
    return Verification(
        len(one), len(two), _accuracy(one, two), float((one > threshold).mean()), far
    )


def measure_with_intervals(
    similarity: npt.ArrayLike,
    same: Sequence[bool],
    first: Sequence[str],
    second: Sequence[str],
    *,
    far: float = 0.01,
    resamples: int = PAIR_RESAMPLES,
    seed: int = SEED,
) -> tuple[Verification, Interval, Interval]:
    """Scores pairs, with intervals over people for the accuracy and for TAR at FAR.

    A pair is in a drawn set as often as its people are: of one person as often as they, of two as
    often as the one times as often as the other.

    Args:
        similarity: of each pair, (n,).
        same: whether it shows one person.
        first: whom its one picture shows.
        second: whom the other shows.
        far: the share of two-person pairs that may be taken for one person.
        resamples: how many sets of people are drawn.
        seed: of the draws, and of the order that the folds go by.

    Raises:
        ValueError: there is not one of each for every pair.
    """
    found = np.asarray(similarity, dtype=np.float64)
    if not len(found) == len(same) == len(first) == len(second):
        raise ValueError(f"{len(found)} pairs with {len(same)}, {len(first)}, {len(second)} facts")
    if len(found) == 0:
        return measure_verification([], [], far=far), NO_INTERVAL, NO_INTERVAL
    order = np.random.default_rng(seed).permutation(len(found))
    found, together = found[order], np.asarray(same, dtype=bool)[order]
    known, place = np.unique([*first, *second], return_inverse=True)
    one, two = place[: len(found)][order], place[len(found) :][order]
    whole = measure_verification(found[together], found[~together], far=far)
    drawn = np.full((resamples, 2), np.nan)
    for r, times in enumerate(draw_multiplicities(len(known), resamples, seed)):
        weight = np.where(together, times[one], times[one] * times[two]).astype(np.int64)
        rows = np.repeat(np.arange(len(found)), weight)
        kept, kind = found[rows], together[rows]
        if kind.any() and not kind.all():
            each = measure_verification(kept[kind], kept[~kind], far=far)
            drawn[r] = each.accuracy, each.tar_at_far
    intervals = [
        Interval(value, *middle(drawn[:, i]), len(known), len(found))
        for i, value in enumerate((whole.accuracy, whole.tar_at_far))
    ]
    return whole, intervals[0], intervals[1]


def _threshold_at(different: Values, far: float) -> float:
    """The lowest similarity that at most the share `far` of the pairs lie above."""
    allowed = int(np.floor(far * len(different)))
    return float(np.sort(different)[len(different) - 1 - allowed])


def _accuracy(same: Values, different: Values) -> float:
    folds = min(FOLDS, len(same), len(different))
    if folds == 1:
        return _balanced(same, different, _best_threshold(same, different))
    right = []
    for fold in range(folds):
        one = np.arange(len(same)) % folds == fold
        two = np.arange(len(different)) % folds == fold
        threshold = _best_threshold(same[~one], different[~two])
        right.append(_balanced(same[one], different[two], threshold))
    return float(np.mean(right))


def _balanced(same: Values, different: Values, threshold: float) -> float:
    return float(((same > threshold).mean() + (different <= threshold).mean()) / 2)


def _best_threshold(same: Values, different: Values) -> float:
    """Half way between the two neighbouring similarities that are best separated at."""
    found = np.unique(np.concatenate([same, different]))
    candidates = np.concatenate([[found[0] - 1], (found[:-1] + found[1:]) / 2])
    above = 1 - np.searchsorted(np.sort(same), candidates, "right") / len(same)
    below = np.searchsorted(np.sort(different), candidates, "right") / len(different)
    return float(candidates[np.argmax(above + below)])
