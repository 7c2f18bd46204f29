"""Makes the photographs' part of the shipped weights' training set.

    python benchmarks/london_pairs.py PHOTOGRAPHS OUT

PHOTOGRAPHS holds the Face Research Lab London Set's `images/`, `labels.csv` (five points a face)
and `blendshapes.csv` (MediaPipe's scores). Each person's neutral picture is framed as the rendered
set is. The smiling one is then laid over it: five points move when a mouth does, so after them the
upper face, which a smile moves least, is registered by itself (enhanced correlation coefficient).
Hair and ground are the neutral picture's in both, so what is left between the two is the smile.
People numbered 110 and above are left out.

The action units are weak, made of MediaPipe's scores: no coder has seen these pictures, and an
estimator that learnt from rendered faces reads a raised brow of 4.8 into a neutral photograph.
Where the scores say nothing, a unit is 0. The pictures are not ours to pass on, so neither is the
result.
"""

import argparse
import csv
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from efgan_rt.action_units import AU_NAMES, MAX_INTENSITY, FloatArray
from efgan_rt.faces.align import Similarity, similarity_between, warp
from efgan_rt.faces.template import STANDARD_POINTS
from efgan_rt.pictures.crop import CROP_PX
from efgan_rt.pictures.read import read_picture
from efgan_rt.pictures.write import encode_picture

Bytes = npt.NDArray[np.uint8]
POINTS = ("right_eye", "left_eye", "nose", "mouth_right", "mouth_left")
# Intensity (0 to 5) for a score of 1. The rendered set's average happy face has AU12 = 4.6,
# AU06 = 3.7 and AU25 = 3.3; smiles that score 0.75, with an upper lip that is raised by 0.5 when
# teeth are seen, come to about the same.
UNITS_OF = {
    "AU12": (6.0, "mouthSmile"),
    "AU06": (4.8, "mouthSmile"),  # MediaPipe's own score for the cheeks is always 0
    "AU25": (6.0, "mouthUpperUp"),
}
FIRST_TEST_PERSON = 110
# Rows of the crop that the registration looks at, forehead to cheekbones, and columns of the face.
UPPER_FACE = (slice(26, 70), slice(30, 98))
FACE_CENTRE, FACE_RADII, FEATHER_PX = (64, 72), (38, 46), 4  # of the crop
FINE = 2  # the registration works on crops of twice the size
BLUR_PX = 5  # before the registration, which follows edges otherwise
ECC_STEPS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 200, 1e-6)


def register(moving: Bytes, fixed: Bytes) -> Similarity:
    """The rigid motion that lays the moving picture's upper face over the fixed one's.

    Args:
        moving: uint8 RGB (n, n, 3), a crop of `FINE` times the usual size.
        fixed: the same.
    """
    below, above = (cv2.cvtColor(each, cv2.COLOR_RGB2GRAY) for each in (fixed, moving))
    mask = np.zeros(below.shape, np.uint8)
    rows, columns = UPPER_FACE
    mask[rows.start * FINE : rows.stop * FINE, columns.start * FINE : columns.stop * FINE] = 255
    start = np.eye(2, 3, dtype=np.float32)
    _, found = cv2.findTransformECC(
        below, above, start, cv2.MOTION_EUCLIDEAN, ECC_STEPS, mask, BLUR_PX
    )
    fixed_to_moving = Similarity(complex(found[0, 0], found[1, 0]), complex(*found[:, 2]))
    return fixed_to_moving.inverse


def crop_pair(neutral: Bytes, smiling: Bytes, points: list[FloatArray]) -> tuple[Bytes, Bytes]:
    """Both pictures' crops, uint8 RGB (128, 128, 3), the second laid over the first."""
    pictures = (neutral, smiling)
    framed = [similarity_between(each, STANDARD_POINTS * FINE) for each in points]
    side = CROP_PX * FINE
    fixed, moving = (warp(p, to, side, side) for p, to in zip(pictures, framed, strict=True))
    framed[1] = framed[1].then(register(moving, fixed))
    usual = Similarity(1 / FINE, 0)
    first, second = (
        warp(p, to.then(usual), CROP_PX, CROP_PX) for p, to in zip(pictures, framed, strict=True)
    )
    return first, with_surroundings_of(first, second)


def with_surroundings_of(neutral: Bytes, smiling: Bytes) -> Bytes:
    """The smiling face among the hair and ground of the neutral picture, which no smile moves."""
    ellipse = np.zeros(neutral.shape[:2], np.float32)
    cv2.ellipse(ellipse, FACE_CENTRE, FACE_RADII, 0, 0, 360, (1,), -1)
    share = cv2.GaussianBlur(ellipse, (0, 0), FEATHER_PX)[:, :, None]
    result: Bytes = np.rint(share * smiling + (1 - share) * neutral).astype(np.uint8)
    return result


def main() -> None:
    """Reads, crops, registers, labels and writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photographs", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    labels = read_rows(arguments.photographs / "labels.csv")
    scores = read_rows(arguments.photographs / "blendshapes.csv")
    images = arguments.out / "images"
    images.mkdir(parents=True, exist_ok=True)
    files = []
    for person in sorted({name.split("_")[0] for name in labels}):
        if int(person) >= FIRST_TEST_PERSON:
            continue
        names = [f"{person}_neutral.jpg", f"{person}_happy.jpg"]
        pictures = [read_picture(arguments.photographs / "images" / name) for name in names]
        points = [points_of(labels[name]) for name in names]
        for name, crop in zip(names, crop_pair(pictures[0], pictures[1], points), strict=True):
            path = images / f"{Path(name).stem}.png"
            path.write_bytes(encode_picture(".png", crop))
            files.append((path, labels[name], scores[name]))
    with (arguments.out / "labels.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        regions = [f"{region}_{axis}" for region in ("eyes", "nose", "mouth") for axis in "xy"]
        writer.writerow(["file", "identity", "expression", *(f"{n}_r" for n in AU_NAMES), *regions])
        centres = [
            STANDARD_POINTS[:2].mean(axis=0),
            STANDARD_POINTS[2],
            STANDARD_POINTS[3:].mean(axis=0),
        ]
        where = [f"{value:.2f}" for centre in centres for value in centre]
        for path, row, score in files:
            values = [f"{value:.3f}" for value in weak_units(score)]
            writer.writerow([path.name, row["identity"], row["expression"], *values, *where])
    print(f"{arguments.out}: {len(files)} crops of {len(files) // 2} people")


def weak_units(score: Mapping[str, str]) -> FloatArray:
    """The action units (17,), 0 to 5, that a row of MediaPipe's scores speaks for."""
    units = np.zeros(len(AU_NAMES), np.float32)
    for name, (gain, both_sides) in UNITS_OF.items():
        sides = [float(score[f"{both_sides}{side}"]) for side in ("Left", "Right")]
        mean = float(np.mean(sides))
        units[AU_NAMES.index(name)] = min(gain * mean, MAX_INTENSITY)
    return units


def read_rows(path: Path) -> dict[str, dict[str, str]]:
    """A table's rows by their `file`."""
    with path.open(newline="", encoding="utf-8") as stream:
        return {row["file"]: row for row in csv.DictReader(stream)}


def points_of(row: dict[str, str]) -> FloatArray:
    """Five points (5, 2) in the template's order."""
    return np.array([[float(row[f"{p}_{axis}"]) for axis in "xy"] for p in POINTS], np.float32)


if __name__ == "__main__":
    main()
