"""Figures as text, with the interval that they would lie in with other people."""

from typing import Any

Document = dict[str, Any]


def interval_text(figure: Document | None, form: str) -> str:
    """`value (low to high)`; only the value where the interval says nothing: one person."""
    if figure is None or figure["value"] is None:
        return "-"
    value = format(figure["value"], form)
    if figure["people"] < 2:
        return value
    unit = "%" if form.endswith("%") else ""
    low, high = (format(figure[end], form).removesuffix("%") for end in ("low", "high"))
    return f"{value.removesuffix('%')} ({low} to {high}){unit}"


def times(figure: Document | None, factor: float) -> Document | None:
    """A figure and its interval times a factor."""
    if figure is None or factor == 1:
        return figure
    scaled = {k: figure[k] if figure[k] is None else factor * figure[k] for k in
              ("value", "low", "high")}  # fmt: skip
    return figure | scaled
