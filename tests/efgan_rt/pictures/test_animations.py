"""Animations: every frame comes back, at its time, in its colours."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from efgan_rt.errors import EfganError
from efgan_rt.pictures.animation import Playback, check_animation, encode_animation
from efgan_rt.pictures.containers import read_metadata
from efgan_rt.pictures.header import read_header
from efgan_rt.pictures.original import Metadata, Original, Picture
from efgan_rt.video.reader import probe, read_frames
from tests.picture_files import gif_xmp, mp4_xmp

MakePicture = Callable[..., Picture]
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'


@pytest.fixture
def frames(make_picture: MakePicture) -> list[Original]:
    """Five frames of 60 x 48 that differ."""
    start, end = (make_picture(48, 60, seed).astype(np.float32) for seed in (0, 1))
    blends = [start + (end - start) * share for share in np.linspace(0, 1, 5)]
    return [Original(np.rint(each).astype(np.uint8)) for each in blends]


def decoded(data: bytes | memoryview) -> cv2.Animation:
    done, animation = cv2.imdecodeanimation(np.frombuffer(data, np.uint8).reshape(1, -1))
    assert done
    return animation


def rgb_frames(animation: cv2.Animation) -> list[Picture]:
    return [np.asarray(each)[..., 2::-1].astype(np.uint8) for each in animation.frames]


@pytest.mark.parametrize(("extension", "levels"), [(".gif", 8), (".webp", 3), (".apng", 0)])
def test_every_frame_comes_back_in_order(
    frames: list[Original], extension: str, levels: float
) -> None:
    found = rgb_frames(decoded(encode_animation(extension, frames)))
    assert len(found) == 5
    for frame, wanted in zip(found, frames, strict=True):
        assert np.abs(frame.astype(int) - wanted.pixels).mean() <= levels


@pytest.mark.parametrize("extension", [".gif", ".webp", ".apng"])
def test_frames_last_as_long_as_asked_and_the_last_one_longer(
    frames: list[Original], extension: str
) -> None:
    found = decoded(encode_animation(extension, frames, Playback(fps=12, hold_s=1)))
    # 83.3 ms each, in hundredths of a second, without an error that adds up.
    assert np.ravel(found.durations).tolist() == [80, 90, 80, 80, 1090]
    assert found.loop_count == 0


def test_a_lossless_webp_stays_lossless(frames: list[Original]) -> None:
    lossless = [replace(frame, lossless=True) for frame in frames]
    found = rgb_frames(decoded(encode_animation(".webp", lossless)))
    np.testing.assert_array_equal(found[2], frames[2].pixels)


def test_an_apng_keeps_transparency(frames: list[Original]) -> None:
    alpha = np.full(frames[0].pixels.shape[:2], 255, np.uint8)
    alpha[:20] = 0
    clear = [replace(frame, alpha=alpha) for frame in frames]
    first = np.asarray(decoded(encode_animation(".apng", clear)).frames[0])
    np.testing.assert_array_equal(first[..., 3], alpha)


@pytest.mark.parametrize("extension", [".webp", ".apng"])
def test_metadata_are_kept(frames: list[Original], extension: str) -> None:
    told = [replace(frame, metadata=Metadata(xmp=XMP)) for frame in frames]
    data = bytes(encode_animation(extension, told))
    header = read_header(data, "PNG" if extension == ".apng" else "WebP")
    assert read_metadata(data, header)[0].xmp == XMP
    assert header.count > 1
    assert len(decoded(data).frames) == 5


@pytest.mark.parametrize("extension", [".gif", ".mp4"])
def test_xmp_is_kept_where_there_is_a_place_for_nothing_else(
    frames: list[Original], extension: str, tmp_path: Path
) -> None:
    told = [replace(frame, metadata=Metadata(xmp=XMP, exif=b"II*\0")) for frame in frames]
    data = bytes(encode_animation(extension, told))
    reader = gif_xmp if extension == ".gif" else mp4_xmp
    assert reader(data) == XMP
    path = tmp_path / f"film{extension}"
    path.write_bytes(data)
    film = cv2.VideoCapture(str(path))
    assert film.read()[0]
    if extension == ".gif":
        assert len(decoded(data).frames) == len(frames)


@pytest.mark.parametrize("extension", [".gif", ".webp"])
def test_others_lay_what_is_transparent_on_white(frames: list[Original], extension: str) -> None:
    alpha = np.zeros(frames[0].pixels.shape[:2], np.uint8)
    clear = [replace(frame, alpha=alpha) for frame in frames]
    found = rgb_frames(decoded(encode_animation(extension, clear)))
    assert all(frame.min() >= 250 for frame in found)


@pytest.mark.parametrize("extension", [".gif", ".webp", ".apng"])
def test_grey_and_16_bit_frames_become_8_bit_colour(frames: list[Original], extension: str) -> None:
    grey = [Original(frame.pixels[..., 0].astype(np.uint16) * 257) for frame in frames]
    found = rgb_frames(decoded(encode_animation(extension, grey)))
    assert np.abs(found[1].astype(int) - frames[1].pixels[..., :1]).mean() <= 6


def test_large_frames_are_made_smaller(frames: list[Original]) -> None:
    found = decoded(encode_animation(".gif", frames, Playback(largest_px=30)))
    assert found.frames[0].shape[:2] == (24, 30)


def test_one_frame_is_an_animation_too(frames: list[Original]) -> None:
    assert encode_animation(".gif", frames[:1])


def test_an_mp4_plays_all_frames_and_holds_the_last(frames: list[Original], tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(encode_animation(".mp4", frames, Playback(fps=10, hold_s=0.5)))
    found = list(read_frames(path, probe(path)))
    assert len(found) == 10
    for frame, wanted in zip(found, frames, strict=False):
        assert np.abs(frame.astype(int) - wanted.pixels).mean() < 4
    np.testing.assert_allclose(found[9].mean(), found[4].mean(), atol=1)


def test_an_mp4_of_odd_sides_loses_a_row_and_a_column(
    make_picture: MakePicture, tmp_path: Path
) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(encode_animation(".mp4", [Original(make_picture(49, 61))]))
    film = cv2.VideoCapture(str(path))
    assert film.read()[1].shape == (48, 60, 3)


def test_without_pyav_mp4_is_refused_with_the_way_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(EfganError) as error:
        check_animation(".mp4", 12)
    assert str(error.value) == (
        'this needs av, which is not installed; install it with: pip install "efgan-rt[video]"'
    )
    check_animation(".gif", 12)


def test_a_pyav_without_x264_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import av

    def codec(name: str, mode: str) -> None:
        raise ValueError(name, mode)

    monkeypatch.setattr(av, "Codec", codec)
    with pytest.raises(EfganError, match="MP4 needs the encoder x264, which this build of PyAV"):
        check_animation(".mp4", 12)


@pytest.mark.parametrize(
    ("extension", "fps", "message"),
    [
        (".jpg", 12, "'.jpg' names no animation; expected one of .gif .webp .apng .mp4"),
        (".gif", 60, "60 frames a second are out of range; expected more than 0 and up to 50 in"),
        (".webp", 0, "0 frames a second are out of range; expected more than 0 and up to 120 in"),
        (".apng", float("nan"), "nan frames a second are out of range"),
    ],
)
def test_what_cannot_be_written_is_refused(extension: str, fps: float, message: str) -> None:
    with pytest.raises(EfganError) as error:
        check_animation(extension, fps)
    assert message in str(error.value)


def test_frames_too_large_for_a_format_are_named() -> None:
    wide = Original(np.zeros((2, 17000, 3), np.uint8))
    with pytest.raises(EfganError) as error:
        encode_animation(".webp", [wide, wide], Playback(largest_px=20000))
    assert str(error.value) == "an animation of 17000 x 2 cannot be stored as .webp"
