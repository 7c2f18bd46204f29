"""Whose photographs are judged: the London set's people, neutral and smiling, and test portraits.

None of them is ever committed or shown. A group is judged alike: `neutral` and `smile` have the
person's other picture as the truth of one expression, `enlarged` are neutral pictures grown until
a face's crop has 768 pixels, with a camera's grain, and `portrait` are of all kinds.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from benchmarks.kit import london_pairs
from efgan_rt.errors import EfganError
from efgan_rt.faces.align import similarity_between
from efgan_rt.faces.detect import Face
from efgan_rt.faces.template import STANDARD_POINTS, STANDARD_PX
from efgan_rt.pictures.original import Picture, rgb8
from efgan_rt.pictures.read import read_picture
from efgan_rt.pictures.write import encode_picture
from efgan_rt.written import write_file

EXPRESSIONS: Final = ("happy", "surprised", "sad", "disgusted", "fearful", "angry", "neutral")
GROUPS: Final = ("neutral", "smile", "portrait", "enlarged")
FINE_PX: Final = 256  # a portrait whose crop has as many of its source's own pixels is sharp
LARGE_PX: Final = 768
GRAIN_LEVELS: Final = 2.5  # standard deviation of a photograph's noise at a usual sensitivity


@dataclass(frozen=True)
class Photograph:
    """A photograph to be edited.

    Attributes:
        name: unique in its group.
        person: whose it is.
        group: one of `GROUPS`.
        file: the picture.
        truth: the same person with another expression, where there is such a picture.
        truth_expression: what that picture shows.
        is_sharp: False where its pixels were made by enlarging, so that sharpness says nothing.
    """

    name: str
    person: str
    group: str
    file: Path
    truth: Path | None = None
    truth_expression: str | None = None
    is_sharp: bool = True


def london_photographs(folder: Path, *, everybody: bool) -> list[Photograph]:
    """Each person's neutral and smiling photograph, those of the test people only if not everybody.

    Raises:
        EfganError: there is nobody with both pictures.
    """
    found = []
    for person, (neutral, happy) in london_pairs(folder, everybody=everybody).items():
        found += [
            Photograph(neutral.stem, person, "neutral", neutral, happy, "happy"),
            Photograph(happy.stem, person, "smile", happy, neutral, "neutral"),
        ]
    return found


def portrait_photographs(folder: Path, count: int) -> list[Photograph]:
    """So many of the portraits whose split is `test`, spread evenly over the table.

    Raises:
        EfganError: the table cannot be read.
    """
    table = folder / "portraits.csv"
    try:
        with table.open(newline="", encoding="utf-8") as stream:
            rows = [row for row in csv.DictReader(stream) if row["split"] == "test"]
        chosen = [rows[i] for i in spread(len(rows), count)]
        return [
            Photograph(
                f"{Path(row['file']).stem}",
                row["person"],
                "portrait",
                folder / "images" / row["file"],
                is_sharp=float(row["native_px"]) >= FINE_PX,
            )
            for row in chosen
        ]
    except (OSError, KeyError, ValueError) as error:
        raise EfganError(
            f"{table}: cannot be read ({error}); expected the portraits' folder, named by "
            "--portraits"
        ) from error


def spread(length: int, count: int) -> list[int]:
    """So many places of a list, evenly from its first on; all where it has no more."""
    if count >= length:
        return list(range(length))
    return [i * length // count for i in range(count)]


def enlarged(photograph: Photograph, face: Face, folder: Path) -> Photograph:
    """A photograph whose face's crop has 768 pixels, with grain; its file is made if missing."""
    assert face.points is not None, "YuNet gives points"
    file = folder / f"{photograph.name}.png"
    if not file.is_file():
        scale = similarity_between(face.points, STANDARD_POINTS).scale
        large = grown(read_picture(photograph.file), LARGE_PX / STANDARD_PX * scale)
        seed = int.from_bytes(photograph.name.encode()[:4], "big")
        made = with_grain(np.ascontiguousarray(large), seed)
        write_file(file, encode_picture(".png", made), make_folder=True)
    return Photograph(photograph.name, photograph.person, "enlarged", file)


def of_group(photographs: Sequence[Photograph], group: str) -> list[Photograph]:
    """Those of one group, in their order."""
    return [each for each in photographs if each.group == group]


def grown(picture: Picture, factor: float) -> Picture:
    """A picture at another size."""
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return rgb8(cv2.resize(picture, None, fx=factor, fy=factor, interpolation=how))


def with_grain(picture: Picture, seed: int = 0) -> Picture:
    """A picture with a photograph's noise, which growing it has smoothed away."""
    noise = np.random.default_rng(seed).normal(0, 1, picture.shape[:2]).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 0.6)
    levels = picture + (soft / soft.std() * GRAIN_LEVELS)[..., np.newaxis]
    return np.asarray(np.clip(np.rint(levels), 0, 255), dtype=np.uint8)
