"""Whether similarities tell pairs of one person from pairs of two: how far an embedder is trusted.

Accuracy is that of the best threshold, each tenth of the pairs being judged by the threshold that
suits the other nine (as Labeled Faces in the Wild is scored); pairs of one person and of two count
alike, however many there are of each. TAR at FAR is the share of one-person pairs above the lowest
threshold that at most the given share of two-person pairs lie above.
"""

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

FOLDS: Final = 10


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
