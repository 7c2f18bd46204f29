"""Edits of people who have every expression, against the pictures that show what they should be.

The rendered set, as RaFD, shows each person under all eight expressions with the same camera, light
and background. So an edit from one expression to another has a truth, and one set of edits answers
every question: is it the right picture (PSNR), does it show the right expression (a judge names
it), is the smile there (AU12), is the rest left alone, is it sharp.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from efgan_rt.action_units import FloatArray, index_of
from efgan_rt.errors import EfganError
from train.data.faces import FaceSet
from train.data.labels import LabelTable
from train.metrics.au_rise import IntensityRise, measure_rise
from train.metrics.background import Background, measure_background
from train.metrics.expression_accuracy import ExpressionAccuracy, measure_accuracy
from train.metrics.people import EXPRESSIONS
from train.metrics.psnr import mean_psnr_db
from train.metrics.sharpness import relative_sharpness

Bytes = npt.NDArray[np.uint8]
ReadAU = Callable[[Bytes], FloatArray]

STARTS: Final = ("neutral", "angry")  # one without and one with an expression to take away
NOISE_PX: Final = 7  # see train/metrics/background.py
LARGE_GAPS: Final = (("angry", "happy"), ("sad", "surprised"))  # hardly a unit in common
SMILE: Final = ("neutral", "happy", "AU12")  # from, to, and the unit that makes it


class Judge(Protocol):
    """Reads finished pictures, uint8 RGB (n, H, W, 3); see `train.metrics.judges.Judges`."""

    def name(self, pixels: Bytes) -> list[str]:
        """The expression of each."""

    def au(self, pixels: Bytes) -> FloatArray:
        """Intensities (n, K), 0 to 5."""


NO_TRUTH: Final = -1


@dataclass(frozen=True)
class EditPlan:
    """Which pictures are edited towards which: rows of a label table, aligned.

    A target is `NO_TRUTH` where no picture shows what the edit should be; `wanted` then says what
    that is. Without `wanted`, every edit is to show what its target shows.
    """

    sources: tuple[int, ...]
    targets: tuple[int, ...]
    wanted: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.sources)

    def wanted_of(self, table: LabelTable) -> list[str]:
        """The expression that each edit is to show."""
        return list(self.wanted) or [table.expressions[i] for i in self.targets]

    def has_truth(self) -> npt.NDArray[np.bool_]:
        """Which edits have a picture that shows what they should be, (n,)."""
        found: npt.NDArray[np.bool_] = np.array(self.targets, dtype=np.int64) != NO_TRUTH
        return found


def plan_edits(
    table: LabelTable,
    starts: Sequence[str] = STARTS,
    *,
    unchanged: bool = False,
    pairs: Sequence[tuple[str, str]] | None = None,
) -> EditPlan:
    """Every person's edits, from each start to each other expression.

    Args:
        table: labels of the people to be edited.
        starts: expressions of the inputs.
        unchanged: plan instead the edits from each start to itself, which should change nothing.
        pairs: plan these edits instead, each (from, to); `starts` and `unchanged` do not matter.

    Raises:
        EfganError: a person lacks a picture of an expression that is edited or wanted.
    """
    if pairs is None:
        pairs = [(s, e) for s in starts for e in EXPRESSIONS if (s == e) == unchanged]
        needed: Sequence[str] = EXPRESSIONS
    else:
        needed = list(dict.fromkeys(name for pair in pairs for name in pair))
    rows: dict[tuple[str, str], int] = {
        (who, what): i
        for i, (who, what) in enumerate(zip(table.identities, table.expressions, strict=True))
    }
    sources, targets = [], []
    for who in dict.fromkeys(table.identities):
        missing = [e for e in needed if (who, e) not in rows]
        if missing:
            raise EfganError(f"{who} has no picture that is {' or '.join(missing)}")
        for start, end in pairs:
            sources.append(rows[who, start])
            targets.append(rows[who, end])
    return EditPlan(tuple(sources), tuple(targets))


@dataclass(frozen=True)
class EditQuality:
    """What a set of edits is worth; see each metric's own module for its definition.

    `psnr_db` is against the paired truth, `gain_db` how far that is above the unedited input's;
    `au_error` the mean absolute difference between what the judge reads off edit and off truth,
    over all units on the 0 to 5 scale; `background_denoised` finds what is still through the
    pictures' noise; `sharpness` is by region, 1 being the truth's.
    """

    edits: int
    people: int
    psnr_db: float
    gain_db: float
    gain_db_by_expression: dict[str, float]
    accuracy: ExpressionAccuracy
    au12_by_judge: IntensityRise
    au12_by_estimator: IntensityRise
    au_error: float
    background: Background
    background_denoised: Background
    sharpness: dict[str, float]


def measure_edits(
    faces: FaceSet, plan: EditPlan, edits: Bytes, judge: Judge, read_au: ReadAU
) -> EditQuality:
    """Measures the edits of a plan.

    Args:
        faces: the people who were edited.
        plan: which of their pictures were edited towards which.
        edits: the results in the plan's order, uint8 RGB (n, H, W, 3).
        judge: took no part in making the edits.
        read_au: the edited model's own estimator, pixels to intensities (n, K), 0 to 5; given
            beside the judge, since edits were trained to please it.
    """
    table = faces.table
    pixels = faces.pixels.numpy()
    sources, truths = pixels[list(plan.sources)], pixels[list(plan.targets)]
    wanted = np.array([table.expressions[i] for i in plan.targets])
    start, end, unit = SMILE
    smiles = np.array([table.expressions[i] == start for i in plan.sources]) & (wanted == end)
    k = index_of(unit, table.au_names)

    def gain(rows: npt.NDArray[np.bool_]) -> float:
        return mean_psnr_db(edits[rows], truths[rows]) - mean_psnr_db(sources[rows], truths[rows])

    def rise(read: ReadAU) -> IntensityRise:
        return measure_rise(read(sources[smiles])[:, k], read(edits[smiles])[:, k])

    boxes = faces.region_boxes(("eyes", "mouth"))
    return EditQuality(
        edits=len(plan),
        people=len(set(table.identities)),
        psnr_db=mean_psnr_db(edits, truths),
        gain_db=gain(np.ones(len(plan), dtype=bool)),
        gain_db_by_expression={e: gain(wanted == e) for e in EXPRESSIONS},
        accuracy=measure_accuracy(wanted.tolist(), judge.name(edits)),
        au12_by_judge=rise(judge.au),
        au12_by_estimator=rise(read_au),
        au_error=float(np.abs(judge.au(edits) - judge.au(truths)).mean()),
        background=measure_background(sources, edits, truths),
        background_denoised=measure_background(sources, edits, truths, NOISE_PX),
        sharpness=relative_sharpness(
            edits, truths, {name: (box.rows, box.columns) for name, box in boxes.items()}
        ),
    )
