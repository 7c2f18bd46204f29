"""The label table: one row a picture, columns found by name.

Columns: `file`, `identity`, `expression`, one for each action unit (`AU01_r` or `AU01`, 0 to 5) and
`eyes_x eyes_y nose_x nose_y mouth_x mouth_y` (pixels of the picture, origin top left). A table may
say how far each head is turned, `yaw_deg`: 0 from the front, above 0 towards the picture's right.
Column order does not matter and a space after the comma, as OpenFace writes it, is ignored.
"""

import csv
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np

from efgan_rt.action_units import AU_NAMES, MAX_INTENSITY
from efgan_rt.errors import EfganError
from engines.arrays import FloatArray
from train.data.regions import REGION_SIZES

LARGEST_NUMBER: Final = 1e6  # of pixels; what is beyond is a slip, or no number at all


@dataclass(frozen=True)
class LabelTable:
    """Labels of N pictures.

    `au` is float32 (N, K), 0 to 5; `points` maps a region to float32 (N, 2), x and y in pixels;
    `yaw_deg` is float32 (N,), or None where the table does not say.
    """

    files: tuple[str, ...]
    identities: tuple[str, ...]
    expressions: tuple[str, ...]
    au: FloatArray
    points: dict[str, FloatArray]
    au_names: tuple[str, ...] = AU_NAMES
    yaw_deg: FloatArray | None = None

    def __len__(self) -> int:
        """N."""
        return len(self.files)

    def where(self, keep: Callable[[str], bool]) -> "LabelTable":
        """The rows whose identity is kept, in their order."""
        rows = [i for i, identity in enumerate(self.identities) if keep(identity)]
        return LabelTable(
            tuple(self.files[i] for i in rows),
            tuple(self.identities[i] for i in rows),
            tuple(self.expressions[i] for i in rows),
            self.au[rows],
            {name: points[rows] for name, points in self.points.items()},
            self.au_names,
            None if self.yaw_deg is None else self.yaw_deg[rows],
        )

    @staticmethod
    def joined(tables: "Sequence[LabelTable]") -> "LabelTable":
        """The rows of several tables, one after the other.

        Raises:
            EfganError: two of them call the same file, or label other action units.
        """
        first = tables[0]
        files = [file for table in tables for file in table.files]
        twice = [file for file, count in Counter(files).items() if count > 1]
        if twice:
            raise EfganError(
                f"{twice[0]} is in two of the label tables, expected another name for each picture"
            )
        for table in tables:
            if table.au_names != first.au_names:
                raise EfganError(
                    f"a label table has {' '.join(table.au_names)}, another one "
                    f"{' '.join(first.au_names)}; expected the same action units in all"
                )
        yaws = [table.yaw_deg for table in tables if table.yaw_deg is not None]
        return LabelTable(
            tuple(files),
            tuple(name for table in tables for name in table.identities),
            tuple(name for table in tables for name in table.expressions),
            np.concatenate([table.au for table in tables]),
            {
                name: np.concatenate([table.points[name] for table in tables])
                for name in first.points
            },
            first.au_names,
            np.concatenate(yaws) if len(yaws) == len(tables) else None,
        )

    def prototypes(self, names: Sequence[str] | None = None) -> dict[str, FloatArray]:
        """The mean AU vector (K,) of each named expression; `mixed` is no expression."""
        wanted = names or sorted(set(self.expressions) - {"mixed", ""})
        found = {}
        for name in wanted:
            rows = [i for i, expression in enumerate(self.expressions) if expression == name]
            if not rows:
                known = " ".join(sorted(set(self.expressions)))
                raise EfganError(f"no picture is labelled '{name}'; the table has {known}")
            found[name] = self.au[rows].mean(axis=0).astype(np.float32)
        return found


