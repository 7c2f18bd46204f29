"""What the measurements of photographs share: edits of single faces, pictures, yardsticks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from efgan_rt.editing import OpenedSet
from efgan_rt.expressions import target_for, target_places
from efgan_rt.faces.align import Similarity, warp
from efgan_rt.faces.detect import Face
from efgan_rt.faces.detector_file import open_detector
from efgan_rt.faces.framing import FaceChoice, FaceFramer, Framed
from efgan_rt.faces.paste import mask, paste, paste_box
from efgan_rt.pictures.original import Picture, Pixels, rgb8
from engines.arrays import FloatArray

EXPRESSIONS: Final = ("happy", "surprised", "angry")
GRAIN_LEVELS: Final = 2.5  # standard deviation of a photograph's noise at a usual sensitivity


@dataclass
class Kit:
    """An engine set and a face finder, and the edits that were made already.

    Attributes:
        cascade: the networks.
        framer: finds every face of 20 pixels or more, and takes nothing for a crop.
        recogniser: the framer that users get, which tells crops from photographs.
    """

    cascade: OpenedSet
    framer: FaceFramer
    recogniser: FaceFramer
    _made: dict[tuple[int, str], Picture] = field(default_factory=dict)
    _kept: list[Framed] = field(default_factory=list)

    @classmethod
    def open(cls, engines: Path, detector: Path | None) -> "Kit":
        """Opens an engine directory and a detector.

        Raises:
            EfganError, EngineError: one of them cannot be used.
        """
        cascade = OpenedSet.open(engines, batch=1)
        found, _ = open_detector(detector)
        choice = FaceChoice(min_face_px=20, crops=False)
        template, crop_px = cascade.template, cascade.crop_px
        return cls(
            cascade,
            FaceFramer(found, template, choice, crop_px=crop_px),
            FaceFramer(found, template, crop_px=crop_px),
        )

    def edited(self, framed: Framed, expression: str) -> Picture:
        """The crop of a face after an edit."""
        key = (id(framed), expression)
        if key not in self._made:
            self._kept.append(framed)  # so that its id stays its own
            known: Mapping[str, FloatArray] = self.cascade.expressions
            target = target_for(known, self.cascade.au_names, expression=expression, au=None)
            made = self.cascade.edit(
                framed.crop[np.newaxis], target_places(target.scale, target.offset)
            )
            self._made[key] = made.pixels[0]
        return self._made[key]


def pasted(picture: Pixels, framed: Framed, edited: Picture) -> Pixels:
    """A copy of a picture with an edit pasted."""
    result = picture.copy()
    paste(result, framed, edited)
    return result


def added_alone(picture: Picture, framed: Framed, edited: Picture) -> Picture:
    """What would come out if the difference were added and the detail left where it is."""
    weights = mask(len(framed.crop))[..., np.newaxis]
    change = np.subtract(edited, framed.crop, dtype=np.float32) * weights
    height, width = picture.shape[:2]
    levels = warp(change, framed.to_crop.inverse, width, height)
    rows, columns = paste_box(framed, (height, width))
    result = picture.copy()
    part = picture[rows, columns] + levels[rows, columns]
    result[rows, columns] = np.clip(np.rint(part), 0, 255)
    return result


def sharpness(picture: Picture, face: Face) -> float:
    """The variance of the Laplacian inside a face's box."""
    top, left = max(0, int(face.top)), max(0, int(face.left))
    part = picture[top : int(face.top + face.height), left : int(face.left + face.width)]
    return float(cv2.Laplacian(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())


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


def with_faces(
    height: int, width: int, faces: list[tuple[Picture, Similarity]]
) -> npt.NDArray[np.uint8]:
    """A soft background with crops laid into it, each where a similarity brings it."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    shade = 110 + 40 * np.sin(rows / 300) + 30 * np.cos(columns / 400)
    picture = np.repeat(shade[..., np.newaxis], 3, axis=2).astype(np.uint8)
    for crop, placed in faces:
        side = np.array([[0, 0], [127, 0], [0, 127], [127, 127]], np.float32)
        seen = placed.apply(side)
        left, top = (int(max(0, v)) for v in seen.min(axis=0))
        right, bottom = (int(v) + 1 for v in seen.max(axis=0))
        part = picture[top:bottom, left:right]
        here = placed.then(Similarity(1, -complex(left, top)))
        layer = warp(crop, here, part.shape[1], part.shape[0])
        r, c = np.mgrid[: part.shape[0], : part.shape[1]]
        back = here.inverse.apply(np.stack([c.ravel(), r.ravel()], axis=1).astype(np.float32))
        inside = ((back >= 0) & (back <= 127)).all(axis=1).reshape(part.shape[:2])
        part[inside] = layer[inside]
    return picture
