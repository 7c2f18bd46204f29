"""The same run again: only what is missing or has changed is done, and nothing foreign is touched.

With an editor of numpy, which inverts pictures.
"""

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from efgan_rt.errors import EfganError
from efgan_rt.pictures.original import Original
from efgan_rt.pictures.read import read_bytes, read_picture
from efgan_rt.pictures.write import encode_original, write_picture
from efgan_rt.pipeline import decoders, encoders, resume
from efgan_rt.pipeline.files import PictureJob, Plan, asked_of_all
from efgan_rt.pipeline.journal import FOLDER, Journal
from efgan_rt.pipeline.outcome import Outcome, PictureResult, Status
from efgan_rt.pipeline.resume import Inspector, Need
from efgan_rt.pipeline.watchdog import MAX_GIVEN_UP, HangError
from efgan_rt.pipeline.workers import BatchOptions
from efgan_rt.shots import stills
from tests.efgan_rt.inverter import Inverter, files_in, run_jobs

Counts = tuple[int, int, int, int]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def run(source: Path, out: Path, *, recipe: str = "", folders: tuple[str, ...] = ("",)) -> Outcome:
    jobs = Plan(source, out, stills(*folders)).jobs()
    return run_jobs(jobs, out, [Inverter()], targets=len(folders), recipe=recipe)


def counts(outcome: Outcome) -> Counts:
    return outcome.done, outcome.again, outcome.already, outcome.failed


def contents(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in files_in(out)}


