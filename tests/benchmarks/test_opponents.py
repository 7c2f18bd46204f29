"""The opponents do the same work, and their figures are what they say."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks.file_loops import edit_files, largest_difference
from benchmarks.kit import SHIPPED
from benchmarks.opponent_ratios import BASE, best_ways, find_ratios, verdict
from benchmarks.opponents import (
    FIRST,
    Contest,
    Field,
    Pictures,
    Way,
    engines_alone,
    parse_arguments,
    pipeline_run,
    run,
)
from benchmarks.runtime_limit import RuntimeLimit, inferences_per_s, whole_limit
from efgan_rt.editing import OpenedSet
from efgan_rt.errors import EfganError
from efgan_rt.expressions import Target
from efgan_rt.pictures.write import write_picture
from engines.directory import EngineDirectory
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
    cascade = OpenedSet.open(toy, backend="onnxruntime", batch=2, threads=1)
    for name in ("pipeline", "loop"):
        (tmp_path / name).mkdir()
    assert edit_files(cascade.lane(), TARGET, files, tmp_path / "loop", batch=2) > 0
    assert pipeline_run(cascade, TARGET, toy / "faces", tmp_path / "pipeline") > 0
    assert len(list((tmp_path / "loop").iterdir())) == 5
    apart = largest_difference(tmp_path / "pipeline", tmp_path / "loop")
    assert apart is not None and apart <= 1


def test_links_repeat_the_files_under_names_of_their_own(toy: Path, tmp_path: Path) -> None:
    pictures = Pictures(sorted((toy / "faces").iterdir()), tmp_path)
    links = pictures.links(7)
    assert [link.name for link in links] == [f"{n:06}.png" for n in range(7)]
    assert links[5].read_bytes() == links[0].read_bytes()
    assert pictures.directory(7) == links[0].parent


def test_only_pictures_of_the_same_name_are_compared(tmp_path: Path) -> None:
    for folder, names in (("a", "xy"), ("b", "yz"), ("c", "z")):
        (tmp_path / folder).mkdir()
        for name in names:
            level = np.full((2, 2, 3), {"a": 7, "b": 9, "c": 0}[folder], np.uint8)
            cv2.imwrite(str(tmp_path / folder / f"{name}.png"), level)
    assert largest_difference(tmp_path / "a", tmp_path / "b") == 2
    assert largest_difference(tmp_path / "a", tmp_path / "c") is None


def way(name: str, family: str, speeds: list[float], batch: int = 1, level: int = 7) -> Way:
    """A way that runs at these speeds, one after the other, and paints a picture."""
    given = iter(speeds)

    def run(count: int, out: Path) -> float:
        assert count % batch == 0
        cv2.imwrite(str(out / "x.png"), np.full((2, 2, 3), level, np.uint8))
        return next(given)

    return Way(name, family, batch, run)


def test_the_best_of_each_family_takes_turns_and_all_are_kept(tmp_path: Path) -> None:
    contest = Contest(tmp_path, seconds=0.1)  # too short for a second run in the trial
    contest.attempt(way(FIRST, "ours", [5, 6, 7], level=7))
    contest.attempt(way(BASE, "loop", [1, 2, 3]))
    contest.attempt(way("loop, batch 4", "loop", [4, 8, 9], batch=4, level=9))
    contest.attempt(way("loop, batch 8", "loop", [2], batch=8))
    contest.compare()
    finalists = contest.finalists()
    assert [each.name for each in finalists] == [FIRST, BASE, "loop, batch 4"]
    for _ in range(2):
        contest.turn(finalists)
    ways = contest.ways_document()
    assert ways["loop, batch 4"]["turns"] == [8, 9]
    assert ways["loop, batch 4"]["largest_difference_levels"] == 2
    assert ways["loop, batch 8"] == {
        "family": "loop",
        "batch": 8,
        "trial_images_per_s": 2,
        "images_per_s": None,
        "turns": [],
        "largest_difference_levels": 0,
    }
    assert list(tmp_path.iterdir()) == []


def test_a_short_trial_is_run_again_for_longer(tmp_path: Path) -> None:
    contest = Contest(tmp_path, seconds=1.0)
    contest.attempt(way("a", "a", [100, 50]))
    assert contest.trials == {"a": 50}


def test_a_way_that_fails_is_left_out_aloud(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: int, out: Path) -> float:
        raise EfganError("batch 8 was not compiled within 60 s")

    contest = Contest(tmp_path, seconds=0.1)
    contest.attempt(Way("compiled", "compiled", 8, fail))
    assert contest.finalists() == []
    assert contest.left_out == {"compiled": "batch 8 was not compiled within 60 s"}
    said = "compiled: left out: batch 8 was not compiled within 60 s\n"
    assert capsys.readouterr().err == said


def test_a_way_that_fails_in_a_turn_is_out_and_the_others_go_on(tmp_path: Path) -> None:
    def fails_later(_: int, out: Path) -> float:
        if list(tmp_path.glob("turn")):
            raise EfganError("its process ended with status 9")
        return 3.0

    contest = Contest(tmp_path, seconds=0.1)
    contest.attempt(way("steady", "steady", [5, 6, 7]))
    contest.attempt(Way("frail", "frail", 1, fails_later))
    finalists = contest.finalists()
    contest.compare()
    contest.turn(finalists)
    contest.turn(finalists)
    assert contest.ways_document().keys() == {"steady"}
    assert contest.turns == {"steady": [6, 7]}
    assert contest.left_out == {"frail": "its process ended with status 9"}


def test_a_run_is_whole_batches_of_about_the_time(tmp_path: Path) -> None:
    runs = way("a", "a", [], batch=8)
    assert (runs.count(30, 2), runs.count(0.5, 2)) == (64, 8)


def figures(family: str, turns: list[float]) -> dict[str, Any]:
    middle = sorted(turns)[len(turns) // 2] if turns else None
    return {
        "family": family,
        "batch": 1,
        "turns": turns,
        "images_per_s": middle,
        "trial_images_per_s": 1.0,
        "largest_difference_levels": None,
    }


WAYS = {
    "efgan-rt openvino bf16": figures("efgan-rt openvino bf16", [80.0, 40.0, 90.0]),
    "efgan-rt openvino int8": figures("efgan-rt openvino int8", [120.0, 60.0, 90.0]),
    "engines alone openvino bf16": figures("engines alone openvino bf16", [100.0, 50.0, 100.0]),
    BASE: figures("torch fp32 loop", [8.0, 4.0, 10.0]),
    "torch fp32 loop, batch 4": figures("torch fp32 loop", [16.0, 8.0, 20.0]),
    "torch bf16 loop, batch 4": figures("torch bf16 loop", []),
}


def test_ratios_are_taken_turn_by_turn_with_the_bars_of_the_width() -> None:
    assert best_ways(WAYS)["torch fp32 loop"] == "torch fp32 loop, batch 4"
    assert "torch bf16 loop" not in best_ways(WAYS)
    narrow, wide = (
        {(r["over"], r["under"]): r for r in find_ratios(WAYS, width)} for width in (16, 64)
    )
    whole = ("efgan-rt openvino bf16", "engines alone openvino bf16")
    assert narrow[whole]["ratio"] == pytest.approx(0.8)
    assert (narrow[whole]["bar"], wide[whole]["bar"]) == (0.85, 0.95)
    assert narrow["efgan-rt openvino bf16", BASE]["ratio"] == 10.0
    assert narrow["efgan-rt openvino bf16", BASE]["bar"] == 5.0
    assert narrow["efgan-rt openvino int8", BASE]["ratio"] == 15.0


def test_a_bar_for_other_processors_says_so() -> None:
    ratio = {"ratio": 6.0, "bar": 7.0, "needs": "AMX"}
    assert verdict(ratio, "AVX512-BF16") == "not reached; meant for AMX, this is AVX512-BF16"
    assert verdict(ratio, "AMX-BF16") == "not reached"
    assert verdict(ratio | {"ratio": 8.0}, "AVX512-BF16") == "reached"
    assert verdict(ratio, None) == "not reached; meant for AMX, this is without bf16"
    assert verdict(ratio | {"bar": None}, None) == ""


def test_the_engines_alone_are_measured_without_files(toy: Path, tmp_path: Path) -> None:
    cascade = OpenedSet.open(toy, backend="onnxruntime", batch=2, threads=1)
    files = sorted((toy / "faces").iterdir())
    ground = Field(toy, Pictures(files, tmp_path), [2])
    assert engines_alone(cascade, ground.target, files, 4, tmp_path) > 0
    assert list(tmp_path.iterdir()) == []


def test_networks_that_hardly_count_are_measured_once(toy: Path, tmp_path: Path) -> None:
    asked: list[set[str]] = []

    def limits(_: Path, passed_over: set[str]) -> dict[str, float]:
        asked.append(passed_over)
        found = {"small": 1e4, "large": 10.0}
        return {name: each for name, each in found.items() if name not in passed_over}

    limit = RuntimeLimit(EngineDirectory(toy), "fp32", 2, 1)
    limit.network_limits = limits  # type: ignore[assignment]
    first, second = limit.run(0, tmp_path), limit.run(0, tmp_path)
    assert asked == [set(), {"small"}]
    assert first == second == pytest.approx(1 / (1 / 10 + 1e-4))


def test_the_limit_of_several_networks_is_their_times_sum() -> None:
    assert whole_limit({"a": 100.0, "b": 50.0}) == pytest.approx(100 / 3)
    report = {
        "execution_results": {
            "total execution time (ms)": "500.0",
            "total number of iterations": "20",
        }
    }
    assert inferences_per_s(report) == 40.0


def test_benchmark_app_measures_every_network(toy: Path, tmp_path: Path) -> None:
    directory = EngineDirectory(toy)
    found = RuntimeLimit(directory, "fp32", 2, 1).network_limits(tmp_path)
    assert found.keys() == directory.manifest.networks.keys()
    assert all(speed > 0 for speed in found.values())


def test_a_missing_benchmark_app_is_told(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.runtime_limit.TOOL", tmp_path / "benchmark_app")
    with pytest.raises(EfganError, match="benchmark_app is missing; it comes with openvino"):
        RuntimeLimit(EngineDirectory(toy), "fp32", 2, 1).run(0, tmp_path)


def test_the_defaults_are_what_ships() -> None:
    options = parse_arguments([])
    assert options.engines == SHIPPED
    assert options.checkpoint.is_file()
    assert not options.width


@pytest.mark.slow
def test_the_engines_that_ship_are_set_against_loops_over_them() -> None:
    options = ["--minutes=0", "--seconds=0.1", "--compile-seconds=0", "--batches", "1"]
    options += ["--rounds=1", "--batch=1", "--app-seconds=1", "--ours", "openvino fp32"]
    document = run(parse_arguments(options))
    families = {way["family"] for way in document["ways"].values()}
    assert families >= {"efgan-rt openvino fp32", "torch fp32 loop", "onnxruntime fp32 loop"}
    loop = document["ways"]["onnxruntime fp32 loop, batch 1"]
    assert loop["largest_difference_levels"] <= 40, "motion is applied by the pipeline itself"
    assert {ratio["under"] for ratio in document["ratios"]} >= {BASE}
