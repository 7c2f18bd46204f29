"""What goes along with an edited film: sounds, subtitles, chapters, data, tags.

Everything that the output's container takes is copied as it is; sound that it does not take becomes
AAC; the rest is left out and said, before any work is done. What a container takes is found out by
trying: a file in memory with the first packets of each stream. Covers, thumbnails and further films
are left out always, for they would show what was edited as it was.
"""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from efgan_rt.errors import EfganError
from efgan_rt.video.reader import film_stream, is_still, opened, reason

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.container.core import Chapter
    from av.packet import Packet
    from av.stream import Stream

CONTAINERS: Final = {".mp4": "mp4", ".m4v": "ipod", ".mov": "mov", ".mkv": "matroska"}
TRIED_PACKETS: Final = 8
AAC_BITS: Final = 192_000
# Tags of containers, not of films, and what MP4 and MOV have places of their own for.
_OF_CONTAINERS: Final = ("major_brand", "minor_version", "compatible_brands", "encoder", "duration")
_OWN_PLACES: Final = (
    *("title", "artist", "album_artist", "album", "comment", "composer", "copyright", "date"),
    *("creation_time", "description", "episode_id", "genre", "grouping", "keywords", "language"),
    *("location", "lyrics", "network", "season_number", "show", "synopsis", "timecode", "track"),
)


@dataclass(frozen=True)
class StreamPlan:
    """Which of a video's streams an output gets beside the film.

    Attributes:
        copied: their numbers in the source.
        encoded: of sound that becomes AAC.
        notes: what is left out or changed, in sentences.
    """

    copied: tuple[int, ...]
    encoded: tuple[int, ...]
    notes: tuple[str, ...]


def plan_streams(source: Path, output: Path) -> StreamPlan:
    """What an output's container takes of a source.

    Args:
        source: a video.
        output: by its extension one of `CONTAINERS`.

    Raises:
        EfganError: PyAV is missing, or the source cannot be read or holds no video.
    """
    copied, encoded, notes = [], [], []
    extension = output.suffix.lower()
    with opened(source) as container:
        film = film_stream(container, source)
        packets = _first_packets(container)
        for stream in container.streams:
            if stream.index == film.index:
                continue
            if _is_regenerated(stream, film, packets.get(stream.index, []), container.chapters()):
                continue
            if stream.type == "video":
                what = "cover or thumbnail" if is_still(stream) else "second film"
                notes.append(f"its {what} is left out, for it shows faces unedited")
            elif _is_picture(stream):
                notes.append("its attached picture is left out, for it may show faces unedited")
            elif _is_taken(CONTAINERS[extension], stream, packets.get(stream.index, [])):
                copied.append(stream.index)
            elif stream.type == "audio" and _is_decoded(packets.get(stream.index, [])):
                encoded.append(stream.index)
                notes.append(f"{_named(stream)}: becomes AAC, for {extension} does not take it")
            else:
                notes.append(f"{_named(stream)}: left out, for {extension} does not take it")
    return StreamPlan(tuple(copied), tuple(encoded), tuple(f"{source}: {each}" for each in notes))


def join(
    source: Path,
    output: Path,
    plan: StreamPlan,
    parts: Sequence[Path],
    times: Sequence[int],
    last_duration: int,
    time_base: Fraction,
    tags: Mapping[str, str],
) -> None:
    """A film's parts and everything that goes along, in one file.

    Args:
        source: the video that was edited.
        output: the file to write, replaced if it is there.
        plan: of `plan_streams`.
        parts: videos of the edited frames, in order; every frame one packet.
        times: of each frame, in `time_base`, rising.
        last_duration: of the last frame, likewise; 0 where it is not known.
        time_base: in seconds.
        tags: what the output says beside what the source does.

    Raises:
        EfganError: a file cannot be read or written.
    """
    with ExitStack() as stack:
        import av

        container = stack.enter_context(opened(source))
        said = {key: value for key, value in container.metadata.items() if _is_of_film(key)}
        has_keys = (
            any(key.split("-")[0] not in _OWN_PLACES for key in said)
            and output.suffix.lower() != ".mkv"
        )
        flags = "+faststart+use_metadata_tags" if has_keys else "+faststart"
        is_mkv = output.suffix.lower() == ".mkv"
        try:
            written = stack.enter_context(
                av.open(
                    f"file:{output}",
                    "w",
                    format=CONTAINERS[output.suffix.lower()],
                    container_options={} if is_mkv else {"movflags": flags},
                )
            )
            written.metadata.update({**said, **tags})
            film = film_stream(container, source)
            first = stack.enter_context(opened(parts[0])).streams.video[0]
            edited = written.add_stream_from_template(first, opaque=True)
            edited.time_base = time_base
            _describe(edited, film)
            ways = {}
            for number in sorted((*plan.copied, *plan.encoded)):
                stream = container.streams[number]
                made = _encoder if number in plan.encoded else _copier
                ways[number] = made(written, stream)
            written.set_chapters(container.chapters())
            shift = max(container.start_time or 0, 0)
            _mux(
                written,
                _timed(parts, edited, times, last_duration, time_base, shift),
                _going_along(container, ways, shift),
            )
        except (av.FFmpegError, ValueError) as error:
            raise EfganError(f"{output}: cannot be written: {reason(error)}") from error


