"""Lips that close over teeth: those are left out, not squeezed."""

import itertools

import cv2
import numpy as np
import pytest

from efgan_rt.faces.motion import FIELDS
from efgan_rt.faces.occlusion import FINER, LINE, closed, finer, light_of, moved
from efgan_rt.pictures.original import Picture
from engines.arrays import FloatArray

GRID, CROP_PX = 128, 256
SKIN, LIP, TEETH = 150, 110, 240


def face(top: int, rows: int, *, lips: int = 16) -> Picture:
    """A crop with teeth between two lips in its middle columns; rows of the crop."""
    crop = np.full((CROP_PX, CROP_PX, 3), SKIN, np.uint8)
    crop[top - lips : top + rows + lips, 64:192] = LIP
    crop[top : top + rows, 64:192] = TEETH
    return crop


def slope_of(middle: float, hidden: float, rows: float) -> FloatArray:
    """Fields that squeeze so many grid rows together over others, in the middle columns."""
    fields = np.zeros((GRID, GRID, FIELDS), np.float32)
    place = np.arange(GRID) - middle
    fields[:, 30:98, 1] = hidden * np.clip(place / rows, -0.5, 0.5)[:, np.newaxis]
    return fields


def made(fields: FloatArray, crop: Picture) -> FloatArray:
    """The luma of the mouth's column as the fields move it."""
    return moved(light_of(crop, len(fields)), fields[..., :2])[:, len(fields) // 2]


def test_what_is_closed_over_is_no_longer_seen() -> None:
    # Teeth of 8 grid rows are squeezed, with 2 of each lip, from 12 rows into 4.
    crop = face(180, 16)
    fields = slope_of(93.5, 8, 4)
    assert made(finer(fields), crop).max() == pytest.approx(TEETH, abs=5)
    after = closed(fields, crop)
    assert len(after) == FINER * GRID
    seen = made(after, crop)
    assert seen.max() <= SKIN + 1
    lips = np.flatnonzero(np.abs(seen - LIP) < 5)
    assert len(lips) == pytest.approx(FINER * 16, abs=3)  # both whole
    assert (np.diff(lips) <= 2).all()  # and they meet


def test_where_lips_touch_there_is_a_darker_line() -> None:
    after = closed(slope_of(93.5, 8, 4), face(180, 16))
    shade = after[:, GRID, 2]
    assert shade.min() == pytest.approx(-LINE, abs=0.03)
    assert np.abs(np.flatnonzero(shade < -LINE / 2) - FINER * 93.5 - 0.5).max() <= 2
    assert not after[..., 3:].any()


def test_half_closed_lips_leave_half_of_the_teeth() -> None:
    seen = made(closed(slope_of(94, 4, 6), face(180, 16)), face(180, 16))
    assert (seen > 200).sum() == pytest.approx(FINER * 4, abs=3)


def test_skin_that_is_squeezed_stays_a_slope() -> None:
    fields = slope_of(94, 8, 4)
    crop = np.full((CROP_PX, CROP_PX, 3), SKIN, np.uint8)
    np.testing.assert_allclose(closed(fields, crop), finer(fields), atol=1e-5)


def test_below_a_mouth_that_is_drawn_the_slope_stays() -> None:
    fields = slope_of(93.5, 8, 4)
    fields[92:96, 30:98, 5] = 1.0
    np.testing.assert_array_equal(closed(fields, face(180, 16)), finer(fields))


def test_eyes_stay_as_they_are() -> None:
    fields = slope_of(44.5, 8, 4)
    assert closed(fields, face(82, 16)) is fields


def test_mouths_that_open_and_small_movements_stay_as_they_are() -> None:
    for hidden in (-8.0, 0.9, 0.0):
        fields = slope_of(94, hidden, 4)
        assert closed(fields, face(180, 16)) is fields


def test_other_places_stay_as_they_are() -> None:
    fields = slope_of(94, 8, 4)
    fields[:20, :, 0] = 3.0
    fields[60:64, :, 2] = 0.1
    after, before = closed(fields, face(180, 16)), finer(fields)
    same = np.ones(after.shape[:2], bool)
    same[2 * 86 : 2 * 103, 2 * 26 : 2 * 102] = False
    np.testing.assert_array_equal(after[same], before[same])


def test_a_slope_becomes_a_step_little_by_little() -> None:
    crop = face(180, 16)
    steps = [closed(slope_of(93.5, hidden, 3), crop) for hidden in np.arange(1.75, 5.0, 0.125)]
    jumps = [np.abs(b - a)[..., :2].mean() for a, b in itertools.pairwise(steps)]
    assert max(jumps) < 0.12  # of a finer pixel, where 0.06 to 0.13 more are asked for


def test_finer_fields_say_the_same() -> None:
    fields = np.zeros((GRID, GRID, FIELDS), np.float32)
    fields[..., 0], fields[..., 2] = 1.5, 0.2
    crop = np.asarray(cv2.GaussianBlur(face(180, 16), (0, 0), 3), np.uint8)
    here = cv2.resize(moved(light_of(crop, GRID), fields[..., :2]), (CROP_PX, CROP_PX))
    there = moved(light_of(crop, CROP_PX), finer(fields)[..., :2])
    assert np.abs(here - there)[8:-8, 8:-8].max() < 6
    assert (finer(fields)[..., 2] == np.float32(0.2)).all()
