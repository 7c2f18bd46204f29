"""Small films for tests: discs that wander, with the streams that a test asks for."""

import io
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT, FRAMES, RATE = 96, 64, 24, 12
SUBTITLES = ("Good morning", "and good night")


def frame_with_discs(t: int, *, discs: int = 1) -> npt.NDArray[np.uint8]:
    """A grey frame with reddish discs; the second is smaller."""
    picture = np.full((HEIGHT, WIDTH, 3), 70, np.uint8)
    for number in range(discs):
        centre = (30 + 40 * number + t // 3, 32)
        cv2.circle(picture, centre, 16 - 6 * number, (200, 110, 90), -1)
    return picture


def film(
    path: Path,
    frames: Sequence[npt.NDArray[np.uint8]] | None = None,
    *,
    discs: int = 1,
    times: Sequence[int] | None = None,
    sounds: Sequence[str] = ("aac",),
    subtitles: bool = False,
    chapters: Sequence[str] = (),
    tags: Mapping[str, str] | None = None,
    matrix: int = 6,
    full_range: bool = False,
    display_matrix: Sequence[int] | None = None,
    options: Mapping[str, str] | None = None,
    cover: bool = False,
    attachment: tuple[str, str] | None = None,
) -> Path:
    """Writes a film of two seconds.

    Args:
        path: of the file; its extension says the container.
        frames: None for discs.
        discs: how many of them.
        times: of the frames, in twelfths of a second; None for even ones.
        sounds: a codec for each tone.
        subtitles: whether two subtitles in German are in it.
        chapters: their titles, a second each.
        tags: what it says of itself.
        matrix: of its colours, in ITU-T H.273's numbers.
        full_range: of its colours.
        display_matrix: nine numbers, as players turn it.
        options: of the container.
        cover: whether a second picture stream that is a cover goes along.
        attachment: name and type of an attached file.
    """
    frames = frames or [frame_with_discs(t, discs=discs) for t in range(FRAMES)]
    height, width = frames[0].shape[:2]
    with av.open(path, "w", container_options=dict(options or {})) as container:
        container.metadata.update(tags or {})
        picture = container.add_stream("libx264", rate=RATE, options={"crf": "12"})
        picture.width, picture.height, picture.pix_fmt = width, height, "yuv420p"
        context = picture.codec_context
        context.time_base = Fraction(1, RATE)
        context.colorspace, context.color_range = matrix, 2 if full_range else 1
        context.color_primaries, context.color_trc = 1, 1
        if display_matrix is not None:
            picture.set_display_matrix(display_matrix)
        tones = [_tone(container, codec, 440 * (at + 1)) for at, codec in enumerate(sounds)]
        if subtitles:
            written = _subtitles(container)
        if cover:
            image: Any = container.add_stream("mjpeg", rate=1)
            image.width, image.height, image.pix_fmt = 32, 32, "yuvj420p"
            image.disposition = 1024  # attached picture
        if attachment is not None:
            container.add_attachment(attachment[0], attachment[1], b"x" * 100)
        if chapters:
            container.set_chapters(
                [
                    {
                        "id": at,
                        "start": at,
                        "end": at + 1,
                        "time_base": Fraction(1),
                        "metadata": {"title": title},
                    }
                    for at, title in enumerate(chapters)
                ]
            )
        if cover:
            container.mux(image.encode(av.VideoFrame(32, 32, "yuvj420p")))
        for at, pixels in enumerate(frames):
            rgb = av.VideoFrame.from_ndarray(pixels, "rgb24")
            coded = rgb.reformat(
                format="yuv420p",
                dst_colorspace={1: 1, 6: 5, 9: 9}[matrix],
                src_color_range=2,
                dst_color_range=2 if full_range else 1,
            )
            coded.pts = at if times is None else times[at]
            coded.time_base = Fraction(1, RATE)
            container.mux(picture.encode(coded))
        container.mux(picture.encode(None))
        for stream, samples in tones:
            container.mux(stream.encode(samples))
            container.mux(stream.encode(None))
        if subtitles:
            for packet in written:
                container.mux(packet)
    return path


def _tone(container: Any, codec: str, hertz: int) -> tuple[Any, av.AudioFrame]:
    stream = container.add_stream(codec, rate=44_100)
    stream.codec_context.layout = "mono"
    wanted = stream.codec_context.format.name
    wave = np.sin(np.arange(2 * 44_100) * (2 * np.pi * hertz / 44_100))
    samples = (wave * 8000).astype(np.int16)
    packed = av.AudioFrame.from_ndarray(samples[np.newaxis], "s16", "mono")
    packed.sample_rate = 44_100
    packed.pts = 0
    resampler = av.AudioResampler(wanted, "mono", 44_100)
    (frame,) = resampler.resample(packed)
    if not stream.codec_context.frame_size:
        return stream, frame
    return stream, frame


def _subtitles(container: Any) -> list[Any]:
    """Two subtitles, taken over from a text of them."""
    lines = [
        f"{at + 1}\n00:00:0{at},100 --> 00:00:0{at},900\n{text}\n"
        for at, text in enumerate(SUBTITLES)
    ]
    text = av.open(io.BytesIO("\n".join(lines).encode()), "r", format="srt")
    stream = container.add_stream_from_template(text.streams[0], opaque=True)
    stream.metadata["language"] = "deu"
    packets = [packet for packet in text.demux() if packet.size]
    for packet in packets:
        packet.stream = stream
    return packets
