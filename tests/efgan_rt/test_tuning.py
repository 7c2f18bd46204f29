"""Settings of a run: as asked for, as tuned, or by default."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from efgan_rt import tuning
from efgan_rt.errors import EfganError
from efgan_rt.reporting.tuning_search import candidates
from efgan_rt.tuning import (
    RunSettings,
    RunWishes,
    default_settings,
    find_tuning,
    settings_for,
    write_tuning,
)
from engines.choice import BackendChoice
from engines.directory import EngineDirectory
from engines.nvidia_driver import Gpu
from tests.toy_engines import write_toy_engines

CHOICE = BackendChoice("openvino", "fp32", "")
TUNED = RunSettings(batch=4, lanes=2, threads=1, workers=3)


def ignore(_: str) -> None:
    """Tells nobody."""


def test_nothing_tuned_means_the_defaults(toy_engines: Path) -> None:
    said: list[str] = []
    assert (
        settings_for(EngineDirectory(toy_engines), CHOICE, RunWishes(), said.append)
        == default_settings()
    )
    assert said == []


def test_what_was_tuned_is_used_and_said_aloud(toy_engines: Path) -> None:
    path = write_tuning(toy_engines, CHOICE, TUNED, {"seconds": 1})
    said: list[str] = []
    assert settings_for(EngineDirectory(toy_engines), CHOICE, RunWishes(), said.append) == TUNED
    assert said == [
        f"tuned: batch 4, 2 lanes, 1 thread, 3 workers (by efgan-rt bench --tune; {path})"
    ]
    assert json.loads(path.read_text())["seconds"] == 1


def test_a_wish_goes_before_what_was_tuned(toy_engines: Path) -> None:
    write_tuning(toy_engines, CHOICE, TUNED, {})
    workers = settings_for(EngineDirectory(toy_engines), CHOICE, RunWishes(workers=1), ignore)
    assert workers == replace(TUNED, workers=1)
    batch = settings_for(EngineDirectory(toy_engines), CHOICE, RunWishes(batch=2), ignore)
    assert batch == replace(default_settings(), batch=2)


def gpu_here(monkeypatch: pytest.MonkeyPatch, name: str, compute_capability: str) -> None:
    gpu = Gpu(name, compute_capability, "580.65.06")
    monkeypatch.setattr("engines.nvidia_driver.present_gpu", lambda: gpu)
    monkeypatch.setattr(tuning, "present_gpu", lambda: gpu, raising=False)


H200 = ("NVIDIA H200", "9.0")
ON_GPU = BackendChoice("onnxruntime-cuda", "fp32", "")


def test_a_tuning_belongs_to_the_gpu(toy_engines: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu_here(monkeypatch, *H200)
    write_tuning(toy_engines, ON_GPU, TUNED, {})
    assert find_tuning(toy_engines, ON_GPU) == TUNED
    gpu_here(monkeypatch, "NVIDIA L4", "8.9")
    assert find_tuning(toy_engines, ON_GPU) is None


@pytest.mark.parametrize("package", ["onnxruntime-gpu", "tensorrt", "tensorrt-cu13-bindings"])
def test_a_tuning_on_a_gpu_belongs_to_the_runtimes_version(
    toy_engines: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    gpu_here(monkeypatch, *H200)
    write_tuning(toy_engines, ON_GPU, TUNED, {})
    real = tuning._version
    monkeypatch.setattr(tuning, "_version", lambda name: "99" if name == package else real(name))
    assert find_tuning(toy_engines, ON_GPU) is None


@pytest.mark.parametrize(
    ("gpu", "backend", "largest", "expected"),
    [
        (H200, "tensorrt", 128, 64),
        (("NVIDIA A100-SXM4-80GB", "8.0"), "onnxruntime-cuda", 128, 64),
        (H200, "onnxruntime-cuda", 32, 32),
        (H200, "openvino", 128, 8),
        (("NVIDIA H200 MIG 1g.18gb", "9.0"), "tensorrt", 128, 8),
        (("NVIDIA GeForce RTX 4090", "8.9"), "tensorrt", 128, 8),
    ],
)
def test_the_default_batch_is_large_on_a_data_centres_gpu_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    gpu: tuple[str, str],
    backend: str,
    largest: int,
    expected: int,
) -> None:
    gpu_here(monkeypatch, *gpu)
    folder = engines_for(tmp_path, (1, 8, largest))
    choice = BackendChoice(backend, "fp32", "")
    assert settings_for(EngineDirectory(folder), choice, RunWishes(), ignore).batch == expected


def test_the_default_batch_is_that_of_engines_for_a_single_one(tmp_path: Path) -> None:
    folder = engines_for(tmp_path, (24, 24, 24))
    assert settings_for(EngineDirectory(folder), CHOICE, RunWishes(), ignore).batch == 24


def engines_for(folder: Path, batch: tuple[int, int, int]) -> Path:
    """Toy engines whose manifest says that they are for these batches."""
    made = write_toy_engines(folder)
    networks = {name: replace(entry, batch=batch) for name, entry in made.networks.items()}
    replace(made, networks=networks).write(folder)
    return folder


def test_a_tuning_belongs_to_engines_and_precision(toy_engines: Path, tmp_path: Path) -> None:
    write_tuning(toy_engines, CHOICE, TUNED, {})
    other = shutil.copytree(toy_engines, tmp_path / "other")
    manifest = other / "manifest.json"
    manifest.write_text(manifest.read_text() + "\n")
    assert find_tuning(other, CHOICE) is None
    assert find_tuning(toy_engines, BackendChoice("onnxruntime", "fp32", "")) is None


@pytest.mark.parametrize("content", ["", "[]", '{"settings": {"batch": 8}}'])
def test_a_garbled_tuning_is_none(toy_engines: Path, content: str) -> None:
    write_tuning(toy_engines, CHOICE, TUNED, {}).write_text(content)
    assert find_tuning(toy_engines, CHOICE) is None


@pytest.mark.parametrize("change", [{"batch": 0}, {"workers": "3"}, {"lanes": -1}])
def test_a_tuning_of_impossible_numbers_is_none(toy_engines: Path, change: dict[str, int]) -> None:
    path = write_tuning(toy_engines, CHOICE, TUNED, {})
    document = json.loads(path.read_text())
    document["settings"] |= change
    path.write_text(json.dumps(document))
    assert find_tuning(toy_engines, CHOICE) is None


def test_a_tuning_that_cannot_be_kept_is_told(toy_engines: Path, own_data_folder: Path) -> None:
    own_data_folder.write_text("a file where the folder would be")
    with pytest.raises(EfganError, match="cannot be written: Not a directory"):
        write_tuning(toy_engines, CHOICE, TUNED, {})


def test_one_of_a_thing_is_no_plural() -> None:
    assert str(RunSettings(1, 1, 1, 1)) == "batch 1, 1 lane, 1 thread, 1 worker"
    assert str(RunSettings(8, None, None, 2)) == "batch 8, 2 workers"


@pytest.mark.parametrize(
    ("setting", "on_processor", "values"),
    [
        ("lanes", True, [1, 2, 4]),
        ("lanes", False, [1, 2, 3]),
        ("batch", True, [2, 4, 16]),  # 8 is what is held already
        ("threads", True, [4, 3]),
        ("threads", False, []),
        ("workers", True, [1, 2, 4]),  # 8 likewise
    ],
)
def test_candidates_stay_within_the_machine_and_the_engines(
    setting: str, on_processor: bool, values: list[int]
) -> None:
    found = candidates(
        RunSettings(8, None, None, 8),
        setting,
        batches=(2, 20),
        on_processor=on_processor,
        cores=4,
    )
    assert [getattr(each, setting) for each in found] == values


def test_the_default_number_of_workers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(64)))
    assert default_settings().workers == tuning.MOST_DEFAULT_WORKERS
