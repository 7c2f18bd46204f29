"""Figures as text, with the interval that they would lie in with other people; their tables."""

from dataclasses import dataclass
from typing import Any, Final

Document = dict[str, Any]

INPUT: Final = "input"
TRUTH: Final = "truth"


@dataclass(frozen=True)
class TextTable:
    """A table as text; `sections` are the rows before which a line is drawn."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    sections: tuple[int, ...] = ()
    remark: str = ""


def editors(document: Document) -> list[Document]:
    """The columns of what edits, without the input and the truth."""
    return [column for column in document["columns"] if column["backend"] is not None]


def unless_truth(column: Document, text: str) -> str:
    """A cell's text; a picture that is its own truth has no PSNR that means anything."""
    return "-" if column["name"] == TRUTH else text


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
