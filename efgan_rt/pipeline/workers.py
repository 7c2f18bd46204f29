"""What each kind of thread does: decode pictures, edit batches, encode the results.

A picture that cannot be read or written becomes a `Failure` and the run goes on; a disk that is
full or read-only, an engine that fails, and a bug stop it.
"""

import errno
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Final, Protocol

import numpy as np

from efgan_rt.action_units import FloatArray
from efgan_rt.errors import EfganError
from efgan_rt.expressions import Target
from efgan_rt.images import (
    JPEG_QUALITY,
    MAX_PIXELS,
    Picture,
    from_crop,
    read_original,
    to_crop,
    write_original,
)
from efgan_rt.originals import Original
from efgan_rt.pipeline.channel import Channel
from efgan_rt.pipeline.files import PictureJob
from efgan_rt.pipeline.outcome import Failure, Tally
from efgan_rt.pipeline.slots import ENCODE, WAIT_ENCODER, WAIT_LANE, Item, Slot, SlotRing

# With these no later picture can be written either.
DISK_ERRORS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})


class EditedBatch(Protocol):
    """What an editor gives back; the arrays are the editor's own, overwritten by its next run."""

    @property
    def pixels(self) -> Picture:
        """The edited crops, uint8 (B, crop, crop, 3)."""
        ...

    @property
    def source_au(self) -> FloatArray:
        """The action units that the crops had, float32 (B, K)."""
        ...

    @property
    def seconds(self) -> Mapping[str, float]:
        """The time each network took."""
        ...


class BatchEditor(Protocol):
    """Edits one batch at a time, for one thread: `efgan_rt.cascade.Lane` is one."""

    def run(
        self,
        pixels: Picture,
        scale: FloatArray,
        offset: FloatArray,
        *,
        source_au: FloatArray | None = None,
    ) -> EditedBatch:
        """Edits every picture of a batch.

        Args:
            pixels: uint8 (B, crop, crop, 3).
            scale: float32 (B, K), see `efgan_rt.expressions.Target`.
            offset: float32 (B, K).
            source_au: float32 (B, K), where it is known already from an earlier run.
        """
        ...


@dataclass(frozen=True)
class BatchOptions:
    """How a run treats its files.

    Attributes:
        workers: decoding threads, and as many encoding threads.
        quality: of JPEG and WebP files, 1 to 100.
        overwrite: whether an output that is there already is replaced.
        fail_fast: whether the first failure ends the run.
        max_pixels: the largest picture accepted.
    """

    workers: int = 2
    quality: int = JPEG_QUALITY
    overwrite: bool = False
    fail_fast: bool = False
    max_pixels: int = MAX_PIXELS


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


def decode_pictures(
    source: JobSource, ring: SlotRing, tally: Tally, crop_px: int, max_pixels: int
) -> None:
    """Reads pictures and places them into slots until the source has none left."""
    while (job := source.take()) is not None:
        started = perf_counter()
        try:
            original = read_original(job.source, max_pixels=max_pixels)
        except EfganError as error:
            tally.finish_picture(0, [Failure(job.source, str(error))])
            continue
        crop = to_crop(original.pixels, crop_px)
        ring.place(Item(job, original), crop, perf_counter() - started)


def edit_batches(
    editor: BatchEditor,
    targets: Sequence[Target],
    ring: SlotRing,
    rows: Channel[tuple[Slot, int]],
) -> None:
    """Runs ready slots through the networks, once a target, and hands on their rows."""
    while (slot := ring.ready.take()) is not None:
        slot.note_wait(WAIT_LANE)
        batch = len(slot.pixels)
        source_au: FloatArray | None = None
        for target, edited in zip(targets, slot.edited, strict=True):
            scale = np.tile(target.scale, (batch, 1))
            offset = np.tile(target.offset, (batch, 1))
            result = editor.run(slot.pixels, scale, offset, source_au=source_au)
            edited[:] = result.pixels
            if source_au is None:
                # What a face shows does not depend on the target: read once, then handed back.
                source_au = result.source_au.copy()
            for network, seconds in result.seconds.items():
                slot.add_seconds(network, seconds)
        slot.hand_over()
        for row in range(len(slot.items)):
            rows.put((slot, row))


def encode_pictures(
    rows: Channel[tuple[Slot, int]],
    ring: SlotRing,
    tally: Tally,
    options: BatchOptions,
) -> None:
    """Writes the edits of each row, and frees a slot with its last row.

    Raises:
        EfganError: the disk is full or read-only.
    """
    while (task := rows.take()) is not None:
        slot, row = task
        slot.note_wait(WAIT_ENCODER)
        started = perf_counter()
        failures = _write_row(slot, row, options)
        slot.add_seconds(ENCODE, perf_counter() - started)
        tally.finish_picture(len(slot.edited) - len(failures), failures)
        if slot.finish_row():
            ring.give_back(slot)


def _write_row(slot: Slot, row: int, options: BatchOptions) -> list[Failure]:
    item, crop = slot.items[row], slot.pixels[row]
    original = item.original
    failures = []
    for path, edited in zip(item.job.outputs, slot.edited[:, row], strict=True):
        try:
            pixels = from_crop(original.pixels, crop, edited)
            _write(path, original.with_pixels(pixels), options)
        except EfganError as error:
            if isinstance(error.__cause__, OSError) and error.__cause__.errno in DISK_ERRORS:
                raise
            failures.append(Failure(item.job.source, str(error)))
    return failures


def _write(path: Path, original: Original, options: BatchOptions) -> None:
    """Writes one output, unless a file has come to be there since the plan was checked."""
    if not options.overwrite and os.path.lexists(path):
        raise EfganError(
            f"{path}: has come to be there during the run; replace it with --overwrite"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EfganError(f"{path.parent}: cannot be made a folder: {error.strerror}") from error
    write_original(path, original, quality=options.quality)
