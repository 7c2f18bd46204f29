"""Pictures on a GPU: one source as kernels for real GPUs, and as C against OpenCV."""

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from efgan_rt.faces.align import Similarity
from efgan_rt.faces.detect import Face, HaarCascade, YuNet
from efgan_rt.faces.detector_facts import sha256_of
from efgan_rt.faces.device_image import (
    HEADER,
    KERNELS,
    SLOTS,
    SOURCE,
    DeviceImage,
    DevicePictures,
    DeviceSight,
)
from efgan_rt.faces.framing import FaceFramer
from efgan_rt.faces.image import HostImage, Image
from efgan_rt.faces.search import normal_exposure
from efgan_rt.faces.yunet_network import as_input
from efgan_rt.pictures.original import Picture
from efgan_rt.pictures.read import read_picture
from engines.base import EngineError
from engines.cuda_kernel import compile_kernel
from engines.cuda_memory import DeviceMemory, Stream
from tests.engines.fake_cuda import FakeCuda, FakeEvent, FakeStream, HazardError
from tests.engines.host_network import HostNetwork

pytestmark = pytest.mark.usefixtures("c_compiler")


@pytest.fixture
def cuda() -> FakeCuda:
    return FakeCuda()


@pytest.fixture
def pictures(cuda: FakeCuda) -> Iterator[DevicePictures]:
    with closing(DevicePictures(cuda, pytest.fail)) as opened:
        yield opened


@pytest.fixture
def sight(pictures: DevicePictures) -> Iterator[DeviceSight]:
    with closing(pictures.sight()) as opened:
        yield opened


def picture_of(rows: int, columns: int, *, noise: bool = False, seed: int = 0) -> Picture:
    if noise:
        return np.random.default_rng(seed).integers(0, 256, (rows, columns, 3), np.uint8)
    down, across = np.mgrid[:rows, :columns] / 40
    waves = [128 + 90 * np.sin(a * down + across + seed) for a in (1, 2, 3)]
    return np.asarray(np.rint(np.stack(waves, axis=-1)), np.uint8)


def apart(here: Image, there: Image) -> np.ndarray:
    assert here.shape == there.shape
    return np.asarray(np.abs(here.pixels().astype(np.int32) - there.pixels()))


@pytest.mark.parametrize("noise", [False, True])
@pytest.mark.parametrize("size", [(200, 150), (133, 100), (399, 301), (37, 5), (399, 300)])
def test_averages_are_opencvs(sight: DeviceSight, noise: bool, size: tuple[int, int]) -> None:
    picture = picture_of(301, 400, noise=noise)
    error = apart(HostImage(picture).smaller(*size), sight.show(picture).smaller(*size))
    print(f"{size}: at most {error.max()} levels apart, {error.mean():.2e} on average")
    # Sums in double and in float fall on either side of a half.
    assert error.max() <= 1 and error.mean() < 0.01


def test_halves_are_rounded_up_as_opencv_rounds_them(sight: DeviceSight) -> None:
    picture = picture_of(300, 400, noise=True)
    error = apart(HostImage(picture).smaller(200, 150), sight.show(picture).smaller(200, 150))
    assert error.max() == 0


@pytest.mark.parametrize("noise", [False, True])
@pytest.mark.parametrize("scale", [0.2, 0.7, 1.0, 3.1])
@pytest.mark.parametrize("degrees", [0, 17, -140])
def test_warps_are_opencvs_but_for_rounding(
    sight: DeviceSight, noise: bool, scale: float, degrees: float
) -> None:
    picture = picture_of(900, 1200, noise=noise)
    turn = scale * np.exp(1j * np.radians(degrees))
    to_target = Similarity(complex(turn), complex(128 - turn * (600.3 + 451.7j)))
    here, there = (
        each.warped(to_target, 256, 256) for each in (HostImage(picture), sight.show(picture))
    )
    error = apart(here, there)
    print(f"at most {error.max()} levels apart, {error.mean():.2e} on average")
    # OpenCV's weights are of 15 bits. A place on the edge between two parts of a pixel may fall on
    # either side, which in noise is far.
    assert (error > 1).mean() < 0.001
    assert error.max() <= (40 if noise else 3)


def test_borders_turns_and_mirrors_are_exact(sight: DeviceSight) -> None:
    picture = picture_of(61, 83, noise=True)
    for quarters in range(4):
        ways = []
        for image in (HostImage(picture), sight.show(picture)):
            part = image.part(slice(4, 50), slice(7, 80)).bordered((3, 8, 1, 5)).turned(quarters)
            ways.append((part, part.mirrored(), part.mirrored().turned(1).bordered((1, 2, 3, 4))))
        for here, there in zip(*ways, strict=True):
            assert apart(here, there).max() == 0


