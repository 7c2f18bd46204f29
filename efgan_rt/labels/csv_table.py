"""CSV files by column name: what every reader of labels asks of one.

Delimiters are found by the header, a space after them is ignored (OpenFace writes one), and no
reader ever counts columns.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from efgan_rt.errors import EfganError
from efgan_rt.labels.rows import LANDMARKS
from engines.arrays import FloatArray

LARGEST_NUMBER: Final = 1e6  # of pixels or of anything; what is beyond is a slip


@dataclass(frozen=True)
class CsvTable:
    """A CSV file whose rows have as many values as there are columns."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def places(self) -> Iterator[tuple[str, "CsvRow"]]:
        """Each row with the place to name in a message."""
        index = {name: i for i, name in enumerate(self.columns)}
        for number, values in enumerate(self.rows):
            place = f"{self.path}, row {number}"
            yield place, CsvRow(place, index, values)

    def require(self, *names: str) -> None:
        """Raises EfganError, which names the columns that are missing."""
        missing = [name for name in names if name not in self.columns]
        if missing:
            raise EfganError(f"{self.path}: columns missing: {' '.join(missing)}")

    def has_landmarks(self) -> bool:
        """Whether there are x and y of all 68 points, in pixels."""
        return all(f"{axis}_{i}" in self.columns for axis in "xy" for i in range(LANDMARKS))

    def columns_like(self, pattern: str) -> dict[str, str]:
        """Columns that match a pattern whole, by its first group."""
        found = ((re.fullmatch(pattern, name), name) for name in self.columns)
        return {match.group(1): name for match, name in found if match}


@dataclass(frozen=True)
class CsvRow:
    """Values by column name."""

    place: str
    index: Mapping[str, int]
    values: Sequence[str]

    def text(self, column: str) -> str:
        """A value without the space around it; "" where there is no such column."""
        at = self.index.get(column)
        return "" if at is None else self.values[at].strip()

    def number(self, column: str) -> float:
        """A finite number.

        Raises:
            EfganError: the value is none.
        """
        try:
            value = float(self.text(column))
        except ValueError:
            value = float("nan")
        if not abs(value) <= LARGEST_NUMBER:
            found = self.text(column)[:40]
            raise EfganError(f"{self.place}: {column} is '{found}', expected a number")
        return value

    def whole(self, column: str) -> int:
        """A whole number; `3.0` is one.

        Raises:
            EfganError: the value is none.
        """
        value = self.number(column)
        if value != int(value):
            raise EfganError(f"{self.place}: {column} is '{value:g}', expected a whole number")
        return int(value)

    def landmarks(self) -> FloatArray:
        """The 68 points, float32 (68, 2): all x, then all y, found by name."""
        points = [[self.number(f"{axis}_{i}") for axis in "xy"] for i in range(LANDMARKS)]
        return np.array(points, dtype=np.float32)


def read_csv(path: Path) -> CsvTable:
    """Reads a CSV file.

    Raises:
        EfganError: it cannot be read, has no header, names a column twice, or has a row of another
            length.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            lines = [line for line in csv.reader(handle, skipinitialspace=True) if line]
    except UnicodeDecodeError as error:
        raise EfganError(
            f"{path}: the label table cannot be read: it is no text, expected a CSV file"
        ) from error
    except (OSError, csv.Error, ValueError) as error:
        raise EfganError(f"{path}: the label table cannot be read: {error}") from error
    if not lines:
        raise EfganError(f"{path}: the label table is empty")
    columns = tuple(name.strip() for name in lines[0])
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise EfganError(f"{path}: columns named twice: {' '.join(twice[:5])}")
    for number, line in enumerate(lines[1:]):
        if len(line) != len(columns):
            raise EfganError(
                f"{path}, row {number}: {len(line)} values, expected {len(columns)}, as the columns"
            )
    return CsvTable(path, columns, tuple(tuple(line) for line in lines[1:]))


def csv_files(path: Path) -> list[Path]:
    """The file itself, or every CSV file of a folder and those below it, sorted.

    Raises:
        EfganError: there is none.
    """
    if path.is_dir():
        files = sorted(file for file in path.rglob("*.csv") if file.is_file())
        if not files:
            raise EfganError(f"{path}: no CSV file in this folder; expected labels")
        return files
    return [path]
