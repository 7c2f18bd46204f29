"""`--aus`: the action units that pictures show, as OpenFace measured them.

The networks then start from these instead of what the engine set's own estimator reads. Besides
OpenFace's files a table of this project will do (`file` and the units). Rows that OpenFace calls no
success are left out; a picture without a row is read by the estimator, and that is said aloud.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from efgan_rt.errors import EfganError
from efgan_rt.labels.csv_table import csv_files, read_csv
from efgan_rt.labels.matching import match_rows
from efgan_rt.labels.openface import is_openface, read_openface
from efgan_rt.labels.own_table import read_own_table
from efgan_rt.labels.rows import LabelRow, Labels
from engines.arrays import FloatArray


@dataclass(frozen=True)
class KnownUnits:
    """Action units of pictures.

    Attributes:
        units: float32 (K,) each, by the picture's path in the input folder.
        remarks: what was left out, and how many pictures have none, in sentences.
    """

    units: dict[str, FloatArray]
    remarks: tuple[str, ...]


def read_units(path: Path, au_names: Sequence[str]) -> Labels:
    """Reads action units from OpenFace's files or from a table of this project.

    Args:
        path: a CSV file, or a folder of OpenFace's.
        au_names: the model's; every one of them must be there.

    Raises:
        EfganError: it cannot be read, is of another format, or lacks a unit.
    """
    if not path.exists():
        raise EfganError(f"{path}: no such file or folder; expected OpenFace's CSV")
    first = read_csv(csv_files(path)[0])
    if is_openface(first):
        labels = read_openface(path)
    elif "file" in first.columns and path.is_file():
        labels = read_own_table(path)
    else:
        raise EfganError(
            f"{path}: neither OpenFace's CSV (confidence, AU01_r ...) nor a table with file and "
            "action units"
        )
    missing = [name for name in au_names if name not in labels.au_names]
    if missing:
        raise EfganError(f"{path}: {' '.join(missing)} are missing, which the model needs")
    return labels


def read_known_units(path: Path, au_names: Sequence[str], pictures: Sequence[str]) -> KnownUnits:
    """Reads the action units of the pictures of a run.

    Args:
        path: as `read_units` takes it.
        au_names: the model's.
        pictures: paths in the input folder, with forward slashes.

    Raises:
        EfganError: as `read_units`, or no row belongs to any picture.
    """
    labels = read_units(path, au_names)
    matched = match_rows(labels.rows, sorted(pictures))
    if not matched.rows:
        why = "; ".join(f"{count:,} x {reason}" for reason, count in matched.unmatched.items())
        raise EfganError(f"{path}: none of its rows belongs to a picture here ({why or 'no rows'})")
    remarks = [f"{path}: {count:,} rows left out: {why}" for why, count in labels.dropped.items()]
    if matched.unmatched:
        count = sum(matched.unmatched.values())
        remarks.append(f"{path}: {count:,} rows belong to no picture here")
    if matched.unlabelled:
        remarks.append(
            f"{path}: {matched.unlabelled:,} pictures have no row; the engines' own estimator "
            "reads them"
        )
    units = {name: units_of(_largest(rows), au_names) for name, rows in matched.rows.items()}
    return KnownUnits(units, tuple(remarks))


def units_of(row: LabelRow, au_names: Sequence[str]) -> FloatArray:
    """A row's action units in the model's order, float32 (K,)."""
    return np.array([row.au[name] for name in au_names], dtype=np.float32)


def _largest(rows: Sequence[LabelRow]) -> LabelRow:
    """Of a picture's faces the one with the widest points; without points, the surest."""

    def size(row: LabelRow) -> tuple[float, float]:
        points = row.landmarks
        width = 0.0 if points is None else float(np.ptp(points, axis=0).max())
        return width, row.confidence or 0.0

    return max(rows, key=size)
