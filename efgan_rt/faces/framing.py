"""The faces of a picture as the networks want them: which ones, and the crop of each.

A face's five points are brought onto the template of the engine set, so that the networks see it as
they saw the faces that they learnt from. OpenCV's Haar cascade has boxes and no points, so its
faces get place and size from the box and are not turned.

A picture may be such a crop already, and is then edited as a whole. The rule: a picture is a crop
if it is a square no larger than the networks' own, or if its only face lies in its largest centred
square as the faces of the training crops lie in theirs. "As" is a similarity to the template of
at most a quarter in size, 12 degrees and 24 pixels of 128 off. Over 260 rendered training crops it
was 0.86 to 1.20 in size, 9 degrees and 20 pixels; over 50 portraits with the whole head 1.92 to
2.51 in size.
"""

import cmath
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from efgan_rt.errors import EfganError
from efgan_rt.faces.align import Similarity, similarity_between, warp
from efgan_rt.faces.cover import free_share
from efgan_rt.faces.detect import SMALLEST_FACE_PX, Detector, Face, YuNet, find_faces
from efgan_rt.faces.detector_facts import DetectorFacts
from efgan_rt.faces.exposure import to_network
from efgan_rt.faces.image import HostImage, Image
from efgan_rt.faces.template import HAAR_CENTRE, HAAR_SIDE, STANDARD_POINTS, STANDARD_PX, Template
from efgan_rt.pictures.crop import CROP_PX, to_crop
from efgan_rt.pictures.original import OnDevice, Picture, Pixels, on_host, rgb8
from engines.arrays import FloatArray
from engines.base import EngineError

if TYPE_CHECKING:
    from efgan_rt.faces.device_image import DeviceSight

MIN_FACE_PX: Final = SMALLEST_FACE_PX
CROP_SIZE_FACTOR: Final = 1.25
CROP_DEGREES: Final = 12.0
CROP_SHIFT_SHARE: Final = 24 / 128
# The cascade's box in a crop, which has no room around the face, is smaller than in a photograph:
# medians over 260 rendered training crops, of 128.
HAAR_CROP_CENTRE: Final = complex(63.5, 59.5)
HAAR_CROP_SIDE: Final = 96.5
WHICH: Final = ("all", "largest")


@dataclass(frozen=True)
class FaceChoice:
    """Which faces of a picture are edited.

    Attributes:
        which: `all`, `largest`, or how many of the largest.
        min_face_px: of the box's shorter side; smaller faces are left alone.
        crops: True: every picture is a crop; False: none is; None: each is recognised.
    """

    which: str | int = "all"
    min_face_px: int = MIN_FACE_PX
    crops: bool | None = None

    def __post_init__(self) -> None:
        if self.which not in WHICH and (type(self.which) is not int or self.which < 1):
            raise EfganError(
                f"faces: found {self.which!r}, expected 'all', 'largest' or a number from 1"
            )
        if self.min_face_px < 1:
            raise EfganError(f"the smallest face: found {self.min_face_px}, expected 1 or more")

    def of(self, faces: Sequence[Face]) -> list[Face]:
        """The chosen ones, the largest first."""
        large = [f for f in faces if min(f.width, f.height) >= self.min_face_px]
        large.sort(key=lambda face: -face.area)
        if self.which == "all":
            return large
        return large[: 1 if self.which == "largest" else int(self.which)]


@dataclass(frozen=True, eq=False)
class Framed:
    """A face, ready for the networks.

    Attributes:
        to_crop: from the picture's pixels to the crop's.
        crop: uint8 RGB (crop, crop, 3).
        face: None where the picture is itself a crop, of which the largest centred square is taken.
        is_seen: a detector that knows faces by their points has seen one in such a picture.
        image: the picture where it lies on a GPU, to be released when it has been edited.
    """

    to_crop: Similarity
    crop: Picture
    face: Face | None
    is_seen: bool = False
    image: Image | None = None

    @cached_property
    def free(self) -> FloatArray | None:
        """Where an edit may go, as `efgan_rt.faces.cover.free_share` has it; None: everywhere.

        Whether a face is covered is asked only where it is known that one is there.
        """
        if not self.is_seen and (self.face is None or self.face.points is None):
            return None
        return free_share(to_network(self.crop))


