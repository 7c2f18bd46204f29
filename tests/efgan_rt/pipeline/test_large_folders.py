"""Folders with more names than memory should hold."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from efgan_rt.errors import EfganError
from efgan_rt.pipeline import files
from efgan_rt.pipeline.files import LocalTree, Plan
from efgan_rt.pipeline.large_sort import LargeSort
from efgan_rt.remote.bucket import BucketTree
from efgan_rt.remote.path import RemotePath
from efgan_rt.shots import stills


@pytest.fixture(autouse=True)
def small_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "IN_MEMORY", 10)
    monkeypatch.setattr(files, "LargeSort", lambda: LargeSort(10))


def test_rows_come_back_in_order_from_memory_and_from_the_file() -> None:
    rows = [(b"%d" % (n * 7 % 50), b"\xff%d" % n) for n in range(50)]
    few, many = LargeSort(100), LargeSort(3)
    for row in rows:
        few.add(*row)
        many.add(*row)
    assert list(few) == list(many) == sorted(rows)
    assert len(few) == len(many) == 50


def test_a_large_folder_comes_in_parts_that_hold_what_one_listing_would(tmp_path: Path) -> None:
    names = [f"{n:03}.jpg" for n in range(35)] + ["007.mov", "x.mov", os.fsdecode(b"\xff.jpg")]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "@eaDir").mkdir()
    listings = list(LocalTree(tmp_path).listings(tmp_path / "out"))
    parts = [each for each in listings if each.folder == tmp_path]
    assert [len(each.pictures) for each in parts] == [9, 10, 10, 7]  # with a film
    assert all(each.is_part for each in parts)
    assert [name for each in parts for name in each.pictures] == sorted(
        name for name in names if name.endswith(".jpg")
    )
    assert sum(each.system_folders for each in parts) == 1
    assert dict(name for each in parts for name in each.left) == {
        "007.mov": "the film of a Live Photo, unedited",
        "x.mov": "a video",
    }
    assert [each.folder for each in listings][-1] == tmp_path / "folder"


@dataclass(frozen=True)
class Told:
    stamp: str


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> RemotePath:
    """A bucket's folder with 25 pictures and a folder that its server does not list."""

    class Server:
        def folder(self, path: RemotePath) -> Iterator[tuple[str, Told | None]]:
            if path.name != "in":
                yield "seen.jpg", Told("0 x")
                raise EfganError(f"{path}: cannot be listed: the server answers SlowDown")
            yield "closed", None
            for number in range(25):
                yield f"{number * 7 % 25:03}.jpg", Told(f"{number} etag")

    monkeypatch.setattr("efgan_rt.remote.bucket.reading", lambda _: Server())
    return RemotePath("s3:", "bucket", "in")


def test_a_buckets_folder_comes_in_parts_each_with_its_own_stamps(bucket: RemotePath) -> None:
    *parts, closed = BucketTree(bucket).listings(Path("out"))
    assert [len(each.pictures) for each in parts] == [10, 10, 5]
    assert all(each.is_part and each.stamps.keys() == set(each.pictures) for each in parts)
    stamps = {name: stamp for each in parts for name, stamp in each.stamps.items()}
    assert stamps == {f"{number * 7 % 25:03}.jpg": f"{number} etag" for number in range(25)}
    assert (closed.folder.name, closed.pictures) == ("closed", [])
    assert closed.fault == "cannot be listed: the server answers SlowDown"


def test_a_bucket_that_cannot_be_listed_ends_the_run(bucket: RemotePath) -> None:
    tree = BucketTree(RemotePath("s3:", "bucket", "closed"))
    with pytest.raises(EfganError, match="closed: cannot be listed: the server answers SlowDown"):
        list(tree.listings(Path("out")))


def test_two_pictures_of_different_parts_for_one_output_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for number in range(25):
        (source / f"{number:03}.jpg").touch()
    # Beside 001.HEIC.jpg, which the former becomes, lie others in between.
    (source / "001.HEIC").touch()
    for number in range(12):
        (source / f"001.H{number:02}.jpg").touch()
    (source / "001.HEIC.jpg").touch()
    with pytest.raises(EfganError) as caught:
        Plan(source, tmp_path / "out", stills("")).check(overwrite=False)
    assert str(caught.value) == (
        f"{source}/001.HEIC and {source}/001.HEIC.jpg would both be written to one file; "
        "leave one out"
    )


def test_a_full_temporary_folder_is_named(small_disk: Path) -> None:
    program = """
from efgan_rt.errors import EfganError
from efgan_rt.pipeline.large_sort import LargeSort
rows = LargeSort(100)
try:
    for number in range(200_000):
        rows.add(bytes(200), b"%d" % number)
    list(rows)
except EfganError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"SQLITE_TMPDIR": str(small_disk)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == (
        "the folder for temporary files cannot hold the names of a large folder: "
        "database or disk is full; make room there, or name another one by the variable TMPDIR\n"
    )