def _mux(
    written: "OutputContainer", film: "Iterable[Packet[Any]]", others: "Iterable[Packet[Any]]"
) -> None:
    """Writes packets in the order of their times."""
    film = iter(film)
    waiting = next(film, None)
    for packet in others:
        while waiting is not None and _seconds(waiting) <= _seconds(packet):
            written.mux(waiting)
            waiting = next(film, None)
        written.mux(packet)
    while waiting is not None:
        written.mux(waiting)
        waiting = next(film, None)


def _timed(
    parts: Sequence[Path],
    edited: Any,
    times: Sequence[int],
    last_duration: int,
    time_base: Fraction,
    shift: int,
) -> "Iterator[Packet[Any]]":
    """The packets of all parts at the frames' own times.

    A part's own times are even and only say the order in which frames are shown. Decoding times are
    those of the frames, as many frames earlier as the encoder shuffles at most.
    """
    delay = 0
    for part in parts:
        with opened(part) as container:
            delay = max(delay, container.streams.video[0].codec_context.reorder_depth)
    usual = times[1] - times[0] if len(times) > 1 else max(last_duration, 1)
    first = round(Fraction(shift, 1_000_000) / time_base)
    behind = times[-1] + (last_duration or usual)
    number = 0
    for part in parts:
        with opened(part) as container:
            packets = [each for each in container.demux(video=0) if each.size]
        shown = sorted(packet.pts or 0 for packet in packets)
        rank = {pts: number + at for at, pts in enumerate(shown)}
        for at, packet in enumerate(packets, start=number):
            frame = rank[packet.pts or 0]
            decoded = at - delay
            packet.pts = times[frame] - first
            earlier = times[decoded] if decoded >= 0 else times[0] + decoded * usual
            packet.dts = earlier - first
            after = times[frame + 1] if frame + 1 < len(times) else behind
            packet.duration = after - times[frame]
            packet.time_base = time_base
            packet.stream = edited
            yield packet
        number += len(packets)
    assert number == len(times), "every frame is in a part"


def _going_along(
    container: "InputContainer", ways: Mapping[int, Any], shift: int
) -> "Iterator[Packet[Any]]":
    """The packets of the other streams, copied or encoded anew, from the film's start on."""
    import av

    if not ways:
        return
    streams: list[Any] = [container.streams[number] for number in ways]
    latest: dict[int, int | None] = {}
    packets: Iterator[Packet[Any]] = container.demux(*streams)
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:  # the file breaks off
            return
        if packet is None:
            return
        number = packet.stream.index  # of the last, empty packets only `stream` tells
        for made in ways[number](packet):
            if made.time_base is not None and shift:
                ticks = round(Fraction(shift, 1_000_000) / made.time_base)
                made.pts = None if made.pts is None else made.pts - ticks
                made.dts = None if made.dts is None else made.dts - ticks
            latest[number] = rising(made, latest.get(number))
            yield made


def rising(packet: "Packet[Any]", before: int | None) -> int | None:
    """Makes a packet's time later than the one before it, as containers want it; gives it."""
    if packet.dts is None:
        return before
    if before is not None and packet.dts <= before:
        packet.dts = before + 1
    packet.pts = None if packet.pts is None else max(packet.pts, packet.dts)
    return packet.dts


def _copier(written: "OutputContainer", stream: "Stream") -> Any:
    copy = written.add_stream_from_template(stream, opaque=True)
    _describe(copy, stream)

    def copied(packet: "Packet[Any]") -> "Iterator[Packet[Any]]":
        if packet.dts is not None or packet.pts is not None:
            packet.stream = copy
            yield packet

    return copied


