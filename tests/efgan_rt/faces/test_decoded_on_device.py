"""JPEGs between a codec and a lane on one GPU: decoded there, looked at there, encoded there."""

import inspect
import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import cv2
import numpy as np
import pytest

from efgan_rt.faces.device_canvas import DeviceCanvases
from efgan_rt.faces.device_image import DeviceImage, DevicePictures, DeviceSight
from efgan_rt.faces.device_paste import DevicePaste
from efgan_rt.pictures.device_jpeg import Decoded, NvidiaJpeg
from efgan_rt.pictures.original import Picture, turned
from engines.base import EngineError
from tests.efgan_rt.device_codec import Decoder, DeviceCodec, Encoder
from tests.engines.fake_cuda import FakeCuda, HazardError

pytestmark = pytest.mark.usefixtures("c_compiler")


@pytest.fixture
def cuda() -> FakeCuda:
    return FakeCuda()


@pytest.fixture
def codec(cuda: FakeCuda) -> DeviceCodec:
    return DeviceCodec(cuda)


@pytest.fixture
def coder(codec: DeviceCodec) -> NvidiaJpeg:
    return NvidiaJpeg(codec, codec.NVIMGCODEC_DEVICE_CURRENT)


@pytest.fixture
def pictures(cuda: FakeCuda) -> DevicePictures:
    """Not closed, for some tests break it."""
    return DevicePictures(cuda, pytest.fail)


@pytest.fixture
def sight(pictures: DevicePictures) -> DeviceSight:
    return pictures.sight()


def jpeg(rows: int = 75, columns: int = 101) -> bytes:
    down, across = np.mgrid[:rows, :columns] / 9
    waves = np.stack([128 + 90 * np.sin(down + across * each) for each in (1, 2, 3)], axis=-1)
    return cv2.imencode(".jpg", np.rint(waves).astype(np.uint8))[1].tobytes()


def plain(data: bytes) -> Picture:
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    return np.asarray(found, np.uint8)


def decoded(sight: DeviceSight, coder: NvidiaJpeg, data: bytes) -> Decoded:
    found = sight.decoder(coder).decode(data)
    assert isinstance(found, Decoded)
    return found


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_decoded_there_is_shown_upright(
    codec: DeviceCodec, coder: NvidiaJpeg, sight: DeviceSight, orientation: int
) -> None:
    data = jpeg()
    held = decoded(sight, coder, data).upright(orientation)
    expected = turned(plain(data), orientation)
    assert held.shape == expected.shape
    image = sight.show(held)
    assert isinstance(image, DeviceImage) and image.shape == expected.shape
    np.testing.assert_array_equal(image.pixels(), expected)
    # Whoever needs them on the host has them from the file again.
    before = len(codec.decoded)
    np.testing.assert_array_equal(held.pixels(), expected)
    assert held.pixels() is held.pixels() and len(codec.decoded) == before + 1
    assert codec.hazards == []


