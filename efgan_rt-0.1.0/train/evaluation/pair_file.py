"""The drawn pairs as a file, so that another run, or another program, judges the very same ones.

A CSV table: `kind` (transfer, one person, two people), `picture` (what is edited), `wanted` (the
expression that it is edited to; empty for a transfer), `other` (the reference, or the picture to be
told apart from). Pictures are named as in `labels.csv`, so the file holds on any copy of the set.
"""

import csv
from pathlib import Path
from typing import Final

from efgan_rt.errors import EfganError
from train.data.labels import LabelTable
from train.evaluation.protocols import FacePairs, Transfers
from train.metrics.paired import EditPlan

COLUMNS: Final = ("kind", "picture", "wanted", "other")
TRANSFER, SAME, DIFFERENT = "transfer", "one person", "two people"


def write_pairs(
    path: Path, table: LabelTable, plan: EditPlan, transfers: Transfers, pairs: FacePairs
) -> None:
    """Writes the drawn pairs.

    Raises:
        OSError: the file cannot be written.
    """
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(COLUMNS)
        for source, reference in zip(transfers.sources, transfers.references, strict=True):
            writer.writerow((TRANSFER, table.files[source], "", table.files[reference]))
        for edit, other, same in zip(pairs.edits, pairs.others, pairs.same, strict=True):
            kind = SAME if same else DIFFERENT
            picture = table.files[plan.sources[edit]]
            writer.writerow((kind, picture, plan.wanted[edit], table.files[other]))


def read_pairs(path: Path, table: LabelTable, plan: EditPlan) -> tuple[Transfers, FacePairs]:
    """Reads what `write_pairs` wrote.

    Raises:
        EfganError: the file cannot be read, or names pictures or edits that this run does not have.
    """
    rows = {file: i for i, file in enumerate(table.files)}
    edits = {
        (source, wanted): i
        for i, (source, wanted) in enumerate(zip(plan.sources, plan.wanted, strict=True))
    }
    sources, references, made, others, same = [], [], [], [], []
    try:
        with path.open(newline="", encoding="utf-8") as handle:
            for line in csv.DictReader(handle):
                kind, picture, wanted, other = (line[name] for name in COLUMNS)
                if kind == TRANSFER:
                    sources.append(rows[picture])
                    references.append(rows[other])
                    continue
                if kind not in (SAME, DIFFERENT):
                    raise EfganError(f"{path}: kind '{kind}', expected {TRANSFER}, {SAME} or "
                                     f"{DIFFERENT}")  # fmt: skip
                made.append(edits[rows[picture], wanted])
                others.append(rows[other])
                same.append(kind == SAME)
    except KeyError as error:
        raise EfganError(
            f"{path}: names {error.args[0]}, which is not among the pictures and edits of the "
            "people to be judged; draw new pairs without --pairs"
        ) from error
    except (OSError, UnicodeDecodeError, csv.Error, TypeError) as error:
        raise EfganError(f"{path}: no table of pairs: {error}") from error
    return (
        Transfers(tuple(sources), tuple(references)),
        FacePairs(tuple(made), tuple(others), tuple(same)),
    )
