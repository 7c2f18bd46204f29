"""A face's fields in its picture: what they say, and nothing where they say nothing."""

import numpy as np
import pytest

from efgan_rt.faces.align import Similarity
from efgan_rt.faces.motion import (
    EDGE_STEEPNESS,
    FIELDS,
    LEAST_MOVED,
    LEAST_SHARE,
    LID_LIGHT,
    MOUTH,
    MOVED,
    PAINT,
    SHADE_LIMIT,
    SHADED,
    Motion,
)
from efgan_rt.faces.motion_paste import MotionPaste, cheek_light
from efgan_rt.faces.mouths import EYE_DEPTH, Mouths, encoded, linear
from efgan_rt.pictures.original import Pixels

CROP_PX, GRID = 64, 32
KINDS = ["rgb8", "grey8", "rgb16", "grey16"]
TEETH, LEFT_EYE, RIGHT_EYE = 100, 160, 180
SAME = Similarity(1, 0)


def picture_of(kind: str, side: int = CROP_PX) -> Pixels:
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    pixels = pixels if kind.startswith("rgb") else pixels[..., 0]
    return pixels.astype(np.uint16) * 257 - (pixels > 9) if kind.endswith("16") else pixels


def fields_of(**values: float | tuple[float, ...]) -> np.ndarray:
    fields = np.zeros((GRID, GRID, FIELDS), np.float16)
    places = {"moved": MOVED, "shade": SHADED, "mouth": MOUTH, "paint": PAINT}
    for name, value in values.items():
        fields[..., places[name]] = value
    return fields


def pasted(
    before: Pixels,
    fields: np.ndarray,
    to_region: Similarity = SAME,
    cheeks: int = 128,
    *,
    eyes: bool = False,
) -> Pixels:
    """The picture with the fields in it; the crop is of one level, the mouth of another."""
    crop = np.full((CROP_PX, CROP_PX, 3), cheeks, np.uint8)
    skin = linear(np.full((1, 3), 128, np.uint8))
    pixels = np.full((1, 192 if eyes else 96, 160, 3), TEETH, np.uint8)
    if eyes:
        pixels[:, 96:144] = LEFT_EYE
        pixels[0, 144:] = (RIGHT_EYE + np.arange(48))[:, np.newaxis, np.newaxis]
    mouths = Mouths(pixels, skin, eyes)
    mask = np.ones((GRID, GRID), np.float32)
    pasting = MotionPaste(before.copy(), to_region, crop, Motion(fields, 0, mouths), mask)
    tile = before.copy()
    rows, columns = np.mgrid[: before.shape[0], : before.shape[1]].astype(np.float32)
    pasting.into(tile, (columns + 1j * rows).astype(np.complex64))
    return tile


@pytest.mark.parametrize("kind", KINDS)
def test_below_the_thresholds_the_pixel_is_the_inputs_bit_for_bit(kind: str) -> None:
    little = 0.9 * LEAST_SHARE
    fields = fields_of(
        moved=0.6 * LEAST_MOVED / 2, shade=little, mouth=little, paint=(little, 0, 0, little)
    )
    before = picture_of(kind)
    assert np.array_equal(pasted(before, fields), before)


@pytest.mark.parametrize("kind", KINDS)
def test_what_lies_away_from_the_edit_keeps_every_bit(kind: str) -> None:
    fields = fields_of()
    fields[:8, :8, MOVED] = 3
    fields[:8, :8, SHADED] = 0.2
    before = picture_of(kind)
    after = pasted(before, fields)
    assert not np.array_equal(after[:14, :14], before[:14, :14])
    assert np.array_equal(after[20:], before[20:])
    assert np.array_equal(after[:, 20:], before[:, 20:])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [1, 2])
def test_a_constant_displacement_moves_the_picture_by_exactly_that(kind: str, scale: int) -> None:
    before = picture_of(kind, CROP_PX * scale)
    to_region = Similarity(scale, complex(scale - 1, scale - 1) / 2)
    after = pasted(before, fields_of(moved=(1.5, -1.0)), to_region)
    across, up = 3 * scale, 2 * scale
    assert np.array_equal(after[up:, :-across], before[:-up, across:])


