"""`efgan-rt batch` from its options to its exit status."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from efgan_rt.pictures.read import read_picture
from efgan_rt.pipeline.journal import FOLDER
from efgan_rt.pipeline.publish import Publisher, not_written

Cli = Callable[..., Any]


@pytest.fixture
def batch(cli: Cli, faces: Path, tmp_path: Path, toy_engines: Path) -> Cli:
    """`batch(*options)` edits `faces` into `tmp_path/out` with toy engines."""

    def run(*options: object, source: Path = faces) -> Any:
        engines = ("--engines", toy_engines, "--backend", "onnxruntime", "--batch-size", 4)
        return cli("batch", source, tmp_path / "out", *engines, *options)

    return run


def unboxed(text: str) -> str:
    """What stands in the box that Typer draws around a message, on one line."""
    return " ".join(text.replace("│", " ").split())


def pictures_in(folder: Path) -> list[str]:
    found = (p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    return sorted(str(p) for p in found if p.parts[0] != FOLDER)


def test_one_expression_mirrors_the_input_tree(batch: Cli, faces: Path, tmp_path: Path) -> None:
    result = batch("--expression", "happy")
    assert result.status == 0
    assert pictures_in(tmp_path / "out") == pictures_in(faces)
    assert "11 of 11 pictures edited: 11 files in" in result.out


def test_several_expressions_have_a_folder_each(batch: Cli, faces: Path, tmp_path: Path) -> None:
    assert batch("-e", "happy", "-e", "blink").status == 0
    for name in ("happy", "blink"):
        assert pictures_in(tmp_path / "out" / name) == pictures_in(faces)


def test_action_units_alone_are_an_edit_too(batch: Cli, tmp_path: Path) -> None:
    assert batch("--au", "AU12=3.5").status == 0
    first = read_picture(tmp_path / "out" / "00.png")
    assert batch("--au", "AU12=0", "--overwrite").status == 0
    assert (read_picture(tmp_path / "out" / "00.png") != first).any()


def test_stderr_says_which_engines_and_backend_run(batch: Cli, toy_engines: Path) -> None:
    result = batch("-e", "happy")
    assert f"engines: {toy_engines} (named by --engines)" in result.err
    assert "backend: ONNX Runtime in fp32, as asked for" in result.err


def test_stdout_ends_with_the_latency_of_every_stage(batch: Cli) -> None:
    table = batch("-e", "happy").out
    assert "Latency of a batch of 4 pictures" in table
    rows = ["decode", "au_estimator", "interpolator", "stage_1", "stage_2", "encode"]
    positions = [table.index(f"│ {row} ") for row in rows]
    assert positions == sorted(positions)


def test_failures_are_named_and_the_status_is_3(batch: Cli, faces: Path, tmp_path: Path) -> None:
    (faces / "a" / "empty.png").touch()
    result = batch("-e", "happy")
    assert result.status == 3
    assert f"failed: {faces}/a/empty.png: the file is empty; expected a picture" in result.err
    assert "11 of 12 pictures edited" in result.out
    assert "1 failed; each is named above:\n  1 x the file is empty\n" in result.out
    assert len(pictures_in(tmp_path / "out")) == 11


def test_file_names_cannot_write_to_the_terminal(batch: Cli, faces: Path) -> None:
    (faces / "bad\x1b[2J\n[bold].png").touch()
    os.close(os.open(os.fsencode(faces) + b"/\xff.png", os.O_CREAT))
    result = batch("-e", "happy")
    assert result.status == 3
    assert "/bad\\x1b[2J\\n[bold].png: the file is empty" in result.err
    assert "/\\udcff.png: the file is empty" in result.err


def test_every_byte_that_a_file_name_may_hold_is_kept(
    batch: Cli, faces: Path, tmp_path: Path
) -> None:
    picture = (faces / "00.png").read_bytes()
    shutil.rmtree(faces)
    bytes_ = [bytes([code]) for code in range(1, 256) if code != ord("/")]
    names = [b"x%s-%d.png" % (each, each[0]) for each in bytes_]  # the number: cases may be equal
    names += [b"-e.png", b"~.png", b"$(touch x).png", b"%s%n.png", b"..png", b"a" * 251 + b".png"]
    names += ["\u202egnp.\u200b.png".encode(), "e\u0301.png".encode(), b" .png", b"con.png"]
    folder = os.fsencode(faces) + b"/\xff\n"
    os.makedirs(folder)
    for name in names:
        with open(folder + b"/" + name, "wb") as file:
            file.write(picture)
    result = batch("-e", "happy")
    shown = [name for name in names if not name.startswith(b".")]  # hidden ones are left out
    assert result.status == 0, result.err
    assert sorted(os.listdir(os.fsencode(tmp_path) + b"/out/\xff\n")) == sorted(shown)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["faces", "out"]


def test_fail_fast_stops_with_status_3(batch: Cli, faces: Path) -> None:
    for number in range(300):
        (faces / f"0-{number:03}.png").touch()
    result = batch("-e", "happy", "--fail-fast", "--workers", 1)
    assert result.status == 3
    assert "1 failed" in result.out
    assert "stopped early: 3" in result.out


def test_json_is_the_whole_of_stdout(batch: Cli, faces: Path) -> None:
    (faces / "empty.png").touch()
    (faces / "notes.txt").touch()
    document = json.loads(batch("-e", "happy", "--json").out)
    counts = {key: document[key] for key in ("planned", "skipped", "pictures", "written", "failed")}
    assert counts == {"planned": 12, "skipped": 1, "pictures": 12, "written": 11, "failed": 1}
    assert document["failures"][0]["picture"] == str(faces / "empty.png")
    assert document["engines"]["backend"] == "onnxruntime"
    stages = {each["stage"]: each for each in document["latency"]}
    assert stages["stage_1"]["n"] == 3
    assert stages["stage_1"]["p50_ms"] > 0


def test_a_dry_run_lists_everything_and_writes_nothing(
    batch: Cli, faces: Path, tmp_path: Path
) -> None:
    result = batch("-e", "happy", "-e", "blink", "--format", "webp", "--dry-run")
    assert result.status == 0
    assert len(result.out.splitlines()) == 22
    assert f"to make: {faces}/b/x.png -> {tmp_path}/out/blink/b/x.webp" in result.out
    assert "11 pictures, 0 other files; outputs: 22 to make; nothing was written" in result.err
    assert not (tmp_path / "out").exists()


def test_a_contact_sheet_shows_inputs_and_edits(batch: Cli, tmp_path: Path) -> None:
    sheet = tmp_path / "sheets" / "sheet.png"
    assert batch("-e", "happy", "-e", "blink", "--contact-sheet", sheet).status == 0
    height, width, _ = read_picture(sheet).shape
    assert height == 26 + 11 * 132
    assert 3 * 132 < width < 4 * 132


def test_the_same_command_with_a_contact_sheet_may_be_given_again(
    batch: Cli, tmp_path: Path
) -> None:
    command = ("-e", "happy", "--contact-sheet", tmp_path / "sheet.png")
    assert batch(*command).status == 0
    again = batch(*command)
    assert again.status == 0 and "11 were already done" in again.out


@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)])
def test_a_contact_sheet_never_takes_an_inputs_place(
    batch: Cli, faces: Path, overwrite: tuple[str, ...]
) -> None:
    before = (faces / "00.png").read_bytes()
    result = batch("-e", "happy", "--contact-sheet", faces / "00.png", *overwrite)
    assert result.status == 1
    assert "00.png: lies among the inputs; choose another place for the sheet" in result.err
    assert (faces / "00.png").read_bytes() == before


def test_the_format_is_the_one_asked_for(batch: Cli, tmp_path: Path) -> None:
    assert batch("-e", "happy", "--format", "jpg").status == 0
    assert (tmp_path / "out" / "00.jpg").read_bytes().startswith(b"\xff\xd8\xff")


def test_a_picture_comes_out_the_same_whatever_its_neighbours(
    batch: Cli, faces: Path, tmp_path: Path
) -> None:
    batch("-e", "happy")
    among_others = (tmp_path / "out" / "05.png").read_bytes()
    batch("-e", "happy", "--overwrite", source=faces / "05.png")
    assert (tmp_path / "out" / "05.png").read_bytes() == among_others


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-e", "hapy"], "error: the model has no expression 'hapy'; it has blink, happy; did you"),
        (["--au", "AU04=1"], "error: the model has no AU04; its action units are AU01 AU12 AU45"),
        (["-e", "happy", "--contact-sheet", "x.pdf"], "error: x.pdf: the contact sheet's name"),
        (["-e", "happy", "--batch-size", "9"], "error: au_estimator: batch 9 is outside 1 to 8"),
        (["-e", "happy", "--engines", "none"], "error: none: no engine directory"),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_status_1(
    batch: Cli, tmp_path: Path, options: list[str], message: str
) -> None:
    result = batch(*options)
    assert result.status == 1
    assert message in result.err
    assert "Traceback" not in result.err
    assert not (tmp_path / "out").exists()


def test_foreign_outputs_stop_the_run_with_status_1(
    batch: Cli, faces: Path, tmp_path: Path
) -> None:
    shutil.copytree(faces, tmp_path / "out")
    result = batch("-e", "happy")
    assert result.status == 1
    assert result.err.startswith("error: 11 of the outputs are there already, and not as an ")
    assert (tmp_path / "out" / "00.png").read_bytes() == (faces / "00.png").read_bytes()
    assert not (tmp_path / "out" / FOLDER).exists()


def test_the_same_command_again_finds_everything_done(batch: Cli) -> None:
    assert batch("-e", "happy").status == 0
    result = batch("-e", "happy")
    assert result.status == 0
    assert "0 of 11 pictures edited: 0 files" in result.out
    assert "11 were already done" in result.out
    assert "outputs: 11 already done; nothing was written" in batch("-e", "happy", "--dry-run").err


@pytest.mark.parametrize(
    "options",
    [["-e", "blink"], ["-e", "happy", "--intensity", "0.5"], ["-e", "happy", "--quality", "80"]],
)
def test_another_edit_is_made_in_place_of_the_earlier_one(batch: Cli, options: list[str]) -> None:
    batch("-e", "happy")
    result = batch(*options)
    assert result.status == 0
    assert "11 of them made again, for something had changed" in result.out
    assert "11 were already done" in batch(*options).out


def test_another_precision_or_backend_makes_everything_again(
    batch: Cli, cli: Cli, faces: Path, tmp_path: Path, toy_engines: Path
) -> None:
    batch("-e", "happy")
    where = (faces, tmp_path / "out", "--engines", toy_engines, "-e", "happy", "--dry-run")
    result = cli("batch", *where, "--backend", "openvino", "--precision", "fp32")
    assert "outputs: 11 to make again; nothing was written" in result.err


def test_a_report_tells_of_every_picture(batch: Cli, faces: Path, tmp_path: Path) -> None:
    (faces / "empty.png").touch()
    (faces / "notes.txt").touch()
    batch("-e", "happy")
    (tmp_path / "out" / "00.png").unlink()
    report = tmp_path / "run.json"
    for _ in range(2):
        assert batch("-e", "happy", "--report", report).status == 3
        document = json.loads(report.read_text())
        rows = {Path(row["picture"]).name: row for row in document["pictures"]}
        assert len(document["pictures"]) == 12
        assert rows["empty.png"] == {
            "picture": f"{faces}/empty.png",
            "status": "failed",
            "outputs": [],
            "reasons": [f"{faces}/empty.png: the file is empty; expected a picture"],
        }
        assert rows["01.png"]["status"] == "already done"
        assert rows["00.png"]["outputs"] == [f"{tmp_path}/out/00.png"]
    assert rows["00.png"]["status"] == "already done"
    summary = document["summary"]
    assert (summary["skipped"], summary["already_done"], summary["failed"]) == (1, 11, 1)
    assert summary["reasons"] == {"the file is empty": 1}


def test_a_run_that_stops_says_so_in_its_report(
    batch: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object, path: Path, *__: object, **___: object) -> None:
        cause = OSError(errno.ENOSPC, "No space left on device")
        raise not_written(path, cause) from cause

    monkeypatch.setattr(Publisher, "stage", full)
    report = tmp_path / "run.json"
    result = batch("-e", "happy", "--report", report)
    assert result.status == 1
    assert "cannot be written: No space left on device; mend that and run the same" in result.err
    assert "No space left" in json.loads(report.read_text())["summary"]["stopped"]


def test_networks_that_hang_end_the_process_with_status_1(
    faces: Path, tmp_path: Path, toy_engines: Path
) -> None:
    script = (
        "import sys, threading\n"
        "from efgan_rt.lane import Lane\n"
        "from efgan_rt.cli.app import main\n"
        "Lane.run = lambda *_, **__: threading.Event().wait()\n"
        f"sys.argv = ['efgan-rt', 'batch', {str(faces)!r}, {str(tmp_path / 'out')!r}, '-e',"
        f" 'happy', '--engines', {str(toy_engines)!r}, '--backend', 'onnxruntime',"
        " '--timeout', '0.2']\n"
        "main()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 1
    assert "error: the networks: a batch with " in result.stderr
    assert "has not come to an end in 0.2 s; --timeout allows more" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "say what to edit: --expression NAME, --au UNITS, --reference FACE, --preset NAME or"),
        (["-e", "happy", "-e", "happy"], "two edits are called 'happy'; give each once"),
        (["--au", "AU12=1", "--intensity", "0.5"], "there is no --expression or --reference for"),
        (["-e", "happy", "--quality", "0"], "--quality"),
    ],
)
def test_wrong_usage_has_status_2(batch: Cli, options: list[str], message: str) -> None:
    result = batch(*options)
    assert result.status == 2
    assert message in unboxed(result.err)


def test_a_bug_shows_its_traceback(
    monkeypatch: pytest.MonkeyPatch, cli: Cli, toy_engines: Path
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("efgan_rt.cli.edited_folder.find_set", broken)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        cli("batch", "in", "out", "-e", "happy")


def test_an_interrupted_run_has_status_130_and_leaves_whole_files_only(
    faces: Path, tmp_path: Path, toy_engines: Path
) -> None:
    source = tmp_path / "many"
    source.mkdir()
    total = 4_000
    for number in range(total):
        (source / f"{number:04}.png").symlink_to(faces / "00.png")
    command = ["-m", "efgan_rt.cli.app", "batch", source, tmp_path / "out", "--engines"]
    options = [toy_engines, "-e", "happy", "--backend", "onnxruntime", "--batch-size", "4"]
    run = subprocess.Popen(
        [sys.executable, *map(str, [*command, *options])],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    while not (tmp_path / "out" / "0000.png").exists():
        assert run.poll() is None
    run.send_signal(signal.SIGINT)
    out, _ = run.communicate(timeout=60)
    assert run.returncode == 130
    written = pictures_in(tmp_path / "out")
    assert f"{len(written):,} of {total:,} pictures edited" in out
    assert f"interrupted: {total - len(written):,} pictures not begun" in out
    assert 0 < len(written) < total
    for name in written:
        read_picture(tmp_path / "out" / name)
