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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

import cv2
import numpy as np

from efgan_rt.action_units import FloatArray
from efgan_rt.errors import EfganError
from efgan_rt.faces.align import Similarity, similarity_between, warp
from efgan_rt.faces.detector_facts import DetectorFacts
from efgan_rt.pictures.original import Picture, rgb8

MIRRORED: Final = [1, 0, 2, 4, 3]  # which of them each one is in a mirror
SEARCH_SIDES: Final = (320, 960)  # YuNet finds faces of about 10 to 300 pixels
MIN_SCORE: Final = 0.6
SAME_FACE_OVERLAP: Final = 0.4  # intersection over union from which two boxes are one face
# The share of the longer side that is laid around a picture, so that a face at its edge is found.
BORDER_SHARE: Final = 0.125
# Where a face's points lie in the window in which it is read again, in sides of the window; the
# face then stands upright in it and its box has about seven tenths of the side.
WINDOW_POINTS: Final = np.array(
    [[0.36, 0.40], [0.64, 0.40], [0.50, 0.56], [0.385, 0.68], [0.615, 0.68]], dtype=np.float32
)
WINDOW_SIDES: Final = (128, 160, 192)
HAAR_FILE: Final = "haarcascade_frontalface_alt2.xml"
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
        """The face in another picture, under a similarity without rotation."""
        scale, corner = similarity.scale, similarity.turn * complex(self.left, self.top)
        corner += similarity.shift
        points = None if self.points is None else similarity.apply(self.points)
        box = (corner.real, corner.imag, self.width * scale, self.height * scale)
        return Face(*box, self.score, points)


class Detector(Protocol):
    """Finds faces; one for each thread."""

    @property
    def facts(self) -> DetectorFacts:
        """Which detector it is."""

    def find(self, picture: Picture) -> list[Face]:
        """Every face of a picture, uint8 RGB (H, W, 3), the largest first."""


def find_faces(detector: Detector, picture: Picture) -> list[Face]:
    """What a detector finds in a picture, uint8 RGB (H, W, 3), without what can be no face."""
    return [face for face in detector.find(picture) if is_plausible(face, picture)]


