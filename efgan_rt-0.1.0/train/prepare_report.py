"""What `efgan-rt prepare` tells at its end: counts, action units, people, a sheet of crops."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from efgan_rt.action_units import AU_NAMES
from efgan_rt.cli.console import print_table, print_text, printable, remark
from efgan_rt.faces.template import Template
from efgan_rt.reporting.contact_sheet import MAX_ROWS, SheetRow, write_contact_sheet
from train.data.prepare import PreparedPicture, PrepareOutcome, Tasks

SHEET_COLUMNS: Final = 8


def print_result(
    out: Path,
    outcome: PrepareOutcome,
    tasks: Tasks,
    au_names: Sequence[str],
    au_source: str,
    template: Template | None,
) -> None:
    """Prints what was prepared, what was left out and why, and who shows what.

    Args:
        out: the prepared set's folder.
        outcome: what became of the pictures.
        tasks: what was to be prepared.
        au_names: the action units of the set's table; empty without any.
        au_source: where they come from, for people.
        template: the alignment template that was measured; None without one.
    """
    from rich.table import Table

    planned, prepared = len(tasks.tasks), outcome.prepared
    print_text(f"{len(prepared):,} of {planned:,} pictures prepared in {out}")
    for why, count in tasks.left_out.items():
        print_text(f"  left out: {count:,} x {why}")
    for why, count in outcome.reasons.items():
        print_text(f"  failed: {count:,} x {why}")
    if outcome.interrupted:
        print_text("interrupted: there are crops, but no table")
        return
    if not prepared:
        print_text("nothing was prepared, so no table was written")
        return
    missing = [name for name in AU_NAMES if name not in au_names]
    print_text(f"action units ({au_source}): {' '.join(au_names) or 'none'}")
    if missing:
        print_text(f"  missing: {' '.join(missing)}")
        if au_names:
            print_text('  to train on those that are there: action_units = "table" under [data]')
    if template is None:
        print_text("no alignment template: it needs YuNet")
    else:
        print_text(f"template.json: {template.detector.file} on {template.pictures:,} crops")
    people: defaultdict[str, set[str]] = defaultdict(set)
    pictures: defaultdict[str, int] = defaultdict(int)
    for picture in prepared:
        people[picture.task.expression].add(picture.task.identity)
        pictures[picture.task.expression] += 1
    table = Table(title=f"{len(set().union(*people.values())):,} people")
    table.add_column("expression")
    table.add_column("people", justify="right")
    table.add_column("pictures", justify="right")
    for expression in sorted(pictures):
        counts = (len(people[expression]), pictures[expression])
        table.add_row(printable(expression), *(f"{count:,}" for count in counts))
    print_table(table)


def write_crop_sheet(path: Path, prepared: Sequence[PreparedPicture]) -> None:
    """Crops spread evenly over the set, eight a row."""
    shown = min(len(prepared), MAX_ROWS * SHEET_COLUMNS)
    chosen = [prepared[i * len(prepared) // shown] for i in range(shown)]
    rows = [
        SheetRow(
            chosen[i].task.identity,
            tuple(picture.task.output for picture in chosen[i : i + SHEET_COLUMNS]),
        )
        for i in range(0, shown, SHEET_COLUMNS)
    ]
    write_contact_sheet(path, [""] * SHEET_COLUMNS, rows)
    remark(f"contact sheet: {path} ({shown} crops)")
