"""The quality benchmark's figures as tables for people."""

from collections.abc import Callable, Sequence

from rich.table import Table

from benchmarks.quality_columns import TRUTH, Column
from train.metrics.au_rise import IntensityRise
from train.metrics.background import Background
from train.metrics.judges import Reliability
from train.metrics.people import EXPRESSIONS


def quality_table(columns: Sequence[Column]) -> Table:
    """One row a figure, one column a way of editing."""
    first = columns[0].quality
    table = Table(
        title=f"{first.edits} edits of {first.people} unseen people, "
        "from neutral and angry to each other expression"
    )
    table.add_column("figure", no_wrap=True)
    for column in columns:
        table.add_column(column.name, justify="right", no_wrap=True)

    def row(label: str, value: Callable[[Column], str]) -> None:
        table.add_row(label, *(value(column) for column in columns))

    # A picture that is its own truth has no PSNR that means anything.
    def decibels(column: Column, value: float, form: str) -> str:
        return _or_dash(None if column.name == TRUTH else value, form)

    row("PSNR against the truth, dB", lambda c: decibels(c, c.quality.psnr_db, ".2f"))
    row("  above the unedited input, dB", lambda c: decibels(c, c.quality.gain_db, "+.2f"))
    row("PSNR where nothing is asked, dB", lambda c: _or_dash(c.unchanged_db, ".2f"))
    row("named as wanted (G)", lambda c: f"{c.quality.accuracy.overall:.1%}")
    row("  contact sheet, named right", _contact)
    row("AU12 of neutral made happy, judge", lambda c: _rise(c.quality.au12_by_judge))
    row("AU12 of the same, own estimator", lambda c: _rise(c.quality.au12_by_estimator))
    row("AUs off the truth's, judge, mean", lambda c: f"{c.quality.au_error:.3f}")
    row("still pixels, share; mean change", lambda c: _still(c.quality.background))
    row("  seen through the noise", lambda c: _still(c.quality.background_denoised))
    row("sharpness, eyes (truth = 1)", lambda c: f"{c.quality.sharpness['eyes']:.2f}")
    row("sharpness, mouth (truth = 1)", lambda c: f"{c.quality.sharpness['mouth']:.2f}")
    table.add_section()
    for name in EXPRESSIONS:

        def by_expression(column: Column, name: str = name) -> str:
            gain = decibels(column, column.quality.gain_db_by_expression[name], "+6.2f")
            return f"{column.quality.accuracy.by_expression[name]:.0%} {gain}"

        row(f"{name}: right, dB gained", by_expression)
    return table


def judge_table(certain: Reliability) -> Table:
    """What the judges get right on real crops of the same people."""
    table = Table(
        title=f"The judges on real crops of unseen people: {certain.accuracy:.1%} of "
        f"{certain.named_pictures} expressions named right (R)"
    )
    table.add_column("expression")
    table.add_column("right", justify="right")
    table.add_column("unit")
    table.add_column(f"mean error ({certain.pictures} crops)", justify="right")
    table.add_column("where above 1", justify="right")
    names = list(certain.accuracy_by_expression)
    for i, unit in enumerate(certain.au_error):
        name = names[i] if i < len(names) else None
        table.add_row(
            name or "",
            f"{certain.accuracy_by_expression[name]:.1%}" if name else "",
            unit,
            f"{certain.au_error[unit]:.2f}",
            _or_dash(certain.au_error_active.get(unit), ".2f"),
        )
    return table


def _contact(column: Column) -> str:
    if column.examples is None:
        return "-"
    shown = sum(len(edits) for edits in column.examples.values())
    return f"{column.examples_right} of {shown}"


def _still(background: Background) -> str:
    return f"{background.share:.1%}; {background.mean_change:.2f}"


def _rise(rise: IntensityRise) -> str:
    return f"{rise.after:.2f} ({rise.rise:+.2f})"


def _or_dash(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
