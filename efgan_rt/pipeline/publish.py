"""Gives finished outputs their names, each recorded in the journal before it can be seen.

An encoder writes an output into the journal's folder of parts (`stage`), then hands in the outputs
of its picture (`publish`). One thread at a time takes all that is waiting, commits its records, and
has them renamed, side by side where the file system lets one wait; the others go on with their next
picture.
"""

import errno
import os
import shutil
import stat
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Unpack

from efgan_rt.errors import EfganError
from efgan_rt.pipeline.journal import Journal
from efgan_rt.pipeline.outcome import Failure
from efgan_rt.pipeline.parts import FileTimes, Making, Parts, Staged
from efgan_rt.pipeline.side_by_side import SideBySide

PLACERS: Final = 32
# With these no later picture can be written either.
DISK_ERRORS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
# Where a file system knows no hard links.
LINKLESS: Final = frozenset(
    {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
    | ({errno.EINVAL} if os.name == "nt" else set())  # FAT and exFAT
)


@dataclass(frozen=True)
class StagedPicture:
    """A picture's outputs.

    Attributes:
        source: the picture.
        outputs: those that are ready to be renamed.
        finish: told, once that is done, which of them were not renamed.
    """

    source: Path
    outputs: tuple[Staged, ...]
    finish: Callable[[list[Failure]], None]


class GroupPublisher(ABC):
    """Publishes pictures in groups, one thread at a time, wherever their outputs go.

    Args:
        placers: gives the outputs of a group their names.
    """

    def __init__(self, placers: SideBySide) -> None:
        self._waiting: deque[StagedPicture] = deque()
        self._at_work = threading.Lock()
        self._placers = placers

    def publish(self, *pictures: StagedPicture) -> None:
        """Hands in pictures, and publishes what waits unless another thread is at it.

        Raises:
            EfganError: the disk is full or read-only, or the journal cannot be written.
        """
        self._waiting.extend(pictures)
        # Whoever finds the lock taken may leave: its holder looks once more after letting go.
        while self._waiting:
            if not self._at_work.acquire(blocking=False):
                return
            try:
                self._publish_waiting()
            finally:
                self._at_work.release()

    def _publish_waiting(self) -> None:
        pictures = [self._waiting.popleft() for _ in range(len(self._waiting))]
        staged = [output for picture in pictures for output in picture.outputs]
        if staged:
            self._intend(staged)
        faults = iter(self._placers.each(self._fault, staged))
        for picture in pictures:
            failures = []
            for output, error in zip(picture.outputs, faults):  # noqa: B905
                if error is None:
                    continue
                if is_disk_error(error):
                    raise error
                self._drop(output)
                failures.append(Failure(picture.source, str(error), output.path))
            picture.finish(failures)

    def _fault(self, output: Staged) -> EfganError | None:
        """Gives an output its name; gives back why it did not get it."""
        try:
            self._place(output)
        except EfganError as error:
            return error
        return None

    @abstractmethod
    def _intend(self, staged: Sequence[Staged]) -> None:
        """Records outputs before they are placed."""

    @abstractmethod
    def _place(self, output: Staged) -> None:
        """Gives an output its name; for any thread."""

    @abstractmethod
    def _drop(self, output: Staged) -> None:
        """Forgets an output that did not get its name."""


class Publisher(GroupPublisher):
    """Stages and publishes the outputs of a run, for any thread.

    Args:
        journal: of the output folder.
        overwrite: whether a file that is not ours is replaced.
    """

    def __init__(self, journal: Journal, *, overwrite: bool) -> None:
        super().__init__(SideBySide(PLACERS))
        self._journal = journal
        self._overwrite = overwrite
        self._parts = Parts(journal.parts, journal.output)

    def stage(self, path: Path, data: bytes | memoryview, **made: Unpack[Making]) -> Staged:
        """Writes an output under a temporary name.

        Raises:
            EfganError: it cannot be written, or has no times to get; an `OSError` is its cause.
        """
        try:
            return self._parts.write(path, data, **made)
        except OSError as error:
            raise not_written(path, error) from error

    def _intend(self, staged: Sequence[Staged]) -> None:
        self._journal.intend([(each.record, each.part) for each in staged])

    def _drop(self, output: Staged) -> None:
        output.part.unlink(missing_ok=True)
        self._journal.withdraw(output.record)

    def _place(self, output: Staged) -> None:
        """Renames one output, making its folder where that is missing."""
        try:
            try:
                self._rename(output)
            except (FileNotFoundError, NotADirectoryError):
                _make_folder(output.path.parent)
                self._rename(output)
        except OSError as error:
            raise not_written(output.path, error) from error

    def _rename(self, output: Staged) -> None:
        if self._may_replace(output):
            _replace(output.part, output.path)
            return
        try:
            # Unlike a renaming, a link never takes the place of a file.
            _link(output.part, output.path)
        except FileExistsError:
            raise in_the_way(output.path) from None
        except OSError as error:
            if error.errno not in LINKLESS:
                raise
            if os.path.lexists(output.path):
                raise in_the_way(output.path) from error
            _replace(output.part, output.path)
        else:
            os.unlink(output.part)

    def _may_replace(self, output: Staged) -> bool:
        if self._overwrite:
            return True
        if output.ours is None:
            return False
        try:
            found = output.path.lstat()
        except OSError:
            return False
        present = FileTimes(found.st_size, found.st_mtime_ns)
        return stat.S_ISREG(found.st_mode) and present == output.ours


def not_written(path: Path, error: OSError) -> EfganError:
    """The error for an output that the system refuses; to be raised from `error`."""
    text = f"{path}: cannot be written: {error.strerror}"
    if error.errno in DISK_ERRORS:
        text += "; mend that and run the same command again: what is done stays done"
    return EfganError(text)


def is_disk_error(error: EfganError) -> bool:
    """Whether no later picture could be written either."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in DISK_ERRORS


def in_the_way(path: Path) -> EfganError:
    """The error for an output whose name another file has got meanwhile."""
    return EfganError(
        f"{path}: has come to be there, or has changed, during the run; replace it with --overwrite"
    )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EfganError(f"{folder}: cannot be made a folder: {error.strerror}") from error


def _link(part: Path, path: Path) -> None:
    """A second name for a file.

    Raises:
        OSError: it has none, or the system knows no such thing.
    """
    if not hasattr(os, "link"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    os.link(part, path)


def _replace(part: Path, path: Path) -> None:
    """Renames; across file systems, by way of a hidden copy beside the final name."""
    try:
        os.replace(part, path)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy = path.parent / f".efgan-{os.getpid()}-{part.name}.part"
        try:
            shutil.copy2(part, copy)
            os.replace(copy, path)
        finally:
            copy.unlink(missing_ok=True)
        part.unlink()
