"""HEIC with all that a phone puts into it; made by the library that also writes it."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from efgan_rt.errors import EfganError
from efgan_rt.pictures.exif import ORIENTATION, Tag, exif_block, orientation_of
from efgan_rt.pictures.original import Original, Picture
from efgan_rt.pictures.read import decode_original
from efgan_rt.pictures.write import encode_original
from tests.efgan_rt.pictures.test_colour import DISPLAY_P3

PICTURE: Picture = np.stack([np.indices((64, 96)).sum(0)] * 3, axis=-1).astype(np.uint8)


@pytest.fixture(autouse=True)
def writer() -> None:
    pillow_heif = pytest.importorskip(
        "pillow_heif", reason="nothing here writes HEIC: pip install 'efgan-rt[heic]'"
    )
    pillow_heif.register_heif_opener()


def heic(*further: Image.Image, **settings: Any) -> bytes:
    file = io.BytesIO()
    several = {"save_all": True, "append_images": further} if further else {}
    Image.fromarray(PICTURE).save(file, "HEIF", quality=95, **several, **settings)
    return file.getvalue()


def test_of_a_burst_the_first_picture_is_taken_and_that_is_said() -> None:
    original = decode_original(heic(Image.new("RGB", (96, 64), "red")), Path("x"))
    assert original.notes == ("further pictures left out",)
    np.testing.assert_allclose(original.pixels.astype(int), PICTURE, atol=12)


def test_a_display_p3_picture_is_written_as_a_jpeg_of_its_own_space() -> None:
    original = decode_original(heic(icc_profile=DISPLAY_P3), Path("x"))
    assert original.stored is not None
    made = decode_original(bytes(encode_original(".jpg", original)), Path("x.jpg"))
    assert made.metadata.icc == DISPLAY_P3


def test_the_orientation_that_the_decoder_has_followed_is_not_followed_again() -> None:
    exif = exif_block({ORIENTATION: Tag(3, 1, b"\6\0")})
    original = decode_original(heic(exif=exif), Path("x"))
    assert orientation_of(original.metadata.exif) == 1
    assert original.pixels.shape == (96, 64, 3)


def test_the_limit_of_pixels_holds_before_decoding() -> None:
    with pytest.raises(EfganError, match="96 x 64 is 6,144 pixels, over the limit of 6,143"):
        decode_original(heic(), Path("x"), max_pixels=6143)


def test_ten_bits_become_eight_and_that_is_said() -> None:
    import pillow_heif

    deep = pillow_heif.from_bytes("RGB;16", (96, 64), (PICTURE.astype(np.uint16) * 257).tobytes())
    file = io.BytesIO()
    deep.save(file, quality=95)
    original = decode_original(file.getvalue(), Path("x"))
    assert original.pixels.dtype == np.uint8
    assert original.notes == ("more than 8 bits of depth brought to 8",)


def test_transparency_is_kept() -> None:
    alpha = PICTURE[..., 0].copy()
    made = bytes(encode_original(".heic", Original(PICTURE, alpha)))
    found = decode_original(made, Path("x")).alpha
    assert found is not None
    np.testing.assert_allclose(found.astype(int), alpha, atol=12)
