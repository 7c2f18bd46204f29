"""How often a judge names the expression that an edit was to show ("G" in the paper's tables)."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ExpressionAccuracy:
    """Shares of edits named as wanted, 0 to 1, and what was named instead.

    `confusion[wanted][named]` counts edits. `overall` weighs every edit alike, `balanced` every
    expression.
    """

    count: int
    overall: float
    balanced: float
    by_expression: dict[str, float]
    confusion: dict[str, dict[str, int]]


def measure_accuracy(wanted: Sequence[str], named: Sequence[str]) -> ExpressionAccuracy:
    """Compares what edits were to show with what the judge names.

    Args:
        wanted: the expression asked for, one an edit.
        named: the judge's reading of the same edits.

    Raises:
        ValueError: there are no edits, or not one reading for each.
    """
    if not wanted or len(wanted) != len(named):
        raise ValueError(f"{len(wanted)} edits with {len(named)} readings")
    confusion: dict[str, dict[str, int]] = {}
    for want, name in zip(wanted, named, strict=True):
        row = confusion.setdefault(want, {})
        row[name] = row.get(name, 0) + 1
    shares = {want: row.get(want, 0) / sum(row.values()) for want, row in confusion.items()}
    right = sum(row.get(want, 0) for want, row in confusion.items())
    return ExpressionAccuracy(
        len(wanted), right / len(wanted), sum(shares.values()) / len(shares), shares, confusion
    )
