"""Networks that a GPU backend compiles are kept for the next start, as OpenVINO's are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from efgan_rt.cli import bench_ways, edited_folder
from efgan_rt.editing import OpenedSet
from efgan_rt.engine_sets import compiled_folder
from efgan_rt.tuning import RunSettings
from engines.base import EngineError
from engines.choice import BackendChoice
from engines.directory import EngineDirectory

Cli = Callable[..., Any]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a cascade on a GPU was opened with; there is none here, so no more comes of it."""
    options: dict[str, Any] = {}

    def refuse(directory: Path, **given: Any) -> OpenedSet:
        options.update(given)
        raise EngineError("there is no CUDA driver on this machine")

    monkeypatch.setattr(OpenedSet, "open", refuse)
    return options


def test_a_batch_on_a_gpu_keeps_what_it_compiles(
    cli: Cli,
    faces: Path,
    tmp_path: Path,
    toy_engines: Path,
    asked: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    choice = BackendChoice("tensorrt-rtx", "fp32", "as asked for")
    monkeypatch.setattr(edited_folder, "choose_for_run", lambda *_, **__: choice)
    options = ("--crops", "--engines", toy_engines, "--backend", "tensorrt-rtx")
    done = cli("batch", faces, tmp_path / "out", "--expression", "happy", *options)
    assert done.status == 1, done.err
    assert asked["cache_dir"] == compiled_folder()


def test_a_bench_on_a_gpu_keeps_what_it_compiles(toy_engines: Path, asked: dict[str, Any]) -> None:
    with pytest.raises(EngineError, match="no CUDA driver"):
        choice = BackendChoice("tensorrt-rtx", "fp32", "")
        bench_ways.opened(EngineDirectory(toy_engines), choice, RunSettings(8, None, None, 1))
    assert asked["cache_dir"] == compiled_folder()
