"""What a lane's thread does: slots of crops through the networks, and back to their pictures.

An engine that fails stops the run, and so does one that hangs.
"""

from collections.abc import Mapping, Sequence
from time import perf_counter

import numpy as np

from efgan_rt.action_units import FloatArray
from efgan_rt.cascade_properties import AU_ESTIMATOR
from efgan_rt.edited import even_progress
from efgan_rt.pipeline.editor import BatchEditor
from efgan_rt.pipeline.slots import Slot
from efgan_rt.pipeline.stages import MEASURE, WAIT_LANE
from efgan_rt.pipeline.views import read_batch
from efgan_rt.pipeline.workers import Workshop
from efgan_rt.shots import NetworkRun


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
        source_au = _known_source_au(shop, editor, slot)
        for run in runs:
            wanted = [shot for shot in run.shots if slot.wants(shot)]
            if wanted:
                source_au = _edit(shop, editor, slot, run, wanted, source_au, stages)
        ready = [row.item for row in slot.rows if row.item.finish_face()]
        shop.ring.give_back(slot)
        for item in ready:
            shop.ready.put(item)


def _edit(
    shop: Workshop,
    editor: BatchEditor,
    slot: Slot,
    run: NetworkRun,
    wanted: Sequence[int],
    source_au: FloatArray | None,
    stages: int,
) -> FloatArray:
    """One run of the networks, its pictures copied to where they belong; the source AUs."""
    batch = len(slot.pixels)
    targets = [row.item.job.targets[run.edit] for row in slot.rows]
    targets += targets[:1] * (batch - len(targets))
    scale = np.stack([target.scale for target in targets])
    offset = np.stack([target.offset for target in targets])
    progress = None if run.progress == 1 else even_progress(stages, batch) * run.progress
    staged = any(run.shots[shot] is not None for shot in wanted)
    with shop.watchdog.over(_named(slot)):
        result = editor.run(
            slot.pixels, scale, offset, source_au=source_au, progress=progress, stages=staged
        )
    if source_au is None:
        # What a face shows does not depend on the target: read once, then handed back.
        source_au = result.source_au.copy()
    for shot in wanted:
        stage = run.shots[shot]
        pixels = result.pixels if stage is None else result.stage_pixels[stage - 1]
        for number, row in enumerate(slot.rows):
            if shot in row.item.wanted:
                row.item.edited[shot][row.face] = pixels[number]
    _add_seconds(slot, result.seconds)
    if shop.views:
        started = perf_counter()
        with shop.watchdog.over(_named(slot)):
            readings = read_batch(editor, result, source_au, scale, offset, run.progress)
        for row, reading in zip(slot.rows, readings, strict=False):
            for shot in wanted:
                row.item.readings[shot, row.face] = reading
        slot.times.add(MEASURE, perf_counter() - started)
    return source_au


def _known_source_au(shop: Workshop, editor: BatchEditor, slot: Slot) -> FloatArray | None:
    """The source AUs of a batch some of whose pictures came with theirs; None where none did."""
    known = [row.item.job.source_au if row.face == 0 else None for row in slot.rows]
    if all(each is None for each in known):
        return None
    if any(each is None for each in known):
        started = perf_counter()
        with shop.watchdog.over(_named(slot)):
            source_au = editor.estimate(slot.pixels).copy()
        _add_seconds(slot, {AU_ESTIMATOR: perf_counter() - started})
    else:
        given = known[0]
        assert given is not None
        source_au = np.zeros((len(slot.pixels), len(given)), np.float32)
    for number, each in enumerate(known):
        if each is not None:
            source_au[number] = each
    return source_au


def _named(slot: Slot) -> str:
    return f"the networks: a batch with {slot.rows[0].item.job.source}"


def _add_seconds(slot: Slot, seconds: Mapping[str, float]) -> None:
    for network, each in seconds.items():
        slot.times.add(network, each)
