"""Photographs whose faces are red squares, so that what a detector finds is what lies there."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from efgan_rt.choices import NoFace
from efgan_rt.faces.align import Similarity
from efgan_rt.faces.detect import Face
from efgan_rt.faces.detector_facts import DetectorFacts
from efgan_rt.faces.framing import FaceChoice, FaceFramer
from efgan_rt.faces.paste import paste
from efgan_rt.faces.template import STANDARD_POINTS, Template
from efgan_rt.pictures.original import Picture, Pixels
from efgan_rt.pipeline.faces import FaceFinding
from efgan_rt.pipeline.files import Plan
from efgan_rt.pipeline.outcome import Outcome
from efgan_rt.shots import stills
from tests.efgan_rt.inverter import Inverter, run_jobs

RED = (255, 0, 0)
SIDE = 96  # of a face's square; its crop is then the picture's pixels at their own size
FACTS = DetectorFacts("yunet", "told.onnx", "0f" * 32)
TEMPLATE = Template(STANDARD_POINTS, 128, FACTS, 1)


class RedSquares:
    """A detector that finds red squares, of any size."""

    facts = FACTS

    def find(self, picture: Picture) -> list[Face]:
        is_red = (picture[..., 0] > 200) & (picture[..., 1] < 60) & (picture[..., 2] < 60)
        count, _, stats, _ = cv2.connectedComponentsWithStats(is_red.astype(np.uint8))
        faces = [face_at(*(int(each) for each in stats[k][:3])) for k in range(1, count)]
        return sorted(faces, key=lambda face: -face.area)


def face_at(left: int, top: int, side: int = SIDE) -> Face:
    """A face whose box is a square; its points are the standard ones, whose box is (16, 20)."""
    scale = side / SIDE
    placed = Similarity(scale, complex(left, top) - scale * (16 + 20j))
    return Face(left, top, side, side, 0.9, placed.apply(STANDARD_POINTS))


def photograph(height: int, width: int, *corners: tuple[int, int], side: int = SIDE) -> Picture:
    """A picture of blue noise with a face at each left and top."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 2] = np.random.default_rng(7).integers(100, 200, (height, width))
    for left, top in corners:
        picture[top : top + side, left : left + side] = RED
    return picture


def finding(
    no_face: NoFace = NoFace.FAIL, detector: Any = RedSquares, **choice: Any
) -> FaceFinding:
    chosen = FaceChoice(**choice)
    return FaceFinding(chosen, lambda: FaceFramer(detector(), TEMPLATE, chosen), no_face)


def run(
    source: Path,
    out: Path,
    *,
    faces: FaceFinding | None = None,
    targets: tuple[str, ...] = ("",),
    editors: list[Inverter] | None = None,
    **settings: Any,
) -> Outcome:
    jobs = Plan(source, out, stills(*targets)).jobs()
    return run_jobs(
        jobs,
        out,
        editors or [Inverter()],
        targets=len(targets),
        faces=faces or finding(),
        **settings,
    )


def expected(picture: Pixels, *faces: Face, shift: int = 0) -> Pixels:
    """What the inverter makes of a picture's faces, one after the other."""
    framer = FaceFramer(Told(*faces), TEMPLATE, FaceChoice(crops=False, min_face_px=1))
    result = picture.copy()
    for framed in framer.frame(picture):
        paste(result, framed, (255 - framed.crop - shift).astype(np.uint8))
    return result


class Told:
    """A detector that finds what it is told."""

    facts = FACTS

    def __init__(self, *faces: Face) -> None:
        self._faces = list(faces)

    def find(self, _: Picture) -> list[Face]:
        return self._faces


def grid(count: int, columns: int = 6) -> list[tuple[int, int]]:
    """Places of so many faces that keep apart."""
    return [(20 + 140 * (k % columns), 24 + 140 * (k // columns)) for k in range(count)]
