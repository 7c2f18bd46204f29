"""Folds of the skin, as lines on the face model."""

import numpy as np
import pytest

from efgan_rt.action_units import AU_NAMES
from train.portraits.creases import CREASES, crease_shade
from train.portraits.face_model import units_vector

BETWEEN_BROWS = np.array([[0.73, 5.6, 10.7], [-0.73, 5.6, 10.7], [4.0, -1.0, 8.0]])


def test_a_lowered_brow_darkens_a_line_on_each_side_of_the_nose_and_nothing_far_from_it() -> None:
    shade = crease_shade(BETWEEN_BROWS, units_vector({"AU04": 5}))
    assert shade[0] == pytest.approx(shade[1])
    assert -0.4 < shade[0] < -0.25
    assert shade[2] == pytest.approx(0, abs=1e-3)


def test_a_fold_grows_with_the_unit_and_goes_when_the_unit_goes() -> None:
    half, whole = (crease_shade(BETWEEN_BROWS, units_vector({"AU04": a})) for a in (2.5, 5))
    assert whole == pytest.approx(2 * half)
    assert crease_shade(BETWEEN_BROWS, -units_vector({"AU04": 5})) == pytest.approx(-whole)


def test_skin_beside_a_line_gets_lighter() -> None:
    across = np.stack([np.linspace(0.73, 1.4, 40), np.full(40, 5.6), np.zeros(40)], axis=1)
    shade = crease_shade(across, units_vector({"AU04": 5}))
    assert shade.max() > 0.005
    assert shade.argmin() < shade.argmax()


def test_lines_fade_out_at_their_ends() -> None:
    for unit, creases in CREASES.items():
        assert unit in AU_NAMES
        for crease in creases:
            knots = np.array(crease.line)
            place = np.array([[*knots[0], 0.0]])
            at_end = crease_shade(place, units_vector({unit: 5}))
            others = [c for c in creases if c is not crease]
            if not others:
                assert abs(at_end[0]) < 0.05 * crease.depth


def test_no_change_of_units_makes_no_fold() -> None:
    assert not crease_shade(BETWEEN_BROWS, np.zeros(len(AU_NAMES), np.float32)).any()
