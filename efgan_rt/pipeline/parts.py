"""Outputs under temporary names, in folders of which each has one writer.

    OUT/.efgan-rt/parts/RUN/          of the run that holds the journal
    OUT/.efgan-rt/parts/RUN/WORKER/   of a worker process of that run, which holds `writer.lock`

A worker may outlive its run by a moment. Nobody else removes or publishes anything in a folder
whose writer may still live.
"""

import hashlib
import itertools
import os
import shutil
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import IO, Final, NotRequired, TypedDict, Unpack

from efgan_rt.pipeline.lock import has_holder, hold
from efgan_rt.pipeline.record import Record

WRITER_LOCK: Final = "writer.lock"


@dataclass(frozen=True)
class FileTimes:
    """An output that is there, as it was when it was found to be ours."""

    size: int
    mtime_ns: int


class Making(TypedDict):
    """How an output was made.

    Attributes:
        input_sha256: of the picture it was made from.
        input_stamp: of that picture.
        recipe: of the edit.
        ours: the file under its name that may be replaced.
        times_of: the file whose times it gets; None leaves them as they are.
    """

    input_sha256: bytes
    input_stamp: str
    recipe: bytes
    ours: FileTimes | None
    times_of: NotRequired[Path | None]


@dataclass(frozen=True)
class Staged:
    """An output, whole, under a temporary name."""

    path: Path
    part: Path
    record: Record
    ours: FileTimes | None


class Parts:
    """Writes outputs into a folder of parts, for any thread.

    Args:
        folder: of parts; there, and nobody else writes into it.
        output: the folder above all outputs.
    """

    def __init__(self, folder: Path, output: Path) -> None:
        self.folder = folder
        self._output = output
        self._numbers = itertools.count()

    def write(self, path: Path, data: bytes | memoryview, **made: Unpack[Making]) -> Staged:
        """Writes an output under a temporary name.

        Args:
            path: its final name.
            data: the file's content.
            made: how it was made.

        Raises:
            OSError: it cannot be written, or has no times to get; then no part is left.
        """
        part = self.folder / f"{next(self._numbers)}"
        try:
            # Without a buffer, to which small files are copied first.
            with open(part, "xb", buffering=0) as file:
                _write_all(file, data)
                if (times_of := made.get("times_of")) is not None:
                    # By name: by descriptor is not everywhere.
                    times = times_of.stat()
                    os.utime(part, ns=(times.st_atime_ns, times.st_mtime_ns))
                written = os.fstat(file.fileno())
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        record = Record(
            output_key(path, self._output),
            hashlib.sha256(data).digest(),
            written.st_size,
            written.st_mtime_ns,
            made["input_sha256"],
            made["input_stamp"],
            made["recipe"],
        )
        return Staged(path, part, record, made["ours"])


def _write_all(file: RawIOBase, data: bytes | memoryview) -> None:
    left = memoryview(data).cast("B")
    while left:
        left = left[file.write(left) or 0 :]


def output_key(path: Path, output: Path) -> bytes:
    """An output's name in the journal."""
    # By text, which is quicker than by paths; every output's path begins with the folder's.
    return os.fsencode(os.fspath(path).removeprefix(os.path.join(output, "")))


def new_run_folder(root: Path) -> Path:
    """A folder for a run, numbered after all that are there.

    Raises:
        OSError: it cannot be made.
    """
    numbers = [int(each.name) for each in root.iterdir() if each.name.isdecimal()]
    folder = root / str(max(numbers, default=-1) + 1)
    folder.mkdir()
    return folder


def claim(folder: Path) -> IO[str]:
    """Makes a worker's folder; it is the worker's until the returned file is closed.

    Raises:
        OSError: it cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return hold(folder / WRITER_LOCK)


def has_writer(folder: Path) -> bool:
    """Whether a worker may still be writing into a folder of a run, or into one of a worker."""
    return any(has_holder(lock) for lock in folder.rglob(WRITER_LOCK))


def remove_parts(root: Path) -> None:
    """Removes everything but the folders of runs whose workers may still live."""
    for each in root.iterdir():
        if not each.is_dir():
            each.unlink(missing_ok=True)
        elif not has_writer(each):
            shutil.rmtree(each, ignore_errors=True)
