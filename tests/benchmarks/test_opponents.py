"""The opponents do the same work, and their figures are what they say."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks import opponents, scaling
from benchmarks.file_loops import SessionLoop, edit_files, largest_difference
from benchmarks.opponents import links_to, measure, parse_arguments, pipeline_run
from benchmarks.runtime_limit import cascade_limit, inferences_per_s, network_limits
from benchmarks.scaling import Point, points, run_point, write_pictures
from efgan_rt.cascade import CascadeEngines
from efgan_rt.errors import EfganError
from efgan_rt.expressions import Target
from efgan_rt.images import write_picture
from engines.manifest import read_manifest
from tests.toy_engines import AU_NAMES, CROP_PX, write_toy_engines

TARGET = Target(np.zeros(len(AU_NAMES), np.float32), np.full(len(AU_NAMES), 2.0, np.float32))


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy engine directory, and in `faces` five pictures of its size."""
    folder = tmp_path_factory.mktemp("opponents")
    write_toy_engines(folder)
    random = np.random.default_rng(0)
    (folder / "faces").mkdir()
    for number in range(5):
        pixels = random.integers(0, 256, (CROP_PX, CROP_PX, 3)).astype(np.uint8)
        write_picture(folder / "faces" / f"{number}.png", pixels)
    return folder


def test_a_loop_over_files_gives_what_the_pipeline_gives(toy: Path, tmp_path: Path) -> None:
    files = sorted((toy / "faces").iterdir())
    cascade = CascadeEngines.open(toy, backend="onnxruntime", batch=2, threads=1)
    loop = SessionLoop(toy, read_manifest(toy), cascade.stages, batch=2)
    for name in ("pipeline", "loop"):
        (tmp_path / name).mkdir()
    assert edit_files(loop, TARGET, files, tmp_path / "loop", batch=2) > 0
    assert pipeline_run(cascade, TARGET, toy / "faces", tmp_path / "pipeline") > 0
    assert len(list((tmp_path / "loop").iterdir())) == 5
    assert largest_difference(tmp_path / "pipeline", tmp_path / "loop") <= 1


def test_links_repeat_the_files_under_names_of_their_own(toy: Path, tmp_path: Path) -> None:
    links = links_to(sorted((toy / "faces").iterdir()), 7, tmp_path / "in")
    assert [link.name for link in links] == [f"{n:06}.png" for n in range(7)]
    assert links[5].read_bytes() == links[0].read_bytes()


def test_ways_take_turns_and_the_first_turn_only_warms_up(tmp_path: Path) -> None:
    order: list[str] = []

    def way(name: str, level: int) -> Any:
        def run(out: Path) -> float:
            order.append(name)
            cv2.imwrite(str(out / "x.png"), np.full((2, 2, 3), level, np.uint8))
            return float(len(order))

        return run

    ways = {opponents.FIRST: way("ours", 7), "loop": way("loop", 9)}
    speeds, differences = measure(ways, 2, tmp_path)
    assert order == ["ours", "loop"] * 3
    assert speeds == {opponents.FIRST: [3.0, 5.0], "loop": [4.0, 6.0]}
    assert differences == {opponents.FIRST: 0, "loop": 2}


def test_the_limit_of_several_networks_is_their_times_sum() -> None:
    assert cascade_limit({"a": 100.0, "b": 50.0}) == pytest.approx(100 / 3)
    report = {
        "execution_results": {
            "total execution time (ms)": "500.0",
            "total number of iterations": "20",
        }
    }
    assert inferences_per_s(report) == 40.0


def test_benchmark_app_measures_every_network(toy: Path, tmp_path: Path) -> None:
    manifest = read_manifest(toy)
    found = network_limits(toy, manifest, tmp_path, precision="fp32", batch=2, seconds=1)
    assert found.keys() == manifest.networks.keys()
    assert all(speed > 0 for speed in found.values())


def test_a_missing_benchmark_app_is_told(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.runtime_limit.TOOL", tmp_path / "benchmark_app")
    with pytest.raises(EfganError, match="benchmark_app is missing; it comes with openvino"):
        network_limits(toy, read_manifest(toy), tmp_path, precision="fp32", batch=2, seconds=1)


def test_each_axis_changes_one_thing() -> None:
    for axis in scaling.AXES:
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


def test_the_defaults_are_what_ships() -> None:
    options = parse_arguments([])
    assert (options.engines / "manifest.json").is_file()
    assert options.checkpoint.is_file()
