"""Every figure of a set of edits with its interval: what a table of models compares.

`score_edits` gives one value an edit for each measure, so that any group of edits (all of them, one
expression, the large gaps) can be summed up, and two models can be compared edit by edit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from engines.arrays import Bytes, FloatArray, Values
from train.data.faces import FaceSet
from train.metrics.bootstrap import Interval, Statistic, bootstrap, mean, median
from train.metrics.identity import score_identity
from train.metrics.identity_embedder import Embedder
from train.metrics.paired import EditPlan, Judge, ReadAU
from train.metrics.psnr import finite_psnr_db
from train.metrics.sharpness import sharpness_ratios

# A share or a mean for all but sharpness, whose ratios have a long tail upwards.
STATISTICS: Final[Mapping[str, Statistic]] = {
    "psnr_db": mean,
    "gain_db": mean,
    "named_as_wanted": mean,
    "au_error": mean,
    "identity_to_truth": mean,
    "identity_to_source": mean,
    "identity_real": mean,
    "identity_stranger": mean,
    "identity_nearest_own": mean,
    "sharpness_eyes": median,
    "sharpness_mouth": median,
}
# What whoever scores edits may add.
FURTHER_STATISTICS: Final[Mapping[str, Statistic]] = {
    "ssim": mean,
    "wanted_probability": mean,
    "outside_changed": mean,
}
# What compares with the true picture, and is not a number where there is none.
AGAINST_TRUTH: Final = frozenset(
    {
        "psnr_db",
        "gain_db",
        "au_error",
        "identity_to_truth",
        "identity_real",
        "identity_stranger",
        "sharpness_eyes",
        "sharpness_mouth",
        "ssim",
    }
)


@dataclass(frozen=True)
class EditScores:
    """One value an edit for each measure of `STATISTICS`, aligned with who and what.

    `psnr_db` is against the paired truth (an exact picture counts as the finest error), `gain_db`
    how far that is above the unedited input's; `named_as_wanted` 1 where the classifier names the
    wanted expression; `au_error` the mean absolute difference over the units between what the
    estimator reads off edit and off truth, 0 to 5; the rest as their modules define it.
    """

    people: tuple[str, ...]
    starts: tuple[str, ...]
    wanted: tuple[str, ...]
    named: tuple[str, ...]
    values: Mapping[str, Values]

    def figure(self, name: str, keep: npt.NDArray[np.bool_] | None = None) -> Interval:
        """A measure's figure and interval over the kept edits (all by default)."""
        rows = np.flatnonzero(keep if keep is not None else np.ones(len(self.people), dtype=bool))
        statistic = {**STATISTICS, **FURTHER_STATISTICS}[name]
        return bootstrap(self.values[name][rows], [self.people[i] for i in rows], statistic)

    def figures(self, keep: npt.NDArray[np.bool_] | None = None) -> dict[str, Interval]:
        """Every measure's."""
        return {name: self.figure(name, keep) for name in self.values}

    def wanting(self, expression: str) -> npt.NDArray[np.bool_]:
        """Which edits were to show an expression, (n,)."""
        return np.array([name == expression for name in self.wanted])

    def above(self, other: "EditScores", name: str) -> Interval:
        """How far a measure's mean lies above another model's, edit by edit.

        Both models edited the same people, so what makes a person hard is in both and cancels:
        this interval is much narrower than the two figures' own.

        Raises:
            ValueError: the two are not scores of the same plan.
        """
        if (self.people, self.starts, self.wanted) != (other.people, other.starts, other.wanted):
            raise ValueError("scores of different plans cannot be compared edit by edit")
        return bootstrap(self.values[name] - other.values[name], self.people)


def score_edits(
    faces: FaceSet, plan: EditPlan, edits: Bytes, judge: Judge, embedder: Embedder
) -> EditScores:
    """Scores the edits of a plan.

    Args:
        faces: the people who were edited.
        plan: which of their pictures were edited towards which; where there is no truth, what is
            read against it is not a number.
        edits: the results in the plan's order, uint8 RGB (n, H, W, 3).
        judge: names expressions and reads action units; took no part in making the edits.
        embedder: says who is shown; took no part either.
    """
    table = faces.table
    pixels = faces.pixels.numpy()
    wanted = plan.wanted_of(table)
    paired = plan.has_truth()
    # Something has to stand where the truth is missing; what comes of it is taken out below.
    targets = tuple(np.where(paired, plan.targets, plan.sources).tolist())
    plan = EditPlan(plan.sources, targets)
    sources, truths = pixels[list(plan.sources)], pixels[list(plan.targets)]
    starts = [table.expressions[i] for i in plan.sources]
    named = judge.name(edits)
    db = finite_psnr_db(edits, truths)
    identity = score_identity(faces, plan, edits, embedder)
    boxes = faces.region_boxes(("eyes", "mouth"))
    values = {
        "psnr_db": db,
        "gain_db": db - finite_psnr_db(sources, truths),
        "named_as_wanted": _equal(named, wanted),
        "au_error": np.abs(judge.au(edits) - _once_each(judge.au, pixels, plan.targets)).mean(
            axis=1, dtype=np.float64
        ),
        "identity_to_truth": identity.to_truth,
        "identity_to_source": identity.to_source,
        "identity_real": identity.real,
        "identity_stranger": identity.stranger,
        "identity_nearest_own": identity.nearest_own,
    }
    for name, box in boxes.items():
        values[f"sharpness_{name}"] = sharpness_ratios(edits, truths, (box.rows, box.columns))
    for name in AGAINST_TRUTH & set(values):
        values[name] = np.where(paired, values[name], np.nan)
    return EditScores(
        tuple(table.identities[i] for i in plan.sources),
        tuple(starts),
        tuple(wanted),
        tuple(named),
        values,
    )


def _once_each(read: ReadAU, pixels: Bytes, rows: Sequence[int]) -> FloatArray:
    """What is read of these rows, each picture being read once however often it is named."""
    known, place = np.unique(rows, return_inverse=True)
    return read(pixels[known])[place]


def _equal(first: Sequence[str], second: Sequence[str]) -> Values:
    return np.array([a == b for a, b in zip(first, second, strict=True)], dtype=np.float64)
