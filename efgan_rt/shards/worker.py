"""A worker: opens the engines once, then edits shard after shard in one pipeline that never drains.

It reads no journal and gives no output its name. An output is forced to the disk before its record
is handed back.
"""

import os
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import IO, Final, Unpack

from efgan_rt.editing import OpenedSet, busy_lanes
from efgan_rt.engine_sets import compiled_folder
from efgan_rt.errors import EfganError
from efgan_rt.families.registry import family_of
from efgan_rt.pipeline.batch import run_batch
from efgan_rt.pipeline.files import PictureJob
from efgan_rt.pipeline.fingerprint import input_stamp
from efgan_rt.pipeline.outcome import Outcome, PictureResult
from efgan_rt.pipeline.parts import Making, Parts, Staged, claim
from efgan_rt.pipeline.publish import StagedPicture, not_written
from efgan_rt.pipeline.resume import Work
from efgan_rt.pipeline.workers import BatchOptions, Desk
from efgan_rt.reporting.latency import LatencyRecorder
from efgan_rt.requests.faces import FaceOptions, open_faces
from efgan_rt.shards.shard import Made, MadePicture, Shard, ShardJob
from efgan_rt.shots import Product, Shot
from engines.choice import BackendChoice
from engines.directory import EngineDirectory

IDLE_S: Final = 0.05  # with no picture for so long, a part-filled batch is sent off
HAND_IN_S: Final = 0.2
MOST_HANDED_IN: Final = 64
SYNC_THREADS: Final = 4


@dataclass(frozen=True)
class WorkerSetup:
    """All that a worker needs to know, fixed by the coordinator once; plain values.

    Attributes:
        engines: the engine directory.
        choice: backend and precision.
        batch: of the engines.
        threads: of this worker's engines; None is one for each core.
        lanes: batches in flight; None is what keeps the device busy.
        faces: how they are found.
        shots: what is made of each face.
        products: the files made of each picture.
        options: how files are treated.
        views: whether each result has its view.
        output: the folder above all outputs.
    """

    engines: Path
    choice: BackendChoice
    batch: int
    threads: int | None
    lanes: int | None
    faces: FaceOptions
    shots: tuple[Shot, ...]
    products: tuple[Product, ...]
    options: BatchOptions
    views: bool
    output: Path


