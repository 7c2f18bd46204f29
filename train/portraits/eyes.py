"""Eyes for faces whose own are shut: a generated person's, cut out and straightened once.

Along from corner to corner as a share, the right eye's outer corner and the left one's inner corner
first; down from the line between the corners in lengths from eye to eye. What lies behind the
donor's own lids goes on as the rim does, a little darker, for a face that opens its eyes wider.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from efgan_rt.faces.mouths import EYE_COLUMNS, EYE_DEPTH, EYE_ROWS
from engines.arrays import Bytes, Values
from train.portraits.mouths import EYES, GAMMA, cheek_colour, linear

# MediaPipe's points of each eye: upper and lower lid, from the picture's left to its right.
LIDS: Final = (
    (
        (33, 246, 161, 160, 159, 158, 157, 173, 133),
        (33, 7, 163, 144, 145, 153, 154, 155, 133),
    ),
    (
        (362, 398, 384, 385, 386, 387, 388, 466, 263),
        (362, 382, 381, 380, 374, 373, 390, 249, 263),
    ),
)
INSIDE: Final = 0.88  # of a donor's opening: lashes and the lids' rims are left out


@dataclass(frozen=True, eq=False)
class Eyes:
    """Both eyes of a person.

    Attributes:
        pixels: uint8 RGB (2, EYE_ROWS, EYE_COLUMNS, 3), the one on the picture's left first.
        skin: float64 (3,), the median of both cheeks in linear light, 0 to 1.
    """

    pixels: Bytes
    skin: Values


def straightened_eyes(picture: Bytes, landmarks: Values) -> Eyes:
    """Cuts both eyes out.

    Args:
        picture: uint8 RGB.
        landmarks: (478, 2), MediaPipe's, in its pixels.
    """
    apart = float(np.linalg.norm(landmarks[EYES[0]] - landmarks[EYES[1]]))
    share = (np.arange(EYE_COLUMNS) + 0.5) / EYE_COLUMNS
    depth = ((np.arange(EYE_ROWS) + 0.5) / EYE_ROWS - 0.5) * EYE_DEPTH * apart
    found = []
    for upper, lower in LIDS:
        begin, end = landmarks[upper[0]], landmarks[upper[-1]]
        width = float(np.linalg.norm(end - begin))
        along = (end - begin) / width
        down = np.array([-along[1], along[0]])

        def edge(
            lid: tuple[int, ...],
            begin: Values = begin,
            along: Values = along,
            down: Values = down,
            width: float = width,
        ) -> Values:
            there = landmarks[list(lid)] - begin
            return np.interp(share, there @ along / width, there @ down)

        top, bottom = edge(upper), edge(lower)
        middle, half = (top + bottom) / 2, np.maximum(bottom - top, 0) / 2 * INSIDE
        there = np.clip(depth[:, None], middle - half, middle + half)
        places = begin + share[None, :, None] * width * along + there[..., None] * down
        found.append(
            cv2.remap(
                picture,
                places[..., 0].astype(np.float32),
                places[..., 1].astype(np.float32),
                cv2.INTER_CUBIC,
            )
        )
    return Eyes(np.stack(found), cheek_colour(picture, landmarks))


def below_mouths(mouths: Bytes, skin: npt.NDArray[np.float32], eyes: Eyes) -> Bytes:
    """An atlas of mouths, each with the eyes below it in the light of its own person.

    Args:
        mouths: uint8 RGB (M, rows, EYE_COLUMNS, 3).
        skin: float32 (M, 3), linear light.
        eyes: of one person.

    Returns:
        uint8 RGB (M, rows + 2 * EYE_ROWS, EYE_COLUMNS, 3).
    """
    light = linear(eyes.pixels).reshape(-1, *eyes.pixels.shape[2:])
    gain = skin.mean(axis=1) / eyes.skin.mean()
    drawn = np.clip(light[None] * gain[:, None, None, None], 0, 1) ** (1 / GAMMA)
    return np.concatenate([mouths, np.rint(drawn * 255).astype(np.uint8)], axis=1)
