"""`efgan-rt video` from its options to its exit status, and films read and written."""

import json
import pkgutil
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from efgan_rt.errors import EfganError
from efgan_rt.faces.detect import Face
from efgan_rt.faces.detector_facts import DetectorFacts
from efgan_rt.pictures.mark import EDITED_BY_AI
from efgan_rt.pictures.original import Picture
from efgan_rt.video import unfinished
from efgan_rt.video.reader import probe, read_film, read_frames
from efgan_rt.video.streams import plan_streams, rising
from efgan_rt.video.writer import BT709, VideoWriter, crf_of
from tests.efgan_rt.cli.test_cli_batch import unboxed
from tests.picture_files import mp4_xmp

av = pytest.importorskip("av", reason="PyAV is not installed: pip install 'efgan-rt[video]'")

from tests.film_files import (  # noqa: E402
    FRAMES,
    RATE,
    SUBTITLES,
    film,
    frame_with_discs,
)

Cli = Callable[..., Any]
# As phones write them, in fixed point; the picture is to be turned by quarters of a turn.
UPRIGHT, RIGHT = (
    (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30),
    (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30),
)
HALF, LEFT = (-65536, 0, 0, 0, -65536, 0, 0, 0, 1 << 30), (0, -65536, 0, 65536, 0, 0, 0, 0, 1 << 30)
MIRROR = (-65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)


class Disc:
    """A detector for which a face is what is reddish."""

    facts = DetectorFacts("haar", "disc", "0" * 64)
    looked = 0

    def find(self, picture: Picture) -> list[Face]:
        Disc.looked += 1
        red = picture[..., 0].astype(int) - picture[..., 2] > 60
        count, _, boxes, _ = cv2.connectedComponentsWithStats(red.astype(np.uint8))
        rows = [[float(value) for value in boxes[n]] for n in range(1, count)]
        found = [Face(row[0], row[1], row[2], row[3]) for row in rows]
        return sorted((f for f in found if f.area > 100), key=lambda face: -face.area)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return film(tmp_path / "in.mp4")


