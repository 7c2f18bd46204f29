"""Edits of photographs that lie on a device: the faces' pastes, without the way up and down."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from efgan_rt.faces.align import Similarity
from efgan_rt.faces.detect import Face
from efgan_rt.faces.device_canvas import PLACES, DeviceCanvases
from efgan_rt.faces.device_image import DeviceImage, DevicePictures
from efgan_rt.faces.device_paste import DevicePaste, made_up_pastes
from efgan_rt.faces.framing import Framed
from efgan_rt.faces.motion import Motion
from efgan_rt.faces.motion_paste import MotionPaste, Move
from efgan_rt.faces.paste import paste
from efgan_rt.pictures.original import Picture
from engines.base import EngineError
from tests.engines.fake_cuda import FakeCuda, FakeEvent, FakeKernel, FakeStream, HazardError

pytestmark = pytest.mark.usefixtures("c_compiler")

CROP_PX = 64


@pytest.fixture
def cuda() -> FakeCuda:
    return FakeCuda()


@dataclass(frozen=True)
class Opened:
    """All that edits photographs on the device."""

    canvases: DeviceCanvases
    paste: DevicePaste

    def close(self) -> None:
        self.canvases.close()
        self.paste.close()
        self.canvases.pictures.close()


def opened_on(cuda: FakeCuda, say: object = pytest.fail) -> Opened:
    on_device = DevicePaste(cuda, say)  # type: ignore[arg-type]
    pictures = DevicePictures(cuda, say)  # type: ignore[arg-type]
    return Opened(DeviceCanvases(pictures, on_device), on_device)


@pytest.fixture
def opened(cuda: FakeCuda) -> Iterator[Opened]:
    with closing(opened_on(cuda)) as each:
        yield each


def photograph(rows: int = 240, columns: int = 320, seed: int = 0) -> Picture:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (rows, columns, 3), np.uint8)


@cache  # made before threads ask for it
def motion() -> Motion:
    """What a made-up face does."""
    kept: list[Motion] = []
    made = MotionPaste.__init__

    def keep(self: MotionPaste, *given: object) -> None:
        kept.append(given[3])  # type: ignore[arg-type]
        made(self, *given)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MotionPaste, "__init__", keep)
        made_up_pastes(CROP_PX)
    return kept[0]


def faces(picture: Picture) -> list[Framed]:
    """Three: two that overlap, and one beyond the picture's edge."""
    framed = []
    for scale, corner in ((1.9, 40 + 30j), (1.4, 110 + 80j), (1.5, 260 + 170j)):
        to_picture = Similarity(complex(scale, 0.2), corner)
        crop = photograph(CROP_PX, CROP_PX, seed=3)
        framed.append(Framed(to_picture.inverse, crop, Face(0, 0, 10, 10)))
    return framed


def edited(opened: Opened, picture: Picture, image: DeviceImage, count: int = 3) -> Picture:
    """As a run edits a photograph that lies on the device."""
    pixels = picture.copy()
    with opened.canvases.canvas(image, pixels) as move_of:
        for framed in faces(picture)[:count]:
            paste(pixels, framed, motion(), move_of(framed))
    return pixels


def one_by_one(move: Move, picture: Picture, count: int = 3) -> Picture:
    pixels = picture.copy()
    for framed in faces(picture)[:count]:
        paste(pixels, framed, motion(), move)
    return pixels


def shown(opened: Opened, picture: Picture) -> DeviceImage:
    image = opened.canvases.pictures.sight().show(picture)
    assert isinstance(image, DeviceImage)
    image.pixels()  # as its crops come down
    return image


