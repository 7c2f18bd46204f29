"""Frames to a video file: H.264 of 8 bits, which everything plays.

Colours go out by the matrix that they came in by, and the file says which, so that outside the
edited faces a video looks as before.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np

from efgan_rt.errors import EfganError
from efgan_rt.pictures.original import Picture
from efgan_rt.video.ffmpeg import QUIET, Ffmpeg, need_ffmpeg

# x264's factor at quality 95 and at 0, and even steps between; 17 looks like the frames themselves.
BEST_CRF, WORST_CRF = 17, 45
# The matrices that ffmpeg's scaler and its encoders both know, by the encoders' names.
SCALER_NAMES: Final = {
    "bt709": "bt709",
    "smpte170m": "smpte170m",
    "bt470bg": "bt470bg",
    "fcc": "fcc",
    "bt2020nc": "bt2020",
}


@dataclass(frozen=True)
class Colours:
    """How a video's colours are to be understood, as ffmpeg names it."""

    matrix: str = "bt709"
    primaries: str = "bt709"
    transfer: str = "iec61966-2-1"  # that of pictures

    def output_options(self) -> list[str]:
        """ffmpeg's options of the file that is written."""
        return [
            *("-colorspace", self.matrix),
            *("-color_primaries", self.primaries),
            *("-color_trc", self.transfer),
            *("-color_range", "tv"),
        ]


def crf_of(quality: int) -> int:
    """x264's constant rate factor for a quality of 1 to 100."""
    share = min(quality, 95) / 95
    return round(WORST_CRF + share * (BEST_CRF - WORST_CRF))


class VideoWriter:
    """Writes frames of one size; a context manager, and what fails inside it leaves no file."""

    def __init__(
        self,
        path: Path,
        width: int,
        height: int,
        rate: str,
        *,
        quality: int = 95,
        colours: Colours | None = None,
        pixel_shape: str = "1/1",
        sound_of: Path | None = None,
        encode_sound: bool = False,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Starts ffmpeg.

        Args:
            path: of the file, replaced if it is there.
            width: of the frames; the last column of an odd one is left out, H.264 has even sides.
            height: likewise.
            rate: frames a second, such as "25" or "30000/1001".
            quality: 1 to 100.
            colours: None for those of pictures.
            pixel_shape: a pixel's width to its height.
            sound_of: a video whose sound goes along.
            encode_sound: as AAC; else the sound is copied as it is.
            tags: what the file shall say of itself.

        Raises:
            EfganError: ffmpeg is missing or cannot be started.
        """
        colours = colours or Colours()
        matrix = SCALER_NAMES.get(colours.matrix, "bt709")
        filters = (
            "crop=max(2\\,trunc(iw/2)*2):max(2\\,trunc(ih/2)*2),"
            f"scale=out_color_matrix={matrix}:out_range=tv,format=yuv420p,"
            f"setsar={pixel_shape}"
        )
        arguments = [need_ffmpeg("MP4"), *QUIET, "-y"]
        arguments += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"]
        arguments += ["-framerate", rate, "-i", "pipe:0"]
        if sound_of is not None:
            sound = ["-c:a", "aac", "-b:a", "192k"] if encode_sound else ["-c:a", "copy"]
            arguments += ["-i", str(sound_of), "-map", "0:v", "-map", "1:a?", *sound]
            arguments += ["-map_metadata", "1"]
        arguments += ["-vf", filters, "-c:v", "libx264", "-crf", str(crf_of(quality))]
        for name, value in (tags or {}).items():
            arguments += ["-metadata", f"{name}={value}"]
        arguments += [*colours.output_options(), "-movflags", "+faststart", f"file:{path}"]
        self._path = path
        self._shape = (height, width, 3)
        self._ffmpeg = Ffmpeg(arguments, writes=False)

    def write(self, frame: Picture) -> None:
        """Writes a frame, uint8 RGB (H, W, 3).

        Raises:
            EfganError: ffmpeg has failed.
        """
        assert frame.shape == self._shape, "all frames have one size"
        try:
            self._ffmpeg.pipe.write(np.ascontiguousarray(frame).data)
        except BrokenPipeError:
            self.finish()
            raise EfganError(f"{self._path}: ffmpeg ended early") from None

    def finish(self) -> None:
        """Completes the file.

        Raises:
            EfganError: ffmpeg has failed.
        """
        why = self._ffmpeg.finish()
        if why is not None:
            self._path.unlink(missing_ok=True)
            raise EfganError(f"{self._path}: ffmpeg cannot write it: {why}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.finish()
        else:
            self._ffmpeg.kill()
            self._path.unlink(missing_ok=True)