@pytest.fixture
def video(cli: Cli, toy_engines: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """`video(source, output, *options)` with toy engines; discs are faces."""
    monkeypatch.setattr("efgan_rt.requests.faces.open_detector", lambda *_, **__: (Disc(), "discs"))

    def run(source: Path, output: Path, *options: object) -> Any:
        engines = ("--engines", toy_engines, "--backend", "onnxruntime", "--min-face", 10)
        return cli("video", source, output, *engines, *options)

    return run


def frames_of(path: Path) -> list[Picture]:
    return list(read_frames(path, probe(path)))


def test_faces_are_edited_and_the_rest_of_each_frame_stays(
    video: Cli, source: Path, tmp_path: Path
) -> None:
    result = video(source, tmp_path / "out.mp4", "-e", "happy")
    assert result.status == 0
    assert f"{tmp_path}/out.mp4: 24 of 24 frames edited, 1 face followed, in" in result.out
    before, after = (frames_of(path) for path in (source, tmp_path / "out.mp4"))
    assert len(before) == len(after) == FRAMES
    for one, other in zip(before, after, strict=True):
        change = np.abs(one.astype(int) - other).max(axis=2)
        assert change[20:44, 24:40].mean() > 8
        assert change[:, 76:].mean() < 2 and change[:6].mean() < 2


def packets_of(path: Path, kind: str) -> list[list[bytes]]:
    """What each stream of a kind holds."""
    with av.open(path) as container:
        found: dict[int, list[bytes]] = {
            each.index: [] for each in container.streams if each.type == kind
        }
        for packet in container.demux():
            if packet.size and packet.stream.index in found:
                found[packet.stream.index].append(bytes(packet))
    return list(found.values())


def codecs_of(path: Path) -> list[str]:
    with av.open(path) as container:
        return [
            stream.type if stream.codec_context is None else stream.codec_context.name
            for stream in container.streams
        ]


def test_every_sound_goes_along_as_it_is(video: Cli, tmp_path: Path) -> None:
    source = film(tmp_path / "in.mp4", sounds=("aac", "libmp3lame"))
    assert video(source, tmp_path / "out.mp4", "-e", "happy").status == 0
    before, after = (packets_of(path, "audio") for path in (source, tmp_path / "out.mp4"))
    assert len(before) == 2 and all(len(each) > 50 for each in before)
    assert after == before


def test_sound_that_the_container_does_not_hold_becomes_aac_and_that_is_said_first(
    video: Cli, tmp_path: Path
) -> None:
    source = film(tmp_path / "in.mkv", sounds=("aac", "pcm_s24le"), discs=0)
    result = video(source, tmp_path / "out.m4v", "-e", "happy")
    assert result.status == 1  # no face: what is said was said before the search
    said = f"{source}: sound 2 (pcm_s24le): becomes AAC, for .m4v does not take it"
    assert said in result.err
    film(tmp_path / "faces.mkv", sounds=("aac", "pcm_s24le"))
    assert video(tmp_path / "faces.mkv", tmp_path / "out.m4v", "-e", "happy").status == 0
    assert codecs_of(tmp_path / "out.m4v") == ["h264", "aac", "aac"]
    with av.open(tmp_path / "out.m4v") as container:
        samples = [frame.to_ndarray() for frame in container.decode(audio=1)]
    heard = np.concatenate(samples, axis=1)[0]
    assert len(heard) == pytest.approx(2 * 44_100, abs=3000)
    spectrum = np.abs(np.fft.rfft(heard[:44_100]))
    assert spectrum.argmax() == pytest.approx(880, abs=2)  # the second tone


def test_a_silent_video_stays_silent(video: Cli, tmp_path: Path) -> None:
    source = film(tmp_path / "in.mp4", sounds=())
    assert video(source, tmp_path / "out.mov", "-e", "happy").status == 0
    assert codecs_of(tmp_path / "out.mov") == ["h264"]


@pytest.mark.parametrize("sounds", [(), ("aac",)])
def test_what_a_film_says_of_itself_is_kept_with_and_without_sound(
    video: Cli, tmp_path: Path, sounds: tuple[str, ...]
) -> None:
    told = {
        "title": "Birthday",
        "creation_time": "2023-07-01T10:20:30.000000Z",
        "location": "+48.1370+011.5750/",
    }
    source = film(tmp_path / "in.mp4", sounds=sounds, tags=told)
    for extension in ("mp4", "mov"):
        output = tmp_path / f"out.{extension}"
        assert video(source, output, "-e", "happy").status == 0
        with av.open(output) as container:
            assert told.items() <= container.metadata.items()


def test_quicktimes_keys_are_kept(video: Cli, tmp_path: Path) -> None:
    told = {"com.apple.quicktime.make": "Apple", "com.apple.quicktime.model": "Phone", "title": "x"}
    keyed = {"movflags": "use_metadata_tags"}
    source = film(tmp_path / "in.mov", tags=told, options=keyed)
    assert video(source, tmp_path / "out.mov", "-e", "happy").status == 0
    with av.open(tmp_path / "out.mov") as container:
        assert told.items() <= container.metadata.items()


def test_subtitles_and_chapters_are_kept_or_said(video: Cli, tmp_path: Path) -> None:
    source = film(tmp_path / "in.mkv", subtitles=True, chapters=("One", "Two"))
    result = video(source, tmp_path / "out.mkv", "-e", "happy")
    assert "left out" not in result.err
    assert packets_of(tmp_path / "out.mkv", "subtitle") == [[each.encode() for each in SUBTITLES]]
    with av.open(tmp_path / "out.mkv") as container:
        assert container.streams.subtitles[0].language == "deu"
    result = video(source, tmp_path / "out.mp4", "-e", "happy")
    said = f"{source}: subtitles 1 (deu, srt): left out, for .mp4 does not take it"
    assert result.status == 0 and said in result.err
    for name in ("out.mkv", "out.mp4"):
        with av.open(tmp_path / name) as container:
            titles = [chapter["metadata"]["title"] for chapter in container.chapters()]
            starts = [chapter["start"] * chapter["time_base"] for chapter in container.chapters()]
        assert (titles, starts) == (["One", "Two"], [0, 1])


def test_a_chapters_own_stream_is_not_copied_beside_the_chapters(
    video: Cli, tmp_path: Path
) -> None:
    source = film(tmp_path / "in.mp4", chapters=("One", "Two"))
    result = video(source, tmp_path / "out.mp4", "-e", "happy")
    assert result.status == 0 and "left out" not in result.err
    assert codecs_of(tmp_path / "out.mp4") == codecs_of(source)


def test_a_time_code_is_written_anew(video: Cli, tmp_path: Path) -> None:
    source = film(tmp_path / "in.mov", tags={"timecode": "01:00:00:00"})
    assert "data" in codecs_of(source)
    result = video(source, tmp_path / "out.mov", "-e", "happy")
    assert result.status == 0 and "left out" not in result.err
    with av.open(tmp_path / "out.mov") as container:
        assert container.streams.data[0].metadata["timecode"] == "01:00:00:00"


def test_a_stream_of_unknown_kind_is_left_out_and_said_before_the_search(
    video: Cli, tmp_path: Path
) -> None:
    source = film(tmp_path / "in.mov", sounds=("aac", "pcm_s16le"), discs=0)
    # As a phone's spatial sound: a format that nobody here knows.
    source.write_bytes(source.read_bytes().replace(b"sowt", b"apac"))
    result = video(source, tmp_path / "out.mp4", "-e", "happy")
    said = f"{source}: sound 2 (of an unknown format): left out, for .mp4 does not take it"
    assert said in result.err
    source.write_bytes(
        film(tmp_path / "faces.mov", sounds=("aac", "pcm_s16le"))
        .read_bytes()
        .replace(b"sowt", b"apac")
    )
    assert video(source, tmp_path / "out.mp4", "-e", "happy").status == 0
    assert codecs_of(tmp_path / "out.mp4") == ["h264", "aac"]


def test_what_shows_faces_unedited_is_left_out(video: Cli, tmp_path: Path) -> None:
    for name, options, said in (
        ("in.mp4", {"cover": True}, "its cover or thumbnail is left out, for it shows faces"),
        ("in.mkv", {"attachment": ("a.jpg", "image/jpeg")}, "is left out, for it"),
    ):
        source = film(tmp_path / name, **options)
        result = video(source, tmp_path / f"out-{name}", "-e", "happy")
        assert result.status == 0 and said in result.err
        assert codecs_of(tmp_path / f"out-{name}") == ["h264", "aac"]


def test_attached_files_go_along(video: Cli, tmp_path: Path) -> None:
    source = film(tmp_path / "in.mkv", attachment=("a.ttf", "font/ttf"))
    assert video(source, tmp_path / "out.mkv", "-e", "happy").status == 0
    with av.open(tmp_path / "out.mkv") as container:
        assert container.streams.attachments[0].data == b"x" * 100


def test_only_the_largest_face_is_edited_where_that_is_asked_for(
    video: Cli, tmp_path: Path
) -> None:
    source = film(tmp_path / "in.mp4", discs=2)
    for which, changed, said in (("all", True, "2 faces"), ("largest", False, "1 face")):
        output = tmp_path / f"{which}.mp4"
        result = video(source, output, "-e", "happy", "--faces", which)
        assert result.status == 0
        assert f"{said} followed" in result.out
        one, other = frames_of(source)[3].astype(int), frames_of(output)[3]
        small = np.abs(one - other)[24:40, 62:80].mean()
        assert (small > 5) == changed


def test_the_output_says_that_a_network_edited_it_unless_asked_not_to(
    video: Cli, source: Path, tmp_path: Path
) -> None:
    for options, said in (((), True), (("--no-mark",), False)):
        output = tmp_path / "out.mp4"
        assert video(source, output, "-e", "happy", "--overwrite", *options).status == 0
        assert (EDITED_BY_AI.encode() in mp4_xmp(output.read_bytes())) == said
    video(source, tmp_path / "out.mkv", "-e", "happy")
    assert EDITED_BY_AI.encode() in (tmp_path / "out.mkv").read_bytes()


def test_the_result_as_json_is_the_whole_of_stdout(
    video: Cli, source: Path, tmp_path: Path
) -> None:
    document = json.loads(video(source, tmp_path / "out.mp4", "--au", "AU12=3", "--json").out)
    assert (document["frames"], document["edited"], document["faces"]) == (FRAMES, FRAMES, 1)


# Interrupted, and gone on with.


def assert_same_film(one: Path, other: Path) -> None:
    """Every frame, every time and every sound.

    x264 itself gives frames of this size in a few ways that differ by some levels here and there.
    """
    facts = probe(one)
    assert facts == probe(other)
    for mine, wanted in zip(read_film(one, facts), read_film(other, facts), strict=True):
        assert (mine.time, mine.duration) == (wanted.time, wanted.duration)
        assert np.abs(mine.pixels.astype(int) - wanted.pixels).mean() < 0.5
    assert packets_of(one, "audio") == packets_of(other, "audio")


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("efgan_rt.video.run.PART_FRAMES", 5)


def interrupted_at(monkeypatch: pytest.MonkeyPatch, what: str, calls: int) -> None:
    """Ctrl-C in a call of a function."""
    owner, _, name = what.rpartition(".")
    target = getattr(pkgutil.resolve_name(owner), name)
    count = 0

    def interrupting(*arguments: Any, **named: Any) -> Any:
        nonlocal count
        count += 1
        if count == calls:
            raise KeyboardInterrupt
        return target(*arguments, **named)

    monkeypatch.setattr(what, interrupting)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize(
    ("what", "calls", "searched_again"),
    [
        ("efgan_rt.video.unfinished.Unfinished.keep", 17, 8),
        ("efgan_rt.video.writer.VideoWriter.write", 14, 0),
        ("efgan_rt.video.run.join", 1, 0),
    ],
)
def test_an_interrupted_film_goes_on_where_it_was_and_is_the_same_film(
    video: Cli,
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
    calls: int,
    searched_again: int,
) -> None:
    output = tmp_path / "out.mp4"
    assert video(source, tmp_path / "whole.mp4", "-e", "happy").status == 0
    with monkeypatch.context() as patch:
        interrupted_at(patch, what, calls)
        result = video(source, output, "-e", "happy")
    assert result.status == 130
    assert "interrupted: what is done is kept; the same command goes on from there" in result.err
    assert not output.exists()
    Disc.looked = 0
    assert video(source, output, "-e", "happy").status == 0
    assert Disc.looked == searched_again
    assert_same_film(output, tmp_path / "whole.mp4")
    assert sorted(path.name for path in tmp_path.iterdir() if "out" in path.name) == ["out.mp4"]


@pytest.mark.usefixtures("small_parts")
def test_what_was_done_for_another_edit_or_film_is_not_taken_over(
    video: Cli, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for change, looked in (("edit", 0), ("film", FRAMES)):
        output = tmp_path / f"{change}.mp4"
        with monkeypatch.context() as patch:
            interrupted_at(patch, "efgan_rt.video.run.join", 1)
            assert video(source, output, "-e", "happy").status == 130
        if change == "film":
            film(source, frames=[frame_with_discs(t)[:, ::-1] for t in range(FRAMES)])
        Disc.looked = 0
        assert video(source, output, "--au", "AU12=3").status == 0
        assert Disc.looked == looked
        assert video(source, tmp_path / "fresh.mp4", "--au", "AU12=3", "--overwrite").status == 0
        assert_same_film(output, tmp_path / "fresh.mp4")


def test_a_line_that_was_torn_is_searched_again(
    video: Cli, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out.mp4"
    with monkeypatch.context() as patch:
        interrupted_at(patch, "efgan_rt.video.run.join", 1)
        assert video(source, output, "-e", "happy").status == 130
    lines = tmp_path / ".out.mp4.efgan-rt" / "faces.jsonl"
    lines.write_bytes(lines.read_bytes()[:-30])
    Disc.looked = 0
    assert video(source, output, "-e", "happy").status == 0
    assert Disc.looked == 1


def test_a_second_run_on_the_same_output_is_refused(
    video: Cli, source: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.mp4"
    with unfinished.Unfinished(output, {}, {}):
        result = video(source, output, "-e", "happy")
    assert result.status == 1
    assert f"{tmp_path}/.out.mp4.efgan-rt: another run is at work there: process" in result.err


# What is refused.


@pytest.mark.parametrize(
    ("output", "options", "message"),
    [
        ("out.avi", ["-e", "happy"], "out.avi: names no video that can be written; expected one"),
        ("in.mp4", ["-e", "happy", "--overwrite"], "in.mp4: is the input; choose another name"),
        ("in.mp4", ["-e", "happy"], "in.mp4: is the input; choose another name"),
        ("there.mp4", ["-e", "happy"], "there.mp4: is there already; replace it with --overwrite"),
        ("out.mp4", ["-e", "hapy"], "the model has no expression 'hapy'"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_status_1(
    video: Cli, source: Path, tmp_path: Path, output: str, options: list[str], message: str
) -> None:
    (tmp_path / "there.mp4").write_bytes(b"mine")
    before = source.read_bytes()
    result = video(source, tmp_path / output, *options)
    assert result.status == 1
    assert message in result.err
    assert source.read_bytes() == before
    assert (tmp_path / "there.mp4").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "say what to edit: --expression NAME, --au UNITS, --reference FACE, --preset NAME or"),
        (["-e", "happy", "--reference", "x.jpg"], "a video has one edit; give --expression or"),
        (["-e", "happy", "--faces", "none"], "faces: found 'none', expected 'all', 'largest' or"),
    ],
)
def test_wrong_usage_has_status_2(
    video: Cli, source: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    result = video(source, tmp_path / "out.mp4", *options)
    assert result.status == 2
    assert message in unboxed(result.err)


def test_a_preset_is_the_edit_that_it_stands_for(video: Cli, source: Path, tmp_path: Path) -> None:
    preset = tmp_path / "p.toml"
    preset.write_text('version = 1\nexpression = "happy"\nintensity = 0.5\nfaces = "largest"\n')
    by_preset, by_options = tmp_path / "preset.mp4", tmp_path / "options.mp4"
    assert video(source, by_preset, "--preset", preset).status == 0
    options = ("-e", "happy", "--intensity", 0.5, "--faces", "largest")
    assert video(source, by_options, *options).status == 0
    whole = tmp_path / "whole.mp4"
    assert video(source, whole, "-e", "happy").status == 0
    first, second, other = map(frames_of, (by_preset, by_options, whole))
    apart = [np.abs(np.subtract(each, first, dtype=np.int16)).mean() for each in (second, other)]
    # Which frames share a batch is a matter of time, and so are last bits, which coding spreads.
    assert apart[0] < 0.3 < 1 < apart[1], apart


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('au = "AU12=1"\nonly_if = "AU12<1"', "preset 'p' has only_if; name a preset without"),
        ('[[rules]]\nface = 1\nau = "AU12=1"', "preset 'p' has rules; name a preset without"),
    ],
)
def test_a_preset_that_tells_faces_apart_is_refused(
    video: Cli, source: Path, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "p.toml").write_text(f"version = 1\n{text}\n")
    result = video(source, tmp_path / "out.mp4", "--preset", tmp_path / "p.toml")
    assert result.status == 2
    assert message in unboxed(result.err)
    assert not (tmp_path / "out.mp4").exists()


def test_a_video_without_a_face_is_refused(video: Cli, tmp_path: Path) -> None:
    source = film(tmp_path / "in.mp4", discs=0)
    result = video(source, tmp_path / "out.mp4", "-e", "happy")
    assert result.status == 1
    assert f"error: {source}: no face found in its 24 frames" in result.err
    assert not (tmp_path / "out.mp4").exists()


def test_what_is_no_video_is_refused(video: Cli, tmp_path: Path) -> None:
    text = tmp_path / "in.mp4"
    text.write_text("no video")
    result = video(text, tmp_path / "out.mp4", "-e", "happy")
    assert result.status == 1
    assert f"error: {text}: holds no video that can be read: " in result.err
    result = video(tmp_path / "none.mp4", tmp_path / "out.mp4", "-e", "happy")
    assert f"error: {tmp_path}/none.mp4: no such file; expected a video" in result.err


def test_without_pyav_the_way_to_get_it_is_told(
    video: Cli, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    result = video(source, tmp_path / "out.mp4", "-e", "happy")
    assert result.status == 1
    line = 'this needs av, which is not installed; install it with: pip install "efgan-rt[video]"'
    assert f"error: {line}" in result.err


def test_sound_alone_is_no_video(video: Cli, tmp_path: Path) -> None:
    path = tmp_path / "in.mp4"
    with av.open(path, "w") as container:
        stream = container.add_stream("aac", rate=44_100)
        stream.codec_context.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 44_100
        container.mux([*stream.encode(frame), *stream.encode(None)])
    result = video(path, tmp_path / "out.mp4", "-e", "happy")
    assert f"error: {path}: holds no video that can be read: no film is in it" in result.err


def test_batch_points_to_this_command_for_a_video(
    cli: Cli, source: Path, tmp_path: Path, toy_engines: Path
) -> None:
    result = cli("batch", source, tmp_path / "out", "-e", "happy", "--engines", toy_engines)
    assert result.status == 1
    assert (
        f"error: {source}: is a video; edit it with efgan-rt video {source} OUT.mp4" in result.err
    )


# Reading and writing.


def coloured_frames() -> Iterator[Picture]:
    for t in range(6):
        picture = np.zeros((48, 80, 3), np.uint8)
        colours = [(200, 30, 40), (30, 180, 60), (40, 60, 210), (230, 220, 90), (120, 120, 120)]
        for number, colour in enumerate(colours):
            picture[:, 16 * number : 16 * number + 16] = np.roll(colour, t)
        yield picture


def test_colours_come_back_as_they_went_in(tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    with VideoWriter(path, 80, 48, Fraction(10)) as writer:
        for frame in coloured_frames():
            writer.write(frame)
    facts = probe(path)
    assert (facts.width, facts.height, facts.fps) == (80, 48, 10)
    assert facts.colours.matrix == BT709
    for found, wanted in zip(read_frames(path, facts), coloured_frames(), strict=True):
        assert np.abs(found[:, 4::16].astype(int) - wanted[:, 4::16]).max() <= 6


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", [1, 6, 9])
def test_colours_are_understood_by_matrix_and_range_and_kept(
    tmp_path: Path, matrix: int, full_range: bool
) -> None:
    frames = list(coloured_frames())
    source = film(tmp_path / "in.mp4", frames, matrix=matrix, full_range=full_range)
    facts = probe(source)
    assert facts.colours.matrix == matrix
    path = tmp_path / "x.mp4"
    with VideoWriter(path, 80, 48, facts.rate, colours=facts.colours) as writer:
        for frame in read_frames(source, facts):
            writer.write(frame)
    assert probe(path).colours == facts.colours
    for each in (source, path):
        for found, wanted in zip(read_frames(each, facts), frames, strict=True):
            assert np.abs(found[:, 4::16].astype(int) - wanted[:, 4::16]).max() <= 8


def test_ten_bits_and_hdr_are_said(tmp_path: Path) -> None:
    for transfer, said in ((1, "has yuv420p10le pixels; their bits become 8"), (16, "is HDR; its")):
        path = tmp_path / f"{transfer}.mkv"
        with av.open(path, "w") as container:
            stream = container.add_stream("libx264", rate=10, width=32, height=32)
            stream.pix_fmt = "yuv420p10le"
            stream.codec_context.color_trc = transfer
            container.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p10le")))
            container.mux(stream.encode(None))
        (note,) = probe(path).notes
        assert note.startswith(f"{path}: {said}")


@pytest.mark.parametrize(
    ("display_matrix", "quarters", "mirrored"),
    [(UPRIGHT, 0, False), (RIGHT, 3, False), (HALF, 2, False), (LEFT, 1, False), (MIRROR, 0, True)],
)
def test_a_turned_video_is_read_and_written_upright(
    video: Cli, tmp_path: Path, display_matrix: tuple[int, ...], quarters: int, mirrored: bool
) -> None:
    plain = film(tmp_path / "plain.mp4")
    turned = film(tmp_path / "turned.mp4", display_matrix=display_matrix)
    shown = next(read_frames(turned, probe(turned)))
    wanted = next(read_frames(plain, probe(plain)))
    wanted = np.rot90(wanted[:, ::-1] if mirrored else wanted, quarters)
    np.testing.assert_array_equal(shown, wanted)
    assert video(turned, tmp_path / "out.mp4", "-e", "happy").status == 0
    facts = probe(tmp_path / "out.mp4")
    assert (facts.height, facts.width) == wanted.shape[:2]
    with av.open(tmp_path / "out.mp4") as container:
        assert next(container.decode(video=0)).rotation == 0


def test_uneven_times_stay_as_they_are(video: Cli, tmp_path: Path) -> None:
    times = [t if t < 12 else 3 * t - 24 for t in range(FRAMES)]
    for extension in ("mp4", "mkv"):
        source = film(tmp_path / f"in.{extension}", times=times)
        output = tmp_path / f"out.{extension}"
        assert video(source, output, "-e", "happy").status == 0
        facts = probe(output)
        found = [float(each.time * facts.time_base) for each in read_film(output, facts)]
        np.testing.assert_allclose(found, np.array(times) / RATE, atol=0.025)


def test_frames_from_a_number_on_are_those_of_the_whole(source: Path) -> None:
    facts = probe(source)
    whole = list(read_film(source, facts))
    rest = list(read_film(source, facts, 7))
    assert len(rest) == FRAMES - 7
    for one, other in zip(whole[7:], rest, strict=True):
        assert one.time == other.time
        np.testing.assert_array_equal(one.pixels, other.pixels)


def test_a_video_that_breaks_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    cut = film(tmp_path / "in.mkv", sounds=())
    facts = probe(cut)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 2 // 3])
    assert 0 < len(list(read_frames(cut, facts))) < FRAMES


def test_a_film_that_breaks_off_is_edited_as_far_as_it_goes(video: Cli, tmp_path: Path) -> None:
    source = film(tmp_path / "in.mkv")
    source.write_bytes(source.read_bytes()[: source.stat().st_size * 3 // 4])
    result = video(source, tmp_path / "out.mkv", "-e", "happy")
    assert result.status == 0
    assert 0 < len(frames_of(tmp_path / "out.mkv")) <= FRAMES


def test_times_that_do_not_rise_are_made_to() -> None:
    latest, found = None, []
    for time in (0, 20, 40, 30, 40, 60):
        packet = av.Packet(b"x")
        packet.dts = packet.pts = time
        latest = rising(packet, latest)
        found.append((packet.dts, packet.pts))
    assert found == [(each, each) for each in (0, 20, 40, 41, 42, 60)]


def test_a_damaged_moment_does_not_end_a_film(tmp_path: Path) -> None:
    path = film(tmp_path / "in.mp4", sounds=())
    facts = probe(path)
    with av.open(path) as container:
        places = [(each.pos, each.size) for each in container.demux(video=0) if each.size]
    data = bytearray(path.read_bytes())
    start, size = places[10]
    data[start + 4 : start + size] = b"\xff" * (size - 4)
    path.write_bytes(data)
    assert FRAMES // 2 < len(list(read_frames(path, facts))) <= FRAMES


def test_a_film_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none" / "x.mp4"
    with pytest.raises(EfganError) as error, VideoWriter(path, 64, 48, Fraction(10)) as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8))
    assert str(error.value) == f"{path}: cannot be written: No such file or directory"
    with pytest.raises(EfganError, match="1 x 9 is too small for a video"):
        VideoWriter(tmp_path / "x.mp4", 1, 9, Fraction(10))


def test_what_is_planned_is_what_is_written(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mkv", sounds=("aac", "pcm_s24le"), subtitles=True)
    assert plan_streams(source, Path("x.mkv")).copied == (1, 2, 3)
    plan = plan_streams(source, Path("x.m4v"))
    assert (plan.copied, plan.encoded, len(plan.notes)) == ((1,), (2,), 2)


def test_quality_is_x264s_factor_the_other_way_round() -> None:
    assert [crf_of(quality) for quality in (100, 95, 50, 1)] == [17, 17, 30, 45]
