"""How far a compilation is, and the cache of its timings."""

import threading
from pathlib import Path
from typing import Any

import pytest

from engines.nvidia_driver import Gpu
from engines.tensorrt_log import log_of

pytestmark = [pytest.mark.tensorrt, pytest.mark.usefixtures("loaded_tensorrt")]


@pytest.fixture
def seen() -> list[tuple[float, str]]:
    return []


@pytest.fixture
def monitor(loaded_tensorrt: Any, seen: list[tuple[float, str]]) -> Any:
    from export.build_progress import BuildMonitor

    return BuildMonitor(lambda done, phase: seen.append((done, phase)))


def test_a_nested_phase_counts_as_a_part_of_its_parents_step(
    monitor: Any, seen: list[tuple[float, str]]
) -> None:
    monitor.phase_start("build", None, 4)
    assert monitor.step_complete("build", 0)
    monitor.phase_start("time", "build", 2)
    assert monitor.step_complete("time", 0)
    assert seen[-1] == (0.25 + 0.25 / 2, "time")
    monitor.phase_finish("time")
    monitor.step_complete("build", 3)
    assert seen[-1] == (1.0, "build")
    monitor.phase_finish("build")
    assert seen[-1] == (1.0, "build")


def test_progress_never_goes_back(monitor: Any, seen: list[tuple[float, str]]) -> None:
    monitor.phase_start("build", None, 2)
    for _ in range(2):  # the second child of a step begins where the first had ended
        monitor.phase_start("child", "build", 2)
        monitor.step_complete("child", 0)
        monitor.step_complete("child", 1)
        monitor.phase_finish("child")
    shares = [done for done, _ in seen]
    assert shares == sorted(shares)


def test_a_cancelled_build_is_told_to_stop_at_its_next_step(monitor: Any) -> None:
    monitor.phase_start("build", None, 2)
    assert monitor.step_complete("build", 0)
    monitor.cancel()
    assert not monitor.step_complete("build", 1)


def test_work_runs_outside_the_main_thread_and_its_errors_come_back(monitor: Any) -> None:
    from export.build_progress import run_cancellable

    assert run_cancellable(threading.current_thread, monitor) is not threading.main_thread()
    with pytest.raises(ZeroDivisionError):
        run_cancellable(lambda: 1 // 0, monitor)


def test_timings_belong_to_a_gpu_and_a_version(own_cache_folder: Path) -> None:
    from export.timing_cache import timing_cache_path

    gpu = Gpu("NVIDIA GeForce RTX 4090", "8.9", "580.65")
    path = timing_cache_path("tensorrt", "11.4.0.106", gpu)
    assert path is not None
    assert path.parent == own_cache_folder / "efgan-rt" / "tensorrt"
    assert path.name == "tensorrt-11.4.0.106-NVIDIA-GeForce-RTX-4090-cc8.9.timing"
    assert timing_cache_path("tensorrt", "11.4.0.106", None) != path
    assert timing_cache_path("tensorrt", "11.5.0", gpu) != path
    assert timing_cache_path("tensorrt_rtx", "11.4.0.106", gpu) != path


@pytest.fixture
def config(loaded_tensorrt: Any) -> Any:
    builder = loaded_tensorrt.Builder(log_of(loaded_tensorrt).logger)
    made = builder.create_builder_config()
    yield made
    del made, builder


def test_timings_are_found_again(config: Any, tmp_path: Path) -> None:
    from export.timing_cache import attach_timing_cache, keep_timing_cache

    path = tmp_path / "made" / "a.timing"
    assert not attach_timing_cache(config, path)
    keep_timing_cache(config, path)
    assert path.stat().st_size > 0
    assert attach_timing_cache(config, path)
    assert [each.name for each in path.parent.iterdir()] == ["a.timing"]


def test_a_cache_that_cannot_be_written_costs_only_the_cache(config: Any, tmp_path: Path) -> None:
    from export.timing_cache import attach_timing_cache, keep_timing_cache

    attach_timing_cache(config, tmp_path / "a.timing")
    (tmp_path / "file").write_text("")
    keep_timing_cache(config, tmp_path / "file" / "a.timing")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