class FaceFramer:
    """Finds and frames the faces of pictures. One for each thread: the detectors need it.

    Attributes:
        smaller_px: of the largest face that the last picture had and that was left alone because it
            is too small; None where there was none.
        sight: that shows pictures on a GPU; None where the processor looks at them.
    """

    def __init__(
        self,
        detector: Detector | None,
        template: Template | None,
        choice: FaceChoice | None = None,
        *,
        crop_px: int = CROP_PX,
    ) -> None:
        """Puts a detector, a template and a choice together.

        Args:
            detector: None only where the choice says that every picture is a crop.
            template: of the engine set; None where it has none, then a standard one is taken.
            choice: None for all faces.
            crop_px: side of the networks' crops.

        Raises:
            EfganError: there is no detector and one is needed.
        """
        self.smaller_px: float | None = None
        self.sight: DeviceSight | None = None
        self._choice = choice or FaceChoice()
        if detector is None and not self._choice.crops:
            raise EfganError("faces cannot be found without a detector; name one with --detector")
        self._detector = detector
        self._crop_px = crop_px
        points = STANDARD_POINTS if template is None else template.points
        side = STANDARD_PX if template is None else template.crop_px
        self._points = rescaled(points, side, crop_px)
        standard = rescaled(STANDARD_POINTS, STANDARD_PX, crop_px)
        self._from_standard = similarity_between(standard, self._points)

    def see_with(self, sight: "DeviceSight") -> None:
        """Has pictures looked at on a GPU from now on; the sight becomes the framer's own.

        The Haar cascade needs whole pictures on the host, so that they stay there.
        """
        if not isinstance(self._detector, YuNet):
            sight.close()
            return
        self.sight = sight
        sight.detect_with(self._detector.file)

    def close(self) -> None:
        """Gives back what it holds on a GPU; pictures that it has shown there stay."""
        if self.sight is not None:
            self.sight.close()
            self.sight = None

    def frame(self, pixels: Pixels | OnDevice, *, keeps: bool = False) -> tuple[Framed, ...]:
        """The chosen faces of a picture, the largest first; none where no face is (large enough).

        Args:
            pixels: uint8 or uint16, (H, W, 3) RGB or (H, W) grey; or on a GPU.
            keeps: whether a picture with faces that was looked at on a GPU stays there, as
                `Framed.image`, until it is released; else its memory is given back at once.

        Raises:
            EfganError: a face's points are such as no face has.
        """
        self.smaller_px = None
        if self.is_crop_by_size(pixels.shape):
            return (self._whole(pixels),)
        sight = self.sight
        image: Image = sight.show(pixels) if sight else HostImage(rgb8(on_host(pixels)))
        try:
            framed = self._framed_in(pixels, image)
        except EngineError as error:
            if self.sight is None:
                raise
            self.sight.tell(f"photographs are looked at by the processor: {error}")
            self.close()
            image.release()
            return self._framed_in(pixels, HostImage(rgb8(on_host(pixels))))
        except BaseException:
            if self.sight is not None:
                self.sight.settle()
            image.release()
            raise
        if keeps and any(each.image for each in framed):
            return framed
        image.release()
        return tuple(replace(each, image=None) if each.image else each for each in framed)

    def _framed_in(self, pixels: Pixels | OnDevice, image: Image) -> tuple[Framed, ...]:
        assert self._detector is not None, "checked when it was made"
        looked_at = image.array if isinstance(image, HostImage) else image
        found = find_faces(self._detector, looked_at)
        if self._choice.crops is None and self._is_crop_by_face(pixels.shape, found):
            seen = any(face.points is not None for face in found)
            return (replace(self._whole(pixels), is_seen=seen),)
        sizes = [min(face.width, face.height) for face in found]
        self.smaller_px = max((s for s in sizes if s < self._choice.min_face_px), default=None)
        return tuple(self._framed(pixels, image, face) for face in self._choice.of(found))

    def _whole(self, pixels: Pixels | OnDevice) -> Framed:
        crop = to_crop(on_host(pixels), self._crop_px)
        return Framed(square_to_crop(pixels.shape, self._crop_px), crop, None)

    def _framed(self, pixels: Pixels | OnDevice, image: Image, face: Face) -> Framed:
        try:
            similarity = self.similarity_of(face)
        except EfganError as error:
            where = f"the face at {face.left:.0f},{face.top:.0f}"
            raise EfganError(f"{where} ({face.width:.0f} x {face.height:.0f}): {error}") from error
        side = self._crop_px
        if isinstance(image, HostImage):  # of 16 bits perhaps, which are warped as they are
            crop = rgb8(warp(on_host(pixels), similarity, side, side))
            return Framed(similarity, crop, face)
        crop = image.warped(similarity, side, side).pixels()
        return Framed(similarity, crop, face, image=image)

    def similarity_of(self, face: Face) -> Similarity:
        """From the picture of a face to its crop, by its points, without them by its box."""
        if face.points is not None:
            return similarity_between(face.points, self._points)
        scale = self._crop_px / STANDARD_PX
        return self._box_to_crop(face, HAAR_CENTRE, HAAR_SIDE, scale).then(self._from_standard)

    @staticmethod
    def _box_to_crop(face: Face, centre: complex, side: float, scale: float) -> Similarity:
        size = side * scale / max(face.width, face.height)
        where = (centre + 0.5 + 0.5j) * scale - 0.5 - 0.5j
        return Similarity(size, where - size * face.centre)

    def is_crop_by_size(self, shape: Sequence[int]) -> bool:
        """Whether a picture of this shape is itself a crop, whatever it shows."""
        if self._choice.crops is not None:
            return self._choice.crops
        height, width = shape[:2]
        return bool(height == width <= max(self._crop_px, CROP_PX))

    def _is_crop_by_face(self, shape: Sequence[int], found: Sequence[Face]) -> bool:
        faces = self._choice.of(found)
        if len(faces) != 1:
            return False
        side = self._crop_px
        square = square_to_crop(shape, side)
        face = faces[0]
        if face.points is not None:
            change = similarity_between(square.apply(face.points), self._points)
        else:
            seen = face.moved(square)
            change = self._box_to_crop(seen, HAAR_CROP_CENTRE, HAAR_CROP_SIDE, side / STANDARD_PX)
        middle = complex(side - 1, side - 1) / 2
        shift_px = abs(change.turn * middle + change.shift - middle)
        return bool(
            1 / CROP_SIZE_FACTOR <= change.scale <= CROP_SIZE_FACTOR
            and abs(math.degrees(cmath.phase(change.turn))) <= CROP_DEGREES
            and shift_px <= CROP_SHIFT_SHARE * side
        )


