"""Frames out of a video file, upright, each with its time, and what the file says of itself.

PyAV decodes. A frame keeps the time that the file gives it: none is repeated or left out where
times are uneven. It is turned as the file wants it shown, and its colours are understood as the
file says, else by its size.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from efgan_rt.errors import EfganError
from efgan_rt.extras import needs_extra
from efgan_rt.pictures.original import Picture
from efgan_rt.video.writer import BT709, MATRICES, SCALER, SMPTE170M, UNSPECIFIED, Colours

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

EXTENSIONS: Final = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".3gp")
FASTEST: Final = 120  # frames a second; above it, a rate is the clock of frames at uneven times
USUAL_RATE: Final = Fraction(30)
HDR: Final = (16, 18)  # ITU-T H.273: PQ, HLG
_STUDIO_RANGE, _FULL_RANGE = 1, 2


@dataclass(frozen=True)
class VideoFacts:
    """What there is to know of a video before its frames.

    Attributes:
        width: of a frame as it is shown.
        height: likewise.
        rate: frames a second, on average.
        seconds: how long it is; 0 where it does not say.
        frames: about how many frames it has; 0 where that is not known.
        time_base: of its frames' times, in seconds.
        colours: how its colours are to be understood; guessed from its size where it does not say.
        pixel_shape: a pixel's width to its height, as it is shown.
        notes: what of it cannot be kept, in sentences.
    """

    width: int
    height: int
    rate: Fraction
    seconds: float
    frames: int
    time_base: Fraction
    colours: Colours
    pixel_shape: Fraction
    notes: tuple[str, ...] = ()

    @property
    def fps(self) -> float:
        """Frames a second, on average."""
        return float(self.rate)


@dataclass(frozen=True, eq=False)
class FilmFrame:
    """A frame and when it is shown.

    Attributes:
        pixels: uint8 RGB (H, W, 3), an array of its own.
        time: in units of the video's time base; greater than that of the frame before.
        duration: how long it is shown, as the file says; 0 where it does not.
    """

    pixels: Picture
    time: int
    duration: int


@contextmanager
def opened(path: Path) -> "Iterator[InputContainer]":
    """A video, open for reading.

    Raises:
        EfganError: PyAV is missing, or the file is not there or no video.
    """
    with needs_extra("video"):
        import av
    if not path.is_file():
        raise EfganError(f"{path}: no such file; expected a video")
    try:
        # What a tag says in no UTF-8 is no reason to refuse a film.
        container = av.open(f"file:{path}", "r", metadata_errors="replace")
    except (av.FFmpegError, ValueError) as error:
        raise EfganError(f"{path}: holds no video that can be read: {reason(error)}") from error
    with container:
        yield container


def film_stream(container: "InputContainer", path: Path) -> "VideoStream":
    """The stream of the film itself: the first that moves and can be decoded.

    Raises:
        EfganError: there is none.
    """
    for stream in container.streams.video:
        if stream.codec_context is not None and not is_still(stream):
            return stream
    raise EfganError(f"{path}: holds no video that can be read: no film is in it")


def is_still(stream: Any) -> bool:
    """Whether a stream of pictures is a cover or a thumbnail."""
    from av.stream import Disposition

    return bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))


def reason(error: BaseException) -> str:
    """What PyAV says, without numbers and file names."""
    return str(getattr(error, "strerror", None) or error)


def probe(path: Path) -> VideoFacts:
    """What a video says of itself.

    Raises:
        EfganError: PyAV is missing, or the file cannot be read or holds no video.
    """
    with opened(path) as container:
        stream = film_stream(container, path)
        frame = next(_decoded(container, stream), None)
        if frame is None:
            raise EfganError(f"{path}: its first frame cannot be read")
        rates = (stream.average_rate, stream.guessed_rate)
        rate = next((each for each in rates if each and 0 < each <= FASTEST), USUAL_RATE)
        seconds = (container.duration or 0) / 1_000_000
        quarters = _quarter_turns(frame)[0]
        width, height = frame.width, frame.height
        shape = stream.sample_aspect_ratio or Fraction(1)
        if quarters % 2:
            width, height, shape = height, width, 1 / shape
        colours = _colours(frame)
        return VideoFacts(
            width,
            height,
            rate,
            seconds,
            stream.frames or round(seconds * float(rate)),
            stream.time_base or 1 / rate,
            colours,
            shape,
            _notes(path, frame, colours),
        )


def read_film(path: Path, facts: VideoFacts, start: int = 0) -> Iterator[FilmFrame]:
    """Every frame from a number on; what cannot be decoded on the way is passed over.

    Frames before that are decoded and thrown away, so that numbers mean the same however a film is
    cut or compressed.

    Raises:
        EfganError: no frame can be decoded.
    """
    time: int | None = None
    number = -1
    with opened(path) as container:
        stream = film_stream(container, path)
        for number, frame in enumerate(_decoded(container, stream)):
            even = round(number / (facts.rate * facts.time_base))
            told = even if frame.pts is None else frame.pts
            time = told if time is None else max(told, time + 1)
            if number >= start:
                yield FilmFrame(_upright(frame, facts), time, frame.duration or 0)
    if number < 0:
        raise EfganError(f"{path}: cannot be read: it has no frame that can be decoded")


def read_frames(path: Path, facts: VideoFacts, start: int = 0) -> Iterator[Picture]:
    """The pixels of `read_film`'s frames."""
    return (frame.pixels for frame in read_film(path, facts, start))


