"""What each kind of thread does: decode pictures, edit batches, encode the results.

A picture that cannot be read or written, for whatever reason, becomes a `Failure` and the run goes
on; a disk that is full or read-only, and an engine that fails, stop it.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from efgan_rt.action_units import FloatArray
from efgan_rt.errors import EfganError
from efgan_rt.expressions import Target
from efgan_rt.images import (
    JPEG_QUALITY,
    MAX_PIXELS,
    Picture,
    decode_original,
    encode_original,
    from_crop,
    read_bytes,
    to_crop,
)
from efgan_rt.pipeline.channel import Channel
from efgan_rt.pipeline.editor import BatchEditor
from efgan_rt.pipeline.files import PictureJob
from efgan_rt.pipeline.outcome import (
    Failure,
    PictureResult,
    Status,
    Tally,
    reason_of,
    status_of,
)
from efgan_rt.pipeline.publish import Publisher, Staged, StagedPicture, is_disk_error
from efgan_rt.pipeline.resume import Inspector, Need, confirmed_digest
from efgan_rt.pipeline.slots import (
    ENCODE,
    MEASURE,
    VIEW,
    WAIT_ENCODER,
    WAIT_LANE,
    Item,
    Slot,
    SlotRing,
)
from efgan_rt.pipeline.views import PictureView, RowViewer, read_batch, view_of_done
from efgan_rt.pipeline.watchdog import DEFAULT_TIMEOUT_S, GivenUpError, Watchdog


@dataclass(frozen=True)
class BatchOptions:
    """How a run treats its files.

    Attributes:
        workers: decoding threads, and as many encoding threads.
        quality: of JPEG and WebP files, 1 to 100.
        overwrite: whether a file that is not ours is replaced.
        fail_fast: whether the first failure ends the run.
        max_pixels: the largest picture accepted.
        timeout_s: what one picture, or one batch in the networks, may take.
    """

    workers: int = 2
    quality: int = JPEG_QUALITY
    overwrite: bool = False
    fail_fast: bool = False
    max_pixels: int = MAX_PIXELS
    timeout_s: float = DEFAULT_TIMEOUT_S


class JobSource:
    """Hands out jobs to the decoders, one at a time, until they run out or the run is stopped."""

    def __init__(self, jobs: Iterator[PictureJob]) -> None:
        self._jobs = jobs
        self._lock = threading.Lock()
        self._stopped = False

    def take(self) -> PictureJob | None:
        """The next job, or None when there is none left."""
        with self._lock:
            return None if self._stopped else next(self._jobs, None)

    def stop(self) -> None:
        """Has every later `take` give None; needs no lock, so a signal's handler may call it."""
        self._stopped = True


@dataclass(frozen=True)
class Workshop:
    """What the threads of a run share; each of them is safe for any thread.

    `views` says whether every picture that is dealt with comes with its `PictureView`.
    """

    source: JobSource
    ring: SlotRing
    rows: Channel[tuple[Slot, int]]
    tally: Tally
    inspector: Inspector
    publisher: Publisher
    watchdog: Watchdog
    options: BatchOptions
    crop_px: int
    views: bool = False


def decode_pictures(shop: Workshop, replace: Callable[[], None]) -> None:
    """Reads the pictures that need something, and places them into slots, until none is left.

    Args:
        shop: what the threads share.
        replace: starts another thread in this one's place, once this one has been given up.
    """
    while (job := shop.source.take()) is not None:
        _decode(shop, job, replace)


def _decode(shop: Workshop, job: PictureJob, replace: Callable[[], None]) -> None:
    def give_up(reason: str) -> None:
        shop.tally.fail(job.source, reason)
        replace()

    started = perf_counter()
    view: PictureView | None = None
    try:
        with shop.watchdog.over(f"{job.source}: decoding", give_up):
            work = shop.inspector.inspect(job)
            if work.is_done:
                if shop.views:
                    view = view_of_done(job, shop.crop_px, shop.options.max_pixels)
            else:
                data = read_bytes(job.source)
                original = decode_original(data, job.source, max_pixels=shop.options.max_pixels)
                crop = to_crop(original.pixels, shop.crop_px)
                digest = confirmed_digest(job.source, work, data)
    except GivenUpError:
        raise
    except Exception as error:
        shop.tally.fail(job.source, reason_of(job.source, error))
        return
    if work.is_done:
        done = PictureResult(job.source, Status.ALREADY, job.outputs, view=view)
        shop.tally.finish_picture(done, written=0)
    else:
        shop.ring.place(Item(job, original, work, digest), crop, perf_counter() - started)


