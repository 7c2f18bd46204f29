"""Sheets of faces for the ablation: a row a person, a column a model, and the truth."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from train.data.faces import FaceSet
from train.evaluation.editors import Bytes
from train.evaluation.sheet import write_sheet
from train.metrics.paired import EditPlan

SHOWN_PEOPLE: Final = 8
SHOWN: Final = (("neutral", "happy"), ("angry", "happy"), ("sad", "surprised"))


class Edited(Protocol):
    """A model's edits: the standard ones, and those over large gaps."""

    @property
    def name(self) -> str:
        """The column's heading."""

    @property
    def edits(self) -> Bytes:
        """In the order of the standard plan."""

    @property
    def gap_edits(self) -> Bytes:
        """In the order of the large gaps' plan."""


def write_model_sheets(
    folder: Path, models: Sequence[Edited], faces: FaceSet, plan: EditPlan, gaps: EditPlan
) -> list[Path]:
    """Writes one sheet for each edit that is shown.

    Args:
        folder: where the PNG files go.
        models: what is shown, column by column.
        faces: the test people.
        plan: the standard edits.
        gaps: the edits over large gaps.

    Returns:
        The files written.
    """
    table = faces.table
    pixels = faces.pixels.numpy()
    people = list(dict.fromkeys(table.identities))
    chosen = people[:: max(1, len(people) // SHOWN_PEOPLE)][:SHOWN_PEOPLE]
    written = []
    for start, end in SHOWN:
        rows: list[tuple[str, list[Bytes]]] = []
        for which, made in ((plan, "edits"), (gaps, "gap_edits")):
            if rows:
                break  # the standard plan has this edit
            for i, (s, t) in enumerate(zip(which.sources, which.targets, strict=True)):
                if (table.expressions[s], table.expressions[t]) != (start, end):
                    continue
                if table.identities[s] in chosen:
                    own = [getattr(model, made)[i] for model in models]
                    rows.append((table.identities[s], [pixels[s], *own, pixels[t]]))
        path = folder / f"{start}-to-{end}.png"
        write_sheet(path, [start, *(model.name for model in models), f"true {end}"], rows)
        written.append(path)
    return written
