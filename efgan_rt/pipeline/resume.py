"""What is left to do for a picture: which of its outputs are there, ours, and up to date."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from efgan_rt.errors import EfganError
from efgan_rt.pipeline.faces import copy_recipe
from efgan_rt.pipeline.files import PictureJob
from efgan_rt.pipeline.fingerprint import content_hash, input_stamp
from efgan_rt.pipeline.parts import FileTimes
from efgan_rt.pipeline.record import Record


class Need(StrEnum):
    """What an output needs."""

    MAKE = "to make"
    AGAIN = "to make again"
    REPLACE = "to replace"
    DONE = "already done"


@dataclass(frozen=True)
class Work:
    """What a picture needs.

    Attributes:
        needs: one an output.
        ours: for each output, the file there that may be replaced, if there is one of ours.
        stamp: of the input, taken before anything of it was read; None if it cannot be reached.
    """

    needs: tuple[Need, ...]
    ours: tuple[FileTimes | None, ...]
    stamp: str | None

    @property
    def is_done(self) -> bool:
        """Nothing needs to be made."""
        return all(need is Need.DONE for need in self.needs)


class OutputRecords(Protocol):
    """What is there under outputs' names, and what is ours of it; a `Journal` is one."""

    def present(self, path: Path) -> Any:
        """What is under an output's name; None for nothing."""
        ...

    def version(self, found: Any) -> FileTimes:
        """What it has to be still, to be replaced."""
        ...

    def find(self, path: Path, found: Any) -> Record | None:
        """Its record, if it is ours and as it was left."""
        ...

    def note_input_stamp(self, record: Record, stamp: str) -> None:
        """Records that an input has another stamp and still the same content."""
        ...


@dataclass(frozen=True)
class Inspector:
    """Compares pictures with the journal; for any thread.

    Attributes:
        journal: of the output folder; None where there is none yet.
        takes_copies: whether the copy of a picture without a face is an output that is done.
    """

    journal: OutputRecords | None
    takes_copies: bool = False

    def inspect(self, job: PictureJob) -> Work:
        """What a picture needs; reads the input only where its stamp leaves doubt."""
        stamp = input_stamp(job.source)
        if self.journal is None:
            return Work((Need.MAKE,) * len(job.outputs), (None,) * len(job.outputs), stamp)
        needs: list[Need] = []
        ours: list[FileTimes | None] = []
        digest: bytes | None = None
        for path, recipe in zip(job.outputs, job.recipes, strict=True):
            found = self.journal.present(path)
            if found is None:
                needs.append(Need.MAKE)
                ours.append(None)
                continue
            record = self.journal.find(path, found)
            if record is None:
                needs.append(Need.REPLACE)
                ours.append(None)
                continue
            ours.append(self.journal.version(found))
            is_right = self._is_right(record, recipe)
            if is_right and record.input_stamp != stamp and digest is None:
                digest = _digest(job.source)
            needs.append(self._need(record, is_right, stamp, digest))
        return Work(tuple(needs), tuple(ours), stamp)

    def _is_right(self, record: Record, recipe: bytes) -> bool:
        if record.recipe == recipe:
            return True
        return self.takes_copies and record.recipe == copy_recipe(recipe)

    def _need(
        self, record: Record, is_right: bool, stamp: str | None, digest: bytes | None
    ) -> Need:
        if not is_right or stamp is None:
            return Need.AGAIN
        if record.input_stamp == stamp:
            return Need.DONE
        if record.input_sha256 != digest:
            return Need.AGAIN
        assert self.journal is not None
        self.journal.note_input_stamp(record, stamp)
        return Need.DONE


def confirmed_digest(source: Path, work: Work, data: bytes) -> bytes:
    """The sha256 of an input that has been decoded, once it is sure that it still is that input.

    Args:
        source: the input.
        work: found before it was read.
        data: what was read and decoded.

    Raises:
        EfganError: the input has changed or vanished since `work` was found.
    """
    stamp = input_stamp(source)
    if stamp is None:
        raise EfganError(
            f"{source}: vanished while it was being read; "
            "leave the input folder alone while a run is at work"
        )
    if stamp != work.stamp:
        raise EfganError(
            f"{source}: changed while it was being read; "
            "run the same command again once nothing writes to it"
        )
    return hashlib.sha256(data).digest()


def _digest(path: Path) -> bytes | None:
    try:
        return content_hash(path)
    except OSError:
        return None
