"""Which sheets the quality benchmark shows, for each way of editing that it measures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.quality_columns import EXAMPLE_EXPRESSIONS, Column, Example
from train.data.faces import FaceSet
from train.evaluation.sheet import Bytes, write_sheet
from train.metrics.paired import STARTS, plan_edits
from train.metrics.people import EXPRESSIONS

SHOWN_PEOPLE: Final = 8


def write_sheets(
    folder: Path, columns: Sequence[Column], faces: FaceSet, examples: Sequence[Example]
) -> list[Path]:
    """Writes a contact sheet and a grid for each start, for each column that has edits of its own.

    Args:
        folder: where the PNG files go.
        columns: what was measured.
        faces: the test people.
        examples: the contact sheet's inputs.

    Returns:
        The files written.
    """
    written = []
    for column in (c for c in columns if c.examples is not None):
        stem = column.name.replace(" ", "-")
        path = folder / f"{stem}-contact-sheet.png"
        assert column.examples is not None
        rows = [
            (example.name[:8], [example.crop, *(made[i] for made in column.examples.values())])
            for i, example in enumerate(examples)
        ]
        write_sheet(path, ["input", *EXAMPLE_EXPRESSIONS], rows)
        written.append(path)
        for start in STARTS:
            path = folder / f"{stem}-from-{start}.png"
            write_sheet(path, ["input", *EXPRESSIONS], grid_rows(column.edits, faces, start))
            written.append(path)
    return written


def grid_rows(edits: Bytes, faces: FaceSet, start: str) -> list[tuple[str, list[Bytes]]]:
    """Two rows a person, the edits from `start` and below them the truths, by expression.

    The start's own column shows the input in both rows.
    """
    plan = plan_edits(faces.table)
    pixels = faces.pixels.numpy()
    who, what = faces.table.identities, faces.table.expressions
    made = {
        (who[s], what[t]): edit
        for s, t, edit in zip(plan.sources, plan.targets, edits, strict=True)
        if what[s] == start
    }
    row_of = {(p, e): i for i, (p, e) in enumerate(zip(who, what, strict=True))}
    people = list(dict.fromkeys(who))
    chosen = people[:: max(1, len(people) // SHOWN_PEOPLE)][:SHOWN_PEOPLE]
    rows: list[tuple[str, list[Bytes]]] = []
    for person in chosen:
        source = pixels[row_of[person, start]]
        truths = [pixels[row_of[person, e]] for e in EXPRESSIONS]
        own = [np.asarray(made.get((person, e), source)) for e in EXPRESSIONS]
        rows += [(person, [source, *own]), ("truth", [source, *truths])]
    return rows
