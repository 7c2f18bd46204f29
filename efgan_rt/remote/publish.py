"""Puts finished outputs into a bucket, each under a condition and recorded before.

An output waits in memory, within the run's budget, until its group is recorded; the group's puts
then go side by side.
"""

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from efgan_rt.pipeline.parts import FileTimes, Staged
from efgan_rt.pipeline.publish import GroupPublisher, in_the_way
from efgan_rt.pipeline.record import Record
from efgan_rt.pipeline.side_by_side import SideBySide
from efgan_rt.remote.journal import ObjectVersion, RemoteJournal
from efgan_rt.remote.path import RemotePath
from efgan_rt.remote.s3 import UnmetError

PUTTERS: Final = 16


@dataclass(frozen=True)
class StagedObject(Staged):
    """An output, whole, in memory."""

    data: bytes | memoryview = b""


class RemotePublisher(GroupPublisher):
    """Stages and publishes the outputs of a run, for any thread.

    Args:
        journal: of the output folder.
        overwrite: whether an object that is not ours is replaced.
    """

    def __init__(self, journal: RemoteJournal, *, overwrite: bool) -> None:
        super().__init__(SideBySide(PUTTERS, waits=True))
        self._journal = journal
        self._overwrite = overwrite
        self._numbers = itertools.count()

    def stage(
        self,
        path: Path,
        data: bytes | memoryview,
        *,
        input_sha256: bytes,
        input_stamp: str,
        recipe: bytes,
        ours: FileTimes | None,
        times_of: Path | None = None,
    ) -> Staged:
        """Keeps an output until it is published; `times_of` is of files alone.

        Raises:
            EfganError: its name cannot be an object's.
        """
        sha256 = hashlib.sha256(data).digest()
        record = Record(
            self._journal.key(path), sha256, len(data), 0, input_sha256, input_stamp, recipe
        )
        return StagedObject(path, Path(str(next(self._numbers))), record, ours, data)

    def _intend(self, staged: Sequence[Staged]) -> None:
        self._journal.intend([each.record for each in staged])

    def _drop(self, output: Staged) -> None:
        """Nothing lies anywhere; whether its record stays, `_place` knows."""

    def _place(self, output: Staged) -> None:
        assert isinstance(output, StagedObject) and isinstance(output.path, RemotePath)
        store, sha256 = self._journal.store, output.record.sha256.hex()
        instead_of = output.ours.etag if isinstance(output.ours, ObjectVersion) else None
        try:
            if self._overwrite:
                etag = store.put_over(output.path, output.data, sha256=sha256)
            else:
                etag = store.put(output.path, output.data, instead_of=instead_of, sha256=sha256)
        except UnmetError:
            self._journal.withdraw(output.record)
            raise in_the_way(output.path) from None
        # After any other fault nobody knows whether it has been put: its record stays.
        self._journal.settle(output.record.path.decode(), sha256, etag, output.record.size)
