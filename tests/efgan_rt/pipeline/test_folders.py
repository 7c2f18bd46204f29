"""Folders as people have them: closed ones, deep ones, those of systems, and file times."""

import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from efgan_rt.pipeline.files import Plan
from efgan_rt.pipeline.journal import FOLDER, Journal
from efgan_rt.shots import stills

Cli = Callable[..., Any]
HAPPY = ("-e", "happy", "--crops")


@pytest.fixture
def options(toy_engines: Path) -> tuple[object, ...]:
    return (*HAPPY, "--engines", toy_engines, "--backend", "onnxruntime", "--batch-size", 4)


@pytest.fixture
def picture(repository: Path) -> Path:
    return sorted((repository / "examples/faces").glob("*.jpg"))[0]


@pytest.fixture
def tree(tmp_path: Path, picture: Path) -> Callable[..., Path]:
    """`tree(*names)` is a folder with a picture under each name."""

    def make(*names: str) -> Path:
        folder = tmp_path / "in"
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(picture, folder / name)
        return folder

    return make


def names(plan: Plan) -> list[str]:
    return [job.source.relative_to(plan.source).as_posix() for job in plan.jobs()]


def put_below(folder: Path, depth: int, picture: Path) -> None:
    """A picture so many folders of long names further down, made step by step."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d" * 240, dir_fd=here)
        below = os.open("d" * 240, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    out = os.open("deep.jpg", os.O_WRONLY | os.O_CREAT, dir_fd=here)
    os.write(out, picture.read_bytes())
    os.close(out)
    os.close(here)


def test_a_folder_beyond_the_longest_path_is_named_and_the_rest_is_done(
    tree: Callable[..., Path], picture: Path, cli: Cli, out: Path, options: tuple[object, ...]
) -> None:
    source = tree("a.jpg", "b/c.jpg")
    put_below(source, 18, picture)
    result = cli("batch", source, out, *options, "--json")
    assert result.status == 3
    assert result.err.count("the folder cannot be listed: File name too long") == 1
    assert (out / "a.jpg").is_file() and (out / "b/c.jpg").is_file()
    document = json.loads(result.out)
    assert (document["written"], document["failed"]) == (2, 0)
    (unlisted,) = document["folders_not_listed"]
    assert unlisted["reason"] == "File name too long" and "ddd" in unlisted["folder"]
    again = cli("batch", source, out, *options)
    assert again.status == 3 and "1 folder could not be listed; each is named above" in again.out
    assert cli("batch", source, out, *options, "--dry-run").status == 3


def test_a_folder_that_only_others_may_read_is_named_and_the_rest_is_walked(
    tree: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = tree("a.jpg", "closed/b.jpg", "people/c.jpg")
    scandir = os.scandir

    def refusing(path: Any) -> Any:
        if Path(path).name == "closed":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    plan = Plan(source, tmp_path / "out", stills(""))
    count = plan.check(overwrite=False)
    assert count.pictures == 2
    assert count.unlisted == ((source / "closed", "Permission denied"),)
    told: list[Path] = []
    jobs = list(plan.jobs(lambda folder, _: told.append(folder)))
    assert len(jobs) == 2 and told == [source / "closed"]


SYSTEM = ("@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found")
HIDDEN = (".thumbnails", ".Trash-1000", "__MACOSX")


def test_folders_of_systems_are_left_out_and_counted(
    tree: Callable[..., Path], tmp_path: Path
) -> None:
    source = tree("a.jpg", *(f"b/{each}/x.jpg" for each in (*SYSTEM, *HIDDEN)), ".hidden/y.jpg")
    plan = Plan(source, tmp_path / "out", stills(""))
    assert names(plan) == ["a.jpg"]
    assert plan.check(overwrite=False).system_folders == len(SYSTEM) + len(HIDDEN)
    asked_for = Plan(source / "b" / "@eaDir", tmp_path / "out", stills(""))
    assert names(asked_for) == ["x.jpg"]


@pytest.mark.parametrize(
    ("patterns", "left", "excluded"),
    [
        (("*.PNG",), ["a.jpg", "b.jpg", "old/a.jpg", "old/deep/c.jpg"], 0),
        (("a.jpg",), ["b.jpg", "old/deep/c.jpg"], 2),
        (("old",), ["a.jpg", "b.jpg"], 1),
        (("old/",), ["a.jpg", "b.jpg"], 1),
        (("old/a.*",), ["a.jpg", "b.jpg", "old/deep/c.jpg"], 1),
        (("de*p", "b.*"), ["a.jpg", "old/a.jpg"], 2),
    ],
)
def test_what_a_pattern_names_is_left_out_and_counted(
    tree: Callable[..., Path],
    tmp_path: Path,
    patterns: tuple[str, ...],
    left: list[str],
    excluded: int,
) -> None:
    source = tree("a.jpg", "b.jpg", "old/a.jpg", "old/deep/c.jpg")
    plan = Plan(source, tmp_path / "out", stills(""), exclude=patterns)
    assert names(plan) == left
    assert plan.check(overwrite=False).excluded == excluded


def test_the_summary_says_what_was_left_out(
    tree: Callable[..., Path], cli: Cli, out: Path, options: tuple[object, ...]
) -> None:
    source = tree("a.jpg", "b.jpg", "@eaDir/a.jpg", "raw/c.jpg")
    result = cli("batch", source, out, *options, "--exclude", "raw", "--exclude", "b.*")
    assert result.status == 0
    assert "left out: 1 folder of the system" in result.out
    assert "2 files and folders were left out by --exclude" in result.out
    assert [each.name for each in out.iterdir() if each.name != FOLDER] == ["a.jpg"]


def test_times_are_kept_where_that_is_asked_for(
    tree: Callable[..., Path], cli: Cli, out: Path, options: tuple[object, ...]
) -> None:
    source = tree("a.jpg")
    then_ns = 1_234_567_890_123_456_789
    os.utime(source / "a.jpg", ns=(then_ns, then_ns))
    assert cli("batch", source, out, *options).status == 0
    assert (out / "a.jpg").stat().st_mtime_ns != then_ns
    kept = cli("batch", source, out, *options, "--keep-times")
    assert "1 of them made again" in kept.out
    assert (out / "a.jpg").stat().st_mtime_ns == then_ns
    assert "1 were already done" in cli("batch", source, out, *options, "--keep-times").out


def no_lock(*_: object) -> None:
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


def test_where_flock_fails_the_record_lock_keeps_others_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", no_lock)
    code = (
        "import fcntl, sys\n"
        "def no_lock(*_): raise OSError(38, 'Function not implemented')\n"
        "fcntl.flock = no_lock\n"
        "from pathlib import Path\n"
        "from efgan_rt.errors import EfganError\n"
        "from efgan_rt.pipeline.journal import Journal\n"
        "try:\n"
        "    Journal(Path(sys.argv[1]))\n"
        "except EfganError as error:\n"
        "    print(error)\n"
    )
    with Journal(tmp_path) as journal:
        assert journal.unlocked is None
        command = [sys.executable, "-c", code, str(tmp_path)]
        other = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"{tmp_path}: another run is at work there: process {os.getpid()} on " in other.stdout


LOCKLESS = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>

int flock(int descriptor, int how) { errno = ENOSYS; return -1; }

#define WITHOUT_LOCKS(name) \\
    int name(int descriptor, int command, ...) { \\
        static int (*real)(int, int, ...); \\
        va_list rest; \\
        va_start(rest, command); \\
        void *argument = va_arg(rest, void *); \\
        va_end(rest); \\
        if (command == F_SETLK || command == F_SETLKW || command == F_GETLK) { \\
            errno = ENOLCK; \\
            return -1; \\
        } \\
        if (!real) real = dlsym(RTLD_NEXT, #name); \\
        return real(descriptor, command, argument); \\
    }
WITHOUT_LOCKS(fcntl)
WITHOUT_LOCKS(fcntl64)
"""


@pytest.fixture(scope="module")
def lockless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that takes both kinds of locks away from a process."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler here: apt-get install gcc")
    folder = tmp_path_factory.mktemp("lockless")
    (folder / "lockless.c").write_text(LOCKLESS)
    library = folder / "lockless.so"
    command = [compiler, "-shared", "-fPIC", "-o", str(library), str(folder / "lockless.c"), "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return library


def test_where_both_locks_fail_the_run_works_and_says_so(
    lockless: Path, tree: Callable[..., Path], out: Path, options: tuple[object, ...]
) -> None:
    source = tree("a.jpg", "b.jpg")
    command = [sys.executable, "-m", "efgan_rt.cli.app", "batch", source, out, *options]
    environment = {**os.environ, "LD_PRELOAD": str(lockless)}
    for said in ("2 of 2 pictures edited", "2 were already done"):
        result = subprocess.run(
            [str(each) for each in command], env=environment, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stderr
        assert f"note: {out}: its file system has no locks, so nothing keeps" in result.stderr
        assert said in result.stdout
