"""What the journal knows after each way in which a run can end, and whom it lets in."""

import errno
import os
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from efgan_rt.errors import EfganError
from efgan_rt.pipeline import journal as journal_module
from efgan_rt.pipeline.journal import DATABASE, FOLDER, Journal
from efgan_rt.pipeline.outcome import Failure
from efgan_rt.pipeline.parts import Staged
from efgan_rt.pipeline.publish import Publisher, StagedPicture
from efgan_rt.pipeline.record import Record


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def stage(publisher: Publisher, path: Path, content: bytes, recipe: bytes = b"r") -> Staged:
    return publisher.stage(
        path, content, input_sha256=b"i", input_stamp="s", recipe=recipe, ours=None
    )


def publish(journal: Journal, path: Path, content: bytes) -> None:
    """Publishes one output, as a run does that may replace everything."""
    publisher = Publisher(journal, overwrite=True)
    failures: list[Failure] = []
    output = stage(publisher, path, content)
    publisher.publish(StagedPicture(Path("source"), (output,), failures.extend))
    assert failures == []


def find(journal: Journal, path: Path) -> Record | None:
    return journal.find(path, path.lstat())


def leave_like_a_killed_run(journal: Journal) -> None:
    """Lets go of the files as the kernel does for a process that was killed."""
    journal._database.close()
    journal._held.file.close()


def test_a_published_file_is_ours_at_once_and_in_the_next_run(out: Path) -> None:
    with Journal(out) as journal:
        publish(journal, out / "a" / "x.jpg", b"picture")
        record = find(journal, out / "a" / "x.jpg")
        assert record is not None
        assert (record.path, record.size, record.recipe) == (b"a/x.jpg", 7, b"r")
    with Journal(out) as journal:
        assert find(journal, out / "a" / "x.jpg") == record


def test_names_may_hold_any_byte(out: Path) -> None:
    path = out / os.fsdecode(b"\xff\n'\x1b.jpg")
    with Journal(out) as journal:
        publish(journal, path, b"picture")
    with Journal(out) as journal:
        assert journal.is_ours(path)


def test_a_changed_file_is_no_longer_ours(out: Path) -> None:
    with Journal(out) as journal:
        publish(journal, out / "x.jpg", b"picture")
        (out / "x.jpg").write_bytes(b"touched")
        assert not journal.is_ours(out / "x.jpg")


def test_a_file_that_was_only_copied_or_touched_is_still_ours(out: Path) -> None:
    with Journal(out) as journal:
        publish(journal, out / "x.jpg", b"picture")
        os.utime(out / "x.jpg", ns=(1, 1))
        assert journal.is_ours(out / "x.jpg")
        (record,) = journal._records(b"x.jpg")
        assert record.mtime_ns == 1  # so that it need not be hashed the next time


def test_a_file_that_nobody_recorded_is_not_ours(out: Path) -> None:
    with Journal(out) as journal:
        (out / "x.jpg").write_bytes(b"mine")
        (out / "link.jpg").symlink_to("x.jpg")
        publish(journal, out / "y.jpg", b"picture")
        (out / "y.jpg").unlink()
        (out / "y.jpg").mkdir()
        for name in ("x.jpg", "link.jpg", "y.jpg", "none.jpg"):
            assert not journal.is_ours(out / name)


def test_killed_before_the_renaming_the_next_run_completes_it(out: Path) -> None:
    journal = Journal(out)
    output = stage(Publisher(journal, overwrite=False), out / "x.jpg", b"picture")
    journal.intend([(output.record, output.part)])
    leave_like_a_killed_run(journal)
    with Journal(out) as journal:
        assert (out / "x.jpg").read_bytes() == b"picture"
        assert find(journal, out / "x.jpg") == output.record
        assert list(journal.parts.iterdir()) == []


def test_killed_after_the_renaming_the_next_run_knows_the_file(out: Path) -> None:
    journal = Journal(out)
    publish(journal, out / "x.jpg", b"picture")
    leave_like_a_killed_run(journal)
    with Journal(out) as journal:
        assert journal.is_ours(out / "x.jpg")


@pytest.mark.parametrize("foreign", [False, True])
def test_killed_while_a_file_was_made_again_the_old_one_is_replaced_only_if_it_is_ours(
    out: Path, foreign: bool
) -> None:
    journal = Journal(out)
    publish(journal, out / "x.jpg", b"old")
    if foreign:
        (out / "x.jpg").write_bytes(b"touched up by hand")
    output = stage(Publisher(journal, overwrite=False), out / "x.jpg", b"new")
    journal.intend([(output.record, output.part)])
    leave_like_a_killed_run(journal)
    with Journal(out) as journal:
        assert (out / "x.jpg").read_bytes() == (b"touched up by hand" if foreign else b"new")
        assert journal.is_ours(out / "x.jpg") is not foreign


def test_killed_with_half_a_temporary_file_the_next_run_removes_it_and_keeps_the_old(
    out: Path,
) -> None:
    journal = Journal(out)
    publish(journal, out / "x.jpg", b"old")
    output = stage(Publisher(journal, overwrite=False), out / "x.jpg", b"new")
    journal.intend([(output.record, output.part)])
    output.part.write_bytes(b"ne")
    leave_like_a_killed_run(journal)
    with Journal(out) as journal:
        assert (out / "x.jpg").read_bytes() == b"old"
        assert journal.is_ours(out / "x.jpg")
        assert list(journal.parts.iterdir()) == []


