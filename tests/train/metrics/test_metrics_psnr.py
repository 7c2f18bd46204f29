"""PSNR: one value a picture, finite where a picture is its truth."""

import numpy as np
import pytest

from train.metrics.psnr import finite_psnr_db, psnr_db


def flat(*levels: int) -> np.ndarray:
    """One flat picture (8, 8, 3) for each level."""
    return np.stack([np.full((8, 8, 3), level, np.uint8) for level in levels])


def test_psnr_of_a_constant_difference_is_the_textbook_value() -> None:
    # 20 log10(255 / d)
    found = psnr_db(flat(100, 100), flat(101, 90))
    np.testing.assert_allclose(found, [48.1308, 28.1308], atol=1e-4)


def test_psnr_takes_the_mean_square_over_all_samples_of_a_picture() -> None:
    truth = flat(0)
    picture = truth.copy()
    picture[0, 0, 0, 0] = 255  # one sample of 192, wrong by the whole range
    np.testing.assert_allclose(psnr_db(picture, truth), 10 * np.log10(192))


def test_bytes_do_not_wrap_around() -> None:
    np.testing.assert_array_equal(psnr_db(flat(0), flat(255)), psnr_db(flat(255), flat(0)))
    np.testing.assert_allclose(psnr_db(flat(0), flat(255)), 0)


def test_a_picture_that_is_its_own_truth_is_infinitely_good() -> None:
    assert psnr_db(flat(7), flat(7)).tolist() == [np.inf]


def test_an_equal_picture_counts_as_one_level_off_in_one_sample() -> None:
    nearly = flat(7)
    nearly[0, 0, 0, 0] = 8
    assert finite_psnr_db(flat(7), flat(7)) == pytest.approx(finite_psnr_db(nearly, flat(7)))


def test_pictures_and_truths_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"pictures are \(2, 8, 8, 3\), truths \(1, 8, 8, 3\)"):
        psnr_db(flat(1, 2), flat(1))
