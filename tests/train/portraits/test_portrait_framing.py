"""Portraits are framed as the training crops are."""

import numpy as np
import pytest

from efgan_rt.errors import EfganError
from tests.toy_face_model import landmarks_of, toy_fit, turned
from train.portraits.framing import EYE_CORNERS, MOUTH_CORNERS, framed_face


def corners_of(landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return landmarks[list(EYE_CORNERS)].mean(axis=0), landmarks[list(MOUTH_CORNERS)].mean(axis=0)


@pytest.mark.parametrize(("picture_px", "crop_px"), [(150, 256), (300, 300), (800, 384)])
@pytest.mark.parametrize("roll", [0.0, 25.0])
def test_eyes_and_mouth_lie_at_their_shares_of_an_upright_crop(
    picture_px: int, crop_px: int, roll: float
) -> None:
    landmarks = landmarks_of(toy_fit(picture_px, {}, turned(roll=roll)))
    picture = np.zeros((picture_px, picture_px + 30, 3), np.uint8)
    framed = framed_face(picture, landmarks)
    side = len(framed.picture)
    assert framed.picture.shape == (side, side, 3) and abs(side - crop_px) <= 0.1 * crop_px
    assert framed.native_px == pytest.approx(picture_px, rel=0.1)
    eyes, mouth = corners_of(framed.landmarks)
    assert mouth - eyes == pytest.approx([0, 0.335 * side], abs=1e-6)
    middle = (eyes + mouth) / 2
    assert middle == pytest.approx([side / 2 - 0.5, 0.555 * side - 0.5], abs=1e-6)


def test_pixels_go_where_their_landmarks_go() -> None:
    landmarks = landmarks_of(toy_fit(400, {}, turned(roll=20)))
    picture = np.zeros((400, 400, 3), np.uint8)
    x, y = landmarks[61].round().astype(int)
    landmarks[61] = x, y
    picture[y - 2 : y + 3, x - 2 : x + 3] = 255
    framed = framed_face(picture, landmarks)
    rows, columns = np.nonzero(framed.picture[..., 0] > 120)
    assert [columns.mean(), rows.mean()] == pytest.approx(framed.landmarks[61], abs=0.5)


def test_landmarks_in_one_place_are_no_face() -> None:
    with pytest.raises(EfganError, match="eyes and mouth coincide"):
        framed_face(np.zeros((50, 50, 3), np.uint8), np.full((478, 2), 20.0))
