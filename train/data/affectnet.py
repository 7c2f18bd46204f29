"""AffectNet: expression classes in the wild, with 68 landmarks and without action units.

Two layouts go round. The first has a table with `subDirectory_filePath`, `expression` (0 to 10) and
`facial_landmarks` (`x;y;x;y;...`); the later one has `images/NUMBER.jpg` and `annotations/` with
`NUMBER_exp.npy` and `NUMBER_lnd.npy`. Classes 8 to 10 (none, uncertain, no face) are no expression
and are dropped. Nothing says who is who, so each picture is a person of its own where the user
agrees to that (`--identity each`).

Source: Mollahosseini, Hasani, Mahoor (2017), arXiv 1708.03985, and the readme that comes with it.
"""

from collections import Counter
from pathlib import Path
from typing import Any, Final

import numpy as np

from efgan_rt.errors import EfganError
from efgan_rt.labels.csv_table import LARGEST_NUMBER, CsvTable, read_csv
from efgan_rt.labels.rows import LANDMARKS, LabelRow, Labels
from engines.arrays import FloatArray

CLASSES: Final = (
    "neutral",
    "happy",
    "sad",
    "surprised",
    "fearful",
    "disgusted",
    "angry",
    "contemptuous",
)
NOT_EXPRESSIONS: Final = ("none", "uncertain", "no face")  # 8, 9, 10
FILE_COLUMN: Final = "subDirectory_filePath"
REMARK: Final = "AffectNet has no action units; --au-from ENGINES reads them from the crops"


def is_affectnet(path: Path) -> bool:
    """Whether a table has AffectNet's column of files, or a folder its annotations."""
    if path.is_dir():
        return next(path.rglob("*_exp.npy"), None) is not None
    return FILE_COLUMN in _header(path)


def read_affectnet(path: Path) -> Labels:
    """Reads the table, or the annotations of a folder.

    Raises:
        EfganError: it cannot be read, or holds a class or landmarks that are none.
    """
    rows, dropped = [], Counter[str]()
    for place, picture, number, landmarks in _folder(path) if path.is_dir() else _table(path):
        if number in range(8, 11):
            dropped[f"no expression: {NOT_EXPRESSIONS[number - 8]}"] += 1
            continue
        if number not in range(8):
            raise EfganError(f"{place}: expression is {number}, expected a class from 0 to 10")
        rows.append(LabelRow(place, picture, expression=CLASSES[number], landmarks=landmarks))
    return Labels("AffectNet", tuple(rows), (), dropped, (REMARK,))


def _header(path: Path) -> tuple[str, ...]:
    try:
        with path.open(encoding="utf-8-sig") as handle:
            return tuple(name.strip() for name in handle.readline(100_000).split(","))
    except (OSError, UnicodeDecodeError):
        return ()


Annotation = tuple[str, str, int, FloatArray | None]


def _table(path: Path) -> list[Annotation]:
    table: CsvTable = read_csv(path)
    table.require(FILE_COLUMN, "expression")
    found = []
    for place, row in table.places():
        text = row.text("facial_landmarks")
        landmarks = _landmarks(text.split(";"), place) if text else None
        found.append((place, row.text(FILE_COLUMN), row.whole("expression"), landmarks))
    return found


def _folder(path: Path) -> list[Annotation]:
    found = []
    for file in sorted(path.rglob("*_exp.npy")):
        stem = file.name.removesuffix("_exp.npy")
        points = file.with_name(f"{stem}_lnd.npy")
        value = _array(file)
        try:
            number = int(value.item())
        except (ValueError, TypeError, OverflowError) as error:
            raise EfganError(f"{file}: expected one class from 0 to 10") from error
        landmarks = _landmarks(_array(points).ravel(), str(points)) if points.is_file() else None
        found.append((str(file), stem, number, landmarks))
    return found


def _array(file: Path) -> Any:
    try:
        return np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError, SyntaxError) as error:
        raise EfganError(f"{file}: not an array of plain values: {error}") from error


def _landmarks(values: Any, place: str) -> FloatArray:
    try:
        numbers = np.array([float(value) for value in values])
    except (ValueError, TypeError) as error:
        raise EfganError(f"{place}: landmarks that are no numbers: {error}") from error
    if numbers.shape != (2 * LANDMARKS,) or not (abs(numbers) <= LARGEST_NUMBER).all():
        raise EfganError(f"{place}: {numbers.size} landmark values, expected 136 in pixels")
    return numbers.reshape(LANDMARKS, 2).astype(np.float32)