def edit_batches(shop: Workshop, editor: BatchEditor, targets: Sequence[Target]) -> None:
    """Runs ready slots through the networks, once a target, and hands on their rows."""
    while (slot := shop.ring.ready.take()) is not None:
        slot.note_wait(WAIT_LANE)
        batch = len(slot.pixels)
        source_au: FloatArray | None = None
        for number, (target, edited) in enumerate(zip(targets, slot.edited, strict=True)):
            if not slot.wants(number):
                continue
            scale = np.tile(target.scale, (batch, 1))
            offset = np.tile(target.offset, (batch, 1))
            with shop.watchdog.over(f"the networks: a batch with {slot.items[0].job.source}"):
                result = editor.run(slot.pixels, scale, offset, source_au=source_au)
            edited[:] = result.pixels
            if source_au is None:
                # What a face shows does not depend on the target: read once, then handed back.
                source_au = result.source_au.copy()
            for network, seconds in result.seconds.items():
                slot.add_seconds(network, seconds)
            if shop.views:
                started = perf_counter()
                with shop.watchdog.over(f"the networks: a batch with {slot.items[0].job.source}"):
                    slot.readings[number] = read_batch(editor, target, edited, result, source_au)
                slot.add_seconds(MEASURE, perf_counter() - started)
        slot.hand_over()
        for row in range(len(slot.items)):
            shop.rows.put((slot, row))


def encode_pictures(shop: Workshop, replace: Callable[[], None]) -> None:
    """Writes and publishes the edits of each row, and frees a slot with its last row.

    Args:
        shop: what the threads share.
        replace: starts another thread in this one's place, once this one has been given up.

    Raises:
        EfganError: the disk is full or read-only.
    """
    while (task := shop.rows.take()) is not None:
        _encode(shop, *task, replace)


def _encode(shop: Workshop, slot: Slot, row: int, replace: Callable[[], None]) -> None:
    item = slot.items[row]
    crop = slot.pixels[row]
    slot.note_wait(WAIT_ENCODER)
    viewer = RowViewer(item.job, item.work.needs, crop, slot.readings, row) if shop.views else None

    def free_row() -> None:
        if slot.finish_row():
            shop.ring.give_back(slot)

    def give_up(reason: str) -> None:
        shop.tally.fail(item.job.source, reason)
        free_row()
        replace()

    def finish(not_renamed: list[Failure]) -> None:
        _finish_picture(shop.tally, item, [*failures, *not_renamed], view)
        free_row()  # not before, so that the ring bounds what is not yet published, too

    started = perf_counter()
    with shop.watchdog.over(f"{item.job.source}: encoding", give_up):
        staged, failures = _stage_row(shop, item, crop, slot.edited[:, row], viewer)
        view = viewer.view() if viewer else None
    seconds = perf_counter() - started
    if viewer:
        slot.add_seconds(VIEW, viewer.seconds)
        seconds -= viewer.seconds
    slot.add_seconds(ENCODE, seconds)
    with shop.watchdog.over(f"{item.job.source}: recording and renaming its outputs"):
        shop.publisher.publish(StagedPicture(item.job.source, staged, finish))


def _stage_row(
    shop: Workshop, item: Item, crop: Picture, edits: Picture, viewer: RowViewer | None
) -> tuple[tuple[Staged, ...], list[Failure]]:
    staged = []
    failures = []
    for number, path in enumerate(item.job.outputs):
        if item.work.needs[number] is Need.DONE:
            continue
        try:
            pixels = from_crop(item.original.pixels, crop, edits[number])
            edited = item.original.with_pixels(pixels)
            data = encode_original(path.suffix, edited, quality=shop.options.quality)
            if viewer:
                viewer.add(number, edited.pixels)
            staged.append(
                shop.publisher.stage(
                    path,
                    data,
                    input_sha256=item.digest,
                    input_stamp=item.work.stamp or "",
                    recipe=shop.inspector.recipes[number],
                    ours=item.work.ours[number],
                )
            )
        except Exception as error:
            if isinstance(error, EfganError) and is_disk_error(error):
                raise
            failures.append(Failure(item.job.source, reason_of(path, error), path))
    return tuple(staged), failures


def _finish_picture(
    tally: Tally, item: Item, failures: list[Failure], view: PictureView | None
) -> None:
    """Counts a picture whose outputs have been published."""
    needs = item.work.needs
    again = any(need in (Need.AGAIN, Need.REPLACE) for need in needs)
    # Which of several outputs failed is in the reasons; only a whole picture lists its outputs.
    outputs = () if failures else item.job.outputs
    status = status_of(failures, again=again)
    written = sum(need is not Need.DONE for need in needs) - len(failures)
    result = PictureResult(item.job.source, status, outputs, tuple(failures), view)
    tally.finish_picture(result, written=written)