def _decoded(container: "InputContainer", stream: "VideoStream") -> "Iterator[VideoFrame]":
    import av
    from av.codec.context import ThreadType

    stream.thread_type = ThreadType.AUTO
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:  # the file breaks off
            packet = None
        with suppress(av.FFmpegError):  # a packet that is damaged, or the end said twice
            yield from stream.decode(packet)
        if packet is None or packet.size == 0:
            return


def _upright(frame: "VideoFrame", facts: VideoFacts) -> Picture:
    """The frame as it is shown, uint8 RGB (H, W, 3)."""
    from av.video.reformatter import Interpolation

    quarters, is_mirrored = _quarter_turns(frame)
    width, height = facts.width, facts.height
    if quarters % 2:
        width, height = height, width
    is_rgb = frame.format.is_rgb
    pixels = frame.reformat(
        width=width,
        height=height,
        format="rgb24",
        src_colorspace=None if is_rgb else SCALER[facts.colours.matrix],
        src_color_range=frame.color_range or (_FULL_RANGE if is_rgb else _STUDIO_RANGE),
        dst_color_range=_FULL_RANGE,
        interpolation=(
            Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
        ),
        threads=1,
    ).to_ndarray()
    if is_mirrored:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(np.rot90(pixels, quarters), dtype=np.uint8)


def _quarter_turns(frame: "VideoFrame") -> tuple[int, bool]:
    """Counter-clockwise turns that set a frame upright, and whether it is mirrored before them."""
    from av.sidedata.sidedata import Type

    told: Any = frame.side_data
    if Type.DISPLAYMATRIX not in told:
        return 0, False
    a, b, _, c, d = np.frombuffer(bytes(told[Type.DISPLAYMATRIX]), np.int32)[:5].tolist()
    # Rows are where the picture's axes go; y is down.
    is_mirrored = a * d - b * c < 0
    if is_mirrored:
        a, b = -a, -b
    if abs(a) >= abs(b):
        return (0 if a >= 0 else 2), is_mirrored
    return (3 if b > 0 else 1), is_mirrored


def _colours(frame: "VideoFrame") -> Colours:
    by_size = BT709 if frame.height >= 720 else SMPTE170M
    matrix = frame.colorspace if frame.colorspace in MATRICES else by_size
    primaries, transfer = (
        other if value in (0, UNSPECIFIED) else value
        for value, other in ((frame.color_primaries, by_size), (frame.color_trc, BT709))
    )
    return Colours(matrix, primaries, transfer)


def _notes(path: Path, frame: "VideoFrame", colours: Colours) -> tuple[str, ...]:
    if colours.transfer in HDR:
        return (f"{path}: is HDR; its bits become 8, so that smooth areas may show steps",)
    if any(component.bits > 8 for component in frame.format.components):
        return (f"{path}: has {frame.format.name} pixels; their bits become 8",)
    if any(component.is_alpha for component in frame.format.components):
        return (f"{path}: its transparency is left out",)
    return ()
