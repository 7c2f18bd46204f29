"""SSIM, the VGG score, and what edits change outside the face."""

import cv2
import numpy as np
import pytest
import torch

from train.metrics.outside_face import changed_outside, face_ellipse
from train.metrics.psnr import psnr_db
from train.metrics.ssim import ssim
from train.metrics.vgg_score import softmax, wanted_probability

pytest.importorskip("skimage", reason="scikit-image is not installed: pip install efgan-rt[dev]")

EYES, MOUTH = np.array([[64.0, 52.0]]), np.array([[64.0, 98.0]])


def pictures(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    smooth = cv2.GaussianBlur(rng.integers(0, 256, (128, 128, 3)).astype(np.float32), (0, 0), 3)
    truth = np.clip(8 * (smooth - 128) + 128, 0, 255).astype(np.uint8)
    noisy = np.clip(truth + rng.normal(0, 12, truth.shape), 0, 255).astype(np.uint8)
    return noisy[None], truth[None]


def test_psnr_is_scikit_images() -> None:
    from skimage.metrics import peak_signal_noise_ratio

    picture, truth = pictures()
    wanted = peak_signal_noise_ratio(truth[0], picture[0], data_range=255)
    assert psnr_db(picture, truth)[0] == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_ssim_is_scikit_images(seed: int) -> None:
    from skimage.metrics import structural_similarity

    picture, truth = pictures(seed)
    wanted = structural_similarity(
        truth[0],
        picture[0],
        data_range=255,
        channel_axis=-1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert 0.3 < wanted < 0.99
    assert ssim(picture, truth)[0] == pytest.approx(wanted, abs=1e-6)


def test_a_picture_is_its_own_structure() -> None:
    _, truth = pictures()
    assert ssim(truth, truth)[0] == pytest.approx(1, abs=1e-12)


def test_ssim_refuses_pictures_that_do_not_fit() -> None:
    small = np.zeros((1, 8, 8, 3), np.uint8)
    with pytest.raises(ValueError, match="smaller than the window of 11"):
        ssim(small, small)
    with pytest.raises(ValueError, match=r"pictures are \(1, 8, 8, 3\), truths \(2, 8, 8, 3\)"):
        ssim(small, np.zeros((2, 8, 8, 3), np.uint8))


def test_the_vgg_score_is_the_probability_of_what_was_wanted() -> None:
    logits = np.array([[2.0, 0.0, -1.0], [0.0, 0.0, 0.0]], np.float32)
    found = wanted_probability(softmax(logits), ["sad", "happy"], ("happy", "sad", "angry"))
    wanted = torch.softmax(torch.from_numpy(logits), dim=1).numpy()
    np.testing.assert_allclose(found, [wanted[0, 1], wanted[1, 0]], atol=1e-6)


def test_an_expression_that_the_classifier_does_not_know_has_no_score() -> None:
    found = wanted_probability(np.ones((1, 1), np.float32), ["bored"], ("happy",))
    assert np.isnan(found).all()


def test_scores_need_a_row_a_picture() -> None:
    with pytest.raises(ValueError, match=r"shape \(1, 1\) for 2 pictures and 1 expressions"):
        wanted_probability(np.ones((1, 1), np.float32), ["a", "a"], ("a",))


def test_only_what_lies_outside_the_face_counts() -> None:
    source = np.full((1, 128, 128, 3), 100, np.uint8)
    edit = source.copy()
    edit[0, 90:110, 50:78] = 200  # the mouth
    assert changed_outside(source, edit, EYES, MOUTH).tolist() == [0.0]
    edit[0, :4] = 200  # the upper rim
    outside = ~face_ellipse(EYES[0], MOUTH[0], 128)
    assert changed_outside(source, edit, EYES, MOUTH)[0] == pytest.approx(4 * 128 / outside.sum())


def test_a_change_of_one_level_is_no_change() -> None:
    source = np.full((1, 128, 128, 3), 100, np.uint8)
    assert changed_outside(source, source + 1, EYES, MOUTH).tolist() == [0.0]


def test_the_ellipse_follows_a_turned_head() -> None:
    upright = face_ellipse(np.array([64, 41]), np.array([64, 87]), 128)
    lying = face_ellipse(np.array([41, 64]), np.array([87, 64]), 128)
    np.testing.assert_array_equal(upright.T, lying)


def test_a_face_without_size_and_one_that_fills_the_crop_have_no_share() -> None:
    source = np.zeros((1, 128, 128, 3), np.uint8)
    assert np.isnan(changed_outside(source, source, EYES, EYES)).all()
    assert np.isnan(changed_outside(source, source, EYES, EYES + np.array([[0, 900]]))).all()


def test_sources_and_edits_of_different_shapes_are_refused() -> None:
    source = np.zeros((1, 128, 128, 3), np.uint8)
    with pytest.raises(ValueError, match=r"^sources are .*, edits \(1, 64"):
        changed_outside(source, source[:, :64], EYES, MOUTH)
