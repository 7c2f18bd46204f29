"""Sharpness is relative to the truth and looks only at the patch."""

import cv2
import numpy as np
import pytest

from train.metrics.sharpness import laplacian_variance, sharpness_ratios

PATCH = (slice(10, 30), slice(10, 30))


@pytest.fixture
def texture() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 255, (40, 40, 3)).astype(np.uint8)


def test_the_truth_is_as_sharp_as_itself(texture: np.ndarray) -> None:
    assert sharpness_ratios(texture[None], texture[None], PATCH).tolist() == [1.0]


def test_a_blurred_edit_is_less_sharp(texture: np.ndarray) -> None:
    blurred = cv2.GaussianBlur(texture, (0, 0), 2).astype(np.uint8)
    assert sharpness_ratios(blurred[None], texture[None], PATCH)[0] < 0.1


def test_what_lies_outside_the_patch_does_not_count(texture: np.ndarray) -> None:
    elsewhere = texture.copy()
    elsewhere[:8] = 0
    assert laplacian_variance(elsewhere, PATCH) == laplacian_variance(texture, PATCH)


def test_the_rim_of_a_patch_is_no_edge() -> None:
    ramp = np.repeat(np.arange(0, 200, 5, dtype=np.uint8)[None, :, None], 40, 0).repeat(3, 2)
    assert laplacian_variance(ramp, PATCH) == 0


def test_a_truth_without_edges_gives_no_ratio(texture: np.ndarray) -> None:
    flat = np.zeros_like(texture)
    edits, truths = np.stack([texture, texture]), np.stack([texture, flat])
    np.testing.assert_array_equal(sharpness_ratios(edits, truths, PATCH), [1.0, np.nan])
