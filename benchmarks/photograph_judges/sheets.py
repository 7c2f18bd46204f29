"""Contact sheets: rows of people, columns of expressions, a row for each engine set.

They are looked at and never committed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from benchmarks.photograph_judges.edits import EditedSet, Wish
from benchmarks.photograph_judges.geometry import frame_of
from benchmarks.photograph_judges.photographs import EXPRESSIONS, Photograph
from benchmarks.photograph_judges.readings import Readings
from efgan_rt.faces.align import Similarity, warp
from efgan_rt.pictures.original import Picture, rgb8
from efgan_rt.pictures.read import read_picture

HEADING_PX, NAME_PX, INK = 24, 84, 40
QUALITY: Final = 92
CLOSER: Final = 1.1  # than the networks' frame: the face fills its tile, down to a dropped chin


def write_sheets(
    sets: Sequence[EditedSet],
    photographs: Mapping[str, Sequence[Photograph]],
    found: Readings,
    folder: Path,
    *,
    side_px: int,
    rows: int,
) -> list[Path]:
    """A sheet for each so many photographs of a group.

    Args:
        sets: a row each for a photograph, in their order.
        photographs: by the sheets' name.
        found: the faces.
        folder: of the sheets.
        side_px: of a face.
        rows: photographs a sheet.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, chosen in photographs.items():
        for start in range(0, len(chosen), rows):
            file = folder / f"{name}-{side_px}-{start // rows + 1:02d}.jpg"
            _write_one(sets, chosen[start : start + rows], found, file, side_px)
            files.append(file)
    return files


def _write_one(
    sets: Sequence[EditedSet],
    photographs: Sequence[Photograph],
    found: Readings,
    file: Path,
    side_px: int,
) -> None:
    has_truth = any(photograph.truth for photograph in photographs)
    columns = ["input", *(["true"] if has_truth else []), *EXPRESSIONS]
    height = HEADING_PX + side_px * len(photographs) * len(sets)
    sheet = np.full((height, NAME_PX + side_px * len(columns), 3), 255, np.uint8)
    for c, heading in enumerate(columns):
        _write(sheet, heading, NAME_PX + c * side_px + 4, HEADING_PX - 7)
    row = 0
    for photograph in photographs:
        for edited in sets:
            top = HEADING_PX + row * side_px
            _write(sheet, photograph.name[:11], 3, top + side_px // 2)
            _write(sheet, edited.name[:11], 3, top + side_px // 2 + 18)
            for c, heading in enumerate(columns):
                tile = _tile(edited, photograph, heading, found, side_px)
                left = NAME_PX + c * side_px
                if tile is not None:
                    sheet[top : top + side_px, left : left + side_px] = tile
            row += 1
    cv2.imwrite(
        str(file), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, QUALITY)
    )


def _tile(
    edited: EditedSet, photograph: Photograph, heading: str, found: Readings, side_px: int
) -> Picture | None:
    shown = {"input": photograph.file, "true": photograph.truth}
    file = shown.get(heading, edited.file(photograph, Wish(heading)))
    face = found.face(photograph.truth if heading == "true" else photograph.file)  # type: ignore[arg-type]
    if file is None or not file.is_file() or face is None or face.points is None:
        return None
    away = side_px * (1 - CLOSER) / 2
    frame = frame_of(face.points, side_px).then(Similarity(CLOSER, complex(away, away)))
    return rgb8(warp(read_picture(file), frame, side_px, side_px))


def _write(sheet: Picture, text: str, x: int, y: int) -> None:
    cv2.putText(sheet, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (INK,) * 3, 1, cv2.LINE_AA)
