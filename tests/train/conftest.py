"""A toy set: three people, four expressions each, drawn with ellipses, labelled like a real one."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from efgan_rt.action_units import AU_NAMES
from train.data.faces import FaceSet
from train.data.labels import read_labels

EXPRESSIONS = ("neutral", "happy", "surprised", "contemptuous")
AU_OF = {
    "neutral": {},
    "happy": {"AU12": 4.0, "AU06": 3.0},
    "surprised": {"AU26": 4.0, "AU01": 2.0},
    "contemptuous": {"AU14": 2.0},
}


def draw_face(person: int, expression: str) -> np.ndarray:
    """A face of ellipses, RGB: the mouth follows AU12, AU14 and AU26, the skin the person."""
    au = AU_OF[expression]
    picture = np.full((128, 128, 3), (40 + 30 * person, 90, 120), np.uint8)
    cv2.ellipse(picture, (64, 64), (44, 56), 0, 0, 360, (225, 180 - 15 * person, 150), -1)
    for x in (44, 84):
        cv2.circle(picture, (x, 50), 6, (40, 40, 90), -1)
    height = 2 + round(3 * au.get("AU26", 0.0))
    cv2.ellipse(picture, (64, 94), (16, height), 0, 0, 360, (150, 40, 50), -1)
    lift = round(2 * au.get("AU12", 0.0))
    cv2.line(picture, (48, 94), (44, 94 - lift), (150, 40, 50), 3)
    dimple = round(2 * au.get("AU14", 0.0))  # on one side only
    cv2.line(picture, (80, 94), (84, 94 - lift - dimple), (150, 40, 50), 3)
    return picture


@pytest.fixture(scope="session")
def toy_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `images/` and `labels.csv`."""
    root = tmp_path_factory.mktemp("toy-set")
    (root / "images").mkdir()
    points = ["eyes_x", "eyes_y", "nose_x", "nose_y", "mouth_x", "mouth_y"]
    lines = [",".join(["file", "identity", "expression", *(f"{n}_r" for n in AU_NAMES), *points])]
    for person in range(3):
        for expression in EXPRESSIONS:
            name = f"p{person}_{expression}.png"
            picture = draw_face(person, expression)
            cv2.imwrite(str(root / "images" / name), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
            au = [f"{AU_OF[expression].get(unit, 0.0):.2f}" for unit in AU_NAMES]
            where = [f"{v}" for v in (64, 50, 64, 72 + person, 64, 94)]
            lines.append(",".join([name, f"p{person}", expression, *au, *where]))
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def toy_faces(toy_set: Path) -> FaceSet:
    """The toy set in memory."""
    return FaceSet(toy_set / "images", read_labels(toy_set / "labels.csv"))
