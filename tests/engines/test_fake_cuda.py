"""The checker itself: every hazard is found, and a program without one is left alone."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pytest

from engines.arrays import Array
from engines.base import EngineError
from engines.cuda_memory import Cuda, DeviceMemory, Stream
from tests.engines.fake_cuda import FakeCuda, HazardError
from tests.engines.pinned_array import PinnedArray

SIZE = 512


@pytest.fixture
def cuda() -> Iterator[FakeCuda]:
    device = FakeCuda()
    with device.current():
        yield device


def host(cuda: Cuda, value: int = 1) -> Array:
    array = cuda.pinned((SIZE,), np.uint8)
    array[:] = value
    return array


def filled(cuda: Cuda, stream: Stream, value: int = 1) -> DeviceMemory:
    """A buffer that an upload on `stream` has been queued for."""
    buffer = cuda.device(SIZE)
    cuda.upload(buffer, host(cuda, value), stream)
    return buffer


def add_one(cuda: FakeCuda, target: DeviceMemory, source: DeviceMemory, stream: Stream) -> None:
    """Something that a network might do."""

    def run() -> None:
        cuda.bytes_at(target)[:] = cuda.bytes_at(source) + 1

    cuda.enqueue(stream, "add one", run, reads=[source], writes=[target])


def round_trip(cuda: FakeCuda) -> tuple[Stream, Array]:
    """Up, plus one, down: everything is queued, nothing has been waited for."""
    stream = cuda.stream()
    target = cuda.device(SIZE)
    add_one(cuda, target, filled(cuda, stream, 4), stream)
    result = cuda.pinned((SIZE,), np.uint8)
    cuda.download(result, target, stream)
    return stream, result


def test_a_round_trip_gives_what_was_computed(cuda: FakeCuda) -> None:
    stream, result = round_trip(cuda)
    stream.synchronize()
    assert (result == 5).all()


@pytest.mark.parametrize("seed", range(20))
def test_streams_tied_by_an_event_keep_their_order(seed: int) -> None:
    cuda = FakeCuda(seed)
    with cuda.current():
        first, second = cuda.stream(), cuda.stream()
        target, result = cuda.device(SIZE), cuda.pinned((SIZE,), np.uint8)
        computed = cuda.event(timing=False)
        add_one(cuda, target, filled(cuda, first), first)
        computed.record(first)
        second.wait(computed)
        cuda.download(result, target, second)
        second.synchronize()
        assert (result == 2).all()


def order_of_two_streams(seed: int) -> str:
    cuda = FakeCuda(seed)
    order: list[str] = []
    with cuda.current():
        streams = [cuda.stream(), cuda.stream()]
        for stream, name in zip(streams, "ab", strict=True):
            cuda.enqueue(stream, name, partial(order.append, name))
        for stream in reversed(streams):
            stream.synchronize()
    return "".join(order)


def test_operations_of_two_streams_run_in_no_fixed_order() -> None:
    assert {order_of_two_streams(seed) for seed in range(20)} == {"ab", "ba"}


def test_writing_a_pinned_array_while_its_upload_is_pending_is_found(cuda: FakeCuda) -> None:
    source = host(cuda)
    cuda.upload(cuda.device(SIZE), source, cuda.stream())
    with pytest.raises(HazardError, match="written by the host while a pending 'upload' uses it"):
        np.copyto(source, 2)


def test_writing_it_behind_numpys_back_is_found_when_the_upload_runs(cuda: FakeCuda) -> None:
    source, stream = host(cuda), cuda.stream()
    cuda.upload(cuda.device(SIZE), source, stream)
    source.view(np.ndarray)[:] = 2
    with pytest.raises(HazardError, match="was written while an upload of it was pending"):
        stream.synchronize()


def read_items(result: Array) -> object:
    return result[3]


def read_arithmetic(result: Array) -> object:
    return result + 1


def read_copy(result: Array) -> object:
    return result.copy()


def read_as_source(result: Array) -> None:
    np.copyto(np.empty(SIZE, np.uint8), result)


@pytest.mark.parametrize("read", [read_items, read_arithmetic, read_copy, read_as_source])
def test_reading_a_download_before_the_wait_is_found(
    cuda: FakeCuda, read: Callable[[Array], object]
) -> None:
    stream, result = round_trip(cuda)
    with pytest.raises(HazardError, match="read by the host while a pending 'download' uses it"):
        read(result)
    stream.synchronize()
    read(result)


def test_a_download_read_behind_numpys_back_shows_garbage(cuda: FakeCuda) -> None:
    _, result = round_trip(cuda)
    assert not (result.view(np.ndarray) == 5).any()


def test_waiting_for_another_stream_is_no_wait(cuda: FakeCuda) -> None:
    _, result = round_trip(cuda)
    cuda.stream().synchronize()
    with pytest.raises(HazardError, match="read by the host"):
        read_copy(result)


def test_a_buffer_read_by_one_stream_while_another_may_write_it_is_found(cuda: FakeCuda) -> None:
    first, second = cuda.stream(), cuda.stream()
    target = cuda.device(SIZE)
    add_one(cuda, target, filled(cuda, first), first)
    with pytest.raises(HazardError, match=r"'download' and 'add one' touch the same memory"):
        cuda.download(cuda.pinned((SIZE,), np.uint8), target, second)


def test_a_buffer_written_while_another_stream_may_read_it_is_found(cuda: FakeCuda) -> None:
    first, second = cuda.stream(), cuda.stream()
    source = filled(cuda, first)
    first.synchronize()
    cuda.download(cuda.pinned((SIZE,), np.uint8), source, first)
    with pytest.raises(HazardError, match=r"'upload' and 'download' touch the same memory"):
        cuda.upload(source, host(cuda), second)


def test_a_race_is_found_though_the_device_has_run_it_in_the_right_order() -> None:
    for seed in range(10):
        cuda = FakeCuda(seed)
        with cuda.current():
            first, second = cuda.stream(), cuda.stream()
            source = filled(cuda, first)
            second.synchronize()
            cuda.enqueue(second, "another", lambda: None)
            second.synchronize()  # by chance the upload has run by now, but nobody knows
            with pytest.raises(HazardError, match="nothing orders them"):
                cuda.download(cuda.pinned((SIZE,), np.uint8), source, second)


def test_scratch_memory_of_two_things_in_flight_is_found(cuda: FakeCuda) -> None:
    scratch = cuda.device(SIZE)
    cuda.enqueue(cuda.stream(), "stage_1", lambda: None, writes=[scratch])
    with pytest.raises(HazardError, match=r"'stage_2' and 'stage_1' touch the same memory"):
        cuda.enqueue(cuda.stream(), "stage_2", lambda: None, writes=[scratch])


def test_memory_freed_while_in_use_is_found(cuda: FakeCuda) -> None:
    stream, buffer = cuda.stream(), cuda.device(SIZE)
    cuda.upload(buffer, host(cuda), stream)
    with pytest.raises(HazardError, match="freed while 'upload' may still use it"):
        buffer.free()
    stream.synchronize()
    buffer.free()


def test_memory_used_after_it_was_freed_is_found(cuda: FakeCuda) -> None:
    buffer = cuda.device(SIZE)
    buffer.free()
    with pytest.raises(HazardError, match="never taken, or has been freed"):
        cuda.upload(buffer, host(cuda), cuda.stream())


def test_memory_read_before_anything_has_written_it_is_found(cuda: FakeCuda) -> None:
    with pytest.raises(HazardError, match="'download' reads what nothing has written"):
        cuda.download(cuda.pinned((SIZE,), np.uint8), cuda.device(SIZE), cuda.stream())


def test_an_event_used_before_it_was_recorded_is_found(cuda: FakeCuda) -> None:
    event = cuda.event()
    with pytest.raises(HazardError, match="the host waited for an event that was never recorded"):
        event.synchronize()
    with pytest.raises(HazardError, match="a stream waited for an event that was never recorded"):
        cuda.stream().wait(event)
    with pytest.raises(HazardError, match="time of an event was read that was never recorded"):
        event.ms_since(event)


def test_an_event_read_before_the_host_waited_for_it_is_found(cuda: FakeCuda) -> None:
    stream, before, after = cuda.stream(), cuda.event(), cuda.event()
    before.record(stream)
    after.record(stream)
    before.synchronize()
    with pytest.raises(HazardError, match="read before the host waited for it"):
        after.ms_since(before)
    after.synchronize()
    assert after.ms_since(before) >= 0


def test_the_time_of_an_event_without_timing_is_found(cuda: FakeCuda) -> None:
    stream, event = cuda.stream(), cuda.event(timing=False)
    event.record(stream)
    event.synchronize()
    with pytest.raises(HazardError, match="an event without timing"):
        event.ms_since(event)


def test_an_upload_of_pageable_memory_is_found(cuda: FakeCuda) -> None:
    with pytest.raises(HazardError, match="upload of pageable memory"):
        cuda.upload(cuda.device(SIZE), np.zeros(SIZE, np.uint8), cuda.stream())


def test_a_call_without_the_context_is_found() -> None:
    cuda = FakeCuda()
    with pytest.raises(HazardError, match="a stream was made without the context being current"):
        cuda.stream()


def test_a_graph_runs_what_was_captured_each_time_it_is_launched(cuda: FakeCuda) -> None:
    stream = cuda.stream()
    counter = filled(cuda, stream, 0)
    stream.synchronize()
    graph = cuda.capture(stream, lambda: add_one(cuda, counter, counter, stream))
    assert graph is not None
    result = cuda.pinned((SIZE,), np.uint8)
    for _ in range(3):
        graph.launch(stream)
    cuda.download(result, counter, stream)
    stream.synchronize()
    assert (result == 3).all()


def test_launching_a_graph_into_a_race_is_found(cuda: FakeCuda) -> None:
    stream, other = cuda.stream(), cuda.stream()
    counter = filled(cuda, stream, 0)
    stream.synchronize()
    graph = cuda.capture(stream, lambda: add_one(cuda, counter, counter, stream))
    assert graph is not None
    cuda.download(cuda.pinned((SIZE,), np.uint8), counter, other)
    with pytest.raises(HazardError, match=r"'add one' and 'download' touch the same memory"):
        graph.launch(stream)


def test_a_capture_begins_on_an_idle_stream(cuda: FakeCuda) -> None:
    stream = cuda.stream()
    cuda.enqueue(stream, "work", lambda: None)
    with pytest.raises(HazardError, match="a stream that is not idle"):
        cuda.capture(stream, lambda: None)


@pytest.mark.parametrize("act", ["wait", "record", "take memory"])
def test_a_capture_is_of_launches_only(cuda: FakeCuda, act: str) -> None:
    stream, event = cuda.stream(), cuda.event()

    def enqueue() -> None:
        if act == "wait":
            stream.synchronize()
        elif act == "record":
            event.record(stream)
        else:
            cuda.device(1)

    with pytest.raises(HazardError, match="in the middle of a capture"):
        cuda.capture(stream, enqueue)


@pytest.mark.parametrize("act", ["waited for", "a stream"])
def test_waiting_for_an_event_that_a_graph_records_is_found(act: str) -> None:
    cuda = FakeCuda(marks_in_graphs=True)
    with cuda.current():
        stream, event, after = cuda.stream(), cuda.event(), cuda.event()
        graph = cuda.capture(stream, lambda: event.record_in_graph(stream))
        assert graph is not None
        graph.launch(stream)
        with pytest.raises(HazardError, match="may still be that of the launch before"):
            event.synchronize() if act == "waited for" else stream.wait(event)
        after.record(stream)
        after.synchronize()
        assert after.ms_since(event) >= 0


def test_an_event_recorded_for_no_graph_is_found() -> None:
    cuda = FakeCuda(marks_in_graphs=True)
    with cuda.current(), pytest.raises(HazardError, match="for a graph that is not there"):
        cuda.event().record_in_graph(cuda.stream())


def test_a_device_that_is_full_says_so_as_a_real_one_would() -> None:
    cuda = FakeCuda(total_bytes=3_000_000)
    with cuda.current():
        cuda.device(1_000_000)
        with pytest.raises(EngineError, match=r"2\.5 MB asked for, 2\.0 MB free"):
            cuda.device(2_500_000)


def test_results_of_arithmetic_are_plain_arrays(cuda: FakeCuda) -> None:
    array = host(cuda)
    assert isinstance(array[2:4], PinnedArray)
    assert not isinstance(array + 1, PinnedArray)
    assert not isinstance(array.copy(), PinnedArray)
