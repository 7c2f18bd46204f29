"""Faces in a picture: where they are and, with YuNet, five points of each.

Two detectors fulfil one protocol. YuNet (OpenCV's `FaceDetectorYN`) gives boxes, five points and a
score. OpenCV's bundled Haar cascade needs no file and gives boxes only, so that nothing can be
turned upright by it.

YuNet's points depend on the size and the turn at which it sees a face: read once, from 675 pixels
of picture to 480 they move by 2 pixels (standard deviation, at a crop's scale with 42 pixels
between the eyes), and with a face turned by 30 degrees by 7. A crop would move with them. So a face
that was found is read again in a window that shows it upright, at three standard sizes and in the
mirror (one side of the network sees an eye 2 pixels higher than the other), and the mean is taken.
"""

import cmath
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

import cv2
import numpy as np

from efgan_rt.errors import EfganError
from efgan_rt.faces.align import Similarity, similarity_between
from efgan_rt.faces.detector_facts import DetectorFacts, sha256_of
from efgan_rt.faces.image import HostImage, Image
from efgan_rt.faces.search import (
    ExposureTable,
    View,
    normal_exposure,
    quarter_turned,
    views_of,
)
from efgan_rt.faces.yunet_network import YunetNetwork
from efgan_rt.pictures.original import Picture
from engines.arrays import FloatArray

MIRRORED: Final = [1, 0, 2, 4, 3]  # which of them each one is in a mirror
SMALLEST_FACE_PX: Final = 40  # searched for, unless another is asked for
MIN_SCORE: Final = 0.6
SAME_FACE_OVERLAP: Final = 0.4  # intersection over union from which two boxes are one face
# A finding that lies within a surer one by this share, and scores so much less, is a piece of it:
# cheek and eye of a face of 1,900 pixels (0.94) were found as faces of 1,100 (0.60) in a tile.
PIECE_WITHIN: Final = 0.9
PIECE_LESS_SURE: Final = 0.2
# Where a face's points lie in the window in which it is read again, in sides of the window; the
# face then stands upright in it and its box has about seven tenths of the side.
WINDOW_POINTS: Final = np.array(
    [[0.36, 0.40], [0.64, 0.40], [0.50, 0.56], [0.385, 0.68], [0.615, 0.68]], dtype=np.float32
)
WINDOW_SIDES: Final = (128, 160, 192)
# A face below this score, or one that seems to be rolled by more than this angle, is looked at from
# all sides. Of 24 people at 17 angles, the upright had 0.92 to 0.96, and those that were read
# wrongly by more than a fifth of their eyes' distance at most 0.92.
SURE_SCORE: Final = 0.92
SURE_ROLL: Final = math.radians(40)
DIRECTIONS: Final = 8
TURNING_SIDE: Final = 160
TURNING_FACE_SHARE: Final = 0.6  # of that side, a face's box
HAAR_FILE: Final = "haarcascade_frontalface_alt2.xml"
HAAR_SIDE: Final = 960
HAAR_FACE_PX: Final = 24  # the smallest face that it sees, with some room
# A box or a point further out is no face's; faces that fill a picture exceed it by less.
FURTHEST_SIDES: Final = 2


@dataclass(frozen=True)
class Face:
    """A face in a picture, in the picture's pixels.

    Attributes:
        left: of the box.
        top: of the box.
        width: of the box.
        height: of the box.
        score: 0 to 1; None where the detector has none.
        points: float32 (5, 2), x and y of `POINT_NAMES`; None where the detector has none.
    """

    left: float
    top: float
    width: float
    height: float
    score: float | None = None
    points: FloatArray | None = None

    @property
    def area(self) -> float:
        """Of the box, in square pixels."""
        return self.width * self.height

    @property
    def centre(self) -> complex:
        """Of the box, x + iy."""
        return complex(self.left + self.width / 2, self.top + self.height / 2)

    def moved(self, similarity: Similarity) -> "Face":
        """The face in another picture; its box stays one with upright sides of the same area."""
        centre = similarity.turn * self.centre + similarity.shift
        size = complex(self.width, self.height) * similarity.scale
        if abs(similarity.turn.imag) > abs(similarity.turn.real):
            size = complex(size.imag, size.real)
        points = None if self.points is None else similarity.apply(self.points)
        left_top = centre - size / 2
        return Face(left_top.real, left_top.imag, size.real, size.imag, self.score, points)


class Detector(Protocol):
    """Finds faces; one for each thread."""

    @property
    def facts(self) -> DetectorFacts:
        """Which detector it is."""

    def find(self, picture: Picture) -> list[Face]:
        """Every face of a picture, uint8 RGB (H, W, 3), the largest first."""


