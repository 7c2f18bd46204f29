"""JPEGs by nvImageCodec: the real library, whose coders for the processor run here."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from efgan_rt.choices import JpegCodec
from efgan_rt.errors import EfganError
from efgan_rt.pictures.device_jpeg import SAMPLINGS, NvidiaJpeg, open_coder
from efgan_rt.pictures.original import OnDevice, Original, Picture, Pixels
from efgan_rt.pictures.read import decode_original, read_original
from efgan_rt.pictures.write import encode_original


@pytest.fixture(scope="module")
def library() -> Any:
    return pytest.importorskip(
        "nvidia.nvimgcodec", reason="nvImageCodec is missing: pip install nvidia-nvimgcodec-cu13"
    )


@pytest.fixture(scope="module")
def coder(library: Any) -> NvidiaJpeg:
    """On the processor, as where there is no GPU."""
    backends = [library.Backend(library.BackendKind.CPU_ONLY)]
    return NvidiaJpeg(library, library.NVIMGCODEC_DEVICE_CPU_ONLY, backends)


@pytest.fixture(scope="module")
def photograph(repository: Path) -> Path:
    return repository / "examples" / "photographs" / "astronaut.jpg"


class Counted:
    """A coder that tells what it was asked for."""

    def __init__(self, coder: NvidiaJpeg) -> None:
        self._coder = coder
        self.decoded: list[Picture | None] = []
        self.encoded: list[tuple[int, int | None]] = []

    def decode(self, data: bytes) -> Picture | None:
        self.decoded.append(self._coder.decode(data))
        return self.decoded[-1]

    def encode(
        self, picture: Pixels | OnDevice, quality: int, sampling: int | None
    ) -> bytes | None:
        self.encoded.append((quality, sampling))
        return self._coder.encode(picture, quality, sampling)


def test_a_photograph_is_decoded_as_libjpeg_has_it_with_all_that_it_carries(
    coder: NvidiaJpeg, photograph: Path
) -> None:
    counted = Counted(coder)
    found = decode_original(photograph.read_bytes(), photograph, jpeg=counted)
    expected = read_original(photograph)
    assert len(counted.decoded) == 1 and counted.decoded[0] is not None
    error = np.abs(found.pixels.astype(np.int32) - expected.pixels)
    print(f"at most {error.max()} levels apart, {error.mean():.3f} on average")
    assert error.mean() < 1  # the same library on the processor; on a GPU it is another one
    assert (found.metadata, found.jpeg) == (expected.metadata, expected.jpeg)


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("quality", [60, 95])
def test_a_picture_is_encoded_with_the_tables_and_the_sampling_of_what_it_was(
    coder: NvidiaJpeg, photograph: Path, tmp_path: Path, sampling: int, quality: int
) -> None:
    pixels = read_original(photograph).pixels
    settings = (cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling)
    _, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), settings)
    source = tmp_path / "source.jpg"
    source.write_bytes(data.tobytes())
    original = read_original(source)
    counted = Counted(coder)
    made = bytes(encode_original(".jpg", original, quality=None, jpeg=counted))
    assert counted.encoded == [(quality, sampling)]
    output = tmp_path / "output.jpg"
    output.write_bytes(made)
    found = read_original(output)
    assert found.jpeg is not None and original.jpeg is not None
    assert found.jpeg.tables == original.jpeg.tables
    libjpegs = decode_original(bytes(encode_original(".jpg", original, quality=None)), output)
    assert np.abs(found.pixels.astype(int) - libjpegs.pixels).mean() < 2


def test_what_is_no_colour_jpeg_or_keeps_its_own_tables_is_left_to_libjpeg(
    coder: NvidiaJpeg, photograph: Path, tmp_path: Path
) -> None:
    counted = Counted(coder)
    original = read_original(photograph)
    grey = Original(np.ascontiguousarray(original.pixels[..., 0]))
    data = bytes(encode_original(".jpg", grey, jpeg=counted))
    decode_original(data, tmp_path / "grey.jpg", jpeg=counted)
    encode_original(".png", original, jpeg=counted)
    assert (counted.decoded, counted.encoded) == ([], [])


def test_a_jpeg_without_an_end_is_read_as_ever(coder: NvidiaJpeg, photograph: Path) -> None:
    data = photograph.read_bytes()
    counted = Counted(coder)
    whole = decode_original(data, photograph)
    endless = decode_original(data[: data.rindex(b"\xff\xd9")], photograph, jpeg=counted)
    assert counted.decoded == []
    np.testing.assert_array_equal(endless.pixels, whole.pixels)
    with pytest.raises(EfganError, match="the JPEG file is cut short after"):
        decode_original(data[:9000], photograph, jpeg=counted)


def test_what_it_cannot_decode_libjpeg_does(coder: NvidiaJpeg, photograph: Path) -> None:
    class Refusing(Counted):
        def decode(self, data: bytes) -> Picture | None:
            self.decoded.append(self._coder.decode(b"no JPEG"))
            return self.decoded[-1]

        def encode(self, *_: object) -> None:
            return None

    refusing = Refusing(coder)
    found = decode_original(photograph.read_bytes(), photograph, jpeg=refusing)
    assert refusing.decoded == [None]
    np.testing.assert_array_equal(found.pixels, read_original(photograph).pixels)
    made = bytes(encode_original(".jpg", found, jpeg=refusing))
    assert made == bytes(encode_original(".jpg", found))


def test_libjpeg_needs_no_coder() -> None:
    assert open_coder(JpegCodec.LIBJPEG) is None


def test_a_missing_library_is_told_with_the_line_that_installs_it() -> None:
    def load() -> Any:
        raise ModuleNotFoundError("No module named 'nvidia.nvimgcodec'")

    with pytest.raises(EfganError) as error:
        open_coder(JpegCodec.NVIMAGECODEC, load)
    assert str(error.value) == (
        "nvImageCodec was asked for and cannot be loaded (No module named 'nvidia.nvimgcodec'); "
        'install it with: pip install "efgan-rt[nvimagecodec]", or leave --jpeg-codec out'
    )


def test_without_a_gpu_it_does_not_work_and_that_is_one_sentence(library: Any) -> None:
    from engines.nvidia_driver import has_driver

    if has_driver():
        pytest.skip("there is a GPU here")
    with pytest.raises(EfganError) as error:
        open_coder(JpegCodec.NVIMAGECODEC)
    assert str(error.value).startswith("nvImageCodec was asked for and does not work here: ")
    assert str(error.value).endswith("; leave --jpeg-codec out")
    assert "\n" not in str(error.value)


def test_a_library_that_gives_another_picture_is_not_used(library: Any) -> None:
    class Otherwise(NvidiaJpeg):
        def decode(self, data: bytes) -> Picture | None:
            found = super().decode(data)
            return None if found is None else 255 - found

    backends = [library.Backend(library.BackendKind.CPU_ONLY)]
    with pytest.raises(EfganError, match="levels from libjpeg's on average, expected at most 2"):
        Otherwise(library, library.NVIMGCODEC_DEVICE_CPU_ONLY, backends)


def test_every_sampling_that_is_kept_has_a_name(library: Any) -> None:
    for name in SAMPLINGS.values():
        assert hasattr(library.ChromaSubsampling, name)
