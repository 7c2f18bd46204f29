"""Lanes on a GPU that are broken on purpose: the device of the tests has to catch each hazard."""

from collections.abc import Callable
from pathlib import Path

import pytest

from efgan_rt.editing import device_lane
from efgan_rt.expressions import target_places
from efgan_rt.families.cascade import CASCADE
from efgan_rt.families.registry import read_properties
from efgan_rt.lane import Lane
from engines.base import EngineError
from engines.device import DeviceContext
from engines.device_lane import _Batch
from engines.directory import EngineDirectory
from tests.efgan_rt.device_lanes import (
    BATCH,
    failing_lane,
    inner,
    job,
    open_engines,
    open_lane,
    run_job,
)
from tests.engines.fake_cuda import FakeCuda, HazardError
from tests.engines.host_engine import HostEngine


@pytest.fixture
def cuda() -> FakeCuda:
    return FakeCuda()


@pytest.fixture
def broken_lane(three_stages: Path, cuda: FakeCuda) -> Lane:
    """To be broken by the test, and so never closed."""
    return open_lane(three_stages, cuda)


def no_wait(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run returns without having waited for the last download."""
    monkeypatch.setattr(inner(lane)._marks["download"], "synchronize", lambda: None)
    monkeypatch.setattr(inner(lane), "_seconds", lambda _: {})
    monkeypatch.setattr(inner(lane), "_capture", lambda _: None)


def test_a_lane_that_does_not_wait_is_caught_when_its_result_is_read(
    broken_lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_wait(broken_lane, monkeypatch)
    with pytest.raises(HazardError, match="read by the host while a pending 'download' uses it"):
        run_job(broken_lane, job())


def test_a_lane_that_does_not_wait_before_reuse_is_caught(
    broken_lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_wait(broken_lane, monkeypatch)
    work = job()
    broken_lane.run(work.pixels, target_places(work.scale, work.offset))
    with pytest.raises(HazardError, match="written by the host while a pending 'upload' uses it"):
        broken_lane.run(work.pixels, target_places(work.scale, work.offset))


def test_a_lane_that_waits_for_the_wrong_mark_is_caught(
    broken_lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = inner(broken_lane)._marks["stage_3"]
    monkeypatch.setattr(inner(broken_lane)._marks["download"], "synchronize", mark.synchronize)
    with pytest.raises(HazardError, match="read before the host waited for it"):
        run_job(broken_lane, job())


def test_a_lane_that_waits_for_a_mark_of_its_graph_is_caught(
    three_stages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane = open_lane(three_stages, FakeCuda(marks_in_graphs=True))
    run_job(lane, job())
    monkeypatch.setattr(inner(lane), "_wait", inner(lane)._marks["stage_3"].synchronize)
    with pytest.raises(HazardError, match="may still be that of the launch before"):
        run_job(lane, job())


def test_a_lane_that_does_not_wait_for_its_graph_is_caught(
    three_stages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane = open_lane(three_stages, FakeCuda(marks_in_graphs=True))
    run_job(lane, job())
    no_wait(lane, monkeypatch)
    with pytest.raises(HazardError, match="read by the host while a pending 'download' uses it"):
        run_job(lane, job())


def test_a_lane_that_does_not_settle_after_a_failure_is_caught(
    three_stages: Path, cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane = failing_lane(three_stages, cuda, monkeypatch)
    monkeypatch.setattr(inner(lane), "_settle", lambda: None)
    run_job(lane, job(1))
    with pytest.raises(EngineError):
        run_job(lane, job(2))
    with pytest.raises(HazardError, match="written by the host while a pending 'upload' uses it"):
        run_job(lane, job(3))


def test_a_lane_closed_while_it_runs_is_caught(
    broken_lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        no_wait(broken_lane, patch)
        broken_lane.run(job().pixels, target_places(job().scale, job().offset))
        with pytest.raises(HazardError, match="memory was freed while"):
            broken_lane.close()
    inner(broken_lane)._unfinished = True


def test_lanes_that_share_their_scratch_memory_are_caught(
    three_stages: Path, cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines = open_engines(three_stages, cuda)
    with cuda.current():
        shared = cuda.device(1000)
    bind: Callable[..., DeviceContext] = HostEngine.bind
    monkeypatch.setattr(
        HostEngine, "bind", lambda self, buffers, _, stream: bind(self, buffers, shared, stream)
    )
    one, two = (
        device_lane(cuda, engines, CASCADE, read_properties(EngineDirectory(three_stages)), BATCH)
        for _ in range(2)
    )
    no_wait(one, monkeypatch)
    one.run(job().pixels, target_places(job().scale, job().offset))
    with pytest.raises(HazardError, match="'au_estimator' and 'au_estimator' touch the same"):
        two.run(job().pixels, target_places(job().scale, job().offset))


def test_a_lane_that_forgets_a_stages_aim_is_caught(
    broken_lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inner(broken_lane), "_copy_part", lambda _: None)
    with pytest.raises(HazardError, match="'stage_1' reads what nothing has written"):
        run_job(broken_lane, job())


def test_a_lane_used_without_its_context_is_caught(broken_lane: Lane) -> None:
    with pytest.raises(HazardError, match="without the context being current in this thread"):
        inner(broken_lane)._enqueue(_Batch(("pixels",), (), {}, ()))
