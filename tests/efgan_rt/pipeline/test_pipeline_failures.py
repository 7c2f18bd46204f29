"""What fails in a batch run: a picture costs itself, a bug says so, a full disk ends the run."""

import errno
import threading
from pathlib import Path

import pytest

from efgan_rt.errors import EfganError
from efgan_rt.faces.framing import Framed
from efgan_rt.faces.motion_paste import Move
from efgan_rt.faces.paste import paste
from efgan_rt.pictures.header import Header
from efgan_rt.pictures.original import Original, Picture, Pixels
from efgan_rt.pictures.read import decode_original
from efgan_rt.pipeline import decoders, pasting
from efgan_rt.pipeline.files import PictureJob
from efgan_rt.pipeline.journal import Journal
from efgan_rt.pipeline.outcome import KEPT_FAILURES, Failure
from efgan_rt.pipeline.publish import Publisher, not_written
from efgan_rt.pipeline.workers import BatchOptions
from tests.efgan_rt.inverter import (
    Inverter,
    files_in,
    run,
    run_jobs,
)


def test_broken_pictures_are_named_and_the_rest_is_done(faces: Path, tmp_path: Path) -> None:
    (faces / "a" / "empty.png").touch()
    (faces / "text.jpg").write_text("no picture")
    (faces / "cut.png").write_bytes((faces / "00.png").read_bytes()[:-20])
    (faces / "dangling.png").symlink_to("nowhere")
    told: list[Failure] = []
    outcome = run(faces, tmp_path / "out", on_failure=told.append)
    assert (outcome.pictures, outcome.written, outcome.failed) == (15, 11, 4)
    assert sorted(told, key=str) == sorted(outcome.failures, key=str)
    reasons = {failure.source.name: failure.reason for failure in told}
    assert set(reasons) == {"empty.png", "text.jpg", "cut.png", "dangling.png"}
    assert all(reason.startswith(str(faces)) for reason in reasons.values())
    assert "the file is empty" in reasons["empty.png"]
    assert len(files_in(tmp_path / "out")) == 11


def test_failures_are_kept_up_to_a_bound_and_all_counted(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for number in range(KEPT_FAILURES + 20):
        (source / f"{number}.jpg").touch()
    told: list[Failure] = []
    outcome = run(source, tmp_path / "out", on_failure=told.append)
    assert outcome.failed == len(told) == KEPT_FAILURES + 20
    assert len(outcome.failures) == KEPT_FAILURES


def test_an_output_that_cannot_be_written_is_a_failure(faces: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "a").write_text("in the way of the folder a")
    outcome = run(faces, out)
    assert (outcome.written, outcome.failed) == (9, 2)
    assert {failure.reason for failure in outcome.failures} == {
        f"{out}/a: cannot be made a folder: File exists"
    }


def test_a_file_that_came_to_be_there_during_the_run_is_kept(faces: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "03.png").write_text("precious")
    outcome = run(faces, out)
    assert outcome.failed == 1
    assert outcome.failures[0].reason == (
        f"{out}/03.png: has come to be there, or has changed, during the run; "
        "replace it with --overwrite"
    )
    assert (out / "03.png").read_text() == "precious"
    assert run(faces, out, options=BatchOptions(overwrite=True)).failed == 0
    assert (out / "03.png").read_bytes() != b"precious"


def test_a_full_disk_stops_the_run_with_its_own_sentence(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(publisher: Publisher, path: Path, *_: object, **__: object) -> None:
        cause = OSError(errno.ENOSPC, "No space left on device")
        raise not_written(path, cause) from cause

    monkeypatch.setattr(Publisher, "stage", full)
    with pytest.raises(EfganError) as caught:
        run(faces, tmp_path / "out")
    assert str(caught.value).endswith(
        ".png: cannot be written: No space left on device; "
        "mend that and run the same command again: what is done stays done"
    )


def test_fail_fast_stops_at_the_first_failure(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for number in range(500):
        (source / f"{number:03}.jpg").touch()
    outcome = run(source, tmp_path / "out", options=BatchOptions(workers=2, fail_fast=True))
    assert 1 <= outcome.failed <= 2  # a second worker may have had one in hand
    assert not outcome.interrupted


def test_a_bug_in_an_editor_ends_the_run_with_its_own_exception(
    faces: Path, tmp_path: Path
) -> None:
    def break_at_the_second_batch(number: int) -> None:
        if number == 1:
            raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError, match="a bug"):
        run(faces, tmp_path / "out", editor=Inverter(break_at_the_second_batch))


def test_a_bug_in_a_decoder_fails_its_picture_and_no_other(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(data: bytes, path: Path, *, header: Header, jpeg: None) -> Original:
        if path.name == "x.png":
            raise ZeroDivisionError("a bug")
        return decode_original(data, path, header=header)

    monkeypatch.setattr(decoders, "decode_original", broken)
    outcome = run(faces, tmp_path / "out")
    assert (outcome.written, outcome.failed) == (9, 2)
    reasons = {failure.reason.split(" (")[0] for failure in outcome.failures}
    assert reasons == {
        f"{faces}/{folder}/x.png: unexpected ZeroDivisionError: a bug" for folder in "ab"
    }
    assert all(
        failure.reason.endswith("); this is a bug in efgan-rt, please report it")
        for failure in outcome.failures
    )


def test_a_bug_in_an_encoder_fails_its_picture_and_no_other(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = threading.Lock()
    calls = 0

    def broken(pixels: Pixels, framed: Framed, edited: Picture, move: Move) -> None:
        nonlocal calls
        with lock:
            calls += 1
            if calls == 5:
                raise MemoryError
        paste(pixels, framed, edited, move)

    monkeypatch.setattr(pasting, "paste", broken)
    outcome = run(faces, tmp_path / "out")
    assert (outcome.written, outcome.failed) == (10, 1)
    assert ".png: unexpected MemoryError (" in outcome.failures[0].reason


def test_a_bug_in_the_journal_ends_the_run_though_decoders_wait_for_slots(
    tmp_path: Path, faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    jobs = [PictureJob(faces / "00.png", (tmp_path / f"{n}.png",)) for n in range(200)]
    monkeypatch.setattr(Journal, "intend", broken)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        run_jobs(iter(jobs), tmp_path, [Inverter()])
