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


def test_where_there_is_no_fold_no_line_is_drawn() -> None:
    shade = faded(lit(60, 2, 0.3), skin_with_fold(None))
    assert 0 <= shade.max() < 0.1


def test_a_fold_moves_with_the_skin() -> None:
    fields = lit(60, 2, 1.0)
    fields[..., 1] = 10.0
    assert faded(fields, skin_with_fold(140))[60:62, 64].min() > 0.15
    assert faded(fields, skin_with_fold(120))[60:62, 64].max() < 0.35


def test_light_on_wide_parts_stays() -> None:
    shade = faded(lit(40, 40, 0.2), skin_with_fold(None))
    assert shade[60, 64] == pytest.approx(0.2, abs=0.005)


def test_what_gets_darker_stays_as_it_is() -> None:
    fields = lit(60, 2, -0.3)
    assert (faded(fields, skin_with_fold(None)) == fields[..., 2]).all()
    fields[10:12, :, 2] = 0.3
    assert (faded(fields, skin_with_fold(None))[60:62] == np.float32(-0.3)).all()
