"""The edit of a face comes back into its picture, and nothing else does."""

import cmath
import math
from collections.abc import Callable

import numpy as np
import pytest

from efgan_rt.faces.align import Similarity, warp
from efgan_rt.faces.detect import Face
from efgan_rt.faces.framing import FaceChoice, FaceFramer, Framed
from efgan_rt.faces.paste import mask, paste, paste_box
from efgan_rt.pictures.original import Picture, Pixels, rgb8
from tests.picture_files import with_difference


def framed_at(pixels: Pixels, to_crop: Similarity) -> Framed:
    return Framed(to_crop, rgb8(warp(pixels, to_crop, 128, 128)), Face(0, 0, 1, 1))


def placed(scale: float, degrees: float, centre: complex) -> Similarity:
    """To a crop whose middle lies at `centre`, from a picture in which it is `scale` as large."""
    turn = cmath.rect(1 / scale, math.radians(degrees))
    return Similarity(turn, 63.5 + 63.5j - turn * centre)


def brighter(crop: Picture, levels: int = 20) -> Picture:
    return np.asarray(crop + np.uint8(levels), dtype=np.uint8)


@pytest.fixture
def picture(make_picture: Callable[..., Picture]) -> Picture:
    return make_picture(400, 500) // 2


def as_stored(picture: Picture, kind: str) -> Pixels:
    pixels: Pixels = picture if "rgb" in kind else picture[..., 0]
    return pixels.astype(np.uint16) * 257 + 3 if kind.endswith("16") else pixels.copy()


@pytest.mark.parametrize("kind", ["rgb8", "grey8", "rgb16", "grey16"])
@pytest.mark.parametrize("scale", [0.4, 1.0, 2.5])
def test_an_edit_that_changes_nothing_leaves_every_pixel(
    picture: Picture, kind: str, scale: float
) -> None:
    pixels = as_stored(picture, kind)
    framed = framed_at(pixels, placed(scale, 20, 240 + 190j))
    result = pixels.copy()
    paste(result, framed, framed.crop.copy())
    assert np.array_equal(result, pixels)


@pytest.mark.parametrize("kind", ["rgb8", "grey8", "rgb16", "grey16"])
@pytest.mark.parametrize("scale", [0.4, 1.0, 2.5])
@pytest.mark.parametrize("degrees", [0, 33, 170])
def test_the_edit_comes_whole_to_the_middle_and_nothing_comes_outside_the_box(
    picture: Picture, kind: str, scale: float, degrees: float
) -> None:
    pixels = as_stored(picture, kind)
    framed = framed_at(pixels, placed(scale, degrees, 240 + 190j))
    result = pixels.copy()
    paste(result, framed, brighter(framed.crop))
    change = result.astype(int) - pixels
    unit = 257 if pixels.dtype == np.uint16 else 1
    middle = int(64 * scale * 0.5)
    inside = change[190 - middle : 190 + middle, 240 - middle : 240 + middle]
    assert abs(inside - 20 * unit).max() <= unit
    rows, columns = paste_box(framed, pixels.shape[:2])
    change[rows, columns] = 0
    assert not change.any()


def test_the_edit_fades_out_and_the_crops_border_is_left_alone(picture: Picture) -> None:
    framed = framed_at(picture, placed(2.0, 0, 240 + 190j))
    result = picture.copy()
    paste(result, framed, brighter(framed.crop, 60))
    across = result[190, :, 0].astype(int) - picture[190, :, 0]
    touched = np.flatnonzero(across)
    assert touched.min() > 240 - 128 + 3 and touched.max() < 240 + 128 - 3
    assert abs(np.diff(across)).max() <= 6


def test_a_face_at_the_edge_is_pasted_as_far_as_it_is_there(picture: Picture) -> None:
    framed = framed_at(picture, placed(2.0, 10, 10 + 395j))
    result = picture.copy()
    paste(result, framed, brighter(framed.crop))
    assert abs(result[380, 20].astype(int) - picture[380, 20] - 20).max() <= 1
    rows, columns = paste_box(framed, (400, 500))
    assert columns.start == 0 and rows.stop == 400
    assert np.array_equal(result[:, columns.stop :], picture[:, columns.stop :])


def test_a_face_that_lies_outside_changes_nothing(picture: Picture) -> None:
    framed = framed_at(picture, placed(1.0, 0, 900 + 900j))
    result = picture.copy()
    paste(result, framed, brighter(framed.crop))
    assert np.array_equal(result, picture)


@pytest.mark.parametrize("kind", ["rgb8", "grey8", "rgb16", "grey16"])
def test_within_the_mask_a_pixel_that_is_not_edited_stays_bit_for_bit(
    picture: Picture, kind: str
) -> None:
    pixels = as_stored(picture, kind)
    framed = framed_at(pixels, placed(2.9, 17, 240 + 190j))
    edited = framed.crop.copy()
    edited[60:70, 60:70] = 255 - edited[60:70, 60:70]
    result = pixels.copy()
    paste(result, framed, edited)
    changed = result != pixels
    places = np.argwhere(changed.any(axis=-1) if changed.ndim == 3 else changed)[:, ::-1]
    in_crop = framed.to_crop.apply(places.astype(np.float32))
    # Around the edit what is fine goes with it, some ten pixels of the crop far.
    assert len(places) and (np.abs(in_crop - 64.5) < 22).all()


def test_levels_stop_at_black_and_white() -> None:
    picture = np.full((200, 200, 3), 250, np.uint8)
    framed = framed_at(picture, placed(1.0, 0, 100 + 100j))
    paste(picture, framed, np.full_like(framed.crop, 255) - np.uint8(0))
    assert picture.max() == 255 and picture[100, 100, 0] == 255


@pytest.mark.parametrize("shape", [(128, 128, 3), (300, 300, 3), (200, 320, 3), (90, 100)])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_crop_gets_its_edit_as_it_always_did(
    shape: tuple[int, ...], kind: type[np.uint8 | np.uint16]
) -> None:
    random = np.random.default_rng(1)
    pixels = random.integers(0, np.iinfo(kind).max, shape, dtype=kind)
    (framed,) = FaceFramer(None, None, FaceChoice(crops=True)).frame(pixels)
    edited = random.integers(0, 256, (128, 128, 3), dtype=np.uint8)
    expected = with_difference(pixels, framed.crop, edited)
    paste(pixels, framed, edited)
    assert np.array_equal(pixels, expected)


def test_a_large_face_is_pasted_in_bands_without_a_trace_of_them() -> None:
    random = np.random.default_rng(5)
    coarse = random.integers(60, 180, (8, 8, 3)).astype(np.float32)
    smooth = warp(coarse, Similarity(16, 8 + 8j), 128, 128)
    picture = np.full((1500, 1500, 3), 128, np.uint8)
    framed = framed_at(picture, placed(11.0, 5, 750 + 750j))
    paste(picture, framed, np.asarray(np.clip(smooth, 0, 255), dtype=np.uint8))
    steps = abs(np.diff(picture[200:1300, 200:1300].astype(int), axis=0))
    assert steps.max() <= 4


def test_the_mask_is_whole_over_the_features_and_nothing_at_the_border() -> None:
    weights = mask(128)
    assert weights[16:112, 16:112].min() == 1
    assert weights[:2].max() == 0 and weights[:, -2:].max() == 0
    assert np.array_equal(weights, weights.T) and np.array_equal(weights, weights[::-1])
