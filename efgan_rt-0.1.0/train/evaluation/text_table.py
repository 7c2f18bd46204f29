"""A table of an evaluation as text, and what its cells have in common."""

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
