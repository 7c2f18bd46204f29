"""How a run grows: each axis changes one thing, a point is a run."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import scaling
from benchmarks.readme_tables import AXES
from benchmarks.readme_tables import scaling as scaling_text
from benchmarks.scaling import Point, measure, points, run_point, write_pictures
from efgan_rt.errors import EfganError
from efgan_rt.pictures.write import write_picture
from tests.toy_engines import CROP_PX, write_toy_engines


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy engine directory, and in `faces` five pictures of its size."""
    folder = tmp_path_factory.mktemp("scaling")
    write_toy_engines(folder)
    random = np.random.default_rng(0)
    (folder / "faces").mkdir()
    for number in range(5):
        pixels = random.integers(0, 256, (CROP_PX, CROP_PX, 3)).astype(np.uint8)
        write_picture(folder / "faces" / f"{number}.png", pixels)
    return folder


def test_each_axis_changes_one_thing() -> None:
    for axis in AXES:
        for point in points(axis, 80, cores=4):
            assert {
                name
                for name, value in vars(point).items()
                if value != getattr(Point(80), name) and name != axis
            } == set()
    assert [point.cores for point in points("cores", 8, cores=6)] == [1, 2, 4, 6]


def test_a_point_is_a_run_with_its_time_and_memory(toy: Path, tmp_path: Path) -> None:
    point = Point(pictures=3, size_px=20, batch=2, lanes=1, cores=1)
    write_pictures(point, sorted((toy / "faces").iterdir()), tmp_path / "in")
    options = ("--engines", str(toy), "--backend", "onnxruntime")
    figures = run_point(point, tmp_path / "in", tmp_path / "out", options)
    assert len(list((tmp_path / "out").glob("*.jpg"))) == 3
    assert figures["images_per_s"] > 0
    assert figures["peak_mb"] > 20
    with pytest.raises(EfganError, match="furious"):
        run_point(point, tmp_path / "in", tmp_path / "o", (*options, "-e", "furious"))


def test_the_pictures_of_that_axis_are_those_asked_for() -> None:
    assert [p.pictures for p in points("pictures", 80, 2, (3, 20_000))] == [3, 20_000]
    assert [p.pictures for p in points("pictures", 80, 2)] == [100, 1000, 5000]


def test_long_runs_are_not_repeated(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "REPEATED_UP_TO", 2)
    monkeypatch.setattr(scaling, "FACES", toy / "faces")
    options = ("--engines", str(toy), "--backend", "onnxruntime")
    found = measure(["pictures"], 2, 2, options, (1, 3))
    assert [row["rounds"] for row in found["pictures"]] == [2, 1]
    facts = {"processor": "CPU", "bf16": None, "cores": 2}
    packages = {"openvino": "1", "onnxruntime": "2"}
    document = {"axes": found, "pictures": 2, "machine": facts | {"packages": packages}}
    assert "| pictures: 3 |" in scaling_text(document)
