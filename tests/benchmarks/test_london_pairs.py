"""Laying one photograph of a person over another."""

import cv2
import numpy as np
import pytest

from benchmarks.london_pairs import Bytes, register, weak_units, with_surroundings_of
from efgan_rt.action_units import AU_NAMES


def face_like(seed: int = 0) -> Bytes:
    """Smooth noise, uint8 RGB (256, 256, 3): edges everywhere, none of them a face's."""
    noise = np.random.default_rng(seed).integers(0, 256, (256, 256, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 5)
    return cv2.normalize(smooth, smooth, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def test_a_turned_and_shifted_picture_is_laid_back_over_the_first() -> None:
    fixed = face_like()
    angle = np.radians(2)
    turn = np.array([[np.cos(angle), -np.sin(angle), 5], [np.sin(angle), np.cos(angle), -3]])
    moving = cv2.warpAffine(fixed, turn, (256, 256), borderMode=cv2.BORDER_REFLECT)
    back = register(np.asarray(moving, np.uint8), fixed)
    points = np.array([[70, 60], [190, 60], [128, 130]], np.float32)
    moved = (points @ turn[:, :2].T + turn[:, 2]).astype(np.float32)
    np.testing.assert_allclose(back.apply(moved), points, atol=0.2)


def test_a_smile_keeps_its_face_and_takes_the_neutral_surroundings() -> None:
    neutral = np.full((128, 128, 3), 40, np.uint8)
    smiling = np.full((128, 128, 3), 200, np.uint8)
    mixed = with_surroundings_of(neutral, smiling)
    assert (mixed[72, 64] == 200).all()
    assert (mixed[:8] == 40).all()
    assert (mixed[:, :8] == 40).all()


def test_a_smile_score_gives_weak_units_and_silence_gives_none() -> None:
    score = {
        f"{name}{side}": "0"
        for name in ("mouthSmile", "mouthUpperUp")
        for side in ("Left", "Right")
    }
    assert not weak_units(score).any()
    smiling = score | {"mouthSmileLeft": "0.4", "mouthSmileRight": "0.6", "mouthUpperUpLeft": "2"}
    units = dict(zip(AU_NAMES, weak_units(smiling).round(3).tolist(), strict=True))
    assert {name: pytest.approx(value, abs=1e-3) for name, value in units.items() if value} == {
        "AU06": 2.4,
        "AU12": 3.0,
        "AU25": 5.0,
    }
