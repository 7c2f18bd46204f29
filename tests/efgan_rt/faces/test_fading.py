"""Folds that fade leave no bright lines."""

import numpy as np
import pytest

from efgan_rt.faces.fading import faded
from efgan_rt.faces.motion import FIELDS
from efgan_rt.pictures.original import Picture

GRID, CROP_PX = 128, 256
SKIN, FOLD = 160, 120


def skin_with_fold(row: int | None) -> Picture:
    crop = np.full((CROP_PX, CROP_PX, 3), SKIN, np.uint8)
    if row is not None:
        crop[row : row + 4] = FOLD
    return crop


def lit(row: int, rows: int, shade: float) -> np.ndarray:
    fields = np.zeros((GRID, GRID, FIELDS), np.float32)
    fields[row : row + rows, :, 2] = shade
    return fields


def test_a_fold_is_lit_to_what_is_around_it() -> None:
    shade = faded(lit(60, 2, 1.0), skin_with_fold(120))[60:62, 64]
    light = FOLD * np.exp(shade)
    assert (light > 145).all() and (light < SKIN).all()


def test_beside_a_fold_that_fades_no_line_is_drawn() -> None:
    """This person's fold lies a little lower than most people's."""
    shade = faded(lit(60, 3, 0.5), skin_with_fold(122))
    assert shade[60, 64] < 0.35
    assert shade[62, 64] > shade[60, 64]


def test_a_fold_moves_with_the_skin() -> None:
    fields = lit(60, 2, 1.0)
    fields[..., 1] = 10.0
    light = FOLD * np.exp(faded(fields, skin_with_fold(140))[60:62, 64])
    assert (light > 145).all() and (light < SKIN).all()


def test_light_beside_folds_that_come_stays() -> None:
    fields = lit(60, 2, 0.3)
    fields[63:65, :, 2] = -0.3
    for crop in (skin_with_fold(None), skin_with_fold(126)):  # none yet, and a faint one
        assert (faded(fields, crop) == fields[..., 2]).all()


def test_a_brow_s_folds_come_as_a_smile_s_go() -> None:
    fields = lit(30, 2, 0.3)
    fields[80:82, :, 2] = 1.0
    shade = faded(fields, skin_with_fold(160))
    assert (shade[30:32] == np.float32(0.3)).all()
    assert (shade[80:82] < 0.4).all()


def test_light_on_wide_parts_stays() -> None:
    fields = lit(60, 40, 0.2)
    fields[102:104, :, 2] = 0.6
    shade = faded(fields, skin_with_fold(204))
    assert shade[80, 64] == pytest.approx(0.2, abs=0.005)


def test_what_gets_darker_stays_as_it_is() -> None:
    fields = lit(60, 2, -0.3)
    assert (faded(fields, skin_with_fold(None)) == fields[..., 2]).all()
    fields[80:82, :, 2] = 1.0
    assert (faded(fields, skin_with_fold(160))[60:62] == np.float32(-0.3)).all()
