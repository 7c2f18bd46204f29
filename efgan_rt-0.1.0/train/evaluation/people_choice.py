"""Whose pictures are judged: nobody whom the engines or the judges have learnt from.

Who that is cannot be read off an engine set, so it is said: a range of names, a list, or a file.
For the rendered set it is known (`train.metrics.people`).
"""

from collections.abc import Sequence
from pathlib import Path

from efgan_rt.errors import EfganError
from train.data.labels import LabelTable
from train.metrics.people import UNSEEN_PEOPLE


def choose_people(text: str | None, table: LabelTable) -> tuple[list[str], list[str]]:
    """The people to judge, and what there is to note about the choice.

    Args:
        text: `FIRST:LAST` (both included, in the order of the names), names joined by commas, or
            the path of a file with a name a line; None for the rendered set's test people.
        table: the set's labels.

    Returns:
        Names in alphabetical order, and notes: named people without any picture, pictures without
        a person's name.

    Raises:
        EfganError: nobody is left, or it has to be said and was not.
    """
    known = sorted(set(table.identities))
    if text is None:
        wanted: Sequence[str] = sorted(UNSEEN_PEOPLE)
        if not set(wanted) & set(known):
            raise EfganError(
                "say whose pictures no training has seen with --test-people: FIRST:LAST, names "
                f"joined by commas, or a file of names; labels.csv has {shown(known)}"
            )
    elif Path(text).is_file():
        lines = Path(text).read_text(encoding="utf-8").splitlines()
        wanted = [line.strip() for line in lines if line.strip()]
    elif ":" in text:
        first, _, last = text.partition(":")
        wanted = [name for name in known if first.strip() <= name <= last.strip()]
    else:
        wanted = [name.strip() for name in text.split(",") if name.strip()]
    found = sorted(set(wanted) & set(known) - {""})
    if not found:
        raise EfganError(
            f"--test-people '{text}' names nobody in labels.csv, which has {shown(known)}"
        )
    notes = []
    if missing := sorted(set(wanted) - set(known)):
        notes.append(f"no picture of {shown(missing)}: left out of every figure")
    if nameless := sum(not name for name in table.identities):
        notes.append(f"{nameless} pictures have no identity and are left out of everything")
    return found, notes


def shown(names: Sequence[str], most: int = 8) -> str:
    """The names, the middle ones left out where they are many."""
    if len(names) <= most:
        return ", ".join(name or "(no name)" for name in names) or "nobody"
    return f"{', '.join(names[: most - 1])} ... {names[-1]} ({len(names)} in all)"