def test_an_output_that_was_not_renamed_leaves_the_old_record_as_it_was(out: Path) -> None:
    with Journal(out) as journal:
        publish(journal, out / "x.jpg", b"old")
        (out / "x.jpg").replace(out / "kept.jpg")
        (out / "x.jpg").mkdir()
        publisher = Publisher(journal, overwrite=False)
        failures: list[Failure] = []
        output = stage(publisher, out / "x.jpg", b"new")
        publisher.publish(StagedPicture(Path("source"), (output,), failures.extend))
        assert [failure.reason for failure in failures] == [
            f"{out}/x.jpg: has come to be there, or has changed, during the run; "
            "replace it with --overwrite"
        ]
        (out / "x.jpg").rmdir()
    (out / "kept.jpg").replace(out / "x.jpg")
    with Journal(out) as journal:
        assert journal.is_ours(out / "x.jpg")


@pytest.mark.parametrize("error", [errno.EPERM, errno.EXDEV])
def test_where_there_are_no_hard_links_a_foreign_file_is_kept_all_the_same(
    out: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(error, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    with Journal(out) as journal:
        publisher = Publisher(journal, overwrite=False)
        (out / "mine.jpg").write_bytes(b"mine")
        failures: list[Failure] = []
        outputs = tuple(stage(publisher, out / name, b"new") for name in ("mine.jpg", "x.jpg"))
        publisher.publish(StagedPicture(Path("source"), outputs, failures.extend))
        assert len(failures) == 1
        assert (out / "mine.jpg").read_bytes() == b"mine"
        assert (out / "x.jpg").read_bytes() == b"new"


def test_an_output_on_another_file_system_is_copied_beside_its_name(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.replace

    def refuse(source: Path, target: Path) -> None:
        if Path(source).parent.parent.name == "parts":
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        real(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    with Journal(out) as journal:
        publish(journal, out / "x.jpg", b"picture")
        assert sorted(path.name for path in out.iterdir()) == [FOLDER, "x.jpg"]
        assert journal.is_ours(out / "x.jpg")


def test_after_a_power_cut_spoilt_files_are_ours_and_made_again(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(out)
    for name in ("whole.jpg", "zeros.jpg", "touched.jpg", "empty.jpg"):
        publish(journal, out / name, b"picture")
    found = (out / "zeros.jpg").stat()
    leave_like_a_killed_run(journal)
    (out / "zeros.jpg").write_bytes(bytes(7))  # its blocks never reached the disk
    os.utime(out / "zeros.jpg", ns=(found.st_atime_ns, found.st_mtime_ns))
    (out / "empty.jpg").write_bytes(b"")
    (out / "touched.jpg").write_bytes(b"touched up by hand")
    other_boot = tmp_path / "boot_id"
    other_boot.write_text("another\n")
    monkeypatch.setattr(journal_module, "BOOT_ID", other_boot)
    for _ in range(2):
        with Journal(out) as journal:
            recipes = {
                path.name: record and record.recipe
                for path in sorted(out.glob("*.jpg"))
                for record in [find(journal, path)]
            }
        assert recipes == {
            "empty.jpg": b"",
            "touched.jpg": None,
            "whole.jpg": b"r",
            "zeros.jpg": b"",
        }


def test_a_second_run_on_the_same_folder_is_told_who_is_there(out: Path) -> None:
    with Journal(out), pytest.raises(EfganError) as caught:
        Journal(out)
    message = str(caught.value)
    assert message.startswith(f"{out}: another run is at work there: process {os.getpid()} on ")
    assert message.endswith("; wait for its end, or choose another output folder")
    Journal(out).close()  # and the lock has gone with the first


def test_a_dry_run_changes_nothing(out: Path) -> None:
    journal = Journal(out)
    output = stage(Publisher(journal, overwrite=False), out / "x.jpg", b"picture")
    journal.intend([(output.record, output.part)])
    leave_like_a_killed_run(journal)
    with Journal(out, only_read=True) as journal:
        assert not journal.is_ours(out / "x.jpg")
    assert not (out / "x.jpg").exists()
    assert output.part.exists()


def test_a_journal_of_another_version_is_refused(out: Path) -> None:
    Journal(out).close()
    database = sqlite3.connect(out / FOLDER / DATABASE)
    database.execute("PRAGMA user_version = 7")
    database.close()
    with pytest.raises(EfganError) as caught:
        Journal(out)
    assert str(caught.value) == (
        f"{out}/.efgan-rt/journal.sqlite: the journal has version 7, expected 1; "
        "use the efgan-rt that wrote it, or choose another output folder"
    )


def test_a_damaged_journal_is_named_with_the_way_out(out: Path) -> None:
    Journal(out).close()
    (out / FOLDER / DATABASE).write_bytes(b"no database" * 1000)
    with pytest.raises(EfganError) as caught:
        Journal(out)
    assert str(caught.value) == (
        f"{out}/.efgan-rt/journal.sqlite: the journal cannot be used: file is not a database; "
        f"if it is damaged, remove {out}/.efgan-rt: the files stay, "
        "and --overwrite lets a run replace them"
    )


def test_an_output_folder_that_cannot_be_written_is_named(
    without_root: Callable[[], AbstractContextManager[None]],
) -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        Path(name).chmod(0o755)
        with pytest.raises(EfganError) as caught, without_root():
            Journal(Path(name, "out"))
    assert str(caught.value) == (
        f"{name}/out/.efgan-rt: cannot be written: Permission denied; "
        "expected an output folder that can be"
    )
