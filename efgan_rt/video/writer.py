"""Frames to a video file: H.264 of 8 bits, which everything plays.

Colours go out by the matrix that they came in by, and the file says which, so that outside the
edited faces a video looks as before.
"""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final, Self

import numpy as np

from efgan_rt.errors import EfganError
from efgan_rt.extras import needs_extra
from efgan_rt.pictures.original import Picture

# x264's factor at quality 95 and at 0, and even steps between; 17 looks like the frames themselves.
BEST_CRF, WORST_CRF = 17, 45
# Of ITU-T H.273, which FFmpeg's numbers follow.
BT709, UNSPECIFIED, FCC, BT470BG, SMPTE170M, SMPTE240M, BT2020, SRGB = 1, 2, 4, 5, 6, 7, 9, 13
# The matrices that FFmpeg's scaler knows, and its numbers for them.
SCALER: Final = {
    BT709: 1,
    FCC: 4,
    BT470BG: 5,
    SMPTE170M: 5,
    SMPTE240M: 7,
    BT2020: 9,
}
MATRICES: Final = tuple(SCALER)
_STUDIO_RANGE, _FULL_RANGE = 1, 2


@dataclass(frozen=True)
class Colours:
    """How a video's colours are to be understood, in the numbers of ITU-T H.273."""

    matrix: int = BT709
    primaries: int = BT709
    transfer: int = SRGB  # that of pictures


def crf_of(quality: int) -> int:
    """x264's constant rate factor for a quality of 1 to 100."""
    share = min(quality, 95) / 95
    return round(WORST_CRF + share * (BEST_CRF - WORST_CRF))


def need_encoder(what: str) -> None:
    """Refuses, before any work, where videos cannot be written.

    Args:
        what: is to be written, such as "MP4".

    Raises:
        EfganError: PyAV is missing, or its build has no x264.
    """
    with needs_extra("video"):
        import av
    try:
        av.Codec("libx264", "w")
    except ValueError as error:
        raise EfganError(
            f"{what} needs the encoder x264, which this build of PyAV {av.__version__} lacks; "
            "take the wheel of PyPI: pip install --force-reinstall --only-binary av av"
        ) from error


class VideoWriter:
    """Writes frames at even times to an MP4; in a `with`, what fails leaves no file."""

    def __init__(
        self,
        path: Path,
        width: int,
        height: int,
        rate: Fraction,
        *,
        quality: int = 95,
        colours: Colours | None = None,
        pixel_shape: Fraction = Fraction(1),
    ) -> None:
        """Opens the file.

        Args:
            path: of the file, replaced if it is there.
            width: of the frames; the last column of an odd one is left out, H.264 has even sides.
            height: likewise.
            rate: frames a second.
            quality: 1 to 100.
            colours: None for those of pictures.
            pixel_shape: a pixel's width to its height.

        Raises:
            EfganError: the file cannot be written, or PyAV is missing.
        """
        need_encoder("a video")
        import av

        if min(width, height) < 2:
            raise EfganError(f"{path}: {width} x {height} is too small for a video")
        colours = colours or Colours()
        self._path = path
        self._shape = (height, width, 3)
        self._matrix = SCALER[colours.matrix]
        self._count = 0
        try:
            self._container = av.open(
                f"file:{path}", "w", format="mp4", container_options={"movflags": "faststart"}
            )
            stream = self._container.add_stream(
                "libx264",
                rate=rate,
                options={"crf": str(crf_of(quality))},
                width=width // 2 * 2,
                height=height // 2 * 2,
                pix_fmt="yuv420p",
            )
        except av.FFmpegError as error:
            raise EfganError(f"{path}: cannot be written: {error.strerror}") from error
        stream.time_base = 1 / rate
        context = stream.codec_context
        context.time_base = 1 / rate
        context.sample_aspect_ratio = pixel_shape
        context.color_range = _STUDIO_RANGE
        context.colorspace = colours.matrix
        context.color_primaries = colours.primaries
        context.color_trc = colours.transfer
        self._stream = stream

    def write(self, frame: Picture) -> None:
        """Writes a frame, uint8 RGB (H, W, 3).

        Raises:
            EfganError: the file cannot be written.
        """
        import av
        from av.video.reformatter import Interpolation

        assert frame.shape == self._shape, "all frames have one size"
        even = frame[: self._stream.height, : self._stream.width]
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), "rgb24")
        coded = rgb.reformat(
            format="yuv420p",
            dst_colorspace=self._matrix,
            src_color_range=_FULL_RANGE,
            dst_color_range=_STUDIO_RANGE,
            interpolation=(
                Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP
            ),
            threads=1,
        )
        coded.pts = self._count
        coded.time_base = self._stream.codec_context.time_base
        self._count += 1
        self._mux(coded)

    def finish(self) -> None:
        """Completes the file.

        Raises:
            EfganError: it cannot be written.
        """
        import av

        self._mux(None)
        try:
            self._container.close()
        except av.FFmpegError as error:
            self._path.unlink(missing_ok=True)
            raise EfganError(f"{self._path}: cannot be written: {error.strerror}") from error

    def _mux(self, frame: "av.VideoFrame | None") -> None:  # type: ignore[name-defined]  # noqa: F821
        import av

        try:
            self._container.mux(self._stream.encode(frame))
        except av.FFmpegError as error:
            raise EfganError(f"{self._path}: cannot be written: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            self.finish()
            return
        from contextlib import suppress

        import av

        with suppress(av.FFmpegError):
            self._container.close()
        self._path.unlink(missing_ok=True)
