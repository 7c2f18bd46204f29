"""Where the face is in each training picture: the hull of its landmarks, dilated (equation 5).

The text's landmarks are OpenFace's; ours are MediaPipe's, over the whole face. The five points of a
detector do not cover one. A picture in which no face is found counts as face throughout.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from torch import Tensor

from engines.arrays import FloatArray
from train.data.faces import FaceSet
from train.portraits.landmarks import open_landmarker

DILATED_SHARE: Final = 0.05  # of the picture's side, in each direction; ours
Landmarks = Callable[[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]], FloatArray | None]


def face_masks(faces: FaceSet, landmarks: Landmarks) -> Tensor:
    """1 in the face and 0 around it, uint8 (N, 1, H, W).

    Args:
        faces: the set.
        landmarks: of a picture, uint8 RGB (H, W, 3), its points (P, 2) in pixels; None without.
    """
    side = faces.crop_px
    reach = 2 * round(DILATED_SHARE * side) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    masks = np.ones((len(faces.table), 1, side, side), np.uint8)
    for number, pixels in enumerate(faces.pixels.cpu().numpy()):
        points = landmarks(pixels)
        if points is None:
            continue
        hull = cv2.convexHull(np.round(points).astype(np.int32))
        mask = np.zeros((side, side), np.uint8)
        cv2.fillConvexPoly(mask, hull, 1)
        masks[number, 0] = cv2.dilate(mask, kernel)
    return torch.from_numpy(masks)


def masks_by_mediapipe(faces: FaceSet, model: Path) -> Tensor:
    """The masks by MediaPipe's landmarks.

    Raises:
        EfganError: MediaPipe or its model is not there.
    """
    landmarker = open_landmarker(model)

    def points(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> FloatArray | None:
        found = landmarker(pixels)
        return None if found is None else found[0].astype(np.float32)

    try:
        return face_masks(faces, points)
    finally:
        landmarker.close()
