"""What became of each picture: counts, and the failures as values with their reasons."""

import os
import re
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from efgan_rt.errors import EfganError

if TYPE_CHECKING:
    from efgan_rt.pipeline.items import EditedFace
    from efgan_rt.pipeline.views import PictureView

# Failures are told one by one as they happen; a run keeps this many for its summary.
KEPT_FAILURES: Final = 100
KEPT_REASONS: Final = 50
OTHER_REASONS: Final = "other reasons"


class Status(StrEnum):
    """What became of a picture."""

    DONE = "done"
    AGAIN = "made again"
    ALREADY = "already done"
    COPIED = "copied without a face"
    LEFT = "left as it is"
    SKIPPED = "skipped without a face"
    FAILED = "failed"


@dataclass(frozen=True)
class Failure:
    """A picture, or one output of it, that could not be made.

    Attributes:
        source: the picture.
        reason: why.
        output: the one that is missing; None where that is all of them.
    """

    source: Path
    reason: str
    output: Path | None = None

    @property
    def kind(self) -> str:
        """The reason without what is this picture's own: its names, figures and the remedy."""
        text = self.reason.removeprefix(f"{self.source}: ")
        path, _, rest = text.partition(": ")
        if rest and os.sep in path:  # about an output
            text = rest
        text = re.sub(r"'[^']*'|\"[^\"]*\"", "'...'", text.split(";")[0])
        return re.sub(r"\d[\d,.]*", "N", text)


@dataclass(frozen=True)
class PictureResult:
    """One picture that is dealt with.

    Attributes:
        source: the picture.
        status: of the picture as a whole.
        outputs: the files that are now there and right, whether made now or before.
        failures: why others are not.
        faces: those that were edited, the largest first; none where nothing was done now.
        view: what a page shows of it; None if nobody asked, or nothing could be read.
        notes: what its edit lacks or has otherwise; see `efgan_rt.pictures.original.Original`.
    """

    source: Path
    status: Status
    outputs: tuple[Path, ...]
    failures: tuple[Failure, ...] = ()
    faces: "tuple[EditedFace, ...]" = ()
    view: "PictureView | None" = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """The end of a run.

    Attributes:
        pictures: pictures dealt with, failed ones and those already done included.
        written: files written.
        again: pictures of which a file of an earlier run was made again.
        already: pictures of which nothing was missing or changed.
        copied: pictures without a face that were copied as they are.
        left: pictures of which no face is asked for, copied as they are.
        skipped: pictures without a face that were passed over.
        failed: pictures of which at least one output is missing.
        failures: the first `KEPT_FAILURES` of the failures.
        reasons: how many pictures failed for which kind of reason, the most frequent first.
        faces: found in photographs and edited; whole crops are not counted.
        interrupted: the user stopped the run.
        abandoned: threads of it are still at work, so the process must end without waiting for them
            (native code that is still running may crash an interpreter that shuts down).
        seconds: wall clock.
        notes: what the edits of how many pictures lack or have otherwise, the most frequent first.
    """

    pictures: int
    written: int
    again: int
    already: int
    copied: int
    left: int
    skipped: int
    failed: int
    failures: tuple[Failure, ...]
    reasons: Mapping[str, int]
    faces: int
    interrupted: bool
    abandoned: bool
    seconds: float
    notes: Mapping[str, int] = field(default_factory=dict)

    @property
    def done(self) -> int:
        """Pictures made for the first time."""
        others = self.again + self.already + self.copied + self.left + self.skipped
        return self.pictures - others - self.failed


class Tally:
    """Counts while the run goes on, from any thread.

    Args:
        on_failure: told of every failure, from the thread that met it, one at a time.
        on_picture: told of every picture that is dealt with, likewise.
    """

    def __init__(
        self,
        on_failure: Callable[[Failure], None],
        on_picture: Callable[[PictureResult], None],
    ) -> None:
        self._on_failure = on_failure
        self._on_picture = on_picture
        self._lock = threading.Lock()
        self._written = 0
        self._faces = 0
        self._statuses: Counter[Status] = Counter()
        self._failures: list[Failure] = []
        self._reasons: Counter[str] = Counter()
        self._notes: Counter[str] = Counter()

    @property
    def pictures(self) -> int:
        """Pictures dealt with so far."""
        return self._statuses.total()

    @property
    def failed(self) -> int:
        """Pictures that failed so far."""
        return self._statuses[Status.FAILED]

    def fail(self, source: Path, reason: str) -> None:
        """Counts a picture of which nothing could be made."""
        self.finish_picture(
            PictureResult(source, Status.FAILED, (), (Failure(source, reason),)), written=0
        )

    def finish_picture(self, result: PictureResult, *, written: int) -> None:
        """Counts a picture that is done with, and tells of it and of its failures."""
        with self._lock:
            self._statuses[result.status] += 1
            self._written += written
            self._notes.update(result.notes)
            self._faces += sum(face.box is not None and not face.is_left for face in result.faces)
            for failure in result.failures:
                if len(self._failures) < KEPT_FAILURES:
                    self._failures.append(failure)
                self._on_failure(failure)
            if result.failures:
                kind = result.failures[0].kind
                is_known = kind in self._reasons or len(self._reasons) < KEPT_REASONS
                self._reasons[kind if is_known else OTHER_REASONS] += 1
            self._on_picture(result)

    def outcome(self, *, interrupted: bool, abandoned: bool, seconds: float) -> Outcome:
        """The counts as they stand."""
        with self._lock:
            return Outcome(
                pictures=self._statuses.total(),
                written=self._written,
                again=self._statuses[Status.AGAIN],
                already=self._statuses[Status.ALREADY],
                copied=self._statuses[Status.COPIED],
                left=self._statuses[Status.LEFT],
                skipped=self._statuses[Status.SKIPPED],
                failed=self._statuses[Status.FAILED],
                failures=tuple(self._failures),
                reasons=dict(self._reasons.most_common()),
                faces=self._faces,
                interrupted=interrupted,
                abandoned=abandoned,
                seconds=seconds,
                notes=dict(self._notes.most_common()),
            )


def status_of(failures: Sequence[Failure], *, again: bool) -> Status:
    """The status of a picture of which something was made, or should have been."""
    if failures:
        return Status.FAILED
    return Status.AGAIN if again else Status.DONE


def reason_of(path: Path, error: Exception) -> str:
    """Why a picture failed; what is no `EfganError` is a bug or a lack of memory, and says where.

    Neither takes the run with it: the other pictures may well be without that fault.
    """
    if isinstance(error, EfganError):
        return str(error)
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(last.filename).name}, line {last.lineno}"
    said = f"{type(error).__name__}: {error}".removesuffix(": ")
    return f"{path}: unexpected {said} ({where}); this is a bug in efgan-rt, please report it"
