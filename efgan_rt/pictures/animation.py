"""Animations: the frames of one picture as one file.

GIF, WebP and APNG are OpenCV's encoders. GIF has 256 colours, so its frames are dithered, and a
delay in hundredths of a second. WebP and APNG keep colour profile, EXIF and XMP, GIF and MP4 XMP,
in which stands the mark of a network's edit. Transparency is
kept in APNG alone (OpenCV drops it from a WebP's frames); elsewhere it lies on white. MP4 is
PyAV's (H.264, 8 bits, even sides). The last frame is held for a moment, so that one sees what
came of it before the loop begins again.

All frames of an animation but MP4's are in memory together, so a large picture's are made smaller.
"""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from efgan_rt.errors import EfganError
from efgan_rt.pictures.containers import gif_with_xmp, mp4_xmp_box, with_metadata
from efgan_rt.pictures.original import Original, Picture, eight_bits, on_white, rgb8
from efgan_rt.video.writer import VideoWriter, need_encoder

EXTENSIONS: Final = (".gif", ".webp", ".apng", ".mp4")
MAX_FPS: Final = {".gif": 50.0, ".webp": 120.0, ".apng": 120.0, ".mp4": 120.0}
# OpenCV's GIF: of its settings this one comes nearest to the frames (2 levels off on average, as
# Pillow's is; its default is 18 off).
_GIF: Final = (cv2.IMWRITE_GIF_DITHER, 3)
# The container of a format, as `efgan_rt.pictures.header` names it; GIF and MP4 hold XMP alone.
_METADATA: Final = {".webp": "WebP", ".apng": "PNG"}


@dataclass(frozen=True)
class Playback:
    """How frames play.

    Attributes:
        fps: frames a second.
        hold_s: how much longer the last frame stays.
        largest_px: of the longer side; larger frames are made smaller.
    """

    fps: float = 12.0
    hold_s: float = 1.0
    largest_px: int = 1024


def check_animation(extension: str, fps: float) -> None:
    """Refuses, before any work, what cannot be written.

    Raises:
        EfganError: the extension names no animation, it cannot play so fast, or MP4 is asked for
            and there is no PyAV.
    """
    if extension not in EXTENSIONS:
        known = " ".join(EXTENSIONS)
        raise EfganError(f"'{extension}' names no animation; expected one of {known}")
    if not 0 < fps <= MAX_FPS[extension]:
        raise EfganError(
            f"{fps:g} frames a second are out of range; expected more than 0 and up to "
            f"{MAX_FPS[extension]:g} in {extension}"
        )
    if extension == ".mp4":
        need_encoder("MP4")


def encode_animation(
    extension: str,
    frames: Iterable[Original],
    play: Playback | None = None,
    *,
    quality: int = 95,
) -> memoryview | bytes:
    """Frames as the bytes of an animation that loops.

    Args:
        extension: one of `EXTENSIONS`.
        frames: at least one, all of one size; the first one's metadata is kept where it can be.
        play: how they play; None for the defaults.
        quality: 1 to 100, of WebP and MP4.

    Raises:
        EfganError: the frames cannot be stored so, or PyAV is missing.
    """
    play = play or Playback()
    check_animation(extension, play.fps)
    small = (_at_most(frame, play.largest_px) for frame in frames)
    if extension == ".mp4":
        return _mp4(small, play, quality)
    kept = list(small)
    keeps_alpha = extension == ".apng"
    animation = cv2.Animation(0)  # loops for ever
    animation.frames = [_bgr(frame, keeps_alpha) for frame in kept]
    animation.durations = _durations_ms(len(kept), play)
    settings: Sequence[int] = ()
    if extension == ".gif":
        settings = _GIF
    elif extension == ".webp":
        settings = (cv2.IMWRITE_WEBP_QUALITY, 101 if kept[0].lossless else quality)
    try:
        name = ".png" if extension == ".apng" else extension
        done, encoded = cv2.imencodeanimation(name, animation, settings)
    except cv2.error:
        done = False
    if not done:
        height, width = kept[0].pixels.shape[:2]
        raise EfganError(f"an animation of {width} x {height} cannot be stored as {extension}")
    metadata = kept[0].metadata.fitting(kept[0].pixels if kept[0].stored is None else None)
    if extension == ".gif":
        return gif_with_xmp(encoded.tobytes(), metadata.xmp)
    return with_metadata(encoded.tobytes(), _METADATA[extension], metadata)


def _durations_ms(count: int, play: Playback) -> list[int]:
    """How long each frame stays; the ends are rounded, so that no error adds up."""
    ends = np.rint(np.arange(count + 1) * (100 / play.fps)).astype(int) * 10
    durations = np.maximum(np.diff(ends), 10)
    durations[-1] += round(play.hold_s * 100) * 10
    return [int(each) for each in durations]


def _at_most(frame: Original, largest_px: int) -> Original:
    height, width = frame.pixels.shape[:2]
    scale = largest_px / max(height, width)
    if scale >= 1:
        return frame
    size = max(1, round(width * scale)), max(1, round(height * scale))

    def resized(array: Any) -> Any:
        return cv2.resize(array, size, interpolation=cv2.INTER_AREA)

    alpha = None if frame.alpha is None else resized(frame.alpha)
    return replace(frame, held=resized(frame.pixels), alpha=alpha)


def _opaque(frame: Original) -> Picture:
    """uint8 RGB; what is transparent lies on white."""
    pixels = rgb8(frame.pixels)
    if frame.alpha is None:
        return pixels
    alpha = eight_bits(frame.alpha) if frame.alpha.dtype == np.uint16 else frame.alpha
    return on_white(pixels, alpha)


def _bgr(frame: Original, keeps_alpha: bool) -> Picture:
    if frame.alpha is None or not keeps_alpha:
        return np.asarray(cv2.cvtColor(_opaque(frame), cv2.COLOR_RGB2BGR), dtype=np.uint8)
    alpha = eight_bits(frame.alpha) if frame.alpha.dtype == np.uint16 else frame.alpha
    joined = cv2.cvtColor(rgb8(frame.pixels), cv2.COLOR_RGB2BGRA)
    joined[..., 3] = alpha
    return np.asarray(joined, dtype=np.uint8)


def _mp4(frames: Iterable[Original], play: Playback, quality: int) -> bytes:
    """An MP4; by way of a file, for its index is put before the frames at the end."""
    rows = iter(frames)
    first = next(rows)
    last = _opaque(first)
    height, width = last.shape[:2]
    with tempfile.TemporaryDirectory(prefix="efgan-") as folder:
        path = Path(folder) / "animation.mp4"
        rate = Fraction(play.fps).limit_denominator(1000)
        with VideoWriter(path, width, height, rate, quality=quality) as writer:
            writer.write(last)
            for frame in rows:
                last = _opaque(frame)
                writer.write(last)
            for _ in range(round(play.hold_s * play.fps)):
                writer.write(last)
        return path.read_bytes() + mp4_xmp_box(first.metadata.xmp)
