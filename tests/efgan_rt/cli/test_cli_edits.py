"""What `efgan-rt batch` can be asked for: tables, references, known units, frames and stages."""

import json
import sys
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from efgan_rt.pictures.original import Picture
from efgan_rt.pictures.read import read_picture
from efgan_rt.pictures.write import write_picture
from efgan_rt.pipeline.journal import FOLDER
from tests.efgan_rt.cli.test_cli_batch import unboxed

Cli = Callable[..., Any]


@pytest.fixture
def batch(cli: Cli, faces: Path, tmp_path: Path, toy_engines: Path) -> Cli:
    """`batch(*options)` edits `faces` into `tmp_path/out` with toy engines of two stages."""

    def run(*options: object, source: Path = faces, out: str = "out") -> Any:
        engines = ("--engines", toy_engines, "--backend", "onnxruntime", "--batch-size", 4)
        return cli("batch", source, tmp_path / out, *engines, *options)

    return run


def files_in(folder: Path) -> list[str]:
    found = (p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    return sorted(str(p) for p in found if p.parts[0] != FOLDER)


def frames_of(path: Path) -> list[Picture]:
    done, animation = cv2.imdecodeanimation(np.frombuffer(path.read_bytes(), np.uint8)[None])
    assert done
    return [np.asarray(frame, np.uint8)[..., 2::-1] for frame in animation.frames]


def write_table(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


# A table of targets.


def test_a_table_edits_each_picture_to_its_own_target(batch: Cli, tmp_path: Path) -> None:
    table = write_table(
        tmp_path / "t.csv",
        "file,expression,intensity,AU12\n00.png,happy,,\na/x.png,blink,0.5,\nb/z.png,,,3.5\n",
    )
    result = batch("--from-csv", table)
    assert result.status == 0
    assert files_in(tmp_path / "out") == ["00.png", "a/x.png", "b/z.png"]
    assert "3 of 3 pictures edited" in result.out
    assert f"{table}: 8 pictures have no row and are left alone" in result.err
    for name, options in {
        "00.png": "-e happy",
        "a/x.png": "-e blink --intensity 0.5",
        "b/z.png": "--au AU12=3.5",
    }.items():
        batch(*options.split(), out="alone", source=tmp_path / "faces" / name)
        alone = read_picture(tmp_path / "alone" / Path(name).name)
        np.testing.assert_array_equal(read_picture(tmp_path / "out" / name), alone)


def test_after_a_change_of_the_table_only_the_changed_rows_are_done_again(
    batch: Cli, tmp_path: Path
) -> None:
    rows = "file,expression\n00.png,happy\n01.png,happy\n"
    table = write_table(tmp_path / "t.csv", rows)
    assert batch("--from-csv", table).status == 0
    write_table(table, rows.replace("01.png,happy", "01.png,blink") + "02.png,happy\n")
    result = batch("--from-csv", table)
    assert result.status == 0
    assert "1 of them made again" in result.out and "1 were already done" in result.out


def test_the_report_says_what_each_picture_was_edited_to(batch: Cli, tmp_path: Path) -> None:
    table = write_table(
        tmp_path / "t.csv", "file,expression,intensity,AU12+\n00.png,happy,0.5,\na/x.png,,,-1\n"
    )
    report = tmp_path / "run.json"
    assert batch("--from-csv", table, "--report", report).status == 0
    rows = {Path(row["picture"]).name: row for row in json.loads(report.read_text())["pictures"]}
    assert {name: row["edit"] for name, row in rows.items()} == {
        "00.png": "happy 0.5",
        "x.png": "AU12+ -1",
    }


def test_rows_without_a_picture_are_said(batch: Cli, tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.csv", "file,AU12\n00.png,1\nnone.png,1\n")
    result = batch("--from-csv", table)
    assert f"{table}: 1 rows name no picture in the input folder: none.png" in result.err


def test_a_table_of_other_pictures_is_refused(batch: Cli, tmp_path: Path, faces: Path) -> None:
    table = write_table(tmp_path / "t.csv", "file,AU12\nnone.png,1\n")
    result = batch("--from-csv", table)
    assert result.status == 1
    assert f"error: {faces}: none of its 11 pictures is asked for" in result.err
    assert not (tmp_path / "out").exists()


# Another face's expression.


def test_a_reference_lends_its_action_units(batch: Cli, tmp_path: Path, faces: Path) -> None:
    reference = write_table(tmp_path / "smile.csv", "file,AU01,AU12,AU45\nx.png,0,4.5,0\n")
    assert batch("--reference", reference).status == 0
    assert batch("-e", "happy", out="happy").status == 0  # whose units are these
    for name in files_in(faces):
        np.testing.assert_array_equal(
            read_picture(tmp_path / "out" / name), read_picture(tmp_path / "happy" / name)
        )


def test_a_reference_picture_is_read_by_the_sets_estimator(
    batch: Cli, tmp_path: Path, make_picture: Callable[..., Picture]
) -> None:
    for name, seed in (("face.png", 50), ("other.png", 51)):
        write_picture(tmp_path / name, make_picture(64, 64, seed=seed))
    references = ("--reference", tmp_path / "face.png", "--reference", tmp_path / "other.png")
    assert batch(*references, "--intensity", 0.5, "-e", "happy").status == 0
    made = [read_picture(tmp_path / "out" / name / "00.png") for name in ("happy", "face", "other")]
    assert all((one != other).any() for one, other in combinations(made, 2))


def test_action_units_on_top_win_over_the_reference(batch: Cli, tmp_path: Path) -> None:
    reference = write_table(tmp_path / "r.csv", "file,AU01,AU12,AU45\nx.png,0,1,0\n")
    assert batch("--reference", reference, "--au", "AU12=4.5").status == 0
    assert batch("-e", "happy", out="happy").status == 0
    np.testing.assert_array_equal(
        read_picture(tmp_path / "out" / "00.png"), read_picture(tmp_path / "happy" / "00.png")
    )


# Known action units.


def test_known_units_take_the_estimates_place_and_are_part_of_the_recipe(
    batch: Cli, tmp_path: Path
) -> None:
    known = write_table(tmp_path / "k.csv", "file,AU01,AU12,AU45\n00.png,5,5,5\n01.png,5,5,5\n")
    assert batch("--au", "AU12+=0").status == 0
    result = batch("--au", "AU12+=0", "--aus", known)
    assert result.status == 0
    assert f"{known}: 9 pictures have no row; the engines' own estimator reads them" in result.err
    assert "2 of them made again" in result.out and "9 were already done" in result.out


def test_known_units_of_no_picture_are_refused(batch: Cli, tmp_path: Path) -> None:
    known = write_table(tmp_path / "k.csv", "file,AU01,AU12,AU45\nnone.png,5,5,5\n")
    result = batch("-e", "happy", "--aus", known)
    assert result.status == 1
    assert "none of its rows belongs to a picture here (1 x no picture of that name)" in result.err


# Frames and stages.


def test_frames_are_numbered_in_a_folder_named_after_the_picture(
    batch: Cli, faces: Path, tmp_path: Path
) -> None:
    assert batch("-e", "happy", "--frames", 4, source=faces / "00.png").status == 0
    assert files_in(tmp_path / "out") == [f"00/{number:03}.png" for number in (1, 2, 3, 4)]
    batch("-e", "happy", source=faces / "00.png", out="whole")
    first, last = (read_picture(tmp_path / "out" / "00" / f"00{n}.png") for n in (1, 4))
    np.testing.assert_array_equal(first, read_picture(faces / "00.png"))
    np.testing.assert_array_equal(last, read_picture(tmp_path / "whole" / "00.png"))


def test_a_frame_that_is_missing_is_made_again_alone_and_the_same(
    batch: Cli, faces: Path, tmp_path: Path
) -> None:
    command = ("-e", "happy", "-e", "blink", "--frames", 5)
    assert batch(*command).status == 0
    frame = tmp_path / "out" / "blink" / "a" / "x" / "003.png"
    before = frame.read_bytes()
    frame.unlink()
    result = batch(*command)
    assert "1 file in" in result.out
    assert frame.read_bytes() == before


def test_another_pace_or_number_of_frames_is_another_recipe(
    batch: Cli, faces: Path, tmp_path: Path
) -> None:
    command = ("-e", "happy", "--frames", 4, "--format", "gif")
    source = faces / "00.png"
    assert batch(*command, source=source).status == 0
    assert "1 were already done" in batch(*command, source=source).out
    for more in (("--pace", "units"), ("--frames", 5), ("--fps", 5), ("--intensity", 0.5)):
        assert "1 of them made again" in batch(*command, *more, source=source).out


@pytest.mark.parametrize("extension", ["gif", "webp", "apng"])
def test_an_animation_is_one_file_a_picture(
    batch: Cli, faces: Path, tmp_path: Path, extension: str
) -> None:
    assert batch("-e", "happy", "--frames", 4, "--format", extension).status == 0
    assert files_in(tmp_path / "out") == [f"{name[:-4]}.{extension}" for name in files_in(faces)]
    frames = frames_of(tmp_path / "out" / f"a/x.{extension}")
    assert 3 <= len(frames) <= 4  # WebP's encoder makes one frame of two that hardly differ
    first = frames[0].astype(int) - read_picture(faces / "a/x.png")
    assert np.abs(first).mean() < 8


def test_an_mp4_is_written(batch: Cli, faces: Path, tmp_path: Path) -> None:
    command = ("-e", "happy", "--frames", 3, "--format", "mp4")
    assert batch(*command, source=faces / "00.png").status == 0
    film = cv2.VideoCapture(str(tmp_path / "out" / "00.mp4"))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == 15


def test_edits_that_go_through_the_networks_together_are_what_each_is_alone(
    batch: Cli, faces: Path, tmp_path: Path
) -> None:
    source = faces / "00.png"  # one face, and room for four in a batch
    assert batch("-e", "happy", "-e", "blink", "--stages", source=source).status == 0
    for name in ("happy", "blink"):
        assert batch("-e", name, "--stages", source=source, out=f"{name} alone").status == 0
        for stage in (1, 2):
            np.testing.assert_array_equal(
                read_picture(tmp_path / "out" / name / f"00_stage{stage}.png"),
                read_picture(tmp_path / f"{name} alone" / f"00_stage{stage}.png"),
            )


def test_stages_are_the_pictures_after_each(batch: Cli, faces: Path, tmp_path: Path) -> None:
    assert batch("-e", "happy", "--stages", source=faces / "00.png").status == 0
    assert files_in(tmp_path / "out") == ["00_stage1.png", "00_stage2.png"]
    batch("-e", "happy", source=faces / "00.png", out="whole")
    first, last = (read_picture(tmp_path / "out" / f"00_stage{n}.png") for n in (1, 2))
    np.testing.assert_array_equal(last, read_picture(tmp_path / "whole" / "00.png"))
    assert (first != last).any()


def test_a_dry_run_lists_frames_and_writes_nothing(batch: Cli, tmp_path: Path) -> None:
    result = batch("-e", "happy", "--frames", 3, "--dry-run")
    assert len(result.out.splitlines()) == 33
    assert f"{tmp_path}/out/b/x/002.png" in result.out
    assert not (tmp_path / "out").exists()


def test_a_contact_sheet_of_frames_is_a_film_strip(batch: Cli, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    assert batch("-e", "happy", "--frames", 3, "--contact-sheet", sheet).status == 0
    assert 4 * 132 < read_picture(sheet).shape[1] < 5 * 132


def test_reports_name_what_was_asked_for(batch: Cli, tmp_path: Path) -> None:
    reference = write_table(tmp_path / "smile.csv", "file,AU01,AU12,AU45\nx.png,0,4.5,0\n")
    report = tmp_path / "run.json"
    batch("--reference", reference, "--frames", 2, "--report", report)
    about = json.loads(report.read_text())["about"]
    assert about["references"] == [str(reference)]
    assert (about["frames"], about["pace"]) == (2, "seen")
    page = tmp_path / "page.html"
    assert batch("-e", "happy", "--stages", "--report", page, out="staged").status == 0
    assert "happy, stage 1" in page.read_text()
    page = tmp_path / "frames.html"
    assert batch("-e", "happy", "--frames", 3, "--report", page, out="frames").status == 0
    assert "happy 3/3" in page.read_text()
    page = tmp_path / "film.html"
    command = ("-e", "happy", "--frames", 3, "--format", "gif", "--report", page)
    assert batch(*command, out="film").status == 0
    assert "happy, 3 frames" in page.read_text()


def test_a_photograph_without_a_face_is_copied_as_an_animation_that_stands_still(
    batch: Cli, tmp_path: Path, make_picture: Callable[..., Picture]
) -> None:
    write_picture(tmp_path / "empty.png", make_picture(90, 160))
    command = ("-e", "happy", "--frames", 3, "--format", "gif", "--no-face", "copy")
    result = batch(*command, source=tmp_path / "empty.png")
    assert result.status == 0
    assert len(frames_of(tmp_path / "out" / "empty.gif")) == 1


# Misuse.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--from-csv", "t.csv", "-e", "happy"], "--from-csv says what each picture is edited to"),
        (["--from-csv", "t.csv", "--au", "AU12=1"], "leave out --expression, --reference and --au"),
        (["-e", "a", "--reference", "x/a.png"], "two edits are called 'a'; give each once, or"),
        (["-e", "happy", "--frames", "1"], "1 frames; expected 2 (the picture and its edit) to"),
        (["-e", "happy", "--frames", "3", "--stages"], "are two ways to show an edit; choose one"),
        (["-e", "happy", "--format", "gif"], "--format gif is for animations; say how many"),
        (["-e", "happy", "--pace", "seen"], "is about the frames of --frames N"),
        (["-e", "happy", "--fps", "5"], "is about the frames of --frames N"),
        (["-e", "happy", "--frames", "3", "--fps", "5"], "--fps is for animations: --format gif,"),
        (
            ["-e", "happy", "--frames", "3", "--fps", "0", "--format", "gif"],
            "0 frames a second are out of range; expected more than 0 and up to 50 in .gif",
        ),
    ],
)
def test_wrong_use_is_named_with_status_2(batch: Cli, options: list[str], message: str) -> None:
    result = batch(*options)
    assert result.status == 2
    assert message in unboxed(result.err)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-e", "happy", "--intensity", "2.5"], "intensity 2.5 is out of range; expected 0 to 2"),
        (["--reference", "none.jpg"], "error: none.jpg: cannot be read: No such file"),
        (["--reference", "none.csv"], "error: none.csv: no such file or folder; expected Open"),
        (["--from-csv", "none.csv"], "error: none.csv: the label table cannot be read"),
        (["-e", "happy", "--aus", "none.csv"], "error: none.csv: no such file or folder"),
        (
            ["-e", "happy", "--frames", "3", "--format", "gif", "--contact-sheet", "x.png"],
            "error: --contact-sheet shows pictures, and animations are made here",
        ),
    ],
)
def test_what_cannot_be_done_is_one_line_and_status_1(
    batch: Cli, tmp_path: Path, options: list[str], message: str
) -> None:
    result = batch(*options)
    assert result.status == 1
    assert message in result.err
    assert not (tmp_path / "out").exists()


def test_without_pyav_mp4_is_refused_before_anything_runs(
    batch: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    result = batch("-e", "happy", "--frames", 3, "--format", "mp4")
    assert result.status == 2
    assert (
        'this needs av, which is not installed; install it with: pip install "efgan-rt[video]"'
        in (unboxed(result.err))
    )
    assert not (tmp_path / "out").exists()