def test_the_same_run_again_edits_nothing_and_reads_no_picture(
    faces: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert counts(run(faces, out)) == (11, 0, 0, 0)

    def refuse(*_: object) -> bytes:
        raise AssertionError("read a picture that the journal knows to be unchanged")

    monkeypatch.setattr(resume, "content_hash", refuse)
    outcome = run(faces, out)
    assert counts(outcome) == (0, 0, 11, 0)
    assert outcome.written == 0


def test_a_missing_output_is_made_and_no_other(faces: Path, out: Path) -> None:
    run(faces, out)
    before = contents(out)
    (out / "03.png").unlink()
    assert counts(run(faces, out)) == (1, 0, 10, 0)
    assert contents(out) == before


def test_a_changed_input_is_made_again_though_its_size_and_time_are_the_same(
    faces: Path, out: Path
) -> None:
    picture = faces / "03.png"
    run(faces, out)
    found, data = picture.stat(), picture.read_bytes()
    changed = read_picture(faces / "04.png")
    write_picture(picture, changed)
    with picture.open("ab") as file:  # what follows a PNG's end is passed over by decoders
        file.write(bytes(max(0, len(data) - picture.stat().st_size)))
    os.utime(picture, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert counts(run(faces, out)) == (0, 1, 10, 0)
    np.testing.assert_array_equal(read_picture(out / "03.png"), 255 - changed)


def test_an_input_that_was_only_touched_is_not_made_again(faces: Path, out: Path) -> None:
    run(faces, out)
    for path in faces.rglob("*.png"):
        os.utime(path)
    assert counts(run(faces, out)) == (0, 0, 11, 0)


def test_another_copy_of_the_inputs_is_not_made_again(
    faces: Path, out: Path, tmp_path: Path
) -> None:
    run(faces, out)
    shutil.copytree(faces, tmp_path / "copy")
    assert counts(run(tmp_path / "copy", out)) == (0, 0, 11, 0)


def test_another_recipe_makes_everything_again(faces: Path, out: Path) -> None:
    run(faces, out)
    assert counts(run(faces, out, recipe="other engines")) == (0, 11, 0, 0)
    assert counts(run(faces, out, recipe="other engines")) == (0, 0, 11, 0)


def test_one_more_target_makes_only_its_own_outputs(faces: Path, out: Path) -> None:
    run(faces, out, folders=("a", "b"))
    before = contents(out)
    outcome = run(faces, out, folders=("a", "b", "c"))
    assert (counts(outcome), outcome.written) == ((11, 0, 0, 0), 11)
    after = contents(out)
    assert {name: after[name] for name in before} == before
    picture = read_picture(faces / "b" / "x.png")
    np.testing.assert_array_equal(
        read_picture(out / "c" / "b" / "x.png"), (255 - picture - 20).astype(np.uint8)
    )


def test_an_output_changed_by_hand_is_kept(faces: Path, out: Path) -> None:
    run(faces, out)
    (out / "03.png").write_bytes(b"retouched")
    outcome = run(faces, out)
    assert counts(outcome) == (0, 0, 10, 1)
    assert outcome.failures[0].reason == (
        f"{out}/03.png: has come to be there, or has changed, during the run; "
        "replace it with --overwrite"
    )
    assert (out / "03.png").read_bytes() == b"retouched"


def test_what_each_output_needs_is_known_before_the_run(faces: Path, out: Path) -> None:
    run(faces, out)
    (out / "00.png").unlink()
    write_picture(faces / "01.png", read_picture(faces / "02.png"))
    (out / "03.png").write_bytes(b"foreign")
    with Journal(out, only_read=True) as journal:
        inspector = Inspector(journal)
        needs = {
            job.source.name: inspector.inspect(job).needs[0]
            for job in asked_of_all(Plan(faces, out, stills("")).jobs(), [], [b"0"])
            if job.source.parent == faces
        }
    assert list(needs.values()) == [
        *(Need.MAKE, Need.AGAIN, Need.DONE, Need.REPLACE, Need.DONE, Need.DONE, Need.DONE)
    ]


@pytest.mark.parametrize(
    ("meddle", "reason"),
    [
        (
            lambda path: path.write_bytes(path.read_bytes() + b"more"),
            "changed while it was being read; run the same command again once nothing writes to it",
        ),
        (
            lambda path: path.unlink(),
            "vanished while it was being read; leave the input folder alone while a run is at work",
        ),
    ],
)
def test_an_input_that_changes_or_vanishes_under_the_run_is_a_named_failure(
    faces: Path,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    meddle: Callable[[Path], object],
    reason: str,
) -> None:
    def read_then_meddle(path: Path) -> bytes:
        data = read_bytes(path)
        if path.name == "03.png":
            meddle(path)
        return data

    monkeypatch.setattr(decoders, "read_bytes", read_then_meddle)
    outcome = run(faces, out)
    assert counts(outcome) == (10, 0, 0, 1)
    assert outcome.failures[0].reason == f"{faces}/03.png: {reason}"
    assert "03.png" not in files_in(out)


def test_an_input_that_vanished_before_its_turn_is_a_named_failure(faces: Path, out: Path) -> None:
    jobs = list(Plan(faces, out, stills("")).jobs())
    (faces / "03.png").unlink()
    outcome = run_jobs(iter(jobs), out, [Inverter()])
    assert [failure.reason for failure in outcome.failures] == [
        f"{faces}/03.png: cannot be read: No such file or directory"
    ]


def test_every_picture_is_told_of_once_with_its_status(faces: Path, out: Path) -> None:
    run(faces, out)
    (out / "00.png").unlink()
    write_picture(faces / "01.png", read_picture(faces / "02.png"))
    (faces / "02.png").write_bytes(b"")
    told: list[PictureResult] = []
    jobs = Plan(faces, out, stills("")).jobs()
    run_jobs(jobs, out, [Inverter()], on_picture=told.append)
    statuses = {str(result.source.relative_to(faces)): result.status for result in told}
    assert len(told) == len(statuses) == 11
    assert (statuses["00.png"], statuses["01.png"], statuses["02.png"], statuses["a/x.png"]) == (
        *(Status.DONE, Status.AGAIN, Status.FAILED, Status.ALREADY),
    )


def test_reasons_are_counted_by_kind(faces: Path, out: Path) -> None:
    for number in range(3):
        (faces / f"empty-{number}.png").touch()
        (faces / f"cut-{number}.png").write_bytes((faces / "00.png").read_bytes()[: 900 + number])
    (out / "a").mkdir(parents=True)
    (out / "a" / "x.png").write_bytes(b"mine")
    assert run(faces, out).reasons == {
        "the file is empty": 3,
        "the PNG file is cut short after N bytes": 3,
        "has come to be there, or has changed, during the run": 1,
    }


def test_a_decoder_that_hangs_fails_its_picture_and_the_rest_is_done(
    faces: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    def hang(path: Path) -> bytes:
        if path.name == "x.png":
            released.wait(20)
        return read_bytes(path)

    monkeypatch.setattr(decoders, "read_bytes", hang)
    jobs = Plan(faces, out, stills("")).jobs()
    outcome = run_jobs(jobs, out, [Inverter()], options=BatchOptions(timeout_s=0.3))
    released.set()
    assert counts(outcome) == (9, 0, 0, 2)
    assert outcome.abandoned
    assert {failure.reason for failure in outcome.failures} == {
        f"{faces}/{folder}/x.png: decoding has not come to an end in 0.3 s; --timeout allows more"
        for folder in "ab"
    }


def test_an_encoder_that_hangs_fails_its_picture_and_the_rest_is_done(
    faces: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    first = threading.Lock()

    def hang(
        extension: str, original: Original, *, quality: int | None, jpeg: None
    ) -> memoryview | bytes:
        if first.acquire(blocking=False):
            released.wait(20)
        return encode_original(extension, original, quality=quality)

    monkeypatch.setattr(encoders, "encode_original", hang)
    jobs = Plan(faces, out, stills("")).jobs()
    outcome = run_jobs(jobs, out, [Inverter()], options=BatchOptions(timeout_s=0.3))
    released.set()
    assert counts(outcome) == (10, 0, 0, 1)
    assert ".png: encoding has not come to an end in 0.3 s; --" in outcome.failures[0].reason
    assert len(files_in(out)) == 10


def test_networks_that_hang_stop_the_run_with_one_sentence(
    faces: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    monkeypatch.setattr("efgan_rt.pipeline.batch.GRACE_S", 0.01)
    jobs = Plan(faces, out, stills("")).jobs()
    with pytest.raises(HangError) as caught:
        run_jobs(
            jobs,
            out,
            [Inverter(lambda number: number == 1 and released.wait(20))],  # type: ignore[arg-type]
            options=BatchOptions(timeout_s=0.3),
        )
    released.set()
    assert str(caught.value).startswith(f"the networks: a batch with {faces}/")
    assert str(caught.value).endswith(".png has not come to an end in 0.3 s; --timeout allows more")
    assert counts(run(faces, out))[2] > 0  # what was done before stays done


def test_ever_more_decoders_that_hang_stop_the_run(
    faces: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    monkeypatch.setattr("efgan_rt.pipeline.batch.GRACE_S", 0.01)
    monkeypatch.setattr(decoders, "read_bytes", lambda _: released.wait(20))
    jobs = (PictureJob(faces / "00.png", (out / f"{number}.png",)) for number in range(100))
    with pytest.raises(HangError, match=r"^1[78] threads hang, so the run stops; the last: /"):
        run_jobs(jobs, out, [Inverter()], options=BatchOptions(timeout_s=0.02))
    released.set()
    assert MAX_GIVEN_UP == 16


def test_two_runs_on_one_output_are_refused(faces: Path, out: Path) -> None:
    with Journal(out), pytest.raises(EfganError, match="another run is at work there: process "):
        run(faces, out)
    assert [path.name for path in out.iterdir()] == [FOLDER]
