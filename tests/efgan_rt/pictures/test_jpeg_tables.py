"""An edit of a JPEG is stored as its picture was: with its own tables and its own sampling."""

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from efgan_rt.pictures.jpeg_tables import JpegCoding, coding_of, libjpegs
from efgan_rt.pictures.original import Metadata, Original, Picture
from efgan_rt.pictures.read import read_original
from efgan_rt.pictures.write import write_original


def encoded(picture: Picture, *settings: int) -> bytes:
    done, data = cv2.imencode(".jpg", picture, settings)
    assert done
    return data.tobytes()


def coding(data: bytes) -> JpegCoding:
    found = coding_of(JpegImagePlugin.JpegImageFile(io.BytesIO(data)))
    assert found is not None
    return found


def foreign(picture: Picture, change: int, sampling: int = 2) -> bytes:
    """A JPEG with tables that are libjpeg's of no quality."""
    tables = [
        [max(1, step + change * (place % 7 == 0)) for place, step in enumerate(table)]
        for table in libjpegs(80)
    ]
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", qtables=tables, subsampling=sampling)
    return file.getvalue()


@pytest.fixture
def picture(make_picture: Callable[..., Picture]) -> Picture:
    return make_picture(48, 64)


def test_the_quality_of_a_libjpeg_file_is_the_one_that_was_asked_for(picture: Picture) -> None:
    for quality in range(1, 101):
        found = coding(encoded(picture, cv2.IMWRITE_JPEG_QUALITY, quality))
        assert found.is_libjpegs
        # The lowest qualities share tables that are at their limit everywhere.
        assert found.quality == quality or libjpegs(found.quality) == libjpegs(quality)


@pytest.mark.parametrize("quality", [5, 50, 75, 100])
def test_a_grey_file_is_judged_by_its_one_table(picture: Picture, quality: int) -> None:
    found = coding(encoded(picture[..., 0], cv2.IMWRITE_JPEG_QUALITY, quality))
    assert (found.quality, found.sampling, len(found.tables)) == (quality, None, 1)


@pytest.mark.parametrize(("change", "quality"), [(-1, 81), (1, 80)])
def test_tables_of_another_program_have_the_next_finer_quality(
    picture: Picture, change: int, quality: int
) -> None:
    found = coding(foreign(picture, change))
    assert not found.is_libjpegs and found.quality == quality


@pytest.mark.parametrize("sampling", [0, 1, 2])
@pytest.mark.parametrize("change", [-1, 3])
def test_an_edit_has_the_very_tables_of_another_program(
    tmp_path: Path, picture: Picture, change: int, sampling: int
) -> None:
    (tmp_path / "in.jpg").write_bytes(foreign(picture, change, sampling))
    original = read_original(tmp_path / "in.jpg")
    write_original(tmp_path / "out.jpg", original.with_pixels(255 - picture), quality=None)
    assert coding((tmp_path / "out.jpg").read_bytes()) == original.jpeg
    write_original(
        tmp_path / "grey.jpg", Original(picture[..., 0], jpeg=original.jpeg), quality=None
    )
    assert original.jpeg is not None
    assert coding((tmp_path / "grey.jpg").read_bytes()).tables == original.jpeg.tables[:1]


@pytest.mark.parametrize("sampling", [0x111111, 0x211111, 0x121111, 0x221111, 0x411111])
def test_an_edit_has_the_quality_and_sampling_of_its_picture(
    tmp_path: Path, picture: Picture, sampling: int
) -> None:
    settings = (cv2.IMWRITE_JPEG_QUALITY, 63, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling)
    (tmp_path / "in.jpg").write_bytes(encoded(picture, *settings))
    original = read_original(tmp_path / "in.jpg")
    assert original.jpeg == JpegCoding(libjpegs(63), sampling)
    edit = original.with_pixels(255 - original.pixels)
    write_original(tmp_path / "out.jpg", edit, quality=None)
    assert read_original(tmp_path / "out.jpg").jpeg == original.jpeg
    write_original(tmp_path / "asked.jpg", edit, quality=90)
    assert read_original(tmp_path / "asked.jpg").jpeg == JpegCoding(libjpegs(90), sampling)


def test_what_was_no_jpeg_becomes_one_of_quality_95(tmp_path: Path, picture: Picture) -> None:
    write_original(tmp_path / "a.png", Original(picture))
    write_original(tmp_path / "a.jpg", read_original(tmp_path / "a.png"), quality=None)
    assert read_original(tmp_path / "a.jpg").jpeg == JpegCoding(libjpegs(95), 0x221111)


def test_the_sampling_of_a_picture_that_is_turned_turns_with_it(
    tmp_path: Path, picture: Picture
) -> None:
    exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06" + bytes(7)
    coded = JpegCoding(libjpegs(80), 0x211111)
    original = Original(picture, metadata=Metadata(exif=exif), jpeg=coded)
    write_original(tmp_path / "a.jpg", original, quality=None)
    assert read_original(tmp_path / "a.jpg").jpeg == JpegCoding(libjpegs(80), 0x121111)


def test_cmyk_keeps_its_tables(tmp_path: Path) -> None:
    inks = np.random.default_rng(0).integers(0, 256, (32, 32, 4), np.uint8)
    Image.fromarray(inks, "CMYK").save(tmp_path / "in.jpg", quality=71, subsampling=0)
    original = read_original(tmp_path / "in.jpg")
    write_original(tmp_path / "out.jpg", original, quality=None)
    assert original.jpeg is not None
    assert coding((tmp_path / "out.jpg").read_bytes()).tables == original.jpeg.tables