def test_in_a_turned_picture_the_displacement_is_turned_along() -> None:
    before = picture_of("rgb8")
    a_quarter = Similarity(1j, CROP_PX - 1)
    after = pasted(before, fields_of(moved=(1.5, 0.0)), a_quarter)
    assert np.array_equal(after[:-3], before[3:])


@pytest.mark.parametrize("kind", KINDS)
def test_shade_multiplies_levels_and_is_limited(kind: str) -> None:
    before = picture_of(kind) // 2
    for shade in (-0.25, 0.75):
        after = pasted(before, fields_of(shade=shade))
        wanted = before * np.exp(min(np.float64(shade), SHADE_LIMIT))
        tolerance = 1 if kind.endswith("8") else 40  # half precision of the field
        assert np.abs(after - wanted).max() <= tolerance


def mouth_fields() -> np.ndarray:
    """Alpha 1 in the middle, all of it the middle of the mouth."""
    fields = fields_of()
    fields[8:24, 8:24, MOUTH] = (0, 0, 1)
    return fields


@pytest.mark.parametrize("kind", KINDS)
def test_a_mouth_is_drawn_where_alpha_is_one_and_nowhere_else(kind: str) -> None:
    before = picture_of(kind)
    after = pasted(before, mouth_fields())
    unit = 257 if kind.endswith("16") else 1
    assert np.abs(after[20:44, 20:44].astype(int) - TEETH * unit).max() <= unit
    assert np.array_equal(after[:12], before[:12])
    assert np.array_equal(after[52:], before[52:])


@pytest.mark.parametrize("cheeks", [90, 128, 150])
def test_a_mouths_tone_scales_with_the_cheeks(cheeks: int) -> None:
    after = pasted(picture_of("rgb8"), mouth_fields(), cheeks=cheeks)
    gain = (cheeks / 128) ** 2.2
    wanted = encoded(linear(np.full(3, TEETH, np.uint8)) * np.float32(gain))
    assert np.abs(after[30, 30] - wanted).max() <= 1


def test_a_mouth_is_darker_at_the_upper_lip_and_in_the_corners() -> None:
    fields = mouth_fields()
    middle = pasted(picture_of("rgb8"), fields)[30, 30, 0]
    fields[8:24, 8:24, MOUTH] = (0, -0.3, 1)
    lip = pasted(picture_of("rgb8"), fields)[30, 30, 0]
    fields[8:24, 8:24, MOUTH] = (-0.5, 0, 1)
    corner = pasted(picture_of("rgb8"), fields)[30, 30, 0]
    assert lip == pytest.approx(TEETH * 0.45 ** (1 / 2.2), abs=1.5)
    assert corner == pytest.approx(TEETH * 0.55 ** (1 / 2.2), abs=1.5)
    assert middle == pytest.approx(TEETH, abs=1)


def test_a_drawn_mouth_keeps_the_contrast_that_averaging_takes() -> None:
    pixels = np.full((1, 192, 160, 3), TEETH, np.uint8)
    pixels[:, :96, 80:] = 2 * TEETH  # an edge in the mouth
    mouths = Mouths(pixels, linear(np.full((1, 3), 128, np.uint8)), eyes=True)
    crop, mask = np.full((CROP_PX, CROP_PX, 3), 128, np.uint8), np.ones((GRID, GRID), np.float32)
    paste = MotionPaste(picture_of("rgb8"), SAME, crop, Motion(mouth_fields(), 0, mouths), mask)
    levels = encoded(paste.light)[48, :, 0]
    assert levels[5] == pytest.approx(TEETH, abs=0.5)
    assert levels[-5] == pytest.approx(2 * TEETH, abs=0.5)
    assert TEETH / 2 < levels.min() < TEETH - 5
    assert 2 * TEETH + 5 < levels.max() < 2.5 * TEETH
    assert encoded(paste.light)[150:, :, 0] == pytest.approx(TEETH, abs=0.5)


