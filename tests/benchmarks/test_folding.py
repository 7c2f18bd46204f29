"""Two sets by turns, and how far their pictures are apart: on toys, which need no export."""

from pathlib import Path

import pytest

from benchmarks.folding import BAR, FORMS, compare, image_difference
from benchmarks.kit import with_machine
from benchmarks.readme_tables import folding
from tests.toy_engines import toy_faces, write_toy_engines


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = {form: tmp_path_factory.mktemp("set") for form in FORMS}
    for folder in found.values():
        write_toy_engines(folder)
    return found


def test_equal_sets_give_the_same_picture(folders: dict[str, Path]) -> None:
    assert image_difference(folders, toy_faces()[:2]) == 0


def test_both_forms_are_timed_and_shown(folders: dict[str, Path]) -> None:
    way = compare(folders, "onnxruntime", "fp32", batch=2, rounds=2)
    assert way["ratio"].keys() >= {"stage_1", "stage_2", "whole batch, processor"}
    assert all(ms > 0 for of_form in way["ms"].values() for ms in of_form.values())
    bar = {"largest_difference": 0.0, "bar": BAR, "is_within": True}
    assert "| onnxruntime | fp32 | stage_2 |" in folding(
        with_machine(width=8, image_out=bar, ways=[way])
    )