def test_a_photograph_on_the_device_is_edited_as_one_whose_regions_go_up_and_down(
    cuda: FakeCuda, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = photograph()
    image = shown(opened, picture)
    expected = one_by_one(opened.paste, picture)
    moved: list[tuple[str, int]] = []
    for name in ("upload", "download"):
        original = getattr(cuda, name)

        def counted(to: object, source: object, stream: object, n: str = name, o=original) -> None:  # type: ignore[no-untyped-def]
            moved.append((n, to.nbytes))  # type: ignore[attr-defined]
            o(to, source, stream)

        monkeypatch.setattr(cuda, name, counted)
    found = edited(opened, picture, image)
    assert (found != picture).mean() > 0.1
    np.testing.assert_array_equal(found, expected)
    # What the host says of each face goes up, and what was reached of the photograph comes down.
    assert [name for name, _ in moved] == 3 * ["upload"] + ["download"]
    assert moved[-1][1] < picture.nbytes
    apart = np.abs(one_by_one(MotionPaste.into_region, picture).astype(int) - found)
    assert (apart > 2).mean() < 0.001  # noise, see the paste's own tests


def test_edits_begin_with_the_photograph_as_it_was(opened: Opened) -> None:
    picture = photograph()
    image = shown(opened, picture)
    whole = edited(opened, picture, image)
    one = edited(opened, picture, image, count=1)
    assert (one != whole).any()
    np.testing.assert_array_equal(edited(opened, picture, image), whole)
    np.testing.assert_array_equal(image.pixels(), picture)


def test_a_photograph_of_which_nothing_is_moved_stays_as_it_is(opened: Opened) -> None:
    picture = photograph()
    np.testing.assert_array_equal(edited(opened, picture, shown(opened, picture), 0), picture)


@pytest.mark.parametrize("seed", range(3))
def test_threads_that_edit_do_not_disturb_each_other(seed: int) -> None:
    with closing(opened_on(FakeCuda(seed))) as opened:
        pictures = [photograph(200 + 30 * number, 300, number) for number in range(4)]
        images = [shown(opened, each) for each in pictures]
        expected = [one_by_one(opened.paste, each) for each in pictures]
        motion()
        with ThreadPoolExecutor(4) as threads:
            found = list(
                threads.map(lambda pair: edited(opened, *pair), zip(pictures, images, strict=True))
            )
    for left, right in zip(found, expected, strict=True):
        np.testing.assert_array_equal(left, right)


def test_without_memory_for_an_edit_regions_go_up_and_down_and_that_is_said_once() -> None:
    said: list[str] = []
    cuda = FakeCuda(total_bytes=64 << 20)
    with closing(opened_on(cuda, said.append)) as opened:
        picture = photograph(1500, 1400)
        image = shown(opened, picture)
        with cuda.current():
            taken = cuda.device(cuda.free_bytes() - (6 << 20))
        for _ in range(2):
            np.testing.assert_array_equal(
                edited(opened, picture, image), one_by_one(opened.paste, picture)
            )
        with cuda.current():
            taken.free()
    assert len(said) == 1
    assert said[0].startswith("a photograph is edited region by region: no free device memory: ")


def test_a_device_that_fails_is_told_and_its_place_can_be_used_again(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise EngineError("cuLaunchKernel failed: CUDA_ERROR_LAUNCH_FAILED")

    picture = photograph()
    image = shown(opened, picture)
    expected = edited(opened, picture, image)
    with monkeypatch.context() as patch:
        patch.setattr(FakeKernel, "launch", fail)
        for _ in range(PLACES + 1):
            with pytest.raises(EngineError, match="CUDA_ERROR_LAUNCH_FAILED"):
                edited(opened, picture, image)
    np.testing.assert_array_equal(edited(opened, picture, image), expected)


def test_memory_is_given_back(cuda: FakeCuda) -> None:
    before = cuda.free_bytes()
    with closing(opened_on(cuda)) as opened:
        sight = opened.canvases.pictures.sight()
        picture = photograph()
        image = sight.show(picture)
        assert isinstance(image, DeviceImage)
        image.pixels()
        edited(opened, picture, image)
        image.release()
        sight.close()
    assert cuda.free_bytes() == before


# Broken on purpose: the device of the tests has to catch each hazard.


@pytest.fixture
def broken(cuda: FakeCuda) -> Opened:
    """To be broken by the test, and so never closed."""
    return opened_on(cuda)


def test_numbers_of_the_next_face_written_too_early_are_caught(
    broken: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = photograph()
    image = shown(broken, picture)
    with monkeypatch.context() as patch:
        patch.setattr(FakeEvent, "synchronize", lambda _: None)
        with pytest.raises(HazardError, match="written by the host while a pending 'upload'"):
            edited(broken, picture, image)


def test_an_edit_read_before_it_has_come_down_is_caught(
    broken: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = photograph()
    image = shown(broken, picture)
    with monkeypatch.context() as patch:
        patch.setattr(FakeEvent, "synchronize", lambda _: None)
        with pytest.raises(HazardError, match="read by the host while a pending 'download'"):
            edited(broken, picture, image, count=1)


def test_a_photograph_that_is_not_ready_is_caught(broken: Opened) -> None:
    picture = photograph()
    image = broken.canvases.pictures.sight().show(picture)
    assert isinstance(image, DeviceImage)
    with pytest.raises(HazardError, match="'copy' and 'upload' touch the same memory"):
        edited(broken, picture, image)


def test_a_photograph_released_while_it_is_edited_is_caught(
    broken: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = photograph(700, 800)
    image = shown(broken, picture)
    with monkeypatch.context() as patch:
        patch.setattr(FakeStream, "synchronize", lambda _: None)
        edited(broken, picture, image, count=0)
    image.release()
    with pytest.raises(HazardError, match="touch the same memory"):
        broken.canvases.pictures.sight().show(picture)


def test_two_edits_in_one_place_are_caught(broken: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = photograph()
    image = shown(broken, picture)
    for _ in range(PLACES):
        edited(broken, picture, image)
    one, other = broken.canvases._all
    monkeypatch.setattr(other, "_memory", one._memory)
    with monkeypatch.context() as patch:
        patch.setattr(FakeStream, "synchronize", lambda _: None)
        edited(broken, picture, image, count=0)
        with pytest.raises(HazardError, match="touch the same memory"):
            edited(broken, picture, image, count=0)
