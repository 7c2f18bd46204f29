"""A toy picture set with all eight expressions: a disc for a face, bars for brows and a mouth."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from efgan_rt.action_units import AU_NAMES
from train.data.faces import FaceSet
from train.data.labels import read_labels
from train.metrics.people import EXPRESSIONS

POINTS = {"eyes": (64, 45), "nose": (64, 68), "mouth": (64, 92)}
SMILE_AU12 = 4.0


def draw(person: int, expression: str) -> np.ndarray:
    """A crop, uint8 RGB (128, 128, 3): expressions move the bars, people differ in colour."""
    kind = EXPRESSIONS.index(expression)
    picture = np.full((128, 128, 3), 60, np.uint8)
    cv2.circle(picture, (64, 64), 56, (200, 150 + 10 * (person % 5), 120), -1)
    for x in (44, 84):
        cv2.rectangle(picture, (x - 10, 30 + 4 * (kind % 4)), (x + 10, 34 + 4 * (kind % 4)), 30, -1)
    cv2.rectangle(picture, (46, 88), (82, 90 + 8 * (kind // 4)), (150, 30, 40), -1)
    if expression == "happy":
        cv2.line(picture, (46, 88), (34, 78), (150, 30, 40), 4)
        cv2.line(picture, (82, 88), (94, 78), (150, 30, 40), 4)
    return picture


def write_people(
    root: Path,
    people: Sequence[str],
    *,
    without_pictures: Sequence[str] = (),
    without_expression: str = "",
) -> Path:
    """Writes `labels.csv` and `images/` under `root`, which it returns.

    Args:
        root: a folder that exists.
        people: identities.
        without_pictures: those of them who are labelled but have no picture files.
        without_expression: an expression that nobody has.
    """
    (root / "images").mkdir()
    points = {
        f"{name}_{axis}": p for name, xy in POINTS.items() for axis, p in zip("xy", xy, strict=True)
    }
    lines = [",".join(["file", "identity", "expression", *(f"{n}_r" for n in AU_NAMES), *points])]
    for number, who in enumerate(people):
        for expression in EXPRESSIONS:
            if expression == without_expression:
                continue
            name = f"{who}_{expression}.png"
            if who not in without_pictures:
                picture = cv2.cvtColor(draw(number, expression), cv2.COLOR_RGB2BGR)
                cv2.imwrite(str(root / "images" / name), picture)
            smile = SMILE_AU12 if expression == "happy" else 0.0
            au = [f"{smile if unit == 'AU12' else 0.0}" for unit in AU_NAMES]
            lines.append(",".join([name, who, expression, *au, *map(str, points.values())]))
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    return root


def read_people(root: Path) -> FaceSet:
    """A set that `write_people` wrote, in memory."""
    return FaceSet(root / "images", read_labels(root / "labels.csv"))