def find_faces(detector: Detector, picture: Picture | Image) -> list[Face]:
    """What a detector finds in a picture, without what can be no face.

    Args:
        detector: any; YuNet where the picture is not an array.
        picture: uint8 RGB (H, W, 3), or the same as it is looked at.
    """
    if isinstance(picture, np.ndarray):
        found = detector.find(picture)
    else:
        assert isinstance(detector, YuNet), "the others look at arrays"
        found = detector.find(picture)
    return [face for face in found if is_plausible(face, picture)]


def is_plausible(face: Face, picture: Picture | Image) -> bool:
    """True for a finite box of positive size that lies on the picture, with its points near it.

    OpenCV's network has been seen to give a face of 1e20 pixels in a picture of one, from memory
    that it had not written.
    """
    height, width = picture.shape[:2]
    reach = FURTHEST_SIDES * max(height, width)
    right, bottom = face.left + face.width, face.top + face.height
    return (
        0 < face.width <= reach
        and 0 < face.height <= reach
        and right > 0
        and bottom > 0
        and face.left < width
        and face.top < height
        and (face.score is None or bool(np.isfinite(face.score)))
        # A comparison with NaN is false, so that this asks for finite numbers as well.
        and (face.points is None or bool((np.abs(face.points) <= reach).all()))
    )


class YuNet:
    """The YuNet network over a picture: every size, turn and light."""

    def __init__(
        self,
        file: Path,
        sha256: str,
        *,
        min_score: float = MIN_SCORE,
        min_face_px: int = SMALLEST_FACE_PX,
        runtime: str | None = None,
    ) -> None:
        """Opens the file.

        Args:
            file: the ONNX file.
            sha256: of that file, for `facts`.
            min_score: faces below it are not faces.
            min_face_px: the smallest face to search for; smaller ones may be found as well.
            runtime: what runs the network (`YunetNetwork`); None for the first that is installed.

        Raises:
            EfganError: the file is no face detector's.
        """
        self.facts = DetectorFacts("yunet", file.name, sha256)
        self.file = file
        self._min_face_px = min_face_px
        self._network = YunetNetwork(file, min_score, runtime)

    def find(self, picture: Picture | Image) -> list[Face]:
        """Every face of a picture, as an array uint8 RGB (H, W, 3), the largest first."""
        if isinstance(picture, np.ndarray):
            picture = HostImage(picture)
        views = list(views_of(picture, self._min_face_px))
        table: ExposureTable | None = None
        found = self._searched(views, 0, table)
        if not found and (table := normal_exposure(views[-1].image.pixels())) is not None:
            found = self._searched(views, 0, table)
        turns = set() if found else {1, 2, 3}
        for number, face in enumerate(found):
            if is_doubtful(face):
                found[number], quarters = self._turned_upright(picture, face, table)
                turns |= {quarters} - {0}
        for quarters in sorted(turns):
            found += self._searched(views, quarters, table)
        faces = (self._read_again(picture, face, table) for face in distinct(found))
        return sorted(faces, key=lambda face: -face.area)

    def _searched(
        self, views: Sequence[View], quarters: int, table: ExposureTable | None
    ) -> list[Face]:
        """The faces in all views, turned to the left by so many quarters, each once."""
        found = []
        for view in views:
            image, back = quarter_turned(view.image, quarters)
            for face in self._detected(image, table):
                seen = face.moved(back)
                if view.holds(seen.left, seen.top, seen.left + seen.width, seen.top + seen.height):
                    found.append(seen.moved(view.to_picture))
        return distinct(found)

    def _turned_upright(
        self, picture: Image, face: Face, table: ExposureTable | None
    ) -> tuple[Face, int]:
        """A face as it is seen best from eight sides, and by how many quarters that is turned.

        A face that lies is often taken for an upright one, with its points at wrong places; its
        score is higher where it is seen upright.
        """
        side = TURNING_SIDE
        middle = complex(side - 1, side - 1) / 2
        scale = TURNING_FACE_SHARE * side / max(face.width, face.height)
        best_score, best, best_direction = 0.0, face, 0
        for direction in range(DIRECTIONS):
            turn = cmath.rect(scale, -math.tau * direction / DIRECTIONS)
            to_window = Similarity(turn, middle - turn * face.centre)
            window = picture.warped(to_window, side, side)
            for seen in self._detected(window, table):
                if abs(seen.centre - middle) < side / 4 and (seen.score or 0) > best_score:
                    best_score, best_direction = seen.score or 0, direction
                    best = seen.moved(to_window.inverse) if direction else face
        return best, round(best_direction * 4 / DIRECTIONS) % 4

    def _read_again(self, picture: Image, face: Face, table: ExposureTable | None) -> Face:
        """The face with its points read anew, upright and at the standard sizes."""
        points = face.points
        assert points is not None, "YuNet gives points"
        # Once to find the window that the points themselves ask for, then to read them in it.
        for sides in (WINDOW_SIDES[1:2], WINDOW_SIDES):
            found = [
                each for side in sides for each in self._readings(picture, points, table, side)
            ]
            if not found:
                return face
            points = np.stack(found).mean(axis=0)
        return replace(face, points=points)

    def _readings(
        self, picture: Image, points: FloatArray, table: ExposureTable | None, side: int
    ) -> Iterator[FloatArray]:
        """The points in the picture, as seen in one window and in its mirror image."""
        try:
            to_window = similarity_between(points, WINDOW_POINTS * side)
        except EfganError:  # points that coincide: there is nothing to turn by
            return
        middle = complex(side, side) / 2
        window = picture.warped(to_window, side, side)
        for mirrored in (False, True):
            shown = self._detected(window.mirrored() if mirrored else window, table)
            seen = [each for each in shown if abs(each.centre - middle) < side / 4]
            found = min(seen, key=lambda each: abs(each.centre - middle)).points if seen else None
            if found is None:
                continue
            if mirrored:
                found = (found * (-1, 1) + (side - 1, 0)).astype(np.float32)[MIRRORED]
            yield to_window.inverse.apply(found)

    def _detected(self, image: Image, table: ExposureTable | None) -> list[Face]:
        """What the network finds in an image as it is, but for its exposure."""
        outputs = image.outputs(table)
        if outputs is None:
            pixels = image.pixels()
            shown = pixels if table is None else np.asarray(cv2.LUT(pixels, table), np.uint8)
            rows = self._network.detect(shown)
        else:
            rows = self._network.found_in(outputs, image.shape)
        faces = []
        for row in rows:
            left, top, width, height = map(float, row[:4])
            faces.append(Face(left, top, width, height, float(row[14]), row[4:14].reshape(5, 2)))
        return [face for face in faces if is_plausible(face, image)]


