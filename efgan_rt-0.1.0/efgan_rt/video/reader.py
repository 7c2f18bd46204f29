"""Frames out of a video file, upright, at even times, and what the file says of itself.

ffmpeg turns a frame as the file wants it shown, and repeats or leaves out frames where their times
are uneven, so that sound and picture stay together. What is known of a video beforehand is read
from what ffmpeg prints of it and from the header of its first frame.
"""

import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from efgan_rt.errors import EfganError
from efgan_rt.pictures.original import Picture
from efgan_rt.video.ffmpeg import QUIET, Ffmpeg, complaint, need_ffmpeg
from efgan_rt.video.writer import SCALER_NAMES, Colours

EXTENSIONS: Final = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".3gp")
PROBE_TIMEOUT_S: Final = 60
FASTEST: Final = 120.0  # above it, a rate is the clock of frames at uneven times
USUAL_RATE: Final = "30"
HDR: Final = ("smpte2084", "arib-std-b67")
_HEADER: Final = re.compile(rb"YUV4MPEG2 W(\d+) H(\d+) F(\d+):(\d+)[^\n]*?(?: A(\d+):(\d+))?[ \n]")
_VIDEO: Final = re.compile(
    r"Stream #0:\d+.*?: Video: (?P<codec>\w+).*?, (?P<pixels>\w+)(?P<rest>.*)"
)
_COLOURS: Final = re.compile(r"^\((?P<inside>[^)]*)\)")
_RATE: Final = re.compile(r"([\d.]+) fps")
_DURATION: Final = re.compile(r"Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)")
_SOUND: Final = re.compile(r"Stream #0:\d+.*?: Audio: (\w+)")


@dataclass(frozen=True)
class VideoFacts:
    """What there is to know of a video before its frames.

    Attributes:
        width: of a frame as it is shown.
        height: likewise.
        rate: frames a second, such as "30000/1001".
        seconds: how long it is; 0 where it does not say.
        sound: the codec of its sound; None for a silent one.
        colours: how its colours are to be understood; guessed from its size where it does not say.
        pixel_shape: a pixel's width to its height, such as "1/1".
        notes: what of it cannot be kept, in sentences.
    """

    width: int
    height: int
    rate: str
    seconds: float
    sound: str | None
    colours: Colours
    pixel_shape: str
    notes: tuple[str, ...] = ()

    @property
    def fps(self) -> float:
        """Frames a second."""
        above, _, below = self.rate.partition("/")
        return float(above) / float(below or 1)

    @property
    def frames(self) -> int:
        """About how many frames it has; 0 where that is not known."""
        return round(self.seconds * self.fps)


def probe(path: Path) -> VideoFacts:
    """What a video says of itself.

    Raises:
        EfganError: ffmpeg is missing, or the file cannot be read or holds no video.
    """
    if not path.is_file():
        raise EfganError(f"{path}: no such file; expected a video")
    program = need_ffmpeg("a video")
    said = _run(path, [program, "-hide_banner", "-nostdin", "-i", f"file:{path}"])[1]
    stream = _VIDEO.search(said)
    if stream is None:
        why = complaint("\n".join(said.splitlines()[-1:]))
        raise EfganError(f"{path}: holds no video that ffmpeg can read: {why}")
    first = ["-map", "0:V:0", "-frames:v", "1", "-pix_fmt", "yuv420p", "-f", "yuv4mpegpipe", "-"]
    data, errors = _run(path, [program, *QUIET, "-i", f"file:{path}", *first])
    header = _HEADER.match(data)
    if header is None:
        raise EfganError(f"{path}: its first frame cannot be read: {complaint(errors)}")
    width, height, above, below = (int(each) for each in header.groups()[:4])
    rate = f"{above}/{below}"
    if not 0 < above / max(below, 1) <= FASTEST:
        stated = _RATE.search(stream["rest"])
        rate = stated[1] if stated and 0 < float(stated[1]) <= FASTEST else USUAL_RATE
    wide, tall = header[5], header[6]
    shape = f"{int(wide)}/{int(tall)}" if wide and int(wide) and int(tall) else "1/1"
    duration = _DURATION.search(said)
    seconds = 0.0
    if duration:
        seconds = int(duration[1]) * 3600 + int(duration[2]) * 60 + float(duration[3])
    sound = _SOUND.search(said)
    colours = _colours(stream["rest"], height)
    return VideoFacts(
        width,
        height,
        rate,
        seconds,
        sound[1] if sound else None,
        colours,
        shape,
        _notes(path, stream["pixels"], colours),
    )