class Kept:
    """A network that keeps what it is given."""

    def __init__(self, cuda: FakeCuda, stream: Stream) -> None:
        self._cuda, self._stream = cuda, stream
        self.given = np.zeros(0, np.float32)

    def run(self, pixels: DeviceMemory, shape: Sequence[int]) -> dict[str, np.ndarray]:
        self._stream.synchronize()
        self.given = self._cuda.bytes_at(pixels).copy().view(np.float32)
        self.given = self.given[: int(np.prod(shape))].reshape(tuple(shape))
        return {}


def test_the_network_is_given_what_the_host_would_give_it(cuda: FakeCuda, yunet_file: Path) -> None:
    kept: list[Kept] = []

    def open_network(_: Path, stream: Stream) -> Kept:
        kept.append(Kept(cuda, stream))
        return kept[-1]

    dark = (picture_of(90, 131, noise=True) // 8).astype(np.uint8)
    table = normal_exposure(dark)
    assert table is not None
    with (
        closing(DevicePictures(cuda, pytest.fail, open_network)) as pictures,
        closing(pictures.sight()) as sight,
    ):
        sight.detect_with(yunet_file)
        shown = sight.show(dark).turned(3).mirrored()
        expected = np.ascontiguousarray(np.rot90(dark, 3)[:, ::-1])
        assert shown.outputs(None) == {}
        np.testing.assert_array_equal(kept[0].given, as_input(expected))
        shown.outputs(table)
        lit = np.asarray(cv2.LUT(expected, table), np.uint8)
        np.testing.assert_array_equal(kept[0].given, as_input(lit))


# Faces.


@pytest.fixture(scope="module")
def photograph(repository: Path) -> Picture:
    """Two faces of a photograph's size, one of them turned."""
    canvas = np.full((700, 900, 3), (150, 150, 140), np.uint8)
    names = ("id202_neutral", "id217_sad")
    for name, side, (left, top) in zip(names, (260, 200), ((80, 200), (600, 90)), strict=True):
        face = read_picture(repository / "examples/faces" / f"{name}.jpg")
        large = cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC)
        canvas[top : top + side, left : left + side] = large
    return canvas


@pytest.fixture
def yunet(yunet_file: Path) -> YuNet:
    return YuNet(yunet_file, sha256_of(yunet_file))


def assert_same_faces(found: list[Face], expected: list[Face]) -> None:
    assert len(found) == len(expected) == 2
    for here, there in zip(expected, found, strict=True):
        assert here.points is not None and there.points is not None
        assert there.score == pytest.approx(here.score, abs=0.01)
        assert np.abs(here.points - there.points).max() < 0.5  # of a face of 130 pixels and more


@pytest.mark.parametrize("light", [1.0, 0.1])
def test_faces_are_found_on_the_device_where_the_host_finds_them(
    cuda: FakeCuda, yunet: YuNet, photograph: Picture, light: float
) -> None:
    picture = np.rint(photograph * light).astype(np.uint8)
    networks: list[HostNetwork] = []

    def open_network(file: Path, stream: Stream) -> HostNetwork:
        networks.append(HostNetwork(cuda, file, stream))
        return networks[-1]

    with (
        closing(DevicePictures(cuda, pytest.fail, open_network)) as pictures,
        closing(pictures.sight()) as sight,
    ):
        sight.detect_with(yunet.file)
        assert_same_faces(yunet.find(sight.show(picture)), yunet.find(picture))
    assert networks[0].runs > 10, "every search and reading"


def test_without_a_network_there_the_host_looks_at_what_the_device_shows(
    sight: DeviceSight, yunet: YuNet, photograph: Picture
) -> None:
    assert_same_faces(yunet.find(sight.show(photograph)), yunet.find(photograph))


def test_a_network_that_does_not_open_is_told_and_the_host_runs_it(
    cuda: FakeCuda, yunet: YuNet, photograph: Picture
) -> None:
    def refuse(*_: object) -> HostNetwork:
        raise EngineError("ONNX Runtime's CUDA provider lacks cuDNN")

    said: list[str] = []
    with closing(DevicePictures(cuda, said.append, refuse)) as pictures:
        for _ in range(2):
            with closing(pictures.sight()) as sight:
                framer = FaceFramer(yunet, None)
                framer.see_with(sight)
                assert len(framer.frame(photograph)) == 2
    expected = "faces are looked for by the processor: ONNX Runtime's CUDA provider lacks cuDNN"
    assert said == [expected]