def is_plausible(face: Face, picture: Picture) -> bool:
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
    """OpenCV's `FaceDetectorYN` over a YuNet file of 2023 or later."""

    def __init__(
        self,
        file: Path,
        sha256: str,
        *,
        min_score: float = MIN_SCORE,
        search_sides: Sequence[int] = SEARCH_SIDES,
    ) -> None:
        """Opens the file.

        Args:
            file: the ONNX file.
            sha256: of that file, for `facts`.
            min_score: faces below it are not faces.
            search_sides: longer sides, in pixels, at which a whole picture is searched.

        Raises:
            EfganError: OpenCV cannot run the file as a face detector.
        """
        self.facts = DetectorFacts("yunet", file.name, sha256)
        self._sides = tuple(search_sides)
        try:
            self._network = cv2.FaceDetectorYN.create(str(file), "", (64, 64), min_score, 0.3, 500)
            self._detected(np.zeros((64, 64, 3), np.uint8))
        except cv2.error as error:
            raise EfganError(
                f"{file}: OpenCV cannot run it as a YuNet face detector; give the file of "
                "OpenCV's model zoo with --detector FILE"
            ) from error

    def find(self, picture: Picture) -> list[Face]:
        """Every face of a picture, uint8 RGB (H, W, 3), the largest first."""
        found: list[Face] = []
        for face in sorted(self._searched(picture), key=lambda face: -(face.score or 0)):
            if all(_overlap(face, other) < SAME_FACE_OVERLAP for other in found):
                found.append(face)
        return sorted((self._read_again(picture, face) for face in found), key=lambda f: -f.area)

    def _searched(self, picture: Picture) -> Iterator[Face]:
        """Faces of the whole picture at each search side; one face may come several times."""
        height, width = picture.shape[:2]
        longer = max(height, width)
        # A picture smaller than a side is searched as it is, once.
        for side in sorted({min(side, longer) for side in self._sides}):
            scale, border = side / longer, round(side * BORDER_SHARE)
            size = max(1, round(width * scale)), max(1, round(height * scale))
            small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
            edges = ((border, border), (border, border), (0, 0))
            framed = np.pad(np.asarray(small, dtype=np.uint8), edges, mode="edge")
            back = Similarity(1 / scale, (0.5 - border) / scale * (1 + 1j) - 0.5 - 0.5j)
            for face in self._detected(framed):
                yield face.moved(back)

    def _read_again(self, picture: Picture, face: Face) -> Face:
        """The face with its points read anew, upright and at the standard sizes."""
        points = face.points
        # Once to find the window that the points themselves ask for, then to read them in it.
        for sides in (WINDOW_SIDES[1:2], WINDOW_SIDES):
            assert points is not None, "YuNet gives points"
            windows = [(side, mirrored) for side in sides for mirrored in (False, True)]
            readings = [self._read_in_window(picture, points, *each) for each in windows]
            found = [each for each in readings if each is not None]
            if not found:
                return face
            points = np.stack(found).mean(axis=0)
        return replace(face, points=points)

    def _read_in_window(
        self, picture: Picture, points: FloatArray, side: int, mirrored: bool
    ) -> FloatArray | None:
        """The points in the picture, as seen in one window; None where no face is seen in it."""
        try:
            to_window = similarity_between(points, WINDOW_POINTS * side)
        except EfganError:  # points that coincide: there is nothing to turn by
            return None
        middle = complex(side, side) / 2
        window = rgb8(warp(picture, to_window, side, side))
        seen = self._detected(np.ascontiguousarray(window[:, ::-1]) if mirrored else window)
        seen = [each for each in seen if abs(each.centre - middle) < side / 4]
        if not seen:
            return None
        nearest = min(seen, key=lambda each: abs(each.centre - middle))
        found = nearest.points
        if found is None:
            return None
        if mirrored:
            found = (found * (-1, 1) + (side - 1, 0)).astype(np.float32)[MIRRORED]
        return to_window.inverse.apply(found)

    def _detected(self, picture: Picture) -> list[Face]:
        """What the network finds in a picture as it is."""
        self._network.setInputSize((picture.shape[1], picture.shape[0]))
        _, rows = self._network.detect(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        faces = []
        for row in () if rows is None else rows:
            box, points, score = row[:4], row[4:14].reshape(5, 2), float(row[14])
            left, top, width, height = map(float, box)
            faces.append(Face(left, top, width, height, score, points.astype(np.float32)))
        return [face for face in faces if is_plausible(face, picture)]


class HaarCascade:
    """OpenCV's bundled frontal-face cascade: boxes only, no score, no rotation."""

    def __init__(self) -> None:
        """Opens the cascade.

        Raises:
            EfganError: this OpenCV no longer ships it.
        """
        from efgan_rt.faces.detector_file import sha256_of

        file = Path(cv2.__file__).parent / "data" / HAAR_FILE
        if not file.is_file():
            raise EfganError(
                f"OpenCV {cv2.__version__} ships no {HAAR_FILE}; fetch the YuNet detector with "
                "--fetch-detector, or give its file with --detector FILE"
            )
        self.facts = DetectorFacts("haar", HAAR_FILE, sha256_of(file))
        self._cascade = cv2.CascadeClassifier(str(file))

    def find(self, picture: Picture) -> list[Face]:
        """Every face of a picture, uint8 RGB (H, W, 3), the largest first."""
        height, width = picture.shape[:2]
        scale = min(1.0, SEARCH_SIDES[-1] / max(height, width))
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        boxes = self._cascade.detectMultiScale(grey, scaleFactor=1.1, minNeighbors=4)
        faces = [Face(*(float(value) / scale for value in box)) for box in boxes]
        return sorted(faces, key=lambda face: -face.area)


def _overlap(one: Face, other: Face) -> float:
    """Intersection over union of two boxes."""
    width = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    height = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    shared = max(0.0, width) * max(0.0, height)
    return shared / (one.area + other.area - shared)
