"""Sheets of faces: every expression of some people, and the best and the worst edits."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from engines.arrays import Bytes
from train.evaluation.charts import write_confusion, write_units
from train.evaluation.figure_text import Document
from train.evaluation.measures import Column, Protocol
from train.evaluation.run import Evaluation
from train.evaluation.sheet import write_sheet
from train.metrics.paired import NO_TRUTH

SHOWN_PEOPLE: Final = 6
SHOWN_CASES: Final = 8
STARTS: Final = ("neutral", "angry")
CASE_NAME_PX: Final = 130
BLANK: Final = 240  # grey level where there is no picture


def write_pictures(
    folder: Path, evaluation: Evaluation, document: Document
) -> list[tuple[str, Path]]:
    """Writes every chart and sheet.

    Args:
        folder: where the PNG files go; made if missing.
        evaluation: with its pictures.
        document: of the same evaluation.

    Returns:
        Captions and files, in the order in which to show them.

    Raises:
        EfganError: a chart cannot be written.
        OSError: a sheet cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written: list[tuple[str, Path]] = []
    protocol = evaluation.protocol
    for column in evaluation.editors[:1]:
        stem = column.name.replace(" ", "-").replace("/", "-")
        for start in [s for s in STARTS if s in protocol.expressions]:
            path = folder / f"{stem}-from-{start}.png"
            headings, rows = expression_grid(column, protocol, start)
            if rows:
                write_sheet(path, headings, rows)
                caption = f"{column.name}: from {start} to every expression; below, the truth"
                written.append((caption, path))
        for name, measure in (("picture", "psnr_db"), ("expression", "wanted_probability")):
            for best in (True, False):
                path = folder / f"{stem}-{'best' if best else 'worst'}-{name}.png"
                shown = cases(column, protocol, measure, best=best)
                write_sheet(path, ["input", "edit", "truth"], shown, name_px=CASE_NAME_PX)
                what = "PSNR" if measure == "psnr_db" else "probability of the wanted expression"
                kind = "highest" if best else "lowest"
                written.append((f"{column.name}: the edits of {kind} {what}", path))
    expressions = list(protocol.expressions)
    for plain in document["columns"]:
        if plain["backend"] is not None:
            path = folder / f"{plain['name'].replace(' ', '-').replace('/', '-')}-confusion.png"
            write_confusion(path, plain, expressions)
            written.append((f"{plain['name']}: what edits were named", path))
    if document["protocol"]["transfers"]:
        for measure, what in (("icc", "ICC(3,1)"), ("mse", "mean squared error")):
            path = folder / f"units-{measure}.png"
            write_units(path, document, measure)
            written.append((f"{what} by action unit, in transfers between people", path))
    return written


def expression_grid(
    column: Column, protocol: Protocol, start: str
) -> tuple[list[str], list[tuple[str, list[Bytes]]]]:
    """Headings, and two rows a person: the edits from `start`, and below them the true pictures.

    The people stand evenly from the first to the last: not chosen by how their edits look.
    """
    table, plan = protocol.faces.table, column.plan
    pixels = protocol.faces.pixels.numpy()
    made: dict[str, dict[str, tuple[int, int]]] = {}
    inputs: dict[str, int] = {}
    for i, (source, target, want) in enumerate(
        zip(plan.sources, plan.targets, plan.wanted, strict=True)
    ):
        if table.expressions[source] == start:
            who = table.identities[source]
            if inputs.setdefault(who, source) == source:
                made.setdefault(who, {})[want] = (i, target)
    people = list(made)
    places = np.linspace(0, len(people) - 1, min(SHOWN_PEOPLE, len(people)))
    blank = np.full_like(pixels[0], BLANK)
    wanted = [name for name in protocol.expressions if name != start]
    rows: list[tuple[str, list[Bytes]]] = []
    for who in [people[int(place)] for place in places]:
        own = made[who]
        source = pixels[inputs[who]]
        edits = [column.edits[own[w][0]] if w in own else blank for w in wanted]
        truths = [
            pixels[own[w][1]] if w in own and own[w][1] != NO_TRUTH else blank for w in wanted
        ]
        rows += [(who[:10], [source, *edits]), ("truth", [source, *truths])]
    return [start, *wanted], rows


def cases(
    column: Column, protocol: Protocol, measure: str, *, best: bool
) -> list[tuple[str, Sequence[Bytes]]]:
    """Rows of input, edit and truth, of the edits that a measure puts first or last.

    At most one of each person, so that one face does not fill the sheet.
    """
    table, plan, scores = protocol.faces.table, column.plan, column.scores
    pixels = protocol.faces.pixels.numpy()
    values = scores.values[measure]
    order = np.argsort(np.where(np.isnan(values), np.inf, -values if best else values))
    blank = np.full_like(pixels[0], BLANK)
    rows: list[tuple[str, Sequence[Bytes]]] = []
    seen: set[str] = set()
    for i in order:
        who = scores.people[i]
        if who in seen or np.isnan(values[i]) or len(rows) == SHOWN_CASES:
            continue
        seen.add(who)
        target = plan.targets[i]
        truth = blank if target == NO_TRUTH else pixels[target]
        text = f"{values[i]:.1f}" if measure == "psnr_db" else f"{values[i]:.0%}"
        name = f"{table.expressions[plan.sources[i]][:5]}-{scores.wanted[i][:5]} {text}"
        rows.append((name, [pixels[plan.sources[i]], column.edits[i], truth]))
    if not rows:
        rows.append(("none", [blank, blank, blank]))
    return rows