def test_crops_are_cut_out_there_and_the_picture_stays_until_it_is_released(
    cuda: FakeCuda, pictures: DevicePictures, yunet: YuNet, photograph: Picture
) -> None:
    framer = FaceFramer(yunet, None, crop_px=256)
    expected = framer.frame(photograph)
    framer.see_with(pictures.sight())
    found = framer.frame(photograph, keeps=True)
    for here, there in zip(expected, found, strict=True):
        assert isinstance(there.image, DeviceImage) and here.image is None
        # Points differ by a fraction of a pixel, and the crops with them.
        assert np.abs(here.crop.astype(int) - there.crop).mean() < 1
    free = cuda.free_bytes()
    again = framer.frame(photograph, keeps=True)  # the first one is still there
    assert cuda.free_bytes() < free
    for framed in (found, again):
        assert framed[0].image is not None
        framed[0].image.release()
        framed[0].image.release()
    free = cuda.free_bytes()
    framer.frame(photograph, keeps=True)
    assert cuda.free_bytes() == free
    framer.close()


def test_a_picture_without_faces_leaves_the_device_at_once(
    cuda: FakeCuda, pictures: DevicePictures, yunet: YuNet
) -> None:
    framer = FaceFramer(yunet, None)
    framer.see_with(pictures.sight())
    for seed in range(3):
        assert framer.frame(picture_of(300, 500, seed=seed)) == ()
    assert sum(map(len, pictures._idle.values())) == len(pictures._all) == 1
    framer.close()


# What stays on the host.


def test_pictures_for_the_haar_cascade_stay_on_the_host(
    cuda: FakeCuda, pictures: DevicePictures, photograph: Picture
) -> None:
    framer = FaceFramer(HaarCascade(), None)
    framer.see_with(pictures.sight())
    assert all(each.image is None for each in framer.frame(photograph))


@pytest.mark.parametrize("kind", [np.s_[..., 0], "16 bits"])
def test_grey_pictures_and_those_of_16_bits_stay_on_the_host(
    sight: DeviceSight, kind: object
) -> None:
    pixels = picture_of(60, 80)
    shown = sight.show(pixels.astype(np.uint16) * 257 if kind == "16 bits" else pixels[..., 0])
    assert isinstance(shown, HostImage) and shown.shape == (60, 80, 3)


def test_pictures_for_which_there_is_no_memory_stay_on_the_host_and_that_is_said_once() -> None:
    said: list[str] = []
    cuda = FakeCuda(total_bytes=32 << 20)
    with closing(DevicePictures(cuda, said.append)) as pictures, closing(pictures.sight()) as sight:
        shown = [sight.show(picture_of(1000, 900)) for _ in range(4)]
        assert [isinstance(each, DeviceImage) for each in shown] == [True] + 3 * [False]
        sight.settle()
        shown[0].release()
        assert isinstance(sight.show(picture_of(1000, 900)), DeviceImage)
    assert said == [
        "some photographs are looked at by the processor: there is no device memory for more of "
        "them at a time"
    ]


