"""`efgan-rt batch` on photographs: real faces, found by YuNet, and toy networks."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from efgan_rt.pictures.mark import is_marked
from efgan_rt.pictures.original import Density, Metadata, Original, Picture
from efgan_rt.pictures.read import read_original, read_picture
from efgan_rt.pictures.write import write_original, write_picture
from efgan_rt.pipeline.journal import FOLDER
from tests.page_reading import data_of

Cli = Callable[..., Any]
EXIF = b"II*\0\x08\0\0\0\x01\0\x0e\x01\x02\0\x05\0\0\0\x1a\0\0\0\0\0\0\0Eva\0\0"


@pytest.fixture(scope="session")
def collage(astronaut: Picture, repository: Path) -> Picture:
    """Three people in one picture: the astronaut between two rendered ones."""
    canvas = np.full((700, 1300, 3), (90, 120, 150), np.uint8)
    canvas[100:612, 400:912] = astronaut
    files = sorted((repository / "examples/faces").glob("*.jpg"))
    for left, file in zip((60, 980), files[:2], strict=True):
        canvas[250:490, left : left + 240] = cv2.resize(read_picture(file), (240, 240))
    return canvas


@pytest.fixture
def photos(tmp_path: Path, astronaut: Picture, collage: Picture, repository: Path) -> Path:
    """An astronaut with EXIF, three people, nobody, and a face crop."""
    folder = tmp_path / "photos"
    folder.mkdir()
    metadata = Metadata(exif=EXIF, density=Density(300, 300, "inch"))
    write_original(folder / "astronaut.jpg", Original(astronaut, metadata=metadata), quality=77)
    write_picture(folder / "collage.png", collage)
    write_picture(folder / "nobody.png", np.ascontiguousarray(collage[:90]))
    crop = sorted((repository / "examples/faces").glob("*.jpg"))[2]
    (folder / "crop.jpg").write_bytes(crop.read_bytes())
    return folder


@pytest.fixture
def batch(cli: Cli, photos: Path, tmp_path: Path, toy_engines: Path, yunet_file: Path) -> Cli:
    """`batch(*options)` edits `photos` into `tmp_path/out` with toy engines."""

    def run(*options: object, detector: object = yunet_file) -> Any:
        engines = ("--engines", toy_engines, "--backend", "onnxruntime", "--batch-size", 4)
        named = ("--detector", detector) if detector else ()
        return cli("batch", photos, tmp_path / "out", "-e", "happy", *engines, *named, *options)

    return run


def pictures_in(folder: Path) -> list[str]:
    found = (p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    return sorted(str(p) for p in found if p.parts[0] != FOLDER)


def test_faces_are_found_and_edited_and_nobody_is_a_named_failure(
    batch: Cli, photos: Path, tmp_path: Path, collage: Picture
) -> None:
    result = batch()
    assert result.status == 3
    assert f"failed: {photos}/nobody.png: no face of at least 40 pixels was found; " in result.err
    assert "3 of 4 pictures edited: 3 files in" in result.out
    assert "\n4 faces were found in photographs and edited\n" in result.out
    assert "\n1 failed; each is named above:\n  1 x no face of at least N pixels" in result.out
    assert pictures_in(tmp_path / "out") == ["astronaut.jpg", "collage.png", "crop.jpg"]
    edited = read_picture(tmp_path / "out" / "collage.png")
    changed = (edited != collage).any(axis=2)
    assert not changed[:60].any() and not changed[:, 330:520].any()
    for left, right in ((60, 300), (520, 760), (980, 1220)):
        assert changed[:, left:right].sum() > 2000


def test_stderr_says_which_detector_finds_the_faces(batch: Cli, yunet_file: Path) -> None:
    assert f"faces: YuNet, {yunet_file} (named by --detector)" in batch("--dry-run").err
    default = batch("--dry-run", "--fetch-detector", detector=None).err
    assert f"note: nothing was fetched: {yunet_file.name} comes along with efgan-rt" in default
    assert f"faces: YuNet, {yunet_file.name} (comes along)" in default
    without = batch("--dry-run", detector="haar").err
    assert "faces: OpenCV's Haar cascade (named by --detector)" in without
    assert "note: faces are framed by the Haar cascade's boxes" in without
    assert "\nfaces are looked for in the run itself, so some pictures may turn out" in without
    crops = batch("--dry-run", "--crops", detector=None).err
    assert "faces:" not in crops and "faces are looked for" not in crops


def test_named_in_yunets_place_the_haar_cascade_finds_faces(batch: Cli, tmp_path: Path) -> None:
    result = batch("--no-face", "skip", detector="haar")
    assert result.status == 0
    assert (tmp_path / "out" / "astronaut.jpg").exists()


def test_the_report_lists_each_face_with_its_box_and_units(batch: Cli, tmp_path: Path) -> None:
    report = tmp_path / "run.json"
    batch("--report", report)
    document = json.loads(report.read_text())
    rows = {Path(row["picture"]).name: row for row in document["pictures"]}
    assert "faces" not in rows["nobody.png"]
    (crop,) = rows["crop.jpg"]["faces"]
    assert crop["box"] is crop["score"] is None
    (astronaut,) = rows["astronaut.jpg"]["faces"]
    left, top, width, height = astronaut["box"]
    assert 150 < left < 200 and 50 < top < 100 and 70 < width < 120 and 90 < height < 150
    assert 0.6 < astronaut["score"] <= 1
    assert list(astronaut["action_units"]) == ["AU01", "AU12", "AU45"]
    faces = rows["collage.png"]["faces"]
    assert len(faces) == 3
    areas = [face["box"][2] * face["box"][3] for face in faces]
    assert areas == sorted(areas, reverse=True)
    summary = document["summary"]
    assert (summary["faces"], summary["failed"]) == (4, 1)
    assert (summary["copied_without_face"], summary["skipped_without_face"]) == (0, 0)
    assert document["about"]["faces"] == "all"


def test_the_page_has_a_view_of_each_face(batch: Cli, tmp_path: Path) -> None:
    page = tmp_path / "run.html"
    assert batch("--report", page, "--no-face", "copy").status == 0
    rows = data_of(page, "rows")
    by_name: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_name.setdefault(row["n"], []).append(row)
    assert [row["f"] for row in by_name["collage.png"]] == [[1, 3], [2, 3], [3, 3]]
    assert len({row["b"] for row in by_name["collage.png"]}) == 3
    assert all({"p", "m", "a"} <= set(row) for row in by_name["collage.png"])
    (astronaut,), (nobody,) = by_name["astronaut.jpg"], by_name["nobody.png"]
    assert "f" not in astronaut and {"b", "p", "m", "a"} <= set(astronaut)
    assert nobody["s"] == "copied without a face" and {"b", "p"} <= set(nobody)


def test_the_contact_sheet_has_a_row_for_each_face(batch: Cli, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    batch("--contact-sheet", sheet)
    assert read_picture(sheet).shape[0] == 26 + 6 * 132  # 1 + 3 faces, a crop, nobody


@pytest.mark.parametrize(
    ("choice", "line", "again"),
    [
        ("copy", "1 have no face and were copied as they are", "4 were already done"),
        ("skip", "1 have no face and were passed over", "1 have no face and were passed over"),
    ],
)
def test_pictures_without_a_face_are_accepted_where_asked(
    batch: Cli, photos: Path, tmp_path: Path, choice: str, line: str, again: str
) -> None:
    result = batch("--no-face", choice)
    assert result.status == 0
    assert line in result.out
    copy = tmp_path / "out" / "nobody.png"
    assert copy.exists() == (choice == "copy")
    if choice == "copy":
        assert copy.read_bytes() == (photos / "nobody.png").read_bytes()
        assert "4 already done; nothing was written" in batch("--no-face", "copy", "--dry-run").err
    assert again in batch("--no-face", choice).out


def test_the_same_command_again_finds_photographs_done(batch: Cli, tmp_path: Path) -> None:
    batch()
    before = {
        name: (tmp_path / "out" / name).read_bytes() for name in pictures_in(tmp_path / "out")
    }
    result = batch()
    assert result.status == 3
    assert "0 of 4 pictures edited: 0 files" in result.out
    assert "3 were already done" in result.out
    after = {name: (tmp_path / "out" / name).read_bytes() for name in pictures_in(tmp_path / "out")}
    assert after == before


@pytest.mark.parametrize(
    "option",
    [
        ("--faces", "largest"),
        ("--min-face", "30"),
        ("--min-score", "0.7"),
        ("--no-crops",),
        ("--no-mark",),
        ("--quality", "80"),
    ],
)
def test_another_choice_of_faces_or_options_is_another_edit(
    batch: Cli, option: tuple[str, ...]
) -> None:
    batch("--no-face", "skip")
    result = batch("--no-face", "skip", *option)
    assert "3 of them made again, for something had changed" in result.out


def test_only_the_largest_face_is_edited_where_asked(
    batch: Cli, tmp_path: Path, collage: Picture
) -> None:
    batch("--faces", "1")
    changed = (read_picture(tmp_path / "out" / "collage.png") != collage).any(axis=2)
    touched = [changed[:, a:b].any() for a, b in ((60, 300), (520, 760), (980, 1220))]
    assert sum(touched) == 1


def test_crops_takes_every_picture_as_a_whole(batch: Cli, tmp_path: Path, collage: Picture) -> None:
    result = batch("--crops", detector=None)
    assert result.status == 0
    assert "faces were found" not in result.out
    edited = read_picture(tmp_path / "out" / "collage.png")
    assert (edited != collage)[:, 320:980].any(axis=2).mean() > 0.9
    np.testing.assert_array_equal(edited[:, :300], collage[:, :300])


def test_a_jpeg_keeps_its_quality_metadata_and_density(batch: Cli, tmp_path: Path) -> None:
    batch()
    edited = read_original(tmp_path / "out" / "astronaut.jpg")
    assert edited.jpeg is not None and edited.jpeg.quality == 77
    assert b"Eva\0" in edited.metadata.exif
    assert edited.metadata.density == Density(300, 300, "inch")
    batch("--quality", "88")
    again = read_original(tmp_path / "out" / "astronaut.jpg")
    assert again.jpeg is not None and again.jpeg.quality == 88


def test_edits_are_marked_and_copies_are_not(batch: Cli, tmp_path: Path) -> None:
    out = tmp_path / "out"
    batch("--no-face", "copy")
    marked = {name: is_marked(read_original(out / name).metadata) for name in pictures_in(out)}
    assert marked == {
        "astronaut.jpg": True,
        "collage.png": True,
        "crop.jpg": True,
        "nobody.png": False,
    }
    batch("--no-face", "copy", "--no-mark")
    assert not any(is_marked(read_original(out / name).metadata) for name in pictures_in(out))


def test_a_format_without_a_place_for_the_mark_is_said_once(batch: Cli) -> None:
    sentence = "note: BMP has no place for the mark that says that a network edited the picture\n"
    assert batch("--format", "bmp").err.count(sentence) == 1
    assert sentence not in batch("--format", "bmp", "--no-mark").err
    assert sentence not in batch("--format", "png").err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--faces", "some"], "found 'some', expected 'all', 'largest' or a number from 1"),
        (["--faces", "0"], "faces: found 0, expected 'all', 'largest' or a number from 1"),
        (["--crops", "--faces", "2"], "--crops takes every picture as a whole, so there are no"),
        (["--crops", "--min-face", "9"], "leave out --faces and --min-face"),
        (["--no-face", "weep"], "--no-face"),
        (["--min-score", "2"], "--min-score"),
    ],
)
def test_wrong_usage_about_faces_has_status_2(batch: Cli, options: list[str], message: str) -> None:
    result = batch(*options)
    assert result.status == 2
    assert message in " ".join(result.err.replace("│", " ").split())


def test_what_is_no_detector_is_refused_before_any_work(
    batch: Cli, tmp_path: Path, photos: Path
) -> None:
    result = batch(detector=photos / "collage.png")
    assert result.status == 1
    assert "collage.png: cannot be run as a YuNet face detector; leave --detector out" in result.err
    result = batch(detector=tmp_path / "none.onnx")
    assert result.status == 1
    assert "none.onnx: not a detector's file; expected an ONNX file of YuNet" in result.err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_killed_run_of_photographs_is_completed_by_the_same_command(
    tmp_path: Path, collage: Picture, toy_engines: Path, yunet_file: Path
) -> None:
    source, out = tmp_path / "many", tmp_path / "out"
    source.mkdir()
    write_picture(source / "00.jpg", collage)
    for number in range(1, 16):
        (source / f"{number:02}.jpg").write_bytes((source / "00.jpg").read_bytes())
    command = [sys.executable, "-m", "efgan_rt.cli.app", "batch", source, out, "-e", "happy"]
    command += ["--engines", toy_engines, "--backend", "onnxruntime", "--batch-size", "4"]
    command += ["--detector", yunet_file, "--workers", "1"]
    words = [str(each) for each in command]
    run = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not pictures_in(out) if out.exists() else True:
        assert run.poll() is None
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.wait(60)
    before = {name: (out / name).stat().st_mtime_ns for name in pictures_in(out)}
    assert 0 < len(before) < 16
    again = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert again.returncode == 0, again.stderr
    assert f"{len(before)} were already done" in again.stdout
    assert len(pictures_in(out)) == 16
    for name, moment in before.items():
        assert (out / name).stat().st_mtime_ns == moment
    assert len({(out / name).read_bytes() for name in pictures_in(out)}) == 1
