"""`efgan-rt video` from its options to its exit status; with ffmpeg, where there is one."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from efgan_rt.errors import EfganError
from efgan_rt.faces.detect import Face
from efgan_rt.faces.detector_facts import DetectorFacts
from efgan_rt.pictures.containers import mp4_xmp
from efgan_rt.pictures.mark import EDITED_BY_AI
from efgan_rt.pictures.original import Picture
from efgan_rt.video.ffmpeg import Ffmpeg, find_ffmpeg
from efgan_rt.video.reader import probe, read_frames
from efgan_rt.video.writer import VideoWriter, crf_of
from tests.efgan_rt.test_cli_batch import unboxed

Cli = Callable[..., Any]
WIDTH, HEIGHT, FRAMES = 96, 64, 24


class Disc:
    """A detector for which a face is what is reddish."""

    facts = DetectorFacts("haar", "disc", "0" * 64)

    def find(self, picture: Picture) -> list[Face]:
        red = picture[..., 0].astype(int) - picture[..., 2] > 60
        count, _, boxes, _ = cv2.connectedComponentsWithStats(red.astype(np.uint8))
        rows = [[float(value) for value in boxes[n]] for n in range(1, count)]
        found = [Face(row[0], row[1], row[2], row[3]) for row in rows]
        return sorted((f for f in found if f.area > 100), key=lambda face: -face.area)


@pytest.fixture(autouse=True)
def ffmpeg() -> str:
    found = find_ffmpeg()
    if found is None:
        pytest.skip("no ffmpeg on the PATH, and no imageio-ffmpeg")
    return found


def frame_with_discs(t: int, *, discs: int = 1) -> Picture:
    picture = np.full((HEIGHT, WIDTH, 3), 70, np.uint8)
    for number in range(discs):
        centre = (30 + 40 * number + t // 3, 32)
        cv2.circle(picture, centre, 16 - 6 * number, (200, 110, 90), -1)
    return picture


def film(path: Path, ffmpeg: str, *options: str, discs: int = 1, rate: str = "12") -> Path:
    """A film of discs that wander, with a tone of the same length."""
    frames = b"".join(frame_with_discs(t, discs=discs).tobytes() for t in range(FRAMES))
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-framerate", rate]
    tone = ["-f", "lavfi", "-i", f"sine=440:duration={FRAMES / 12}"]
    coded = ["-c:v", "libx264", "-crf", "12", "-pix_fmt", "yuv420p", *options]
    subprocess.run(
        [ffmpeg, "-v", "error", *raw, "-i", "-", *tone, *coded, str(path)], input=frames, check=True
    )
    return path


@pytest.fixture
def source(tmp_path: Path, ffmpeg: str) -> Path:
    return film(tmp_path / "in.mp4", ffmpeg)


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


def test_the_sound_goes_along_as_it_is(video: Cli, source: Path, tmp_path: Path) -> None:
    assert video(source, tmp_path / "out.mp4", "-e", "happy").status == 0

    def sound(path: Path) -> bytes:
        pipe = ["-map", "0:a", "-c", "copy", "-f", "adts", "-"]
        program = find_ffmpeg()
        assert program is not None
        command = [program, "-v", "error", "-i", str(path), *pipe]
        return subprocess.run(command, check=True, capture_output=True).stdout

    assert len(sound(source)) > 1000
    assert sound(tmp_path / "out.mp4") == sound(source)


def test_sound_that_the_container_does_not_hold_becomes_aac(
    video: Cli, tmp_path: Path, ffmpeg: str
) -> None:
    source = film(tmp_path / "in.mkv", ffmpeg, "-c:a", "pcm_s16le")
    assert probe(source).sound == "pcm_s16le"
    assert video(source, tmp_path / "out.mp4", "-e", "happy").status == 0
    assert probe(tmp_path / "out.mp4").sound == "aac"


def test_a_silent_video_stays_silent(video: Cli, tmp_path: Path, ffmpeg: str) -> None:
    source = film(tmp_path / "in.mp4", ffmpeg, "-an")
    assert video(source, tmp_path / "out.mov", "-e", "happy").status == 0
    assert probe(tmp_path / "out.mov").sound is None


def test_only_the_largest_face_is_edited_where_that_is_asked_for(
    video: Cli, tmp_path: Path, ffmpeg: str
) -> None:
    source = film(tmp_path / "in.mp4", ffmpeg, discs=2)
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


def test_ctrl_c_leaves_nothing_behind(
    video: Cli, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(VideoWriter, "write", interrupt)
    result = video(source, tmp_path / "out.mp4", "-e", "happy")
    assert result.status == 130
    assert "interrupted: nothing was written" in result.err
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["in.mp4"]


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
        ([], "say what to edit: --expression NAME, --au UNITS, --reference FACE or --from-csv"),
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


def test_a_video_without_a_face_is_refused(video: Cli, tmp_path: Path, ffmpeg: str) -> None:
    source = film(tmp_path / "in.mp4", ffmpeg, discs=0)
    result = video(source, tmp_path / "out.mp4", "-e", "happy")
    assert result.status == 1
    assert f"error: {source}: no face found in its 24 frames" in result.err
    assert not (tmp_path / "out.mp4").exists()


def test_what_is_no_video_is_refused(video: Cli, tmp_path: Path) -> None:
    text = tmp_path / "in.mp4"
    text.write_text("no video")
    result = video(text, tmp_path / "out.mp4", "-e", "happy")
    assert result.status == 1
    assert f"error: {text}: holds no video that ffmpeg can read: " in result.err
    result = video(tmp_path / "none.mp4", tmp_path / "out.mp4", "-e", "happy")
    assert f"error: {tmp_path}/none.mp4: no such file; expected a video" in result.err


def test_without_ffmpeg_the_way_to_get_it_is_told(
    video: Cli, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("efgan_rt.video.ffmpeg.find_ffmpeg", lambda: None)
    result = video(source, tmp_path / "out.mp4", "-e", "happy")
    assert result.status == 1
    assert (
        "error: a video needs ffmpeg, which is not on the PATH; install it with your" in result.err
    )
    assert 'pip install "efgan-rt[video]"' in result.err


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
    with VideoWriter(path, 80, 48, "10") as writer:
        for frame in coloured_frames():
            writer.write(frame)
    facts = probe(path)
    assert (facts.width, facts.height, facts.rate, facts.colours.matrix) == (
        80,
        48,
        "10/1",
        "bt709",
    )
    for found, wanted in zip(read_frames(path, facts), coloured_frames(), strict=True):
        assert np.abs(found[:, 4::16].astype(int) - wanted[:, 4::16]).max() <= 6


@pytest.mark.parametrize("matrix", ["bt709", "smpte170m", "bt2020nc"])
def test_a_second_generation_has_the_first_ones_colours(
    tmp_path: Path, ffmpeg: str, matrix: str
) -> None:
    source = film(
        tmp_path / "in.mp4",
        ffmpeg,
        "-colorspace",
        matrix,
        "-color_trc",
        "bt709",
        "-color_primaries",
        "bt709",
    )
    facts = probe(source)
    assert facts.colours.matrix == matrix
    path = tmp_path / "x.mp4"
    with VideoWriter(path, WIDTH, HEIGHT, facts.rate, colours=facts.colours) as writer:
        for frame in read_frames(source, facts):
            writer.write(frame)
    raw = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-"]
    planes = [
        np.frombuffer(
            subprocess.run(
                [ffmpeg, "-v", "error", "-i", str(each), *raw], check=True, capture_output=True
            ).stdout,
            np.uint8,
        ).astype(int)
        for each in (source, path)
    ]
    assert np.abs(planes[0] - planes[1]).mean() < 1.5


def test_a_turned_video_is_read_upright(tmp_path: Path, ffmpeg: str, source: Path) -> None:
    turned = tmp_path / "turned.mp4"
    matrix = ["-display_rotation", "90", "-i", str(source), "-c", "copy", str(turned)]
    done = subprocess.run([ffmpeg, "-v", "error", *matrix], capture_output=True)
    if done.returncode:
        turned = tmp_path / "turned.mov"
        old = ["-i", str(source), "-c", "copy", "-metadata:s:v:0", "rotate=90", str(turned)]
        subprocess.run([ffmpeg, "-v", "error", *old], check=True)
    facts = probe(turned)
    if (facts.width, facts.height) == (WIDTH, HEIGHT):
        pytest.skip("this ffmpeg writes no turned videos")
    assert (facts.width, facts.height) == (HEIGHT, WIDTH)
    assert next(read_frames(turned, facts)).shape == (WIDTH, HEIGHT, 3)


def test_uneven_times_become_even_ones(tmp_path: Path, ffmpeg: str) -> None:
    # Every second frame is left out for the first half, without a change of the others' times.
    uneven = ["-vf", "select='not(lt(n,12)*mod(n,2))'", "-fps_mode", "vfr"]
    try:
        source = film(tmp_path / "in.mkv", ffmpeg, *uneven)
    except subprocess.CalledProcessError:
        source = film(tmp_path / "in.mkv", ffmpeg, *uneven[:2], "-vsync", "vfr")
    facts = probe(source)
    found = list(read_frames(source, facts))
    assert len(found) == pytest.approx(facts.fps * 2, abs=2)


def test_a_video_that_breaks_off_is_read_as_far_as_it_goes_or_named(
    tmp_path: Path, source: Path
) -> None:
    cut = tmp_path / "cut.mkv"
    program = find_ffmpeg()
    assert program is not None
    subprocess.run([program, "-v", "error", "-i", source, "-c", "copy", cut], check=True)
    facts = probe(cut)
    cut.write_bytes(cut.read_bytes()[:-2000])
    assert 0 < len(list(read_frames(cut, facts))) <= FRAMES


def test_a_writer_that_ends_early_says_why(tmp_path: Path) -> None:
    path = tmp_path / "none" / "x.mp4"
    with pytest.raises(EfganError) as error, VideoWriter(path, 64, 48, "10") as writer:
        for _ in range(200):
            writer.write(np.zeros((48, 64, 3), np.uint8))
    assert str(error.value).startswith(f"{path}: ffmpeg cannot write it: ")
    assert "No such file or directory" in str(error.value)


def test_a_program_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(EfganError) as error:
        Ffmpeg([str(tmp_path / "ffmpeg")], writes=True)
    assert "cannot be started: No such file or directory" in str(error.value)


def test_quality_is_x264s_factor_the_other_way_round() -> None:
    assert [crf_of(quality) for quality in (100, 95, 50, 1)] == [17, 17, 30, 45]
