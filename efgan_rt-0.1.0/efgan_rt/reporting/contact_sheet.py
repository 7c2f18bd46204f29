"""One picture that shows a run: a row a person, a column the input and each expression.

Of a photograph each face is a row of its own, cut out of the files alike.
"""

import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from efgan_rt.errors import EfganError
from efgan_rt.faces.align import Similarity, warp
from efgan_rt.pictures.crop import to_crop
from efgan_rt.pictures.original import Metadata, Original, Picture, rgb8
from efgan_rt.pictures.read import read_picture
from efgan_rt.pictures.write import write_original
from efgan_rt.reporting.own_file import refuse_foreign

MAX_ROWS: Final = 48
MAX_LABEL: Final = 16  # characters of a row's label
GAP_PX: Final = 4
HEAD_SIDE: Final = 1.6  # of a face's box: the square that is shown of a photograph
HEADING_PX: Final = 26
FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
FONT_SCALE: Final = 0.45
BACKGROUND: Final = 255
MISSING: Final = 224
INK: Final = (40, 40, 40)
MARK: Final = b"Software\0efgan-rt contact sheet"
MARK_WITHIN: Final = 256  # bytes from the file's start: the header and the mark behind it


Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class SheetRow:
    """The files of one row, from left to right.

    Attributes:
        label: beside it.
        pictures: the files.
        box: left, top, width and height of the face that is shown of each, in pixels; None for the
            largest centred square.
    """

    label: str
    pictures: tuple[Path, ...]
    box: Box | None = None


def check_contact_sheet(path: Path, *, overwrite: bool) -> None:
    """Refuses, before any work, a sheet that would replace what is no contact sheet.

    Raises:
        EfganError: the name does not end in .png, or another file has it.
    """
    if path.suffix.lower() != ".png":
        raise EfganError(f"{path}: the contact sheet's name must end in .png")
    refuse_foreign(path, "contact sheet", MARK, within=MARK_WITHIN, overwrite=overwrite)


def write_contact_sheet(
    path: Path, columns: Sequence[str], rows: Iterable[SheetRow], *, cell_px: int = 128
) -> int:
    """Writes a contact sheet of the first 48 rows; a file that cannot be read leaves a grey cell.

    Args:
        path: the sheet, a PNG; its folder is made.
        columns: headings, one for each picture of a row.
        rows: at least one.
        cell_px: side of a cell.

    Returns:
        How many rows it shows.

    Raises:
        EfganError: the sheet cannot be written.
    """
    shown = list(islice(rows, MAX_ROWS))
    labels = [_printable(row.label)[:MAX_LABEL] for row in shown]
    margin_px = max(_text_size(label)[0] for label in labels) + 3 * GAP_PX
    step_px = cell_px + GAP_PX
    sheet = np.full(
        (HEADING_PX + len(shown) * step_px, margin_px + len(columns) * step_px, 3),
        BACKGROUND,
        np.uint8,
    )
    for column, heading in enumerate(columns):
        text = _printable(heading)
        left = margin_px + column * step_px + (cell_px - _text_size(text)[0]) // 2
        _write_text(sheet, text, left, HEADING_PX // 2)
    for number, label in enumerate(labels):
        middle_px = HEADING_PX + number * step_px + cell_px // 2
        _write_text(sheet, label, GAP_PX, middle_px)
    # The rows of one photograph together, so that each of its files is read once.
    for pictures, rows_of_one in groupby(enumerate(shown), key=lambda each: each[1].pictures):
        boxes = [(HEADING_PX + number * step_px, row.box) for number, row in rows_of_one]
        for column, file in enumerate(pictures):
            left = margin_px + column * step_px
            picture = _read(file)
            for top, box in boxes:
                cell = _cell(picture, box, cell_px)
                sheet[top : top + cell_px, left : left + cell_px] = cell
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EfganError(f"{path.parent}: cannot be made a folder: {error.strerror}") from error
    write_original(path, Original(sheet, metadata=Metadata(own_format="PNG", own=(_mark(),))))
    return len(shown)


def _mark() -> bytes:
    """A PNG text chunk by which a later run knows its own sheet."""
    content = b"tEXt" + MARK
    return struct.pack(">I", len(MARK)) + content + struct.pack(">I", zlib.crc32(content))


def _read(path: Path) -> Picture | None:
    try:
        return read_picture(path)
    except EfganError:
        return None


def _cell(picture: Picture | None, box: Box | None, cell_px: int) -> Picture:
    if picture is None:
        return np.full((cell_px, cell_px, 3), MISSING, np.uint8)
    if box is None:
        return to_crop(picture, cell_px)
    left, top, width, height = box
    scale = cell_px / (HEAD_SIDE * max(width, height))
    middle = scale * complex(left + width / 2, top + height / 2)
    to_cell = Similarity(scale, complex(cell_px, cell_px) / 2 - middle)
    return rgb8(warp(picture, to_cell, cell_px, cell_px))


def _printable(text: str) -> str:
    """OpenCV's fonts have ASCII only."""
    return text.encode("ascii", "replace").decode()


def _text_size(text: str) -> tuple[int, int]:
    (width, height), _ = cv2.getTextSize(text, FONT, FONT_SCALE, 1)
    return width, height


def _write_text(sheet: Picture, text: str, left_px: int, middle_px: int) -> None:
    origin = (left_px, middle_px + _text_size(text)[1] // 2)
    cv2.putText(sheet, text, origin, FONT, FONT_SCALE, INK, 1, cv2.LINE_AA)