@pytest.mark.parametrize("seed", range(5))
def test_pictures_one_behind_the_other_do_not_disturb_each_other(seed: int) -> None:
    cuda = FakeCuda(seed)
    codec = DeviceCodec(cuda)
    coder = NvidiaJpeg(codec, codec.NVIMGCODEC_DEVICE_CURRENT)
    free = cuda.free_bytes()
    with (
        closing(DevicePictures(cuda, pytest.fail)) as pictures,
        closing(pictures.sight()) as sight,
    ):
        for size in (40, 160, 90):
            data = jpeg(size, size + 11)
            image = sight.show(decoded(sight, coder, data))
            half = image.smaller(size // 2, size // 2)
            expected = cv2.resize(plain(data), (size // 2,) * 2, interpolation=cv2.INTER_AREA)
            assert np.abs(half.pixels().astype(int) - expected).max() <= 1
            image.release()
    assert codec.hazards == []
    assert cuda.free_bytes() == free


def test_a_second_look_sends_the_picture_up(coder: NvidiaJpeg, sight: DeviceSight) -> None:
    data = jpeg()
    held = decoded(sight, coder, data)
    for _ in range(2):
        np.testing.assert_array_equal(sight.show(held).pixels(), plain(data))


def test_without_memory_for_it_the_library_gets_its_own_back_and_the_host_looks(
    cuda: FakeCuda, codec: DeviceCodec, coder: NvidiaJpeg
) -> None:
    said: list[str] = []
    pictures = DevicePictures(cuda, said.append)
    sight, data = pictures.sight(), jpeg()
    held, free = decoded(sight, coder, data), cuda.free_bytes()
    pictures._room = 0
    pictures._idle.clear()
    image = sight.show(held)
    assert not isinstance(image, DeviceImage)
    np.testing.assert_array_equal(image.pixels(), plain(data))
    assert cuda.free_bytes() > free and codec.hazards == []
    assert said == [
        "some photographs are looked at by the processor: there is no device memory for more of "
        "them at a time"
    ]


def test_what_is_decoded_on_the_host_after_all_is_an_array(
    cuda: FakeCuda, codec: DeviceCodec, sight: DeviceSight, monkeypatch: pytest.MonkeyPatch
) -> None:
    coder, data = NvidiaJpeg(codec, codec.NVIMGCODEC_DEVICE_CURRENT), jpeg()
    monkeypatch.setattr("tests.efgan_rt.device_codec.DecodedImage.buffer_kind", "host")
    found = sight.decoder(coder).decode(data)
    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, plain(data))
    codec.decodes = False
    assert sight.decoder(coder).decode(data) is None


@pytest.fixture
def canvases(cuda: FakeCuda, pictures: DevicePictures) -> DeviceCanvases:
    return DeviceCanvases(pictures, DevicePaste(cuda, pytest.fail))


def test_an_edit_is_encoded_where_it_lies_as_it_would_be_on_the_host(
    codec: DeviceCodec, coder: NvidiaJpeg, sight: DeviceSight, canvases: DeviceCanvases
) -> None:
    data = jpeg()
    image = sight.show(decoded(sight, coder, data))
    image.pixels()
    with canvases.kept(image) as canvas:
        assert canvas is not None
        assert canvas.outline.shape == canvas.shape == image.shape
        made = coder.encode(canvas, 90, 0x221111)
        np.testing.assert_array_equal(canvas.pixels(), plain(data))
    assert codec.encoded[-1] == (image.shape, True)
    assert made == coder.encode(plain(data), 90, 0x221111)


def test_without_memory_an_edit_is_not_kept_there(
    sight: DeviceSight, cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    pictures = DevicePictures(cuda, said.append)
    canvases = DeviceCanvases(pictures, DevicePaste(cuda, pytest.fail))
    image = pictures.sight().show(plain(jpeg()))

    def full(*_: object) -> None:
        raise EngineError("no free device memory")

    monkeypatch.setattr("efgan_rt.faces.device_canvas._Place.take", full)
    with canvases.kept(image) as canvas:
        assert canvas is None
    assert said == ["a photograph is edited region by region: no free device memory"]


# Broken on purpose: the device of the tests has to catch each hazard.


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whoever calls the library names no stream."""
    decode, as_image = Decoder.decode, DeviceCodec.as_image

    def without(self: Decoder, source: bytes, *, params: Any, cuda_stream: int = 0) -> Any:
        return decode(self, source, params=params)

    monkeypatch.setattr(Decoder, "decode", without)
    monkeypatch.setattr(DeviceCodec, "as_image", lambda self, source, _=0: as_image(self, source))
    yield


@pytest.mark.usefixtures("forgetful")
def test_a_picture_looked_at_before_it_is_decoded_is_caught(
    coder: NvidiaJpeg, sight: DeviceSight
) -> None:
    held = decoded(sight, coder, jpeg())
    with pytest.raises(HazardError, match="'seen' and 'decode' touch the same memory"):
        sight.show(held)


@pytest.mark.usefixtures("forgetful")
def test_an_edit_encoded_before_it_is_made_is_caught(
    coder: NvidiaJpeg, sight: DeviceSight, canvases: DeviceCanvases
) -> None:
    image = sight.show(plain(jpeg()))
    image.pixels()
    with canvases.kept(image) as canvas:
        assert canvas is not None
        with pytest.raises(HazardError, match="'encode' and 'copy' touch the same memory"):
            coder.encode(canvas, 90, None)


def test_a_decoded_picture_let_go_before_it_is_copied_is_caught(
    codec: DeviceCodec, coder: NvidiaJpeg, sight: DeviceSight
) -> None:
    held = decoded(sight, coder, jpeg())
    sight.show(held)
    assert codec.hazards == []
    sight._decoded = None
    (hazard,) = codec.hazards
    assert re.match(r"memory was freed while '\w+' may still use it", hazard)


def test_an_edits_place_given_away_while_it_is_encoded_is_caught(
    coder: NvidiaJpeg, sight: DeviceSight, canvases: DeviceCanvases, pictures: DevicePictures
) -> None:
    image = sight.show(plain(jpeg()))
    assert isinstance(image, DeviceImage)
    image.pixels()
    with canvases.kept(image) as canvas:
        assert canvas is not None
        other = canvases._all[1]
        other._memory = canvases._all[0]._memory
        with pictures.cuda.current(), pytest.raises(HazardError, match="touch the same memory"):
            pictures.cuda.copy(other.edit(100), image.memory, other.stream)


def test_the_librarys_names_are_those_of_the_stand_in(codec: DeviceCodec) -> None:
    reason = "nvImageCodec is missing: pip install nvidia-nvimgcodec-cu13"
    library = pytest.importorskip("nvidia.nvimgcodec", reason=reason)
    for name in vars(codec):
        if name[0].isupper():
            assert hasattr(library, name), name
    for theirs, ours in (
        (library.Decoder.decode, Decoder.decode),
        (library.Encoder.encode, Encoder.encode),
        (library.as_image, DeviceCodec.as_image),
    ):
        for name, parameter in inspect.signature(ours).parameters.items():
            if parameter.kind is parameter.KEYWORD_ONLY or name == "cuda_stream":
                assert re.search(rf"\b{name}: ", theirs.__doc__), name
    kinds = library.ImageBufferKind
    assert kinds.STRIDED_DEVICE != kinds.STRIDED_HOST
    assert hasattr(library.Image, "__cuda_array_interface__")
