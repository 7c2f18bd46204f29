"""What covers a face: hands, masks, microphones, cups, other heads, sunglasses.

A small network of this project's own, trained on drawn covers (`train.covers`), says for each place
of a crop whether the face is covered there. An edit stays away from such places; a face in front of
which nothing is seen is edited bit for bit as without it. Spectacles are no cover.
"""

import threading
from functools import cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from efgan_rt.pictures.original import Picture
from engines.arrays import FloatArray

FILE: Final = Path(__file__).parent / "cover" / "cover.onnx"
SEEN_PX: Final = 64
SAID_PX: Final = 32
# A face of which less than this share seems covered is free; see `train.covers.training`.
LEAST_COVERED: Final = 0.04
# Where more seems covered no detector would have found a face: it is one of a kind that the network
# does not know, such as a drawing, and is edited as if it were free.
MOST_COVERED: Final = 0.9
SURE: Final = 0.6
# The face in its crop, an ellipse, in shares of the side: what counts for that share.
CENTRE: Final = (0.5, 0.57)
RADII: Final = (0.33, 0.40)

_own = threading.local()


def free_share(crop: Picture) -> FloatArray | None:
    """Where an edit may go: 1 where the face is free, 0 where it is covered.

    Args:
        crop: uint8 RGB (crop, crop, 3), as the networks see it.

    Returns:
        float32 (32, 32) over the whole crop; None where nothing covers the face.
    """
    cover = covered_share(crop)
    inside = _inside()
    if not LEAST_COVERED <= (cover[inside] > SURE).mean() <= MOST_COVERED:
        return None
    rising = np.clip((cover - 0.25) / 0.35, 0, 1)
    # A little further than it is seen: moved skin must not fetch what lies at the edge.
    wider = cv2.dilate(rising, np.ones((3, 3), np.uint8))
    return np.asarray(1 - np.maximum(cv2.blur(wider, (3, 3)), rising), np.float32)


def covered_share(crop: Picture) -> FloatArray:
    """How surely each place is covered, float32 (32, 32), 0 to 1."""
    if not hasattr(_own, "network"):
        _own.network = cv2.dnn.readNetFromONNX(str(FILE))
    side = (SEEN_PX, SEEN_PX)
    small = cv2.resize(crop, side, interpolation=cv2.INTER_AREA)
    _own.network.setInput(cv2.dnn.blobFromImage(small))
    return np.asarray(_own.network.forward()[0, 0], np.float32)


def fitted(share: FloatArray, side: int) -> FloatArray:
    """A share on another grid over the same crop."""
    return np.asarray(cv2.resize(share, (side, side), interpolation=cv2.INTER_LINEAR), np.float32)


@cache
def _inside() -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    rows, columns = (np.mgrid[:SAID_PX, :SAID_PX] + 0.5) / SAID_PX
    across, down = (columns - CENTRE[0]) / RADII[0], (rows - CENTRE[1]) / RADII[1]
    return np.asarray(across**2 + down**2 <= 1)
