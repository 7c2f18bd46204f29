"""The opponents do the same work, and their figures are what they say."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.kit import SHIPPED
from benchmarks.opponents import (
    edit_files,
    measure,
    parse_arguments,
    pipeline_run,
    write_crops,
)
from benchmarks.readme_tables import BASE, best_ways, opponents
from efgan_rt.editing import OpenedSet
from efgan_rt.errors import EfganError
from efgan_rt.expressions import Target
from efgan_rt.pictures.read import read_picture
from efgan_rt.pictures.write import write_picture
from tests.toy_engines import AU_NAMES, CROP_PX, write_toy_engines

TARGET = Target(np.zeros(len(AU_NAMES), np.float32), np.full(len(AU_NAMES), 2.0, np.float32))


def test_a_loop_over_files_gives_what_the_pipeline_gives(tmp_path: Path) -> None:
    write_toy_engines(tmp_path)
    random = np.random.default_rng(0)
    for name in ("faces", "pipeline", "loop"):
        (tmp_path / name).mkdir()
    for number in range(5):
        pixels = random.integers(0, 256, (CROP_PX, CROP_PX, 3)).astype(np.uint8)
        write_picture(tmp_path / "faces" / f"{number}.png", pixels)
    files = sorted((tmp_path / "faces").iterdir())
    opened = OpenedSet.open(tmp_path, backend="onnxruntime", batch=2, threads=1)
    assert edit_files(opened.lane(), TARGET, files, 2, tmp_path / "loop") > 0
    assert pipeline_run(opened, TARGET, tmp_path / "faces", tmp_path / "pipeline") > 0
    for file in files:
        one, other = (read_picture(tmp_path / by / file.name) for by in ("pipeline", "loop"))
        assert np.abs(one.astype(int) - other).max() <= 1


def test_few_pictures_are_used_over_and_over(tmp_path: Path) -> None:
    (tmp_path / "faces").mkdir()
    for number in range(2):
        flat = np.full((40, 40, 3), 60 * (number + 1), np.uint8)
        write_picture(tmp_path / "faces" / f"{number}.png", flat)
    write_crops(tmp_path / "faces", 3, 32, tmp_path / "in")
    levels = [int(read_picture(file).mean()) for file in sorted((tmp_path / "in").iterdir())]
    assert levels == [60, 120, 60]
    (tmp_path / "none").mkdir()
    with pytest.raises(EfganError, match="none"):
        write_crops(tmp_path / "none", 3, 32, tmp_path / "nothing")


def test_the_best_batch_of_a_family_counts() -> None:
    ways = {
        BASE: {"family": "torch fp32 loop", "turns": [8.0], "images_per_s": 8.0},
        "b": {"family": "torch fp32 loop", "turns": [9.0], "images_per_s": 9.0},
        "c": {"family": "torch fp32 loop", "turns": [], "images_per_s": None},
    }
    assert best_ways(ways) == {"torch fp32 loop": "b"}


def test_the_defaults_are_what_ships() -> None:
    options = parse_arguments([])
    assert options.engines == SHIPPED
    assert options.checkpoint.is_file()
    assert not options.width


@pytest.mark.slow
def test_the_engines_that_ship_are_set_against_loops_over_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(measure.__globals__["FORMS"], "torch compiled loop")  # minutes
    options = ["--pictures=1", "--batches", "1", "--rounds=1", "--batch=1"]
    document = measure(parse_arguments([*options, "--ours", "openvino fp32"]), tmp_path)
    families = {way["family"] for way in document["ways"].values()}
    assert families >= {"efgan-rt openvino fp32", "torch fp32 loop", "onnxruntime fp32 loop"}
    assert "PyTorch, a loop over files one by one | 1 |" in opponents(document)
