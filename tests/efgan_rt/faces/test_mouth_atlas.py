"""The mouths of an engine set go to a file and back; what is no atlas says why."""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from efgan_rt.errors import EfganError
from efgan_rt.faces.mouths import MOST_MOUTHS, Mouths, encoded, linear, mouths_from


def some_mouths() -> Mouths:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (3, 12, 20, 3), np.uint8)
    return Mouths(pixels, rng.uniform(0.1, 0.9, (3, 3)).astype(np.float32))


def test_an_atlas_comes_back_from_its_picture_and_its_values() -> None:
    mouths = some_mouths()
    back = mouths_from(mouths.as_png(), mouths.to_dict(), "set")
    assert np.array_equal(back.pixels, mouths.pixels)
    assert np.abs(back.skin - mouths.skin).max() <= 0.5e-5
    assert back.pixels.flags.c_contiguous
    assert back.rows == 12 and not back.eyes


def test_eyes_lie_below_each_mouth() -> None:
    mouths = replace(some_mouths(), eyes=True)
    back = mouths_from(mouths.as_png(), mouths.to_dict(), "set")
    assert back.eyes and back.rows == 6


def test_an_atlas_without_a_word_of_eyes_has_none() -> None:
    mouths = some_mouths()
    values = mouths.to_dict()
    del values["eyes"]
    assert not mouths_from(mouths.as_png(), values, "set").eyes


def test_rows_that_are_no_mouth_and_two_eyes_are_refused() -> None:
    mouths = replace(some_mouths(), eyes=True)
    odd = replace(mouths, pixels=np.ascontiguousarray(mouths.pixels[:, :11]))
    with pytest.raises(EfganError, match="set: 11 rows are no mouth and two eyes"):
        mouths_from(odd.as_png(), odd.to_dict(), "set")


def test_levels_go_to_linear_light_and_back() -> None:
    levels = np.arange(256, dtype=np.uint8)
    assert np.abs(encoded(linear(levels)) - levels).max() < 1e-3
    assert encoded(np.array([-1.0, 2.0], np.float32)).tolist() == [0, 255]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": None}, "set: the mouths lack or garble 'count'"),
        ({"skin": None}, "set: the mouths lack or garble 'skin'"),
        ({"skin": "red"}, "set: the mouths lack or garble could not convert"),
        ({"eyes": "brown"}, "set: the mouths' eyes are 'brown', expected true or false"),
        ({"count": True}, "set: the mouths have no colour of skin each"),
        ({"count": 0}, "set: the mouths have no colour of skin each"),
        ({"count": MOST_MOUTHS + 1}, "set: the mouths have no colour of skin each"),
        ({"skin": [[0.5, 0.5, 0.5]]}, "set: the mouths have no colour of skin each"),
        ({"skin": [[0.0] * 3] * 3}, "set: the mouths' skin is not above 0 everywhere"),
        ({"skin": [[float("nan")] * 3] * 3}, "set: the mouths' skin is not above 0 everywhere"),
    ],
)
def test_values_that_are_no_atlas_say_why(changes: dict[str, Any], message: str) -> None:
    mouths = some_mouths()
    values = {k: v for k, v in (mouths.to_dict() | changes).items() if v is not None}
    with pytest.raises(EfganError) as told:
        mouths_from(mouths.as_png(), values, "set")
    assert str(told.value).startswith(message)


def test_a_picture_that_is_no_stack_of_mouths_is_refused() -> None:
    values = some_mouths().to_dict()
    uneven = cv2.imencode(".png", np.zeros((37, 20, 3), np.uint8))[1].tobytes()
    for png in (uneven, b"no picture", b""):
        with pytest.raises(EfganError, match="set: the mouths' picture is no stack of 3"):
            mouths_from(png, values, "set")
