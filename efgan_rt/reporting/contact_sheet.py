"""One picture that shows a run: a row a person, a column the input and each expression."""

import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from efgan_rt.errors import EfganError
from efgan_rt.images import Picture, read_picture, to_crop, write_original
from efgan_rt.metadata.record import Metadata
from efgan_rt.originals import Original
from efgan_rt.reporting.own_file import refuse_foreign

MAX_ROWS: Final = 48
MAX_LABEL: Final = 16  # characters of a row's label
GAP_PX: Final = 4
HEADING_PX: Final = 26
FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
FONT_SCALE: Final = 0.45
BACKGROUND: Final = 255
MISSING: Final = 224
INK: Final = (40, 40, 40)
MARK: Final = b"Software\0efgan-rt contact sheet"
MARK_WITHIN: Final = 256  # bytes from the file's start: the header and the mark behind it


@dataclass(frozen=True)
class SheetRow:
    """The files of one row, from left to right."""

    label: str
    pictures: tuple[Path, ...]


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
    for number, row in enumerate(shown):
        top = HEADING_PX + number * step_px
        _write_text(sheet, labels[number], GAP_PX, top + cell_px // 2)
        for column, picture in enumerate(row.pictures):
            left = margin_px + column * step_px
            sheet[top : top + cell_px, left : left + cell_px] = _cell(picture, cell_px)
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


def _cell(path: Path, cell_px: int) -> Picture:
    try:
        return to_crop(read_picture(path), cell_px)
    except EfganError:
        return np.full((cell_px, cell_px, 3), MISSING, np.uint8)


def _printable(text: str) -> str:
    """OpenCV's fonts have ASCII only."""
    return text.encode("ascii", "replace").decode()


def _text_size(text: str) -> tuple[int, int]:
    (width, height), _ = cv2.getTextSize(text, FONT, FONT_SCALE, 1)
    return width, height


def _write_text(sheet: Picture, text: str, left_px: int, middle_px: int) -> None:
    origin = (left_px, middle_px + _text_size(text)[1] // 2)
    cv2.putText(sheet, text, origin, FONT, FONT_SCALE, INK, 1, cv2.LINE_AA)
