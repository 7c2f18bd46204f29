"""Folding by turns, on random weights."""

import json
from pathlib import Path

import pytest

from benchmarks import folding
from benchmarks.readme_tables import folding as shown


@pytest.mark.slow
def test_both_forms_are_timed_and_give_the_same_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "folding.json"
    asked = ["--width", "8", "--stages", "1", "--batch", "1", "--rounds", "1", "--json", str(file)]
    monkeypatch.setattr("sys.argv", ["folding", *asked])
    monkeypatch.setattr(folding, "WAYS", (("onnxruntime", "fp32"),))
    folding.main()
    document = json.loads(file.read_text())
    (way,) = document["ways"]
    assert way["ratio"].keys() >= {"stage_1", "whole batch, processor"}
    assert all(ms > 0 for of_form in way["ms"].values() for ms in of_form.values())
    print(document["image_out"])
    assert 0 < document["image_out"]["largest_difference"] <= folding.BAR
    assert "| onnxruntime | fp32 | stage_1 |" in shown(document)