def _encoder(written: "OutputContainer", stream: Any) -> Any:
    from av.audio.resampler import AudioResampler

    made = written.add_stream("aac", rate=stream.codec_context.sample_rate)
    context = made.codec_context
    context.bit_rate = AAC_BITS
    # AAC has layouts of its own; more than stereo stays as many channels where it has them.
    channels = stream.codec_context.layout.nb_channels
    layout = stream.codec_context.layout.name if channels in (1, 2, 6) else "stereo"
    context.layout = {1: "mono", 2: "stereo", 6: "5.1"}.get(channels, layout)
    _describe(made, stream)
    resampler = AudioResampler("fltp", context.layout, context.sample_rate, frame_size=1024)

    def encoded(packet: "Packet[Any]") -> "Iterator[Packet[Any]]":
        import av

        frames: Any
        try:
            frames = packet.decode()
        except av.FFmpegError:  # a damaged packet is a moment of silence
            frames = []
        for frame in frames:
            for part in resampler.resample(frame):
                yield from made.encode(part)
        if packet.size == 0:
            for part in resampler.resample(None):
                yield from made.encode(part)
            yield from made.encode(None)

    return encoded


def _describe(made: Any, stream: Any) -> None:
    """Language, names and what a stream is for."""
    made.metadata.update({key: value for key, value in stream.metadata.items() if _is_of_film(key)})
    made.disposition = stream.disposition


def _is_of_film(tag: str) -> bool:
    return tag.lower() not in (*_OF_CONTAINERS, "vendor_id") and not tag.startswith("_STATISTICS")


def _seconds(packet: "Packet[Any]") -> Fraction:
    time = packet.dts if packet.dts is not None else packet.pts
    return (time or 0) * (packet.time_base or Fraction(1))


def _first_packets(container: "InputContainer") -> "dict[int, list[Packet[Any]]]":
    """The first packets of each stream, as far as they come within some thousands."""
    import av

    found: dict[int, list[Packet[Any]]] = {}
    try:
        for packet in islice(container.demux(), 5_000):
            row = found.setdefault(packet.stream.index, [])
            if packet.size and len(row) < TRIED_PACKETS:
                row.append(packet)
            if len(found) == len(container.streams) and all(
                len(each) == TRIED_PACKETS for each in found.values()
            ):
                break
    except av.FFmpegError:  # it breaks off; what there is will do
        pass
    return found


def _is_taken(container_format: str, stream: "Stream", packets: "Sequence[Packet[Any]]") -> bool:
    """Whether a container takes a stream: a file in memory with it and a small film."""
    import av

    try:
        with av.open(io.BytesIO(), "w", format=container_format) as trial:
            film: Any = trial.add_stream("libx264", rate=25, width=16, height=16)
            film.pix_fmt = "yuv420p"
            copy: Any = trial.add_stream_from_template(stream, opaque=True)
            trial.start_encoding()
            for packet in packets:
                packet.stream = copy
                trial.mux(packet)
    except (av.FFmpegError, ValueError):
        return False
    return True


def _is_decoded(packets: "Sequence[Packet[Any]]") -> bool:
    import av

    try:
        return any(packet.decode() for packet in packets)
    except (av.FFmpegError, AttributeError, ValueError):
        return False


def _is_regenerated(
    stream: "Stream",
    film: "Stream",
    packets: "Sequence[Packet[Any]]",
    chapters: "Sequence[Chapter]",
) -> bool:
    """Whether a stream only says what the container writes anew: chapters' titles or time code."""
    if stream.type == "data" and "timecode" in stream.metadata:
        return "timecode" in film.metadata
    if stream.type == "data" and chapters and not packets:  # QuickTime's, which the reader keeps
        return True
    titles = [chapter["metadata"].get("title", "").encode() for chapter in chapters]
    pairs = list(zip(packets, titles, strict=False))
    is_text = stream.type in ("data", "subtitle") and len(pairs) == len(packets) > 0
    return is_text and all(title and title in bytes(packet) for packet, title in pairs)


def _is_picture(stream: Any) -> bool:
    kind = stream.mimetype or "" if stream.type == "attachment" else ""
    return str(kind).startswith("image/")


def _named(stream: Any) -> str:
    """Such as "sound 2 (deu, pcm_s16le)"; numbered as players do, by kind."""
    kinds = {"audio": "sound", "subtitle": "subtitles", "data": "data stream"}
    same = [each.index for each in stream.container.streams if each.type == stream.type]
    codec = "of an unknown format" if stream.codec_context is None else stream.codec_context.name
    said = ", ".join(each for each in (stream.language, codec) if each and each != "und")
    return f"{kinds.get(stream.type, 'attachment')} {same.index(stream.index) + 1} ({said})"
