"""Alignment: the transform found is the one that was made, and a warp and its inverse cancel."""

import cmath
import math

import cv2
import numpy as np
import pytest

from efgan_rt.errors import EfganError
from efgan_rt.faces.align import Similarity, similarity_between, warp

FACE = np.array([[43, 48], [85, 49], [64, 72], [46, 91], [82, 92]], np.float32)


def blurred_noise(height: int, width: int) -> np.ndarray:
    """A picture with detail everywhere and none too fine to resample, uint8 RGB."""
    noise = np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)
    smooth = np.asarray(cv2.GaussianBlur(noise, (0, 0), 3), dtype=np.float32)
    return np.asarray((smooth - smooth.min()) / np.ptp(smooth) * 255, dtype=np.uint8)


@pytest.mark.parametrize(("degrees", "scale"), [(0, 1), (30, 2.5), (-170, 0.1)])
def test_a_similarity_is_found_from_the_points_that_it_moved(degrees: float, scale: float) -> None:
    made = Similarity(cmath.rect(scale, math.radians(degrees)), 300 - 40j)
    found = similarity_between(FACE, made.apply(FACE))
    assert abs(found.turn - made.turn) < 1e-5 * scale
    assert abs(found.shift - made.shift) < 1e-2
    assert np.allclose(found.inverse.apply(found.apply(FACE)), FACE, atol=1e-3)


def test_the_similarity_is_the_best_in_the_least_squares_sense() -> None:
    rng = np.random.default_rng(1)
    target = FACE + rng.normal(0, 3, FACE.shape).astype(np.float32)
    best = similarity_between(FACE, target)
    error = ((best.apply(FACE) - target) ** 2).sum()
    for step in (0.01, -0.01, 0.01j, -0.01j):
        other = Similarity(best.turn + step, best.shift)
        moved = Similarity(best.turn, best.shift + 50 * step)
        assert ((other.apply(FACE) - target) ** 2).sum() > error
        assert ((moved.apply(FACE) - target) ** 2).sum() > error


def test_a_face_is_never_mirrored() -> None:
    mirrored = FACE * np.array([-1, 1], np.float32)
    found = similarity_between(FACE, mirrored)
    matrix = found.matrix[:, :2]
    assert np.linalg.det(matrix) > 0


def test_one_transform_after_another_is_their_product() -> None:
    first, second = Similarity(2 + 1j, 5 - 3j), Similarity(0.5j, 7 + 7j)
    both = first.then(second)
    assert np.allclose(both.apply(FACE), second.apply(first.apply(FACE)), atol=1e-3)
    assert np.allclose(both.matrix[:, 2], [both.shift.real, both.shift.imag])


@pytest.mark.parametrize(
    ("points", "template", "message"),
    [
        (np.ones((5, 2), np.float32), FACE, "the points of the face coincide"),
        (np.full((5, 2), np.nan, np.float32), FACE, "coincide or lie nowhere"),
        (FACE * np.float32(1e9), FACE, "coincide or lie nowhere"),
        (FACE[:3], FACE, "3 points for a template of 5"),
        (FACE[:1], FACE[:1], "1 points for a template of 1"),
        (FACE, np.ones((5, 2), np.float32), "have nothing of the template's shape"),
    ],
)
def test_points_that_are_no_face_are_refused(
    points: np.ndarray, template: np.ndarray, message: str
) -> None:
    with pytest.raises(EfganError, match=message):
        similarity_between(points, template)


def test_a_warp_by_nothing_changes_nothing() -> None:
    picture = blurred_noise(60, 80)
    assert np.array_equal(warp(picture, Similarity(1, 0), 80, 60), picture)


def test_a_warp_and_its_inverse_cancel_inside_the_picture() -> None:
    picture = blurred_noise(120, 120)
    turned = Similarity(cmath.rect(1.5, 0.4), 10 - 20j)
    back = warp(warp(picture, turned, 240, 240), turned.inverse, 120, 120)
    seen = warp(np.full((120, 120), 255, np.uint8), turned, 240, 240) >= 0
    assert seen.all()
    inside = turned.apply(np.argwhere(np.ones((120, 120)))[:, ::-1].astype(np.float32))
    kept = ((inside > 3) & (inside < 236)).all(axis=1).reshape(120, 120)
    difference = np.abs(back.astype(int) - picture)[kept]
    print(f"difference: mean {difference.mean():.2f}, largest {difference.max()} levels")
    assert difference.mean() < 1 and difference.max() < 12  # two cubic interpolations


def test_shrinking_averages_over_areas() -> None:
    """Lines of one pixel become grey; taking single pixels would give stripes."""
    lines = np.zeros((160, 160), np.uint8)
    lines[:, ::2] = 255
    small = warp(lines, Similarity(0.2, -0.4 - 0.4j), 32, 32)
    assert abs(small[4:-4, 4:-4].astype(int) - 127).max() <= 30


def test_shrinking_by_halves_is_the_mean_of_four() -> None:
    picture = blurred_noise(64, 64)
    half = warp(picture, Similarity(0.5, -0.25 - 0.25j), 32, 32)
    assert np.array_equal(half, cv2.resize(picture, (32, 32), interpolation=cv2.INTER_AREA))


def test_beyond_the_picture_its_edge_is_repeated() -> None:
    picture = np.full((10, 10, 3), (10, 200, 90), np.uint8)
    far = warp(picture, Similarity(1, 500 + 500j), 16, 16)
    assert (far == (10, 200, 90)).all()
