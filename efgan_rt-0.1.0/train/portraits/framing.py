"""Frames a portrait's face as the training crops are: upright, eyes and mouth at their places."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from efgan_rt.errors import EfganError
from efgan_rt.faces.align import Similarity, warp

# Of MediaPipe's 478.
EYE_CORNERS: Final = (33, 133, 362, 263)
MOUTH_CORNERS: Final = (61, 291)
# Shares of a crop's side.
EYES_TO_MOUTH: Final = 0.335
MIDDLE_DOWN: Final = 0.555  # of what lies between eyes and mouth; across, it is the middle
SMALLEST_PX, LARGEST_PX = 256, 384
LEAST_PX: Final = 4.0  # from eyes to mouth: less is no face


@dataclass(frozen=True, eq=False)
class FramedFace:
    """A crop.

    Attributes:
        picture: uint8 RGB (n, n, 3), n from `SMALLEST_PX` to `LARGEST_PX`.
        landmarks: (478, 2), in its pixels.
        native_px: how many of the source's own pixels the crop's side has.
    """

    picture: npt.NDArray[np.uint8]
    landmarks: npt.NDArray[np.float64]
    native_px: float


def framed_face(picture: npt.NDArray[np.uint8], landmarks: npt.NDArray[np.float64]) -> FramedFace:
    """The crop of a face.

    Args:
        picture: uint8 RGB (H, W, 3).
        landmarks: (478, 2), MediaPipe's, in its pixels.

    Raises:
        EfganError: eyes and mouth coincide.
    """
    eyes, mouth = (
        complex(*landmarks[list(which)].mean(axis=0)) for which in (EYE_CORNERS, MOUTH_CORNERS)
    )
    if not abs(mouth - eyes) >= LEAST_PX:
        raise EfganError("eyes and mouth coincide")
    native_px = abs(mouth - eyes) / EYES_TO_MOUTH
    side = int(np.clip(round(native_px), SMALLEST_PX, LARGEST_PX))
    turn = 1j * EYES_TO_MOUTH * side / (mouth - eyes)
    middle = complex(0.5, MIDDLE_DOWN) * side - complex(0.5, 0.5)
    place = Similarity(turn, middle - turn * (eyes + mouth) / 2)
    crop = warp(picture, place, side, side)
    moved = turn * (landmarks[:, 0] + 1j * landmarks[:, 1]) + place.shift
    return FramedFace(
        np.asarray(crop, np.uint8), np.stack([moved.real, moved.imag], axis=1), native_px
    )
