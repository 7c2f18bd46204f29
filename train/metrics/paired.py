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

from efgan_rt.errors import EfganError
from engines.arrays import Bytes, FloatArray
from train.data.labels import LabelTable
from train.metrics.people import EXPRESSIONS

ReadAU = Callable[[Bytes], FloatArray]

STARTS: Final = ("neutral", "angry")  # one without and one with an expression to take away
LARGE_GAPS: Final = (("angry", "happy"), ("sad", "surprised"))  # hardly a unit in common


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
