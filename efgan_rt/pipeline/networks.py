"""What a lane's thread does: slots of crops through the networks, and back to their pictures.

An engine that fails stops the run, and so does one that hangs.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from time import perf_counter

import numpy as np

from efgan_rt.action_units import FloatArray
from efgan_rt.cascade_properties import AU_ESTIMATOR
from efgan_rt.edited import even_progress
from efgan_rt.images import Picture
from efgan_rt.pipeline.editor import BatchEditor, EditedBatch
from efgan_rt.pipeline.slots import Slot
from efgan_rt.pipeline.stages import MEASURE, WAIT_LANE
from efgan_rt.pipeline.views import read_batch
from efgan_rt.pipeline.workers import Workshop
from efgan_rt.shots import NetworkRun
from efgan_rt.unfolding import Pace, Unfolding


def edit_batches(
    shop: Workshop, editor: BatchEditor, runs: Sequence[NetworkRun], stages: int
) -> None:
    """Runs ready slots through the networks, and hands on pictures whose last face is back.

    Args:
        shop: what the threads share.
        editor: the lane.
        runs: what gives all shots of the run.
        stages: of the editor's cascade.
    """
    while (slot := shop.ring.ready.take()) is not None:
        slot.times.note_wait(WAIT_LANE, slot.sent_at)
        passage = _Passage(shop, editor, slot, stages)
        for run in runs:
            wanted = [shot for shot in run.shots if slot.wants(shot)]
            if wanted:
                passage.edit(run, wanted)
        passage.note_source_au()
        ready = [row.item for row in slot.rows if row.item.finish_face()]
        shop.ring.give_back(slot)
        for item in ready:
            shop.ready.put(item)


class _Passage:
    """One slot's way through the networks, and what is known of its faces meanwhile.

    What a face shows does not depend on the target: its action units are read once, by the first
    run, then handed back. How it unfolds is measured once for each target.
    """

    def __init__(self, shop: Workshop, editor: BatchEditor, slot: Slot, stages: int) -> None:
        self._shop = shop
        self._editor = editor
        self._slot = slot
        self._even = even_progress(stages, len(slot.pixels))
        self._source_au = self._known_source_au()
        self._unfoldings: dict[int, Unfolding] = {}

    def edit(self, run: NetworkRun, wanted: Sequence[int]) -> None:
        """One run of the networks, its pictures copied to where they belong."""
        if run.progress == 0:
            self._hand_out(wanted, [self._slot.pixels] * len(wanted))
            return
        progress = self._progress(run)
        staged = any(run.shots[shot] is not None for shot in wanted)
        result = self._run(run.edit, progress, stages=staged)
        stages = [run.shots[shot] for shot in wanted]
        self._hand_out(
            wanted, [result.pixels if k is None else result.stage_pixels[k - 1] for k in stages]
        )
        if self._shop.views:
            started = perf_counter()
            asked = np.float32(1) if progress is None else progress[:, -1:]
            scale, offset = self._targets(run.edit)
            assert self._source_au is not None, "known, or read by the run"
            with self._watched():
                readings = read_batch(self._editor, result, self._source_au, scale, offset, asked)
            for row, reading in zip(self._slot.rows, readings, strict=False):
                for shot in wanted:
                    row.item.readings[shot, row.face] = reading
            self._slot.times.add(MEASURE, perf_counter() - started)

    def note_source_au(self) -> None:
        """Tells each picture what its faces showed, where the networks had to know."""
        if self._source_au is not None:
            for number, row in enumerate(self._slot.rows):
                row.item.source_au[row.face] = self._source_au[number].copy()

    def _progress(self, run: NetworkRun) -> FloatArray | None:
        """How far each stage goes, float32 (B, S); None for all the way."""
        if run.progress == 1:
            return None
        if run.pace is Pace.UNITS:
            return self._even * np.float32(run.progress)
        if run.edit not in self._unfoldings:

            def edited_at(progress: float) -> Picture:
                return self._run(run.edit, self._even * np.float32(progress)).pixels

            self._unfoldings[run.edit] = Unfolding(self._slot.pixels, edited_at)
        shares = self._unfoldings[run.edit].progress_at(run.progress)
        return self._even * shares[:, np.newaxis]

    def _run(self, edit: int, progress: FloatArray | None, *, stages: bool = False) -> EditedBatch:
        """The networks, once."""
        scale, offset = self._targets(edit)
        with self._watched():
            result = self._editor.run(
                self._slot.pixels,
                scale,
                offset,
                source_au=self._source_au,
                progress=progress,
                stages=stages,
            )
        if self._source_au is None:
            self._source_au = result.source_au.copy()
        self._add_seconds(result.seconds)
        return result

    def _targets(self, edit: int) -> tuple[FloatArray, FloatArray]:
        """Scale and offset of the slot's rows, float32 (B, K) each."""
        targets = [row.item.job.targets[edit] for row in self._slot.rows]
        targets += targets[:1] * (len(self._slot.pixels) - len(targets))
        scale = np.stack([target.scale for target in targets])
        return scale, np.stack([target.offset for target in targets])

    def _hand_out(self, shots: Sequence[int], pictures: Sequence[Picture]) -> None:
        """Copies each shot's pictures to those who want it."""
        for shot, pixels in zip(shots, pictures, strict=True):
            for number, row in enumerate(self._slot.rows):
                if shot in row.item.wanted:
                    row.item.edited[shot][row.face] = pixels[number]

    def _known_source_au(self) -> FloatArray | None:
        """The source AUs of a batch some of whose faces came with theirs; None if none did."""
        rows, pixels = self._slot.rows, self._slot.pixels
        known = [row.item.job.source_au if row.face == 0 else None for row in rows]
        if all(each is None for each in known):
            return None
        if any(each is None for each in known):
            started = perf_counter()
            with self._watched():
                source_au = self._editor.estimate(pixels).copy()
            self._add_seconds({AU_ESTIMATOR: perf_counter() - started})
        else:
            given = known[0]
            assert given is not None
            source_au = np.zeros((len(pixels), len(given)), np.float32)
        for number, each in enumerate(known):
            if each is not None:
                source_au[number] = each
        return source_au

    def _watched(self) -> AbstractContextManager[None]:
        first = self._slot.rows[0].item.job.source
        return self._shop.watchdog.over(f"the networks: a batch with {first}")

    def _add_seconds(self, seconds: Mapping[str, float]) -> None:
        for network, each in seconds.items():
            self._slot.times.add(network, each)
