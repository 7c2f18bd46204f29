"""Figures and bars of parity."""

import math

import numpy as np
import pytest

from efgan_rt.errors import EfganError
from export import parity
from export.parity import AGAINST_FP32, Arrays, Bar, Run, differences, hold, psnr_db
from tests.toy import toy_expressions
from train.families.cascade.probe import probe_for


def test_differences_are_in_levels_for_bytes_and_in_units_for_the_rest() -> None:
    black_white, au = np.array([0, 255], np.uint8), np.array([1.0, 2.0], np.float32)
    expected: Arrays = {"pixels_out": black_white, "au": au}
    found: Arrays = {"pixels_out": black_white + np.array([3, 0], np.uint8), "au": au + 0.5}
    figures = differences(found, expected)
    assert figures["pixels_out_max_abs"] == 3
    assert figures["au_max_abs"] == 0.5
    assert figures["pixels_out_psnr_db"] == pytest.approx(10 * math.log10(255**2 / 4.5))


def test_identical_pictures_have_a_finite_psnr() -> None:
    assert psnr_db(np.zeros(4)) == 99.0


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_value_that_is_not_finite_fails_every_bar(bad: float) -> None:
    given = {"image_out": np.array([0.0, bad])}
    figure = differences(given, given)["image_out_max_abs"]
    assert not Bar(1e-4).holds(figure)
    assert not Bar(45, at_least=True).holds(figure)


def test_a_missed_bar_names_network_figure_bar_and_remedy() -> None:
    with pytest.raises(EfganError) as caught:
        hold("stage_2", {"image_out_max_abs": 2e-3}, parity.FILE_BARS_FP32, "do this")
    assert str(caught.value) == (
        "stage_2: parity failed, image_out_max_abs is 0.002, expected at most 0.0001; "
        "no engines were written; do this"
    )


def test_a_psnr_below_its_bar_is_refused() -> None:
    figures = {"pixels_out_psnr_db" + AGAINST_FP32: 44.9}
    with pytest.raises(EfganError, match=r"is 44.9, expected at least 45"):
        hold("stage_1", figures, parity.HALF_BARS, "")


def test_figures_at_their_bars_pass() -> None:
    figures = {name: bar.limit for name, bar in parity.FILE_BARS_FP32.items()}
    hold("stage_1", figures, parity.FILE_BARS_FP32, "")


def test_an_output_that_is_not_finite_is_refused_by_name() -> None:
    runs = {
        "stage_2": Run({}, {"image_out": np.array([1], np.float16)}),
        "stage_3": Run({}, {"image_out": np.array([np.inf], np.float16)}),
    }
    with pytest.raises(EfganError, match=r"stage_3: image_out is not finite .*; do this"):
        parity.refuse_non_finite(runs, "do this")


def test_the_probe_takes_expressions_in_turn() -> None:
    faces = np.zeros((4, 128, 128, 3), np.uint8)
    expressions = toy_expressions()
    probe = probe_for(faces, 3, 17, expressions)
    assert not probe.target_scale.any()
    assert np.array_equal(probe.target_offset[1], expressions["happy"])
    assert np.array_equal(probe.target_offset[3], expressions["neutral"])
    assert probe.progress[0].tolist() == pytest.approx([1 / 3, 2 / 3, 1])


def test_without_expressions_the_probe_raises_every_unit() -> None:
    probe = probe_for(np.zeros((2, 128, 128, 3), np.uint8), 1, 17, {})
    assert (probe.target_scale == 1).all()
    assert (probe.target_offset == 1).all()
