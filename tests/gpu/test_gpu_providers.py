"""The two CUDA providers on a GPU: memory, streams, events and graphs do what their words say."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from efgan_rt.faces.detect import YuNet
from efgan_rt.faces.detector_facts import sha256_of
from efgan_rt.faces.device_canvas import DeviceCanvases
from efgan_rt.faces.device_image import DeviceImage, DevicePictures
from efgan_rt.faces.device_paste import DevicePaste, made_up_pastes
from efgan_rt.faces.image import HostImage
from efgan_rt.faces.yunet_network import OUTPUTS
from efgan_rt.pictures.device_jpeg import Decoded, NvidiaJpeg
from efgan_rt.pictures.original import turned
from engines.arrays import Array
from engines.base import EngineError
from engines.cuda_memory import Cuda, Stream
from engines.onnxruntime_cuda_network import CudaNetwork

pytestmark = pytest.mark.gpu
SIZE = 1 << 20


def pinned(cuda: Cuda, seed: int) -> Array:
    array = cuda.pinned((SIZE,), np.uint8)
    array[:] = np.random.default_rng(seed).integers(0, 256, SIZE, np.uint8)
    return array


def round_trip(cuda: Cuda, seed: int = 0) -> None:
    """Up, a copy on the device, down; one wait."""
    with cuda.current():
        stream, done = cuda.stream(), cuda.event(timing=False)
        source, result = pinned(cuda, seed), cuda.pinned((SIZE,), np.uint8)
        first, second = cuda.device(SIZE), cuda.device(SIZE)
        cuda.upload(first, source, stream)
        cuda.copy(second, first, stream)
        cuda.download(result, second, stream)
        done.record(stream)
        done.synchronize()
        np.testing.assert_array_equal(result, source)
        first.free()
        second.free()


def test_bytes_come_back_as_they_went(cuda: Cuda) -> None:
    round_trip(cuda)


def test_the_facts_are_of_a_gpu(cuda: Cuda) -> None:
    facts = cuda.facts
    assert facts.name and facts.driver[0].isdigit()
    assert float(facts.compute_capability) >= 7.5
    with cuda.current():
        assert 0 < cuda.free_bytes() <= facts.total_bytes


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32"])
def test_pinned_arrays_are_contiguous_and_of_the_type_asked_for(cuda: Cuda, dtype: str) -> None:
    with cuda.current():
        array = cuda.pinned((3, 5, 7), dtype)
    assert (array.shape, array.dtype) == ((3, 5, 7), np.dtype(dtype))
    assert array.flags.c_contiguous and array.flags.writeable
    array[:] = 1
    assert array.sum() == 105


def test_device_memory_is_aligned_and_given_back(cuda: Cuda) -> None:
    with cuda.current():
        before = cuda.free_bytes()
        buffers = [cuda.device(1 << 26) for _ in range(4)]
        assert all(buffer.address % 256 == 0 for buffer in buffers)
        assert before - cuda.free_bytes() >= 4 << 26
        for buffer in buffers:
            buffer.free()
            buffer.free()  # a second call does nothing
        assert before - cuda.free_bytes() < 1 << 26


def test_more_memory_than_there_is_gets_its_sentence_and_leaves_the_device_well(cuda: Cuda) -> None:
    with cuda.current(), pytest.raises(EngineError, match="no free device memory"):
        cuda.device(cuda.facts.total_bytes * 2)
    round_trip(cuda)


def test_a_stream_that_waits_for_an_event_sees_what_was_before_it(cuda: Cuda) -> None:
    with cuda.current():
        first, second, uploaded = cuda.stream(), cuda.stream(), cuda.event(timing=False)
        result = cuda.pinned((SIZE,), np.uint8)
        buffer = cuda.device(SIZE)
        for seed in range(50):
            source = pinned(cuda, seed)
            cuda.upload(buffer, source, first)
            uploaded.record(first)
            second.wait(uploaded)
            cuda.download(result, buffer, second)
            second.synchronize()
            np.testing.assert_array_equal(result, source)
        buffer.free()


def test_the_time_between_two_events_is_that_of_the_copies(cuda: Cuda) -> None:
    with cuda.current():
        stream, before, after = cuda.stream(), cuda.event(), cuda.event()
        first, second = cuda.device(1 << 28), cuda.device(1 << 28)
        cuda.copy(second, first, stream)
        before.record(stream)
        for _ in range(10):
            cuda.copy(second, first, stream)
        after.record(stream)
        after.synchronize()
        # 5 GB read and written: no device does that in 0.1 ms, and none needs a second.
        assert 0.1 < after.ms_since(before) < 1000
        first.free()
        second.free()


def add_one_graph(cuda: Cuda, stream: Stream) -> tuple[Callable[[], None], Array]:
    """A captured copy, as a launch, and the pinned array it ends in."""
    result = cuda.pinned((SIZE,), np.uint8)
    result[:] = 0
    source, buffer = pinned(cuda, 3), cuda.device(SIZE)

    def enqueue() -> None:
        cuda.upload(buffer, source, stream)
        cuda.download(result, buffer, stream)

    enqueue()
    stream.synchronize()
    result[:] = 0
    graph = cuda.capture(stream, enqueue)
    if graph is None:
        pytest.skip(f"{cuda.described} captures no graphs here")
    stream.synchronize()
    assert not result.any(), "a capture runs nothing"
    source[:] = 255 - source
    return (lambda: graph.launch(stream)), result


def test_a_captured_graph_runs_when_it_is_launched(cuda: Cuda) -> None:
    with cuda.current():
        stream = cuda.stream()
        launch, result = add_one_graph(cuda, stream)
        expected = 255 - pinned(cuda, 3)
        for _ in range(3):
            result[:] = 0
            launch()
            stream.synchronize()
            np.testing.assert_array_equal(result, expected)


def test_marks_within_a_graph_have_times(cuda: Cuda) -> None:
    if not cuda.marks_in_graphs:
        pytest.skip(f"{cuda.described} records no events in graphs")
    with cuda.current():
        stream, end = cuda.stream(), cuda.event()
        marks = [cuda.event() for _ in range(2)]
        first, second = cuda.device(1 << 28), cuda.device(1 << 28)
        cuda.copy(second, first, stream)
        stream.synchronize()

        def enqueue() -> None:
            marks[0].record_in_graph(stream)
            for _ in range(10):
                cuda.copy(second, first, stream)
            marks[1].record_in_graph(stream)

        graph = cuda.capture(stream, enqueue)
        assert graph is not None
        for _ in range(3):
            graph.launch(stream)
            end.record(stream)
            end.synchronize()
            assert 0.1 < marks[1].ms_since(marks[0]) < 1000
            assert 0 <= end.ms_since(marks[1]) < 100
        first.free()
        second.free()


def test_the_paste_of_moved_faces_is_the_processors(cuda: Cuda) -> None:
    # Made-up faces are pasted when it is opened, in both ways.
    with closing(DevicePaste(cuda, pytest.fail)) as paste:
        for pasting in made_up_pastes(crop_px=256):
            here, there = pasting.before.copy(), pasting.before.copy()
            pasting.into_region(here)
            paste(pasting, there)
            apart = np.abs(here.astype(np.float64) - there) / pasting.unit
            print(f"at most {apart.max():.2f} of 255 apart, {apart.mean():.2e} on average")
            assert (apart > 2).mean() < 1e-3


def test_pictures_are_shown_as_the_processor_shows_them(cuda: Cuda) -> None:
    # A made-up picture is looked at when they are opened, in both ways.
    noise = np.random.default_rng(0).integers(0, 256, (700, 900, 3), np.uint8)
    with closing(DevicePictures(cuda, pytest.fail)) as pictures, closing(pictures.sight()) as sight:
        image = sight.show(noise)
        assert isinstance(image, DeviceImage)
        for here, there in (
            (HostImage(noise).smaller(450, 350), image.smaller(450, 350)),
            (HostImage(noise).smaller(301, 233), image.smaller(301, 233)),
            (HostImage(noise).bordered((9, 8, 7, 6)), image.bordered((9, 8, 7, 6))),
        ):
            assert np.abs(here.pixels().astype(int) - there.pixels()).max() <= 1
        image.release()


def test_a_jpeg_stays_there_between_its_decoding_and_its_encoding(
    cuda: Cuda, repository: Path
) -> None:
    reason = "nvImageCodec is missing: pip install nvidia-nvimgcodec-cu13[nvjpeg]"
    library = pytest.importorskip("nvidia.nvimgcodec", reason=reason)
    data = (repository / "examples" / "photographs" / "astronaut.jpg").read_bytes()
    coder = NvidiaJpeg(library, library.NVIMGCODEC_DEVICE_CURRENT)
    with (
        closing(DevicePictures(cuda, pytest.fail)) as pictures,
        closing(DevicePaste(cuda, pytest.fail)) as paste,
        closing(DeviceCanvases(pictures, paste)) as canvases,
        closing(pictures.sight()) as sight,
    ):
        for orientation in (1, 6):
            held = sight.decoder(coder).decode(data)
            assert isinstance(held, Decoded)
            image = sight.show(held.upright(orientation))
            on_host = coder.decode(data)
            assert on_host is not None
            expected = turned(on_host, orientation)
            np.testing.assert_array_equal(image.pixels(), expected)
            with canvases.kept(image) as canvas:
                assert canvas is not None
                assert coder.encode(canvas, 95, None) == coder.encode(expected, 95, None)
            image.release()


def test_faces_are_found_there_where_the_processor_finds_them(
    cuda: Cuda, onnxruntime_cuda: None, yunet_file: Path, repository: Path
) -> None:
    file = repository / "examples/photographs/astronaut.jpg"
    read = cv2.imread(str(file), cv2.IMREAD_COLOR_RGB)
    photograph = np.ascontiguousarray(read, np.uint8)
    yunet = YuNet(yunet_file, sha256_of(yunet_file))

    def open_network(file: Path, stream: Stream) -> CudaNetwork:
        return CudaNetwork(file, OUTPUTS, cuda=cuda, stream=stream)

    with (
        closing(DevicePictures(cuda, pytest.fail, open_network)) as pictures,
        closing(pictures.sight()) as sight,
    ):
        sight.detect_with(yunet_file)
        (there,), (here,) = yunet.find(sight.show(photograph)), yunet.find(photograph)
    assert here.points is not None and there.points is not None
    assert np.abs(here.points - there.points).max() < 1


def test_what_cannot_be_captured_gives_no_graph_and_leaves_the_stream_well(cuda: Cuda) -> None:
    def refuse() -> None:
        raise EngineError("not capturable")

    with cuda.current():
        stream = cuda.stream()
        assert cuda.capture(stream, refuse) is None
        stream.synchronize()
    round_trip(cuda)


def test_threads_work_side_by_side_each_with_the_context_made_current(cuda: Cuda) -> None:
    def many(seed: int) -> None:
        for number in range(10):
            round_trip(cuda, 100 * seed + number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(many, range(4)))


def test_the_context_may_be_made_current_twice(cuda: Cuda) -> None:
    with cuda.current(), cuda.current():
        round_trip(cuda)
    round_trip(cuda)
