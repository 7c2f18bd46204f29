"""The quality of a JPEG is read off its tables, and its edit is written alike."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from efgan_rt.images import Picture, read_original, write_original
from efgan_rt.jpeg_quality import JpegCoding, coding_of
from efgan_rt.metadata.record import Metadata
from efgan_rt.originals import Original
from efgan_rt.picture_header import read_header


def tables_of(data: bytes) -> tuple[bytes, ...]:
    header = read_header(data)
    assert header is not None
    return header.jpeg_tables


def encoded(picture: Picture, *settings: int) -> bytes:
    done, data = cv2.imencode(".jpg", picture, settings)
    assert done
    return data.tobytes()


def coding(data: bytes) -> JpegCoding | None:
    header = read_header(data)
    assert header is not None
    return coding_of(header.jpeg_tables, header.jpeg_frame)


@pytest.fixture
def picture(make_picture: Callable[..., Picture]) -> Picture:
    return make_picture(48, 64)


def test_the_quality_of_a_libjpeg_file_is_the_one_that_was_asked_for(picture: Picture) -> None:
    for quality in range(1, 101):
        data = encoded(picture, cv2.IMWRITE_JPEG_QUALITY, quality)
        found = coding(data)
        assert found is not None
        again = encoded(picture, cv2.IMWRITE_JPEG_QUALITY, found.quality)
        # The lowest qualities share tables that are at their limit everywhere.
        assert found.quality == quality or tables_of(again) == tables_of(data)


@pytest.mark.parametrize("quality", [5, 50, 75, 100])
def test_a_grey_file_is_judged_by_its_one_table(picture: Picture, quality: int) -> None:
    data = encoded(picture[..., 0], cv2.IMWRITE_JPEG_QUALITY, quality)
    assert coding(data) == JpegCoding(quality)


def test_tables_of_another_program_get_the_next_finer_ones(picture: Picture) -> None:
    header = read_header(encoded(picture, cv2.IMWRITE_JPEG_QUALITY, 80))
    assert header is not None
    (luma, chroma) = header.jpeg_tables
    finer = bytes([luma[0], max(1, luma[1] - 1), *luma[2:]])
    coarser = bytes([luma[0], luma[1] + 1, *luma[2:]])
    assert coding_of((finer, chroma), header.jpeg_frame) == JpegCoding(81, 0x221111)
    assert coding_of((coarser, chroma), header.jpeg_frame) == JpegCoding(80, 0x221111)


def test_tables_of_16_bits_are_read_too(picture: Picture) -> None:
    header = read_header(encoded(picture, cv2.IMWRITE_JPEG_QUALITY, 80))
    assert header is not None
    wide = tuple(
        bytes([0x10 | table[0]]) + np.frombuffer(table[1:], np.uint8).astype(">u2").tobytes()
        for table in header.jpeg_tables
    )
    assert coding_of(wide, header.jpeg_frame) == JpegCoding(80, 0x221111)


@pytest.mark.parametrize("frame", [b"", b"\x08\0\x30\0\x40\x03\x01\x22\x07", b"\x08\0\0\0\0\x00"])
def test_a_file_whose_tables_say_nothing_has_no_quality(picture: Picture, frame: bytes) -> None:
    assert coding_of(tables_of(encoded(picture)), frame) is None
    assert coding_of((b"\0" + bytes(10),), b"\x08\0\x30\0\x40\x01\x01\x11\0") is None


@pytest.mark.parametrize("sampling", [0x111111, 0x211111, 0x121111, 0x221111, 0x411111])
def test_an_edit_has_the_quality_and_sampling_of_its_picture(
    tmp_path: Path, picture: Picture, sampling: int
) -> None:
    settings = (cv2.IMWRITE_JPEG_QUALITY, 63, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling)
    (tmp_path / "in.jpg").write_bytes(encoded(picture, *settings))
    original = read_original(tmp_path / "in.jpg")
    assert original.jpeg == JpegCoding(63, sampling)
    edit = original.with_pixels(255 - original.pixels)
    write_original(tmp_path / "out.jpg", edit, quality=None)
    assert read_original(tmp_path / "out.jpg").jpeg == original.jpeg
    write_original(tmp_path / "asked.jpg", edit, quality=90)
    assert read_original(tmp_path / "asked.jpg").jpeg == JpegCoding(90, sampling)


def test_what_was_no_jpeg_becomes_one_of_quality_95(tmp_path: Path, picture: Picture) -> None:
    write_original(tmp_path / "a.png", Original(picture))
    write_original(tmp_path / "a.jpg", read_original(tmp_path / "a.png"), quality=None)
    assert read_original(tmp_path / "a.jpg").jpeg == JpegCoding(95, 0x221111)


def test_the_sampling_of_a_picture_that_is_turned_turns_with_it(
    tmp_path: Path, picture: Picture
) -> None:
    exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06" + bytes(7)
    original = Original(picture, metadata=Metadata(exif=exif), jpeg=JpegCoding(80, 0x211111))
    write_original(tmp_path / "a.jpg", original, quality=None)
    assert read_original(tmp_path / "a.jpg").jpeg == JpegCoding(80, 0x121111)
