"""Pictures that say what the figures cannot: grids of edits beside their truths.

Every sheet is a table of crops with a heading above each column and a name before each row.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from engines.arrays import Bytes

HEADING_PX = 22
NAME_PX = 76
INK = 40  # grey level of the text, on white


def write_sheet(
    path: Path,
    columns: Sequence[str],
    rows: Sequence[tuple[str, Sequence[Bytes]]],
    *,
    name_px: int = NAME_PX,
) -> None:
    """Writes a sheet as PNG.

    Args:
        path: the file; its folder is made if missing.
        columns: headings.
        rows: a name and one crop for each column, uint8 RGB (H, W, 3), all of one size.
        name_px: width of the names before the rows.

    Raises:
        OSError: the file cannot be written.
    """
    height, width = rows[0][1][0].shape[:2]
    sheet = np.full(
        (HEADING_PX + height * len(rows), name_px + width * len(columns), 3), 255, dtype=np.uint8
    )
    for c, heading in enumerate(columns):
        _write(sheet, heading, name_px + c * width + 4, HEADING_PX - 7)
    for r, (name, crops) in enumerate(rows):
        top = HEADING_PX + r * height
        _write(sheet, name, 4, top + height // 2)
        for c, crop in enumerate(crops):
            left = name_px + c * width
            sheet[top : top + height, left : left + width] = crop
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)):
        raise OSError(f"{path}: the picture cannot be written")


def _write(sheet: Bytes, text: str, x: int, y: int) -> None:
    cv2.putText(sheet, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (INK,) * 3, 1, cv2.LINE_AA)
