"""Intensity by share: an even one, a switch, and the edits that are read."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.intensity import SHARES, edits_by_share, unevenness
from efgan_rt.errors import EfganError
from tests.benchmarks.test_ablation import toy_checkpoint
from tests.toy_people import read_people, write_people
from train.evaluation.editors import CheckpointEditor


def test_an_even_intensity_is_never_off() -> None:
    assert unevenness([1.0, 1.5, 2.0, 2.5, 3.0]) == pytest.approx(0)


def test_a_switch_is_off_by_a_third() -> None:
    assert unevenness([0.0, 0.0, 0.0, 4.0, 4.0]) == pytest.approx(1 / 3)


def test_an_expression_that_never_rises_is_named() -> None:
    with pytest.raises(EfganError, match="nothing rises from intensity 0 to 1"):
        unevenness([1.0, 1.0, 1.0, 1.0, 0.5])


def test_every_share_is_an_edit_towards_that_share_of_the_way(tmp_path: Path) -> None:
    faces = read_people(write_people(tmp_path, ["id200", "id201"]))
    toy_checkpoint(tmp_path / "toy.pt", 1)
    editor = CheckpointEditor(tmp_path / "toy.pt")
    pixels = faces.pixels[:3].numpy()
    made = edits_by_share(editor, pixels, "happy")
    assert len(made) == len(SHARES)
    half = 0.5 * editor.au(pixels) + 0.5 * editor.expressions["happy"]
    np.testing.assert_array_equal(made[2], editor.edit(pixels, half))
    assert (made[0] != made[-1]).any()


def test_an_unknown_expression_is_named(tmp_path: Path) -> None:
    toy_checkpoint(tmp_path / "toy.pt", 1)
    editor = CheckpointEditor(tmp_path / "toy.pt")
    with pytest.raises(EfganError, match="the model has no expression 'smug'"):
        edits_by_share(editor, np.zeros((1, 128, 128, 3), np.uint8), "smug")