class _Handed(LatencyRecorder):
    """Keeps measurements until they are handed in."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[tuple[str, float]] = []
        self._keeping = threading.Lock()

    def add(self, stage: str, seconds: float) -> None:
        with self._keeping:
            self._kept.append((stage, seconds))

    def take(self) -> tuple[tuple[str, float], ...]:
        """All since the last time."""
        with self._keeping:
            kept, self._kept = self._kept, []
        return tuple(kept)


class ShardWorker:
    """Edits shards, in threads of its own.

    Args:
        setup: what to do.
        parts: the folder for its part files; made, and held until `close`.
        hand_in: told what is made, from a thread of the worker's.

    Raises:
        EfganError: the parts cannot be written, or faces not be found.
        EngineError: the engines cannot be used.
    """

    def __init__(self, setup: WorkerSetup, parts: Path, hand_in: Callable[[Made], None]) -> None:
        self._setup = setup
        self._hand_in = hand_in
        directory = EngineDirectory(setup.engines)
        self._faces = open_faces(setup.faces, family_of(directory).read(directory))
        self._set = OpenedSet.open(
            directory,
            choice=setup.choice,
            batch=setup.batch,
            threads=setup.threads,
            lanes=setup.lanes or busy_lanes(setup.choice.backend, setup.threads),
            cache_dir=compiled_folder(),
        )
        try:
            self._held: IO[str] = claim(parts)
        except OSError as error:
            raise not_written(parts, error) from error
        self._parts = Parts(parts, setup.output)
        self._jobs: queue.SimpleQueue[tuple[int, ShardJob] | None] = queue.SimpleQueue()
        self._given: dict[Path, tuple[int, ShardJob]] = {}
        self._staged: dict[Path, tuple[Staged, ...]] = {}
        self._made: queue.SimpleQueue[MadePicture | None] = queue.SimpleQueue()
        self._recorder = _Handed()
        self._is_stopped = False

    def give(self, shard: Shard) -> None:
        """Adds a shard to what is to be done; of no picture twice."""
        for each in shard.jobs:
            self._given[each.job.source] = shard.number, each
            self._jobs.put((shard.number, each))

    def finish(self) -> None:
        """Says that no more shards come."""
        self._jobs.put(None)

    def stop(self) -> None:
        """Has no further picture begun."""
        self._is_stopped = True
        self.finish()

    def run(self) -> Outcome:
        """Works until `finish` or `stop`, and all that was begun is handed in.

        Raises:
            EfganError: the disk is full or read-only, or the networks hang.
            EngineError: an engine failed.
            Exception: a bug.
        """
        setup = self._setup
        errors: list[BaseException] = []

        def hand_in() -> None:
            try:
                self._hand_in_all()
            except BaseException as error:
                errors.append(error)
                self.stop()

        handing = threading.Thread(target=hand_in, name="efgan-hand-in", daemon=True)
        handing.start()
        try:
            return run_batch(
                self._coming(),
                [self._set.lane() for _ in range(self._set.lanes)],
                setup.shots,
                setup.products,
                batch=self._set.batch,
                desk=Desk(self, self),
                stages=self._set.stages,
                crop_px=self._set.crop_px,
                faces=self._faces.finding,
                # What lies beside a picture follows its edit's name, which is not ours to give.
                options=replace(setup.options, sidecars=False, fail_fast=False),
                views=setup.views,
                move=self._set.move,
                canvases=self._set.canvases,
                recorder=self._recorder,
                on_picture=self._take_result,
            )
        finally:
            self._made.put(None)
            handing.join()
            if errors:
                raise errors[0]

    def close(self) -> None:
        """Lets go of the parts."""
        self._held.close()

    def _coming(self) -> Iterator[PictureJob | None]:
        while not self._is_stopped:
            try:
                given = self._jobs.get(timeout=IDLE_S)
            except queue.Empty:
                yield None
                continue
            if given is None:
                return
            yield given[1].job

    # What the pipeline sees in place of a journal.

    def inspect(self, job: PictureJob) -> Work:
        """As the coordinator had it, with the input's stamp of now."""
        work = self._given[job.source][1].work
        return work if work.is_done else replace(work, stamp=input_stamp(job.source))

    def stage(self, path: Path, data: bytes | memoryview, **made: Unpack[Making]) -> Staged:
        """Writes an output under a temporary name.

        Raises:
            EfganError: it cannot be written; an `OSError` is its cause.
        """
        try:
            return self._parts.write(path, data, **made)
        except OSError as error:
            raise not_written(path, error) from error

    def publish(self, *pictures: StagedPicture) -> None:
        """Keeps the outputs for the result, which comes at once."""
        for picture in pictures:
            self._staged[picture.source] = picture.outputs
            picture.finish([])

    def _take_result(self, result: PictureResult) -> None:
        number, _ = self._given.pop(result.source)
        staged = self._staged.pop(result.source, ())
        self._made.put(MadePicture(number, result, staged))

    def _hand_in_all(self) -> None:
        """Hands in what is made, group by group, each forced to the disk.

        Raises:
            EfganError: that fails.
        """
        with ThreadPoolExecutor(SYNC_THREADS, "efgan-sync") as pool:
            is_last = False
            while not is_last:
                group, is_last = self._group()
                staged = [each for made in group for each in made.staged]
                for _ in pool.map(_sync, staged):
                    pass
                if staged:
                    _sync_folder(self._parts.folder)
                times = self._recorder.take()
                if group or times:
                    self._hand_in(Made(tuple(group), times))

    def _group(self) -> tuple[list[MadePicture], bool]:
        """Pictures that are made by now, at least one; and whether they are the last."""
        group: list[MadePicture] = []
        until = 0.0
        while len(group) < MOST_HANDED_IN:
            try:
                left_s = max(0.0, until - monotonic()) if group else None
                made = self._made.get(timeout=left_s)
            except queue.Empty:
                return group, False
            if made is None:
                return group, True
            if not group:
                until = monotonic() + HAND_IN_S
            group.append(made)
        return group, False


def _sync(staged: Staged) -> None:
    try:
        # For writing, because Windows forces nothing to the disk that is open for reading.
        descriptor = os.open(staged.part, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise not_written(staged.path, error) from error


def _sync_folder(folder: Path) -> None:
    """Forces the names of new files to the disk, where a folder can be opened for it."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise EfganError(f"{folder}: cannot be written: {error.strerror}") from error
    finally:
        os.close(descriptor)
