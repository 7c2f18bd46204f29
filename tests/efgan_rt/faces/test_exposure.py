"""Dim, high-key and tinted faces at a normal exposure for the networks, and their edits back."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from efgan_rt.faces.align import Similarity
from efgan_rt.faces.exposure import exposure_of, from_network, to_network
from efgan_rt.faces.motion import FIELDS, MOUTH, Motion
from efgan_rt.faces.motion_paste import MotionPaste
from efgan_rt.faces.mouths import Mouths
from efgan_rt.pictures.original import Picture

FACES = sorted((Path(__file__).parents[3] / "examples" / "faces").glob("*.jpg"))
MIDDLE = (slice(32, 115), slice(26, 102))
Light = Callable[[Picture], Picture]


def face(number: int = 0) -> Picture:
    bgr = cv2.imread(str(FACES[number]))
    assert bgr is not None
    return np.asarray(bgr[..., ::-1], np.uint8)


def scaled(gains: tuple[float, float, float], lift: float = 0.0) -> Light:
    def made(crop: Picture) -> Picture:
        levels = lift + crop * np.asarray(gains) * (1 - lift / 255)
        return np.asarray(np.clip(levels, 0, 255), np.uint8)

    return made


DIM, HIGH_KEY = scaled((0.13, 0.13, 0.13)), scaled((0.8, 0.8, 0.8), lift=200)
BLUE, GREEN, RED = scaled((0.3, 0.55, 1.0)), scaled((0.5, 0.9, 0.5)), scaled((1.0, 0.3, 0.2))


@pytest.mark.parametrize("number", range(len(FACES)))
def test_a_face_in_usual_light_is_seen_as_it_is(number: int) -> None:
    crop = face(number)
    assert exposure_of(crop) is None
    assert to_network(crop) is crop
    edited = crop[::-1].copy()
    assert from_network(edited, crop) is edited


def test_a_grey_face_is_usual() -> None:
    grey = cv2.cvtColor(cv2.cvtColor(face(), cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    assert exposure_of(np.asarray(grey, np.uint8)) is None


@pytest.mark.parametrize("light", [DIM, HIGH_KEY, BLUE, GREEN, RED])
def test_a_face_in_other_light_is_seen_at_a_normal_exposure(light: Light) -> None:
    crop = light(face())
    seen = to_network(crop)
    assert exposure_of(seen) is None
    contrast, before = (each[MIDDLE].reshape(-1, 3).std(axis=0) for each in (seen, crop))
    assert contrast.min() > 1.3 * before.min()


@pytest.mark.parametrize("light", [DIM, HIGH_KEY, BLUE, GREEN, RED])
def test_an_edit_comes_back_in_the_pictures_own_light(light: Light) -> None:
    crop = light(face())
    seen = to_network(crop)
    np.testing.assert_array_equal(from_network(seen, crop), crop)
    # Black and white as the networks paint them are the face's own darkest and lightest parts.
    darkest, lightest = np.percentile(crop[MIDDLE].reshape(-1, 3), (1, 99), axis=0)
    for level in (0, 255):
        painted = seen.copy()
        painted[80:100, 40:80] = level
        made = from_network(painted, crop)
        inside = made[80:100, 40:80].reshape(-1, 3).mean(axis=0)
        assert (inside >= darkest.min() - 8).all() and (inside <= lightest.max() + 8).all()
        np.testing.assert_array_equal(made[:80], crop[:80])


def test_a_plain_surface_is_left_alone() -> None:
    crop = np.full((128, 128, 3), 9, np.uint8)
    assert to_network(crop) is crop


def mouth_level(crop: Picture) -> float:
    """How light a white mouth is drawn over a crop."""
    mouths = Mouths(np.full((1, 24, 48, 3), 240, np.uint8), np.full((1, 3), 0.35, np.float32))
    fields = np.zeros((32, 32, FIELDS), np.float16)
    fields[20:26, 10:22, MOUTH] = (0, 0.05, 1)
    region = crop.copy()
    motion, everywhere = Motion(fields, 0, mouths), np.ones((32, 32), np.float32)
    pasting = MotionPaste(region.copy(), Similarity(1, 0), crop, motion, everywhere)
    down, across = np.mgrid[:128, :128].astype(np.float32)
    pasting.into(region, (across + 1j * down).astype(np.complex64))
    return float(region[88:98, 52:76].mean())


def test_teeth_do_not_glare_in_a_dim_face() -> None:
    crop = face()
    usual, dim = mouth_level(crop), mouth_level(DIM(crop))
    assert usual > 120
    assert dim <= 1.1 * np.percentile(DIM(crop)[MIDDLE], 99)