def is_doubtful(face: Face) -> bool:
    """Whether a face may be another way up than it was seen: by its score, or by its points."""
    if face.points is None:
        return False
    if face.score is not None and face.score < SURE_SCORE:
        return True
    try:
        upright = similarity_between(face.points, WINDOW_POINTS)
    except EfganError:
        return True
    eyes, mouth = face.points[:2].mean(axis=0), face.points[3:].mean(axis=0)
    return bool(eyes[1] >= mouth[1] or abs(cmath.phase(upright.turn)) > SURE_ROLL)


def distinct(found: Iterable[Face]) -> list[Face]:
    """The faces without those that overlap a surer one or are a piece of it, the best first."""
    kept: list[Face] = []
    for face in sorted(found, key=lambda face: -(face.score or 0)):
        if not any(_is_same(face, other) or _is_piece(face, other) for other in kept):
            kept.append(face)
    return kept


def _is_same(face: Face, other: Face) -> bool:
    shared = _shared_area(face, other)
    return shared >= SAME_FACE_OVERLAP * (face.area + other.area - shared)


def _is_piece(face: Face, whole: Face) -> bool:
    """Whether it is a part of a face that a tile showed without the rest."""
    is_within = _shared_area(face, whole) >= PIECE_WITHIN * face.area
    return is_within and (whole.score or 0) - (face.score or 0) >= PIECE_LESS_SURE


class HaarCascade:
    """OpenCV's bundled frontal-face cascade: boxes only, no score, no rotation."""

    def __init__(self, min_face_px: int = SMALLEST_FACE_PX) -> None:
        """Opens the cascade.

        Args:
            min_face_px: the smallest face to search for.

        Raises:
            EfganError: this OpenCV no longer ships it.
        """
        file = Path(cv2.__file__).parent / "data" / HAAR_FILE
        if not file.is_file():
            raise EfganError(
                f"OpenCV {cv2.__version__} ships no {HAAR_FILE}; fetch the YuNet detector with "
                "--fetch-detector, or give its file with --detector FILE"
            )
        self.facts = DetectorFacts("haar", HAAR_FILE, sha256_of(file))
        self._cascade = cv2.CascadeClassifier(str(file))
        self._min_face_px = min_face_px

    def find(self, picture: Picture) -> list[Face]:
        """Every face of a picture, uint8 RGB (H, W, 3), the largest first."""
        height, width = picture.shape[:2]
        usual, needed = HAAR_SIDE / max(height, width), HAAR_FACE_PX / self._min_face_px
        # Larger where a picture is so large that faces would be lost in it.
        scale = min(1.0, max(usual, needed))
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        boxes = self._cascade.detectMultiScale(grey, scaleFactor=1.1, minNeighbors=4)
        faces = [Face(*(float(value) / scale for value in box)) for box in boxes]
        return sorted(faces, key=lambda face: -face.area)


def _shared_area(one: Face, other: Face) -> float:
    """Of two boxes."""
    width = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    height = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    return max(0.0, width) * max(0.0, height)
