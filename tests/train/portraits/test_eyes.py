"""Eyes that are straightened have every pixel from its own place, and lie below mouths."""

import numpy as np
import pytest

from efgan_rt.faces.mouths import EYE_COLUMNS, EYE_DEPTH, EYE_ROWS
from train.portraits.eyes import INSIDE, LIDS, Eyes, below_mouths, straightened_eyes
from train.portraits.mouths import CHEEKS, EYES

WIDTH_PX, HALF_PX, APART_PX = 60.0, 16.0, 200.0


def eyes_face(degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """A picture whose red and green say where a pixel lies about the nearer eye's middle."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.array([160.0, 128.0])
    landmarks = np.zeros((478, 2))
    across = np.linspace(-WIDTH_PX / 2, WIDTH_PX / 2, 9)
    high = HALF_PX * (1 - np.linspace(-1, 1, 9) ** 2)
    for (upper, lower), shift in zip(LIDS, (-70, 70), strict=True):
        landmarks[list(upper)] = np.stack([across + shift, -high], axis=1)
        landmarks[list(lower)] = np.stack([across + shift, high], axis=1)
    landmarks[list(EYES)] = [(-APART_PX / 2, 0), (APART_PX / 2, 0)]
    landmarks[list(CHEEKS)] = [(-50, 60), (50, 60), (-50, 80), (50, 80)]
    rows, columns = np.mgrid[:256, :320]
    own = (np.stack([columns, rows], axis=-1) - middle) @ turn
    about = own[..., 0] - np.where(own[..., 0] < 0, -70, 70)
    picture = np.stack([about * 2 + 128, 4 * own[..., 1] + 128, np.full(about.shape, 90)], axis=-1)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8), landmarks @ turn.T + middle


@pytest.mark.parametrize("degrees", [0.0, 20.0])
def test_every_pixel_comes_from_its_place_between_the_lids(degrees: float) -> None:
    eyes = straightened_eyes(*eyes_face(degrees))
    assert eyes.pixels.shape == (2, EYE_ROWS, EYE_COLUMNS, 3)
    along = ((np.arange(EYE_COLUMNS) + 0.5) / EYE_COLUMNS - 0.5) * WIDTH_PX
    down = ((np.arange(EYE_ROWS) + 0.5) / EYE_ROWS - 0.5) * EYE_DEPTH * APART_PX
    inside = slice(EYE_COLUMNS // 4, -EYE_COLUMNS // 4)
    seen = np.abs(down) < 0.7 * HALF_PX * INSIDE
    for eye in eyes.pixels.astype(float):
        assert np.abs(eye[seen, inside, 0] - (2 * along[inside] + 128)).max() < 4
        assert np.abs(eye[seen, inside, 1] - (4 * down[seen] + 128)[:, None]).max() < 6


def test_behind_the_lids_the_rim_goes_on() -> None:
    eyes = straightened_eyes(*eyes_face(0.0))
    middle = eyes.pixels[0, :, EYE_COLUMNS // 2, 1].astype(float)
    assert middle[0] == pytest.approx(128 - 4 * INSIDE * HALF_PX, abs=6)
    assert middle[0] == middle[1]


def test_below_mouths_eyes_are_in_the_light_of_their_people() -> None:
    eyes = Eyes(np.full((2, EYE_ROWS, EYE_COLUMNS, 3), 100, np.uint8), np.full(3, 0.2))
    eyes.pixels[1] = 50
    mouths = np.zeros((2, 96, EYE_COLUMNS, 3), np.uint8)
    made = below_mouths(mouths, np.array([[0.2] * 3, [0.1] * 3], np.float32), eyes)
    assert made.shape == (2, 96 + 2 * EYE_ROWS, EYE_COLUMNS, 3)
    assert not made[:, :96].any()
    assert (made[0, 96:144] == 100).all() and (made[0, 144:] == 50).all()
    assert made[1, 100, 0, 0] == round(100 * 0.5 ** (1 / 2.2))