def read_frames(path: Path, facts: VideoFacts) -> Iterator[Picture]:
    """Every frame, uint8 RGB (H, W, 3), each an array of its own.

    Raises:
        EfganError: ffmpeg fails on the way; the message says at which frame.
    """
    matrix = SCALER_NAMES.get(facts.colours.matrix, "bt709")
    filters = (
        f"fps={facts.rate}:start_time=0,"
        f"scale={facts.width}:{facts.height}:in_color_matrix={matrix}"
        ":flags=bicubic+accurate_rnd+full_chroma_int,format=rgb24"
    )
    arguments = [need_ffmpeg("a video"), *QUIET, "-i", f"file:{path}", "-map", "0:V:0"]
    arguments += ["-vf", filters, "-f", "rawvideo", "-"]
    size = facts.width * facts.height * 3
    number = 0
    run = Ffmpeg(arguments, writes=True)
    with closing(_Killed(run)):
        while len(data := run.pipe.read(size)) == size:
            yield np.frombuffer(bytearray(data), np.uint8).reshape(facts.height, facts.width, 3)
            number += 1
        why = run.finish()
    if why is not None or number == 0:
        raise EfganError(f"{path}: cannot be read after {number:,} frames: {why or 'it has none'}")


class _Killed:
    """Ends ffmpeg where a reader stops early."""

    def __init__(self, run: Ffmpeg) -> None:
        self._run = run

    def close(self) -> None:
        self._run.kill()


def _run(path: Path, arguments: list[str]) -> tuple[bytes, str]:
    try:
        done = subprocess.run(
            arguments, stdin=subprocess.DEVNULL, capture_output=True, timeout=PROBE_TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise EfganError(f"{path}: ffmpeg does not come to an end with it") from error
    except OSError as error:
        raise EfganError(f"{arguments[0]}: cannot be started: {error.strerror}") from error
    return done.stdout, done.stderr.decode(errors="replace")


def _colours(rest: str, height: int) -> Colours:
    """From ffmpeg's words behind the pixel format, such as "(tv, bt709, progressive)"."""
    by_size = "bt709" if height >= 720 else "smpte170m"
    inside = _COLOURS.match(rest)
    for word in inside["inside"].split(", ") if inside else []:
        names = word.split("/")
        if len(names) == 1 and names[0] in SCALER_NAMES:
            return Colours(*names * 3)
        if len(names) == 3:
            matrix = names[0] if names[0] in SCALER_NAMES else by_size
            primaries, transfer = ("bt709" if n == "unknown" else n for n in names[1:])
            return Colours(matrix, primaries, transfer)
    return Colours(by_size, "bt709" if by_size == "bt709" else by_size, "bt709")


def _notes(path: Path, pixels: str, colours: Colours) -> tuple[str, ...]:
    if colours.transfer in HDR:
        return (f"{path}: is HDR; its bits become 8, so that smooth areas may show steps",)
    if re.search(r"p1[02]|1[02]le|1[02]be|16", pixels):
        return (f"{path}: has {pixels} pixels; their bits become 8",)
    if "a" in pixels.removeprefix("gray") and pixels.startswith(("yuva", "rgba", "argb", "bgra")):
        return (f"{path}: its transparency is left out",)
    return ()