@pytest.mark.parametrize(("teeth", "shown"), [(135, 135), (240, 141)])
def test_teeth_do_not_glare(teeth: int, shown: int) -> None:
    mouths = Mouths(np.full((1, 96, 160, 3), teeth, np.uint8), linear(np.full((1, 3), 128)), False)
    crop, mask = np.full((CROP_PX, CROP_PX, 3), 128, np.uint8), np.ones((GRID, GRID), np.float32)
    paste = MotionPaste(picture_of("rgb8"), SAME, crop, Motion(mouth_fields(), 0, mouths), mask)
    assert encoded(paste.light * paste.gain) == pytest.approx(shown, abs=1)


def test_eyes_are_drawn_above_the_nose_each_on_its_side() -> None:
    fields = fields_of()
    fields[8:14, 4:12, MOUTH] = fields[24:30, 10:20, MOUTH] = (0, 0, 1)
    fields[8:14, 20:28, MOUTH] = (0, EYE_DEPTH / 4, 1)
    before = picture_of("rgb8")
    after = pasted(before, fields, eyes=True).astype(int)
    assert np.abs(after[20:24, 12:20] - LEFT_EYE).max() <= 1
    assert np.abs(after[20:24, 44:52] - (RIGHT_EYE + 35.5)).max() <= 1.5
    assert np.abs(after[52:56, 24:36] - TEETH).max() <= 1
    assert np.array_equal(after[36:44], before[36:44])


def test_an_eye_is_in_the_shadow_of_its_lids_at_its_edge() -> None:
    fields = fields_of()
    fields[8:14, 4:12, MOUTH] = np.array([0, 0, 0.8], np.float16)
    after = pasted(np.zeros((CROP_PX, CROP_PX, 3), np.uint8), fields, eyes=True)
    light = LID_LIGHT + (1 - LID_LIGHT) * 0.6
    share = min(1, (0.8 - 0.5) * EDGE_STEEPNESS + 0.5)
    wanted = share * LEFT_EYE * light ** (1 / 2.2)
    assert after[22, 16, 0] == pytest.approx(wanted, abs=1.5)


@pytest.mark.parametrize("kind", KINDS)
def test_paint_lies_over_the_picture_by_its_alpha(kind: str) -> None:
    before = picture_of(kind)
    half = pasted(before, fields_of(paint=(0.25, 0.25, 0.25, 0.5)))
    unit = 257 if kind.endswith("16") else 1
    wanted = 127.5 * 0.75 * unit + 0.5 * before
    assert np.abs(half - wanted).max() <= unit
    full = pasted(before, fields_of(paint=(-1, -1, -1, 1)))
    assert not full.any()


def test_everything_fades_with_the_mask() -> None:
    before = picture_of("rgb8")
    crop = np.full((CROP_PX, CROP_PX, 3), 128, np.uint8)
    mouths = Mouths(np.zeros((1, 96, 160, 3), np.uint8), np.full((1, 3), 0.5, np.float32))
    motion = Motion(fields_of(moved=4, shade=0.3, paint=(1, 1, 1, 1)), 0, mouths)
    pasting = MotionPaste(before, SAME, crop, motion, np.zeros((GRID, GRID), np.float32))
    assert not pasting.active.any()
    assert motion.nbytes == GRID * GRID * FIELDS * 2


def test_cheek_light_is_that_of_both_cheeks() -> None:
    crop = np.zeros((100, 100, 3), np.uint8)
    crop[55:65, 25:35], crop[55:65, 65:75] = (200, 100, 50), (100, 100, 50)
    left, right = (linear(np.array(each, np.uint8)) for each in ((200, 100, 50), (100, 100, 50)))
    assert cheek_light(crop) == pytest.approx((left + right) / 2, rel=1e-4)