def framing_notes(detector: DetectorFacts, template: Template | None) -> tuple[str, ...]:
    """What there is to say aloud of a detector beside an engine set's template."""
    if detector.name == "haar":
        return (
            "faces are framed by the Haar cascade's boxes, which say nothing of a face's turn, so "
            "tilted faces are edited less well; with YuNet, which comes along, they are "
            "turned upright",
        )
    if template is None:
        return ("the engine set has no alignment template; faces are framed by a standard one",)
    if template.detector.name != detector.name:
        return (
            f"the engine set's alignment template is of the detector '{template.detector.name}', "
            f"and '{detector.name}' is at hand, which puts its points elsewhere: faces are framed "
            "a little differently than in the training",
        )
    if template.detector.sha256 != detector.sha256:
        return (
            f"the engine set's alignment template was made with {template.detector.file}, and "
            f"{detector.file} is another file of the same detector; its points may differ a little",
        )
    return ()


def rescaled(points: FloatArray, from_px: int, to_px: int) -> FloatArray:
    """Points (N, 2) of a crop in the same crop of another size."""
    return np.asarray((points + 0.5) * (to_px / from_px) - 0.5, dtype=np.float32)


def square_to_crop(shape: Sequence[int], crop_px: int) -> Similarity:
    """From the pixels of a picture of a shape to those of its largest centred square as a crop."""
    height, width = shape[:2]
    side = min(height, width)
    corner = complex((width - side) // 2, (height - side) // 2)
    scale = crop_px / side
    return Similarity(scale, (0.5 + 0.5j - corner) * scale - 0.5 - 0.5j)