def test_a_device_that_fails_leaves_the_picture_to_the_host_and_says_so(
    cuda: FakeCuda, yunet: YuNet, photograph: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    with closing(DevicePictures(cuda, said.append)) as pictures:
        framer = FaceFramer(yunet, None)
        framer.see_with(pictures.sight())

        def fail(*_: object) -> None:
            raise EngineError("cuLaunchKernel failed: CUDA_ERROR_LAUNCH_FAILED")

        monkeypatch.setattr(pictures.kernels["smaller"], "launch", fail)
        assert len(framer.frame(photograph)) == 2
        assert all(each.image is None for each in framer.frame(photograph))
    assert said == [
        "photographs are looked at by the processor: cuLaunchKernel failed: "
        "CUDA_ERROR_LAUNCH_FAILED"
    ]


def test_a_device_that_shows_otherwise_is_not_used(
    cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = SOURCE.read_text().replace("(x >> 5) + j - 1", "(x >> 5) + j")
    kernel = cuda.kernel
    monkeypatch.setattr(cuda, "kernel", lambda _, name: kernel(source, name))
    before = cuda.free_bytes()
    with pytest.raises(EngineError) as error:
        DevicePictures(cuda, pytest.fail)
    assert re.fullmatch(
        "a device of the tests shows a made-up picture otherwise than the processor: [0-9.]+% of "
        "its values are more than 1 of 255 levels apart, at worst [0-9]+; expected at most 0.1%",
        str(error.value),
    )
    assert cuda.free_bytes() == before


# On the device of the tests.


@pytest.mark.parametrize("seed", range(3))
def test_threads_that_look_do_not_disturb_each_other(seed: int) -> None:
    cuda = FakeCuda(seed)
    shown = [picture_of(300 + 40 * number, 500, seed=number) for number in range(4)]

    def looked_at(pictures: DevicePictures, picture: Picture) -> Picture:
        with closing(pictures.sight()) as sight:
            image = sight.show(picture)
            small = image.smaller(60, 50).bordered((9, 9, 9, 9))
            for _ in range(SLOTS // 3 + 1):  # more numbers than there are slots
                small = small.turned(1).mirrored().part(slice(1, 50), slice(1, 50))
            found = small.pixels()
        image.release()
        return found

    with closing(DevicePictures(cuda, pytest.fail)) as pictures:
        alone = [looked_at(pictures, each) for each in shown]
        with ThreadPoolExecutor(4) as threads:
            together = list(threads.map(lambda each: looked_at(pictures, each), shown))
    for left, right in zip(alone, together, strict=True):
        np.testing.assert_array_equal(left, right)
    assert cuda.free_bytes() == cuda.facts.total_bytes


# Broken on purpose: the device of the tests has to catch each hazard.


@pytest.fixture
def broken(cuda: FakeCuda) -> DeviceSight:
    """To be broken by the test, and so never closed."""
    return DevicePictures(cuda, pytest.fail).sight()


def test_looking_without_waiting_is_caught(
    broken: DeviceSight, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = broken.show(picture_of(60, 80)).smaller(30, 20)
    with monkeypatch.context() as patch:
        patch.setattr(FakeEvent, "synchronize", lambda _: None)
        with pytest.raises(HazardError, match="read by the host while a pending 'download'"):
            image.pixels()


def test_a_picture_staged_over_the_one_before_is_caught(
    broken: DeviceSight, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken.show(picture_of(60, 80))
    with monkeypatch.context() as patch:
        patch.setattr(FakeStream, "synchronize", lambda _: None)
        with pytest.raises(HazardError, match="written by the host while a pending 'upload'"):
            broken.show(picture_of(60, 80))


def test_numbers_written_over_those_on_their_way_are_caught(
    broken: DeviceSight, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = broken.show(picture_of(60, 80))
    with monkeypatch.context() as patch:
        patch.setattr(FakeStream, "synchronize", lambda _: None)
        with pytest.raises(HazardError, match="written by the host while a pending 'upload'"):
            for _ in range(SLOTS + 1):
                image.smaller(20, 10)


def test_a_picture_released_while_it_is_looked_at_is_caught(
    cuda: FakeCuda, broken: DeviceSight
) -> None:
    image = broken.show(picture_of(600, 800))
    image.smaller(400, 300)
    image.release()
    other = broken._pictures.sight()
    with pytest.raises(HazardError, match="touch the same memory"):
        other.show(picture_of(600, 800))


def test_an_image_of_the_picture_before_is_not_what_it_was(sight: DeviceSight) -> None:
    old = sight.show(picture_of(60, 80)).smaller(30, 20)
    before = old.pixels()
    sight.show(picture_of(60, 80, seed=2)).smaller(30, 20)
    assert (old.pixels() != before).any()


# With NVIDIA's compiler.


@pytest.mark.parametrize("compute_capability", ["8.0", "9.0"])
def test_nvrtc_makes_machine_code_of_the_same_source(compute_capability: str) -> None:
    try:
        compile_kernel('extern "C" __global__ void nothing() {}', "9.0")
    except EngineError as error:
        pytest.skip(str(error))
    code = compile_kernel(SOURCE.read_text(), compute_capability)
    assert code.startswith(b"\x7fELF")
    assert all(name.encode() in code for name in KERNELS)


def test_the_header_is_as_long_as_the_kernels_read_it() -> None:
    source = SOURCE.read_text()
    (body,) = re.findall(r"enum \{(.*?)\};", source, re.DOTALL)
    names = re.findall(r"\b[A-Z_]+\b(?=,)", re.sub(r"/\*.*?\*/", "", body))
    assert names[-1] == "MATRIX" and len(names) - 1 + 12 == HEADER
