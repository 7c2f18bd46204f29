"""One picture's face as a training crop: which face, how it is framed, where its regions are.

With a detector that has points, its five points are brought onto a template. Without one, the
label's landmarks serve where there are any: eyes and mouth corners mean the same to both, the nose
does not (4 pixels), so it is left out. A box alone gives place and scale but cannot turn the face.
The centres of eyes, nose and mouth, which the networks' patches are placed by, come either from the
labels or from the detector, for a whole set alike: the two put them on different places.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from efgan_rt.errors import EfganError
from efgan_rt.faces.align import Similarity, similarity_between, warp
from efgan_rt.faces.detect import Detector, Face, find_faces
from efgan_rt.faces.template import HAAR_CENTRE, HAAR_SIDE
from efgan_rt.labels import rows
from efgan_rt.labels.rows import LabelRow
from efgan_rt.pictures.crop import CROP_PX
from efgan_rt.pictures.original import Picture, rgb8
from engines.arrays import FloatArray

MIN_SCORE: Final = 0.6
# A face with less than this share of the largest one's area is somebody in the background.
BYSTANDER_SHARE: Final = 0.25


@dataclass(frozen=True, eq=False)
class FramingRule:
    """How every picture of a set is framed.

    Attributes:
        frame: float32 (5, 2), where the detector's points shall lie in a crop of 128 pixels.
        is_cropped: the pictures are crops already; they are resized and nothing else.
        takes_largest: of several faces the largest is taken; else the picture is refused.
        regions_from_labels: the region centres are the labels', else the detector's.
        min_score: what the detector scores below it is not taken.
    """

    frame: FloatArray
    is_cropped: bool = False
    takes_largest: bool = False
    regions_from_labels: bool = False
    min_score: float = MIN_SCORE


@dataclass(frozen=True, eq=False)
class FramedFace:
    """A crop, uint8 RGB (128, 128, 3), its label row and its region centres, float32 (3, 2)."""

    crop: Picture
    row: LabelRow
    regions: FloatArray


def frame_face(
    picture: Picture, labelled: tuple[LabelRow, ...], detector: Detector | None, rule: FramingRule
) -> FramedFace:
    """The crop of a picture's face.

    Args:
        picture: uint8 RGB (H, W, 3).
        labelled: the faces that the labels have of it, one or more.
        detector: None where the rule needs none.
        rule: how to frame it.

    Raises:
        EfganError: no face, several faces, one of low score, or a crop that is not square.
    """
    if rule.is_cropped:
        row = _only_row(labelled, rule)
        height, width = picture.shape[:2]
        if height != width:
            raise EfganError(f"{width} x {height} pixels, expected a square crop; omit --crops")
        scale = CROP_PX / width
        to_crop = Similarity(scale, complex(scale - 1, scale - 1) / 2)
        face = None
        if not rule.regions_from_labels:
            assert detector is not None
            face = _chosen(find_faces(detector, picture), None, rule)
    else:
        assert detector is not None
        row = _only_row(labelled, rule)
        face = _chosen(find_faces(detector, picture), row.landmarks, rule)
        to_crop = _to_crop(face, row, rule)
    regions = row.region_centres if rule.regions_from_labels else _regions_of(face)
    assert regions is not None, "checked for the whole set before"
    crop = rgb8(warp(picture, to_crop, CROP_PX, CROP_PX))
    return FramedFace(crop, row, to_crop.apply(regions))


def _only_row(labelled: tuple[LabelRow, ...], rule: FramingRule) -> LabelRow:
    if len(labelled) > 1 and not rule.takes_largest:
        raise EfganError(
            f"{len(labelled)} faces are labelled; --largest takes the one with most confidence"
        )
    # With landmarks the largest is known; the first of equals, so that a run repeats itself.
    if all(row.landmarks is not None for row in labelled):
        return max(labelled, key=lambda row: _extent(row.landmarks))
    return max(labelled, key=lambda row: row.confidence or 0.0)


def _extent(landmarks: FloatArray | None) -> float:
    assert landmarks is not None
    return float(np.prod(np.ptp(landmarks, axis=0)))


def _chosen(faces: list[Face], landmarks: FloatArray | None, rule: FramingRule) -> Face:
    """The face that a picture is of."""
    if not faces:
        raise EfganError("no face was found")
    sure = [face for face in faces if face.score is None or face.score >= rule.min_score]
    if not sure:
        best = max(face.score or 0.0 for face in faces)
        raise EfganError(f"the face's score is {best:.2f}, expected {rule.min_score:g} or more")
    if landmarks is not None:
        x, y = landmarks.mean(axis=0).tolist()
        inside = [
            face
            for face in sure
            if 0 <= x - face.left <= face.width and 0 <= y - face.top <= face.height
        ]
        if not inside:
            raise EfganError("no face was found where the labels have one")
        return inside[0]
    near = [face for face in sure if face.area >= BYSTANDER_SHARE * sure[0].area]
    if len(near) > 1 and not rule.takes_largest:
        raise EfganError(f"{len(near)} faces were found; --largest takes the largest")
    return sure[0]


def _to_crop(face: Face, row: LabelRow, rule: FramingRule) -> Similarity:
    if face.points is not None:
        return similarity_between(face.points, rule.frame)
    if row.landmarks is not None:
        marks = row.landmarks
        eyes_and_mouth = [
            marks[rows.RIGHT_EYE].mean(axis=0),
            marks[rows.LEFT_EYE].mean(axis=0),
            marks[rows.RIGHT_MOUTH],
            marks[rows.LEFT_MOUTH],
        ]
        return similarity_between(np.stack(eyes_and_mouth), rule.frame[[0, 1, 3, 4]])
    scale = HAAR_SIDE / max(face.width, face.height)
    return Similarity(scale, HAAR_CENTRE - scale * face.centre)


def _regions_of(face: Face | None) -> FloatArray | None:
    """Centres of eyes, nose and mouth, float32 (3, 2), of a detector's five points."""
    if face is None or face.points is None:
        return None
    five = face.points
    return np.stack([five[:2].mean(axis=0), five[2], five[3:].mean(axis=0)])