def read_labels(path: Path, au_names: Sequence[str] | None = AU_NAMES) -> LabelTable:
    """Reads a label table.

    Args:
        path: the file.
        au_names: the action units to read, which may be none; None reads those of OpenFace's 17
            that the table has.

    Raises:
        EfganError: the file cannot be read, lacks a column, or holds a value that is not a number
            or not in 0 to 5, a row of another length, or a path that leaves the picture folder; the
            message names the row and the column.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle, skipinitialspace=True)
            columns = [name.strip() for name in reader.fieldnames or []]
            reader.fieldnames = columns
            rows = list(reader)
    except UnicodeDecodeError as error:
        raise EfganError(
            f"{path}: the label table cannot be read: it is no text, expected a CSV file"
        ) from error
    except (OSError, csv.Error) as error:
        raise EfganError(f"{path}: the label table cannot be read: {error}") from error
    if au_names is None:
        au_names = [name for name in AU_NAMES if {f"{name}_r", name} & set(columns)]
        if not au_names:
            raise EfganError(f"{path}: the table has no action units to train on")
    au_columns = {name: _column_of(name, columns, path) for name in au_names}
    point_columns = [f"{region}_{axis}" for region in REGION_SIZES for axis in "xy"]
    missing = [n for n in ("file", "identity", "expression", *point_columns) if n not in columns]
    if missing:
        raise EfganError(
            f"{path}: columns missing: {' '.join(missing)}; efgan-rt prepare makes such a table"
        )
    if not rows:
        raise EfganError(f"{path}: the label table has no rows")

    for i, row in enumerate(rows):
        if None in row or any(row[column] is None for column in columns):
            raise EfganError(f"{path}, row {i}: expected {len(columns)} values, as the columns")
        if not _lies_below(row["file"]):
            raise EfganError(
                f"{path}, row {i}: file is '{row['file']}', expected a path in the picture folder"
            )

    def number(row: dict[str, str], line: int, column: str) -> float:
        try:
            value = float(row[column])
        except (TypeError, ValueError):
            value = float("nan")
        if not abs(value) <= LARGEST_NUMBER:
            raise EfganError(f"{path}, row {line}: {column} is '{row[column]}', expected a number")
        return value

    au = np.array(
        [[number(row, i, column) for column in au_columns.values()] for i, row in enumerate(rows)],
        dtype=np.float32,
    )
    if au.size and (au.min() < 0 or au.max() > MAX_INTENSITY):
        row_index, unit = np.argwhere((au < 0) | (au > MAX_INTENSITY))[0]
        raise EfganError(
            f"{path}, row {row_index}: {au_names[unit]} is {au[row_index, unit]:g}, "
            "expected OpenFace's scale from 0 to 5"
        )
    return LabelTable(
        tuple(row["file"] for row in rows),
        tuple(row["identity"] for row in rows),
        tuple(row["expression"] for row in rows),
        au,
        {
            region: np.array(
                [
                    [number(row, i, f"{region}_{axis}") for axis in "xy"]
                    for i, row in enumerate(rows)
                ],
                dtype=np.float32,
            )
            for region in REGION_SIZES
        },
        tuple(au_names),
        np.array([number(row, i, "yaw_deg") for i, row in enumerate(rows)], np.float32)
        if "yaw_deg" in columns
        else None,
    )


def _lies_below(file: str) -> bool:
    """Whether a file's path stays in the folder that it is relative to."""
    parts = PurePosixPath(file.replace("\\", "/")).parts
    return bool(parts) and parts[0] != "/" and ".." not in parts and "\0" not in file


def _column_of(au: str, columns: Sequence[str], path: Path) -> str:
    """The column of an action unit: OpenFace's intensity column, or the bare name."""
    for candidate in (f"{au}_r", au):
        if candidate in columns:
            return candidate
    raise EfganError(
        f"{path}: no column {au}_r; expected the action units that the model is trained on, as "
        "efgan-rt prepare writes them, or fewer of them in the recipe's data.au_names"
    )
