"""The lane on a GPU, with real networks on a device that fails on every hazard.

It has to give, bit for bit, what the lane on the processor gives: the networks are the same files
in the same runtime, so only what the lane does with its memory can make a difference.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from efgan_rt.editing import OpenedSet, device_lane
from efgan_rt.errors import EfganError
from efgan_rt.expressions import Target, target_places
from efgan_rt.families.cascade import CASCADE
from efgan_rt.families.registry import read_properties
from efgan_rt.lane import BatchEditor, Lane
from efgan_rt.pipeline.batch import run_batch
from efgan_rt.pipeline.files import Plan, asked_of_all
from efgan_rt.pipeline.journal import Journal
from efgan_rt.reporting.latency import LatencyRecorder
from efgan_rt.shots import one_shot_each, stills
from engines import device_lane as lanes_of_engines
from engines.arrays import Array
from engines.base import EngineError
from engines.directory import EngineDirectory
from tests.efgan_rt.asking import asked
from tests.efgan_rt.device_lanes import (
    BATCH,
    NETWORKS,
    STAGES,
    UNITS,
    Job,
    arrays_of,
    assert_same,
    failing_lane,
    job,
    open_engines,
    open_lane,
    run_job,
)
from tests.engines.fake_cuda import FakeCuda, FakeEvent, FakeGraph
from tests.toy_engines import CROP_PX, write_toy_engines


@pytest.fixture(scope="module")
def on_processor(three_stages: Path) -> Lane:
    engines = OpenedSet.open(three_stages, backend="onnxruntime", batch=BATCH, threads=1)
    lane = engines.lane()
    assert isinstance(lane, Lane)
    return lane


@pytest.fixture
def cuda() -> FakeCuda:
    return FakeCuda()


@pytest.fixture
def lane(three_stages: Path, cuda: FakeCuda) -> Iterator[Lane]:
    with closing(open_lane(three_stages, cuda)) as opened:
        yield opened


@pytest.mark.parametrize("graphs", ["of a batch", "of a network", ""])
@pytest.mark.parametrize("seed", range(5))
def test_a_device_lane_gives_what_the_processors_lane_gives(
    three_stages: Path, on_processor: Lane, seed: int, graphs: str
) -> None:
    cuda = FakeCuda(seed, marks_in_graphs=graphs == "of a batch")
    with closing(open_lane(three_stages, cuda, graphs=bool(graphs))) as lane:
        for number in range(4):
            work = job(number)
            assert_same(run_job(lane, work), run_job(on_processor, work))


def test_action_units_that_are_given_are_uploaded_instead_of_estimated(
    lane: Lane, on_processor: Lane
) -> None:
    for number in range(3):
        work = job(number)
        given = work.source_au
        expected = arrays_of(on_processor.run(**asked(work.pixels, work.scale, work.offset, given)))
        edited = lane.run(
            work.pixels, target_places(work.scale, work.offset), known={"source_au": given}
        )
        assert edited.source_au is given
        assert "au_estimator" not in edited.seconds
        assert_same(arrays_of(edited), expected)
        assert_same(run_job(lane, work), run_job(on_processor, work))


def test_an_estimate_handed_back_gives_the_same_picture(lane: Lane) -> None:
    work = job()
    first = run_job(lane, work)
    estimated = lane.run(work.pixels, target_places(work.scale, work.offset)).source_au
    again = lane.run(
        work.pixels, target_places(work.scale, work.offset), known={"source_au": estimated}
    )
    assert_same(arrays_of(again), first)


def test_progress_reaches_the_interpolator(lane: Lane, on_processor: Lane) -> None:
    work = job()
    progress = np.linspace(0, 1, BATCH * STAGES, dtype=np.float32).reshape(BATCH, STAGES)
    expected = arrays_of(
        on_processor.run(**asked(work.pixels, work.scale, work.offset, progress=progress))
    )
    edited = lane.run(work.pixels, target_places(work.scale, work.offset), progress=progress)
    assert_same(arrays_of(edited), expected)
    assert_same(run_job(lane, work), run_job(on_processor, work))


@pytest.mark.parametrize("seed", range(5))
def test_the_pictures_of_every_stage_are_the_processors(
    three_stages: Path, on_processor: Lane, seed: int
) -> None:
    with closing(open_lane(three_stages, FakeCuda(seed))) as lane:
        for number in range(3):
            work = job(number)
            given = (work.pixels, work.scale, work.offset)
            expected = [
                np.array(each.copy())
                for each in on_processor.run(**asked(*given, stages=True)).stage_pixels
            ]
            edited = lane.run(**asked(*given, stages=True))
            assert len(edited.stage_pixels) == STAGES
            for made, wanted in zip(edited.stage_pixels, expected, strict=True):
                np.testing.assert_array_equal(np.array(made.copy()), wanted)
            assert edited.stage_pixels[-1] is edited.pixels
            assert (expected[0] != expected[1]).any()
            assert_same(run_job(lane, work), run_job(on_processor, work))


def test_stage_pictures_cost_no_further_wait_and_nothing_where_nobody_asks(
    lane: Lane, cuda: FakeCuda
) -> None:
    work = job()
    assert lane.run(work.pixels, target_places(work.scale, work.offset)).stage_pixels == ()
    before = cuda.host_waits
    lane.run(work.pixels, target_places(work.scale, work.offset), stages=True)
    assert cuda.host_waits - before == 1


def test_the_estimate_alone_is_the_processors(lane: Lane, on_processor: Lane) -> None:
    for number in range(3):
        pixels = job(number).pixels
        np.testing.assert_array_equal(
            np.array(lane.estimate(pixels).copy()), on_processor.estimate(pixels)
        )


def test_a_run_waits_for_the_device_once(lane: Lane, cuda: FakeCuda) -> None:
    run_job(lane, job())
    before = cuda.host_waits
    run_job(lane, job())
    assert cuda.host_waits - before == 1


def test_times_are_of_every_network_and_both_ways_in_order(lane: Lane) -> None:
    for _ in range(2):
        seconds = lane.run(job().pixels, target_places(job().scale, job().offset)).seconds
        assert tuple(seconds) == ("upload", *NETWORKS, "download")
        assert all(value >= 0 for value in seconds.values())
        assert sum(seconds.values()) > 0


def test_every_network_is_captured_once_after_its_first_run(lane: Lane, cuda: FakeCuda) -> None:
    work = job()
    lane.run(
        work.pixels, target_places(work.scale, work.offset), known={"source_au": work.source_au}
    )
    assert cuda.captured == len(NETWORKS) - 1
    for _ in range(2):
        lane.run(work.pixels, target_places(work.scale, work.offset))
    assert cuda.captured == len(NETWORKS)


@pytest.fixture
def whole() -> FakeCuda:
    """On which a whole batch becomes a graph."""
    return FakeCuda(marks_in_graphs=True)


def test_a_batch_becomes_one_graph_for_each_kind_of_it(
    three_stages: Path, on_processor: Lane, whole: FakeCuda
) -> None:
    with closing(open_lane(three_stages, whole)) as lane:
        for number in range(3):
            work = job(number)
            given = (work.pixels, work.scale, work.offset)
            assert_same(run_job(lane, work), run_job(on_processor, work))
            for more in ({"source_au": work.source_au}, {"stages": True}):
                found = arrays_of(lane.run(**asked(*given, **more)))
                assert_same(found, arrays_of(on_processor.run(**asked(*given, **more))))
            assert whole.captured == 3
        before = whole.host_waits
        seconds = lane.run(*given[:1], target_places(*given[1:])).seconds
        assert whole.host_waits - before == 1
        assert tuple(seconds) == ("upload", *NETWORKS, "download")
        assert all(value >= 0 for value in seconds.values()) and sum(seconds.values()) > 0


def test_a_kind_too_many_is_put_on_the_stream_bit_by_bit(
    three_stages: Path, on_processor: Lane, whole: FakeCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes_of_engines, "MOST_BATCH_GRAPHS", 1)
    with closing(open_lane(three_stages, whole)) as lane:
        for number in range(3):
            assert_same(run_job(lane, job(number)), run_job(on_processor, job(number)))
            lane.estimate(job(number).pixels)
    assert whole.captured == 1


@pytest.mark.parametrize("fault", ["no capture", "no launch", "no times"])
def test_where_a_batch_is_no_graph_each_network_is_one(
    three_stages: Path,
    on_processor: Lane,
    whole: FakeCuda,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
) -> None:
    def fail(*_: object) -> None:
        raise EngineError("cudaEventElapsedTime failed: cudaErrorInvalidResourceHandle")

    capture, said = whole.capture, list[str]()
    with closing(open_lane(three_stages, whole, say=said.append)) as lane:
        with monkeypatch.context() as patch:
            if fault == "no capture":
                tried = iter([None])
                patch.setattr(whole, "capture", lambda *g: next(tried, ...) and capture(*g))
            elif fault == "no launch":
                patch.setattr(FakeGraph, "launch", fail)
            else:
                patch.setattr(FakeEvent, "ms_since", failing_in_graphs(fail))
            assert_same(run_job(lane, job(0)), run_job(on_processor, job(0)))
        for number in range(3):
            assert_same(run_job(lane, job(number)), run_job(on_processor, job(number)))
    assert whole.captured == len(NETWORKS) + (fault != "no capture")
    assert said == []


def failing_in_graphs(fail: Callable[[], None]) -> Callable[[FakeEvent, FakeEvent], float]:
    """Times of events that graphs record cannot be read."""
    ms_since = FakeEvent.ms_since

    def found(self: FakeEvent, earlier: FakeEvent) -> float:
        if self.mark("its time was read").event is not None:
            fail()
        return ms_since(self, earlier)

    return found


def test_without_graphs_the_lane_says_so_once_and_runs_on(
    three_stages: Path, on_processor: Lane
) -> None:
    said: list[str] = []
    with closing(open_lane(three_stages, FakeCuda(graphs=False), say=said.append)) as lane:
        for number in range(3):
            assert_same(run_job(lane, job(number)), run_job(on_processor, job(number)))
    assert said == [
        "no CUDA graph can be captured here (a device of the tests) of au_estimator, interpolator, "
        "stage_1, stage_2, stage_3; their kernels are launched one by one: the same pictures, a "
        "little slower"
    ]


def test_an_engine_that_cannot_be_captured_is_not_tried(three_stages: Path, cuda: FakeCuda) -> None:
    said: list[str] = []
    engines = open_engines(three_stages, cuda, capturable=False)
    with closing(
        device_lane(
            cuda,
            engines,
            CASCADE,
            read_properties(EngineDirectory(three_stages)),
            BATCH,
            say=said.append,
        )
    ) as lane:
        run_job(lane, job())
        run_job(lane, job())
    assert (cuda.captured, said) == (0, [])


def test_networks_without_scratch_memory_get_none(three_stages: Path, on_processor: Lane) -> None:
    cuda = FakeCuda()
    engines = open_engines(three_stages, cuda, scratch_bytes=0)
    with closing(
        device_lane(cuda, engines, CASCADE, read_properties(EngineDirectory(three_stages)), BATCH)
    ) as lane:
        assert_same(run_job(lane, job()), run_job(on_processor, job()))


def test_a_half_precision_set_keeps_its_images_in_half(tmp_path: Path) -> None:
    write_toy_engines(tmp_path, stages=STAGES, precision="fp16")
    engines = OpenedSet.open(tmp_path, backend="onnxruntime", batch=BATCH, threads=1)
    with closing(open_lane(tmp_path, FakeCuda())) as lane, closing(engines.lane()) as expected:
        assert_same(run_job(lane, job()), run_job(expected, job()))


@pytest.mark.parametrize("stages", [1, 2])
def test_any_number_of_stages_ends_with_the_last_image(tmp_path: Path, stages: int) -> None:
    write_toy_engines(tmp_path, stages=stages)
    cuda = FakeCuda()
    engines = OpenedSet.open(tmp_path, backend="onnxruntime", batch=BATCH, threads=1)
    lane = open_lane(tmp_path, cuda)
    with closing(lane), closing(engines.lane()) as expected:
        assert_same(run_job(lane, job()), run_job(expected, job()))


@pytest.mark.parametrize("seed", range(5))
def test_lanes_in_several_threads_do_not_disturb_each_other(
    three_stages: Path, on_processor: Lane, seed: int
) -> None:
    cuda = FakeCuda(seed)
    engines = open_engines(three_stages, cuda)
    jobs = [[job(10 * thread + number) for number in range(4)] for thread in range(3)]
    expected = [[run_job(on_processor, work) for work in works] for works in jobs]
    lanes = [
        device_lane(cuda, engines, CASCADE, read_properties(EngineDirectory(three_stages)), BATCH)
        for _ in jobs
    ]

    def run_all(lane: Lane, works: list[Job]) -> list[dict[str, Array]]:
        return [run_job(lane, work) for work in works]

    with ThreadPoolExecutor(len(lanes)) as threads:
        found = list(threads.map(run_all, lanes, jobs))
    for left, right in zip(found, expected, strict=True):
        for one, other in zip(left, right, strict=True):
            assert_same(one, other)


def edit_folder(source: Path, output: Path, lanes: list[BatchEditor]) -> LatencyRecorder:
    targets = [Target(np.ones(UNITS, np.float32), np.full(UNITS, v, np.float32)) for v in (1, 3)]
    products = stills("one", "three")
    recorder = LatencyRecorder()
    with Journal(output) as journal:
        outcome = run_batch(
            asked_of_all(Plan(source, output, products).jobs(), targets, [b"one", b"three"]),
            lanes,
            one_shot_each(2),
            products,
            batch=BATCH,
            journal=journal,
            crop_px=CROP_PX,
            recorder=recorder,
        )
    assert outcome.failed == 0
    return recorder


def contents(folder: Path) -> dict[str, bytes]:
    found = sorted(folder.rglob("*.png"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_a_batch_run_over_two_device_lanes_writes_the_same_files(
    three_stages: Path, on_processor: Lane, faces: Path, tmp_path: Path
) -> None:
    cuda = FakeCuda(3)
    engines = open_engines(three_stages, cuda)
    lanes: list[BatchEditor] = [
        device_lane(cuda, engines, CASCADE, read_properties(EngineDirectory(three_stages)), BATCH)
        for _ in range(2)
    ]
    recorder = edit_folder(faces, tmp_path / "device", lanes)
    edit_folder(faces, tmp_path / "processor", [on_processor])
    written = contents(tmp_path / "device")
    assert len(written) == 22
    assert written == contents(tmp_path / "processor")
    stages = [row.stage for row in recorder.summary()]
    assert [name for name in stages if name in ("upload", *NETWORKS, "download")] == [
        "upload",
        *NETWORKS,
        "download",
    ]


def test_closing_a_lane_gives_all_its_device_memory_back(
    three_stages: Path, cuda: FakeCuda
) -> None:
    engines = open_engines(three_stages, cuda)
    before = cuda.free_bytes()
    lane = device_lane(
        cuda, engines, CASCADE, read_properties(EngineDirectory(three_stages)), BATCH
    )
    assert cuda.free_bytes() < before
    run_job(lane, job())
    lane.close()
    assert cuda.free_bytes() == before
    lane.close()


def test_a_lane_that_does_not_fit_says_so_and_gives_back_what_it_took(three_stages: Path) -> None:
    cuda = FakeCuda(total_bytes=30_000)
    with pytest.raises(
        EngineError, match=r"^no free device memory: 0\.0 MB asked for, 0\.0 MB free"
    ):
        open_lane(three_stages, cuda)
    assert cuda.free_bytes() == 30_000


def broken(**change: object) -> dict[str, Any]:
    work = job()
    given: dict[str, Any] = {"pixels": work.pixels, "scale": work.scale, "offset": work.offset}
    return given | change


NOT_FINITE = np.full((BATCH, UNITS), 1, np.float32)
NOT_FINITE[1, 2] = np.nan
BROKEN = [
    broken(scale=NOT_FINITE),
    broken(offset=NOT_FINITE),
    broken(source_au=NOT_FINITE),
    broken(progress=np.full((BATCH, STAGES), np.inf, np.float32)),
    broken(scale=np.ones((BATCH, UNITS + 1), np.float32)),
    broken(offset=np.ones((BATCH, UNITS))),
    broken(source_au=np.ones((BATCH - 1, UNITS), np.float32)),
    broken(source_au=np.ones((UNITS, BATCH), np.float32).T[:, :UNITS]),
]


@pytest.mark.parametrize("given", BROKEN)
def test_what_the_processors_lane_refuses_is_refused_in_the_same_words(
    lane: Lane, on_processor: Lane, given: dict[str, Any]
) -> None:
    with pytest.raises((EfganError, EngineError)) as expected:
        on_processor.run(**asked(**given))
    with pytest.raises(type(expected.value)) as found:
        lane.run(**asked(**given))
    assert str(found.value) == str(expected.value)


def test_pictures_of_another_size_are_refused(lane: Lane) -> None:
    small = np.zeros((BATCH, 8, 8, 3), np.uint8)
    words = r"input 'pixels' has shape \(4, 8, 8, 3\), expected \(4, 16, 16, 3\)"
    with pytest.raises(EngineError, match=words):
        lane.run(small, target_places(job().scale, job().offset))
    with pytest.raises(EngineError, match=words):
        lane.estimate(small)


def test_after_a_failure_midway_the_next_batch_is_right(
    three_stages: Path, on_processor: Lane, cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(failing_lane(three_stages, cuda, monkeypatch)) as lane:
        assert_same(run_job(lane, job(1)), run_job(on_processor, job(1)))
        with pytest.raises(EngineError, match="TensorRT gives no run: the reason"):
            run_job(lane, job(2))
        assert_same(run_job(lane, job(3)), run_job(on_processor, job(3)))
