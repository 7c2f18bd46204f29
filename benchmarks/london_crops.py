"""Crops of photographs, framed as the rendered set frames its faces.

The London set gives five points a face as a detector finds them. Of the rendered set we know its
own points: the eyes' middle at (61.9, 51.7) and the mouth at (61.2, 98.3) of 128 pixels; a detector
finds its mouths 3 pixels higher than that. So a photograph is turned, scaled and moved until its
eyes' middle and its mouth's middle lie where a detector would find them in a rendered crop.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from efgan_rt.errors import EfganError
from efgan_rt.pictures.read import read_picture

Bytes = npt.NDArray[np.uint8]
Point = npt.NDArray[np.float64]

CROP_PX: Final = 128
EYES: Final = (61.9, 51.7)
MOUTH: Final = (61.2, 95.3)
FIRST_TEST_PERSON: Final = 110  # people numbered below may be trained on


@dataclass(frozen=True)
class PhotographPair:
    """A person's neutral and smiling crop, each uint8 RGB (128, 128, 3)."""

    person: str
    neutral: Bytes
    happy: Bytes


def is_test_person(identity: str) -> bool:
    """True for `london110` and above."""
    digits = identity.removeprefix("london")
    return digits.isdigit() and int(digits) >= FIRST_TEST_PERSON


def read_pairs(folder: Path) -> list[PhotographPair]:
    """The test people's pairs, cropped from the photographs.

    Args:
        folder: holds `labels.csv` with five points a picture, and `images/`.

    Raises:
        EfganError: the folder, a column or a picture is missing, or nobody has both pictures.
    """
    labels = folder / "labels.csv"
    try:
        with labels.open(newline="", encoding="utf-8") as handle:
            rows = list(csv.DictReader(handle))
    except OSError as error:
        raise EfganError(
            f"{labels}: cannot be read ({error.strerror}); expected the London set's folder with "
            "labels.csv and images/, named by --photographs"
        ) from error
    crops: dict[tuple[str, str], Bytes] = {}
    for row in rows:
        try:
            if not is_test_person(row["identity"]):
                continue
            right, left, mouth_right, mouth_left = (
                np.array([float(row[f"{name}_x"]), float(row[f"{name}_y"])])
                for name in ("right_eye", "left_eye", "mouth_right", "mouth_left")
            )
            key, file = (row["identity"], row["expression"]), row["file"]
        except (KeyError, ValueError) as error:
            raise EfganError(f"{labels}: a row lacks or garbles {error}") from error
        picture = read_picture(folder / "images" / file)
        crops[key] = framed(picture, (right + left) / 2, (mouth_right + mouth_left) / 2)
    return _pairs(crops, folder)


def read_cropped_pairs(folder: Path) -> list[PhotographPair]:
    """The test people's pairs from crops that exist: `113_neutral.*` and `113_happy.*`.

    The files may lie anywhere below the folder.

    Raises:
        EfganError: nobody has both pictures, or one is not 128 x 128.
    """
    crops: dict[tuple[str, str], Bytes] = {}
    for path in sorted(folder.rglob("*_*.*")):
        person, _, expression = path.stem.rpartition("_")
        if expression not in ("neutral", "happy") or not is_test_person(person):
            continue
        crop = read_picture(path)
        if crop.shape != (CROP_PX, CROP_PX, 3):
            raise EfganError(f"{path}: {crop.shape[1]} x {crop.shape[0]}, expected 128 x 128")
        crops[person, expression] = crop
    return _pairs(crops, folder)


def framed(picture: Bytes, eyes: Point, mouth: Point) -> Bytes:
    """The crop of a face, uint8 RGB (128, 128, 3).

    Args:
        picture: uint8 RGB (H, W, 3).
        eyes: the middle between the eyes, x and y in pixels.
        mouth: the middle of the mouth.
    """
    # As complex numbers a similarity is one factor (turn and scale) and one offset.
    found, wanted = complex(*(mouth - eyes)), complex(*np.subtract(MOUTH, EYES))
    scale = abs(wanted) / abs(found)
    # Averaged down first: sampling a large photograph directly would alias.
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    factor = wanted / found / scale
    offset = complex(*EYES) - factor * complex(*eyes) * scale
    matrix = np.array(
        [[factor.real, -factor.imag, offset.real], [factor.imag, factor.real, offset.imag]]
    )
    crop = cv2.warpAffine(
        small,
        matrix,
        (CROP_PX, CROP_PX),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(crop, dtype=np.uint8)


def _pairs(crops: dict[tuple[str, str], Bytes], folder: Path) -> list[PhotographPair]:
    people = sorted({person for person, _ in crops})
    pairs = [
        PhotographPair(who, crops[who, "neutral"], crops[who, "happy"])
        for who in people
        if (who, "neutral") in crops and (who, "happy") in crops
    ]
    if not pairs:
        raise EfganError(f"{folder}: no test person has a neutral and a happy picture")
    return pairs
