"""A mouth that is straightened has every pixel from its own place, and the dark past its lip."""

import numpy as np
import pytest

from train.portraits.mouths import (
    CHEEKS,
    COLUMNS,
    DEPTH,
    EYES,
    INSIDE,
    LOWER_LIP,
    ROWS,
    UPPER_LIP,
    atlas,
    straightened,
)

EYES_PX, WIDTH_PX, GAP_PX = 100.0, 80.0, 40.0


def mouth_face(degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """A picture whose red and green say how far along and down the mouth a pixel lies."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.array([128.0, 128.0])
    landmarks = np.zeros((478, 2))
    across = np.linspace(-WIDTH_PX / 2, WIDTH_PX / 2, 11)
    landmarks[list(LOWER_LIP)] = np.stack([across, np.full(11, GAP_PX)], axis=1)
    landmarks[list(UPPER_LIP)] = np.stack([across, np.zeros(11)], axis=1)
    landmarks[list(EYES)] = [(-EYES_PX / 2, -80), (EYES_PX / 2, -80)]
    landmarks[list(CHEEKS)] = [(-60, -30), (60, -30), (-60, 0), (60, 0)]
    landmarks = landmarks @ turn.T + middle
    rows, columns = np.mgrid[:256, :256]
    own = (np.stack([columns, rows], axis=-1) - middle) @ turn
    picture = np.stack([own[..., 0] + 128, 2 * own[..., 1] + 60, np.full((256, 256), 90)], axis=-1)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8), landmarks


@pytest.mark.parametrize("degrees", [0.0, 25.0])
def test_every_pixel_comes_from_its_place_between_the_lips(degrees: float) -> None:
    picture, landmarks = mouth_face(degrees)
    mouth = straightened(picture, landmarks)
    assert mouth.pixels.shape == (ROWS, COLUMNS, 3)
    along = (np.arange(COLUMNS) + 0.5) / COLUMNS * WIDTH_PX - WIDTH_PX / 2
    down = (np.arange(ROWS) + 0.5) / ROWS * DEPTH * EYES_PX
    inside = down < INSIDE * GAP_PX - 2
    # The lips meet at the corners, so that the outermost tenths hold the dark past the lower one.
    seen = mouth.pixels[inside, COLUMNS // 10 : -COLUMNS // 10].astype(float)
    red, green = seen[..., 0], seen[..., 1]
    assert np.abs(red - (along + 128)[COLUMNS // 10 : -COLUMNS // 10]).max() < 2
    assert np.abs(green - (2 * down[inside] + 60)[:, None]).max() < 3
    assert mouth.gap == pytest.approx(INSIDE * GAP_PX / EYES_PX, abs=1e-6)


def test_past_the_lower_lip_a_mouth_goes_on_into_the_dark() -> None:
    mouth = straightened(*mouth_face(0.0))
    assert mouth.pixels[-1].mean() < 31
    assert mouth.pixels[-1].std(axis=0).max() < 1


def test_a_closed_mouth_has_no_gap() -> None:
    picture, landmarks = mouth_face(0.0)
    landmarks[list(LOWER_LIP)] = landmarks[list(UPPER_LIP)]
    assert straightened(picture, landmarks).gap == 0


def test_skin_is_the_median_of_the_cheeks_in_linear_light() -> None:
    picture, landmarks = mouth_face(0.0)
    picture[:] = 128
    picture[:20] = 255
    mouth = straightened(picture, landmarks)
    assert mouth.skin == pytest.approx([(128 / 255) ** 2.2] * 3, abs=1e-6)


def test_an_atlas_is_all_mouths_in_order() -> None:
    one, other = straightened(*mouth_face(0.0)), straightened(*mouth_face(25.0))
    pixels, skin, gap = atlas([one, other])
    assert np.array_equal(pixels[1], other.pixels)
    assert skin.dtype == gap.dtype == np.float32
    assert skin.shape == (2, 3) and gap.tolist() == pytest.approx([one.gap, other.gap])
