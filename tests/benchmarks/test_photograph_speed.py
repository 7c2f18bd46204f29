"""Photographs of two megapixels: how they are made, and what a run of them gives."""

import argparse
from pathlib import Path

import numpy as np
import pytest

from benchmarks.photograph_speed import HEIGHT, WIDTH, compare, edit_once, measure, snapshot
from efgan_rt.errors import EfganError
from efgan_rt.pictures.read import read_picture


def options(**changes: object) -> argparse.Namespace:
    return argparse.Namespace(
        **{"detector": None, "engines": None, "pictures": 2, "rounds": 1, **changes}
    )


def test_a_portrait_lies_whole_in_the_middle_of_two_megapixels(repository: Path) -> None:
    portrait = read_picture(repository / "examples" / "faces" / "id202_neutral.jpg")
    canvas = snapshot(portrait)
    assert canvas.shape == (HEIGHT, WIDTH, 3)
    side = len(portrait)
    top, left = (HEIGHT - side) // 2, (WIDTH - side) // 2
    np.testing.assert_array_equal(canvas[top : top + side, left : left + side], portrait)


def test_a_run_says_how_many_a_second_and_where_the_time_goes(repository: Path) -> None:
    portraits = sorted((repository / "examples" / "faces").glob("*_neutral.jpg"))[:2]
    found = measure(portraits, options())
    assert found["faces"] >= 2 and found["rounds"] == 1
    assert {"decode", "detect", "stage_1", "paste", "encode"} <= set(found["stages"])
    assert sum(stage["share"] for stage in found["stages"].values()) == pytest.approx(1)
    assert found["a_second"] == pytest.approx(2 / found["seconds"])


def test_another_checkout_is_run_by_turns_over_both_sizes(repository: Path) -> None:
    portraits = sorted((repository / "examples" / "faces").glob("*_neutral.jpg"))[:1]
    small, large = compare(portraits, options(pictures=1, against=repository))
    assert (small["large"], large["large"]) == (False, True)
    for row in (small, large):
        for tree in ("this", "other"):
            assert row[tree]["processor_ms"]["median"] > 0
            assert {"decode", "detect", "paste"} <= set(row[tree]["stages_ms"])
        other, own = (row[tree]["milliseconds"]["median"] for tree in ("other", "this"))
        assert row["ratio"] == pytest.approx(other / own)


def test_a_run_that_fails_says_why(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(EfganError, match=r"efgan-rt batch ended with 1: .*no picture found"):
        edit_once(tmp_path / "in", tmp_path / "out", options())
