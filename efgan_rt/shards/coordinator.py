"""The coordinator: hands out shards, publishes what comes back, and does lost shards again.

It is the process that was started: it owns plan, journal, lock and names. A worker that is lost
takes its shards with it; each is given once more, then to a worker that has nothing else. A shard
that loses that one too is halved, until the picture that does it is left. It is named once
`LOST_BY_A_PICTURE` workers in a row were lost with it: workers are killed for other reasons, too.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, islice
from pathlib import Path
from time import perf_counter
from typing import Final

from efgan_rt.errors import EfganError
from efgan_rt.pipeline.files import PictureJob
from efgan_rt.pipeline.outcome import (
    Failure,
    Outcome,
    PictureResult,
    Status,
    Tally,
    reason_of,
)
from efgan_rt.pipeline.publish import Publisher, StagedPicture
from efgan_rt.pipeline.resume import Inspector, Work
from efgan_rt.pipeline.run_state import BatchOptions
from efgan_rt.pipeline.side_by_side import SideBySide
from efgan_rt.pipeline.sidecars import copy_sidecars
from efgan_rt.reporting.latency import LatencyRecorder
from efgan_rt.shards.shard import (
    Ended,
    Executor,
    LeftOut,
    Lost,
    Made,
    MadePicture,
    Ready,
    Refused,
    Shard,
    ShardJob,
)
from engines.base import EngineError

LARGEST_SHARD: Final = 128
SHARDS_AT_A_WORKER: Final = 2
SHARDS_A_WORKER: Final = 4  # at least, so that none waits long for the others at the end
WAIT_S: Final = 0.1
LOOKED_AT_ONCE: Final = 512  # pictures whose outputs are looked up before messages are read again
LOOKERS: Final = 32
PUBLISHED_AT_ONCE: Final = 4096  # pictures, at about which messages wait for what they bring
LOST_BY_A_PICTURE: Final = 5
# Of workers that end before they have dealt with a single picture.
MOST_STILLBORN: Final = 3
# After so many timeouts of one picture a worker that says nothing is taken for lost.
SILENT_TIMEOUTS: Final = 3


def _ignore(*_: object) -> None:
    """No-op callback."""


def shard_size(pictures: int, workers: int, batch: int) -> int:
    """Paths in a shard, so that every worker gets several and none is smaller than a batch."""
    return max(1, min(LARGEST_SHARD, max(batch, -(-pictures // (workers * SHARDS_A_WORKER)))))


@dataclass
class _Worker:
    """A worker as the coordinator sees it."""

    shards: dict[int, Shard] = field(default_factory=dict)
    is_ready: bool = False
    is_finishing: bool = False
    has_made: bool = False
    heard_at: float = field(default_factory=time.monotonic)

    @property
    def wants_more(self) -> bool:
        if not self.is_ready or self.is_finishing:
            return False
        if any(shard.is_alone for shard in self.shards.values()):
            return False
        return len(self.shards) < SHARDS_AT_A_WORKER


class Coordinator:
    """Runs a batch over workers.

    Args:
        executor: starts and reaches them; closed at the end.
        inspector: compares pictures with the journal.
        publisher: gives outputs their names.
        options: how files are treated.
        size: paths in a shard.
        everything: whether pictures that are done already go to workers as well, for their views.
        recorder: takes the workers' times.
        on_failure: told of each failure.
        on_picture: told of each picture that is dealt with.
        on_progress: told how many pictures are done and how many failed.
        say: told of workers that were lost or left out.
    """

    def __init__(
        self,
        executor: Executor,
        inspector: Inspector,
        publisher: Publisher,
        options: BatchOptions,
        *,
        size: int,
        everything: bool = False,
        recorder: LatencyRecorder | None = None,
        on_failure: Callable[[Failure], None] = _ignore,
        on_picture: Callable[[PictureResult], None] = _ignore,
        on_progress: Callable[[int, int], None] = _ignore,
        say: Callable[[str], None] = _ignore,
    ) -> None:
        self._executor = executor
        self._inspector = inspector
        self._lookers = SideBySide(LOOKERS)
        self._publisher = publisher
        self._options = options
        self._size = size
        self._everything = everything
        self._recorder = recorder or LatencyRecorder()
        self._on_progress = on_progress
        self._say = say
        self._tally = Tally(self._failed(on_failure), on_picture)
        self._jobs: Iterator[PictureJob] = iter(())
        self._has_more = True
        self._numbers = count()
        self._pending: list[ShardJob] = []
        self._again: deque[Shard] = deque()
        self._workers: dict[int, _Worker] = {}
        self._open: dict[int, dict[Path, ShardJob]] = {}  # shard -> its pictures still to come
        self._handed_in: list[StagedPicture] = []
        self._stillborn = 0
        self._is_stopping = False

    def run(self, jobs: Iterator[PictureJob]) -> Outcome:
        """Edits pictures and writes the results.

        Raises:
            EfganError: the disk is full or read-only, the jobs cannot be listed, the networks hang,
                or no worker can work.
            EngineError: an engine failed.
        """
        started = perf_counter()
        self._jobs = jobs
        interrupts = 0
        try:
            while not self._is_over():
                try:
                    self._step()
                except KeyboardInterrupt:
                    interrupts += 1
                    self._stop()
                    if interrupts > 1:
                        break
        finally:
            self._executor.close()
        return self._tally.outcome(
            interrupted=interrupts > 0, abandoned=False, seconds=perf_counter() - started
        )

    def _failed(self, on_failure: Callable[[Failure], None]) -> Callable[[Failure], None]:
        def tell(failure: Failure) -> None:
            on_failure(failure)
            if self._options.fail_fast:
                self._stop()

        return tell

    def _start_workers(self) -> None:
        """Starts workers where some are missing and there is something for them to do."""
        self._look_for_work()
        while (self._pending or self._again) and len(self._workers) < self._executor.size:
            self._workers[self._executor.start()] = _Worker()

    def _is_over(self) -> bool:
        return not self._workers and (self._is_stopping or not self._has_work())

    def _has_work(self) -> bool:
        return self._has_more or bool(self._again or self._open or self._pending)

    def _stop(self) -> None:
        """Begins nothing more: what workers are at comes back."""
        if self._is_stopping:
            return
        self._is_stopping = True
        self._again.clear()
        self._pending.clear()
        for number, worker in self._workers.items():
            worker.is_finishing = True
            self._executor.stop(number)

    def _step(self) -> None:
        if not self._is_stopping:
            self._start_workers()
            self._hand_out()
        is_busy = self._has_more and not self._is_stopping and len(self._pending) < self._size
        received = self._executor.receive(0.0 if is_busy else WAIT_S)
        try:
            while received is not None:
                self._take(*received)
                if len(self._handed_in) >= PUBLISHED_AT_ONCE:
                    break
                received = self._executor.receive(0.0)
        finally:
            self._publish()
        self._end_silent()
        self._on_progress(self._tally.pictures, self._tally.failed)

    def _hand_out(self) -> None:
        """Gives shards to workers that want more, and lets those go for whom there are none."""
        while (number := self._wanting()) is not None:
            shard = self._next_shard(is_idle=not self._workers[number].shards)
            if shard is None:
                break
            self._workers[number].shards[shard.number] = shard
            self._open[shard.number] = {each.job.source: each for each in shard.jobs}
            self._executor.send(number, shard)
        if not self._has_work():
            for number, worker in list(self._workers.items()):
                if not worker.is_ready:  # of what it would have done nothing is left
                    self._executor.kill(number)
                    self._lose(number, worker)
                elif not worker.is_finishing:
                    worker.is_finishing = True
                    self._executor.finish(number)

    def _wanting(self) -> int | None:
        """The worker that wants more and has least."""
        wanting = [number for number, worker in self._workers.items() if worker.wants_more]
        return min(wanting, key=lambda number: len(self._workers[number].shards), default=None)

    def _next_shard(self, *, is_idle: bool) -> Shard | None:
        """The next shard for a worker; None if there is none for it at the moment."""
        for _ in range(len(self._again)):
            shard = self._again.popleft()
            if is_idle or not shard.is_alone:
                return shard
            self._again.append(shard)
        self._look_for_work()
        if self._pending and (len(self._pending) >= self._size or not self._has_more):
            jobs, self._pending = self._pending[: self._size], self._pending[self._size :]
            return Shard(next(self._numbers), tuple(jobs))
        return None

    def _look_for_work(self) -> None:
        """Looks up the next pictures, until there is a shard's worth or the turn is over."""
        if len(self._pending) >= self._size or not self._has_more:
            return
        jobs = list(islice(self._jobs, LOOKED_AT_ONCE))
        self._has_more = len(jobs) == LOOKED_AT_ONCE
        for job, work in zip(jobs, self._lookers.each(self._looked_up, jobs), strict=True):
            if isinstance(work, str):
                self._tally.fail(job.source, work)
            elif work.is_done and not self._everything:
                done = PictureResult(job.source, Status.ALREADY, job.outputs)
                self._tally.finish_picture(done, written=0)
            else:
                self._pending.append(ShardJob(job, work))

    def _looked_up(self, job: PictureJob) -> Work | str:
        """What a picture needs, or why nobody can tell."""
        try:
            return self._inspector.inspect(job)
        except Exception as error:
            return reason_of(job.source, error)

    def _take(self, number: int, message: object) -> None:
        worker = self._workers.get(number)
        if worker is None:
            return  # a last word of one that was lost
        worker.heard_at = time.monotonic()
        match message:
            case Ready():
                worker.is_ready = True
            case Made(pictures, times):
                worker.has_made = worker.has_made or bool(pictures)
                self._hand_in(worker, pictures)
                for stage, seconds in times:
                    self._recorder.add(stage, seconds)
            case Refused(sentence, is_engine, trace):
                if trace:
                    raise RuntimeError(f"a worker failed: {sentence}\n{trace}")
                raise EngineError(sentence) if is_engine else EfganError(sentence)
            case LeftOut(sentence):
                self._say(f"note: left out a worker: {sentence}")
                for _, left in self._lose(number, worker):
                    self._again.append(Shard(next(self._numbers), left))
                if not self._executor.size:
                    raise EfganError(f"no worker is left: {sentence}")
            case Lost(how):
                self._replace(number, worker, how)
            case Ended():
                self._lose(number, worker)

    def _hand_in(self, worker: _Worker, pictures: Sequence[MadePicture]) -> None:
        """Notes that pictures have come back; they are published with those of other messages."""
        for made in pictures:
            waiting = self._open.get(made.shard)
            if waiting is None or waiting.pop(made.result.source, None) is None:
                continue
            if not waiting:
                del self._open[made.shard]
                worker.shards.pop(made.shard, None)
            self._handed_in.append(
                StagedPicture(made.result.source, made.staged, self._finisher(made))
            )

    def _publish(self) -> None:
        """Gives outputs their names, in one commit of the journal."""
        handed, self._handed_in = self._handed_in, []
        if handed:
            self._publisher.publish(*handed)

    def _finisher(self, made: MadePicture) -> Callable[[list[Failure]], None]:
        def finish(not_renamed: list[Failure]) -> None:
            result = made.result
            failures = [*result.failures, *not_renamed]
            if self._options.sidecars and not failures and result.outputs and made.staged:
                failures += self._copy_sidecars(result)
            if failures and len(failures) > len(result.failures):
                result = replace(result, status=Status.FAILED, outputs=(), failures=tuple(failures))
            self._tally.finish_picture(result, written=len(made.staged) - len(not_renamed))

        return finish

    def _copy_sidecars(self, result: PictureResult) -> list[Failure]:
        options, failures = self._options, []
        for output in result.outputs:
            try:
                copy_sidecars(result.source, output, mark=options.mark, overwrite=options.overwrite)
            except EfganError as error:
                failures.append(Failure(result.source, str(error), output))
        return failures

    def _replace(self, number: int, worker: _Worker, how: str) -> None:
        """Does without a lost worker: its shards are done again, by a new one."""
        self._stillborn = 0 if worker.has_made or worker.shards else self._stillborn + 1
        if self._stillborn >= MOST_STILLBORN:
            raise EfganError(
                f"{self._stillborn} worker processes in a row ended before they could work; "
                f"the last one {how}"
            )
        shards = self._lose(number, worker)
        if self._is_stopping:
            return
        if shards:
            self._say(f"note: a worker {how}; what it was at is done again")
        for shard, left in shards:
            lost = shard.lost + 1
            if len(left) == 1 and lost >= LOST_BY_A_PICTURE:
                source = left[0].job.source
                self._tally.fail(
                    source,
                    f"{source}: {lost} processes in a row were lost with it; the last one {how}",
                )
                continue
            half = len(left) // 2 if shard.is_alone else 0
            for part in (left[:half], left[half:]):
                if part:
                    self._again.append(Shard(next(self._numbers), part, lost))

    def _lose(self, number: int, worker: _Worker) -> list[tuple[Shard, tuple[ShardJob, ...]]]:
        """Forgets a worker; its shards, each with the pictures that have not come back."""
        del self._workers[number]
        shards = []
        for shard in worker.shards.values():
            left = self._open.pop(shard.number, {})
            if left:
                shards.append((shard, tuple(left.values())))
        return shards

    def _end_silent(self) -> None:
        """Ends workers that have said nothing for much longer than a picture may take."""
        patience_s = SILENT_TIMEOUTS * self._options.timeout_s + 60
        now = time.monotonic()
        for number, worker in list(self._workers.items()):
            if worker.shards and now - worker.heard_at > patience_s:
                self._executor.kill(number)
                self._replace(number, worker, f"said nothing for {patience_s:.0f} s")
