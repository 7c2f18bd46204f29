"""What an encoding thread does: a picture's edited faces put back into it, written and published.

An output that cannot be written becomes a `Failure` and the run goes on; a disk that is full or
read-only stops it.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import perf_counter

from efgan_rt.errors import EfganError
from efgan_rt.pictures.animation import encode_animation
from efgan_rt.pictures.header import FORMAT_OF, format_of
from efgan_rt.pictures.mark import marked_original
from efgan_rt.pictures.original import Original, Pixels
from efgan_rt.pictures.write import JPEG_QUALITY, encode_original
from efgan_rt.pipeline.faces import copy_recipe
from efgan_rt.pipeline.items import Item
from efgan_rt.pipeline.outcome import (
    Failure,
    PictureResult,
    Status,
    Tally,
    reason_of,
    status_of,
)
from efgan_rt.pipeline.parts import Staged
from efgan_rt.pipeline.pasting import Paster
from efgan_rt.pipeline.publish import StagedPicture, is_disk_error
from efgan_rt.pipeline.reserve import Reserve
from efgan_rt.pipeline.resume import Need
from efgan_rt.pipeline.run_state import RunState
from efgan_rt.pipeline.sidecars import copy_sidecars
from efgan_rt.pipeline.stages import ENCODE, PASTE, VIEW, WAIT_ENCODER, BatchTimes
from efgan_rt.pipeline.views import ItemViewer, PictureView


def encode_pictures(state: RunState, reserve: Reserve, replace: Callable[[], None]) -> None:
    """Writes and publishes the edits of each picture that is ready.

    Args:
        state: what the threads share.
        reserve: the stage's threads.
        replace: starts another thread in this one's place, once this one has been given up.

    Raises:
        EfganError: the disk is full or read-only.
    """
    reserve.wait()
    while (item := state.ready.take()) is not None:
        with reserve.at_work():
            _encode(state, item, replace)
        reserve.wait()
    reserve.end()


def _encode(state: RunState, item: Item, replace: Callable[[], None]) -> None:
    times = item.times or BatchTimes()  # nobody's, for a picture that is copied
    times.note_wait(WAIT_ENCODER, item.ready_at)
    viewer = ItemViewer(item, state.products, state.crop_px) if state.views else None
    view: PictureView | None = None

    def let_go() -> None:
        times.finish()
        item.release()
        item.share.give_back()

    def give_up(reason: str) -> None:
        state.tally.fail(item.job.source, reason)
        let_go()
        replace()

    def finish(not_renamed: list[Failure]) -> None:
        all_failures = [*failures, *not_renamed]
        if state.options.sidecars and not all_failures:
            all_failures += _copy_sidecars(state, item)
        _finish_picture(state.tally, item, all_failures, view)
        let_go()  # not before, so that the budget bounds what is not yet published, too

    paster = Paster(item, state.move, state.canvases)
    started = perf_counter()
    with state.watchdog.over(f"{item.job.source}: encoding", give_up):
        staged, failures = _stage_outputs(state, item, paster, viewer)
        view = viewer.view() if viewer else None
    seconds = perf_counter() - started
    if viewer:
        times.add(VIEW, viewer.seconds)
        seconds -= viewer.seconds
    if item.is_photograph:
        times.add(PASTE, paster.seconds)
        seconds -= paster.seconds
    times.add(ENCODE, seconds)
    with state.watchdog.over(f"{item.job.source}: recording and renaming its outputs"):
        state.publisher.publish(StagedPicture(item.job.source, staged, finish))


def _stage_outputs(
    state: RunState, item: Item, paster: Paster, viewer: ItemViewer | None
) -> tuple[tuple[Staged, ...], list[Failure]]:
    staged = []
    failures = []
    for number, path in enumerate(item.job.outputs):
        if item.work.needs[number] is Need.DONE:
            continue
        try:
            recipe = item.job.recipes[number]
            shots = state.products[number].shots
            if not item.is_left(shots):
                data, last = _encoded(state, paster, shots, path.suffix)
            else:
                data = _copied(state, item, path, animated=len(shots) > 1)
                last = item.original.pixels
                if not item.framed:
                    recipe = copy_recipe(recipe)
            if viewer:
                viewer.add(number, last)
            staged.append(
                state.publisher.stage(
                    path,
                    data,
                    input_sha256=item.digest,
                    input_stamp=item.work.stamp or "",
                    recipe=recipe,
                    ours=item.work.ours[number],
                    times_of=item.job.source if state.options.keep_times else None,
                )
            )
        except Exception as error:
            if isinstance(error, EfganError) and is_disk_error(error):
                raise
            failures.append(Failure(item.job.source, reason_of(path, error), path))
    return tuple(staged), failures


def _encoded(
    state: RunState, paster: Paster, shots: Sequence[int], extension: str
) -> tuple[memoryview | bytes, Pixels]:
    """The bytes of a still, or of an animation of several shots; and the last shot's pixels."""
    made: list[Pixels] = []  # one at a time, for they may be large

    def frames() -> Iterator[Original]:
        for shot in shots:
            made[:] = [paster.edited(shot)]
            frame = paster.item.original.with_pixels(made[0])
            yield marked_original(frame) if state.options.mark else frame

    quality = state.options.quality
    if len(shots) == 1:
        data = encode_original(extension, next(frames()), quality=quality, jpeg=state.jpeg)
    else:
        play = state.options.playback
        data = encode_animation(extension, frames(), play, quality=quality or JPEG_QUALITY)
    return data, made[0]


def _copied(state: RunState, item: Item, path: Path, *, animated: bool) -> memoryview | bytes:
    """The file of a picture of which no face is edited: its own bytes, but for another format."""
    if FORMAT_OF.get(path.suffix.lower()) == format_of(item.copied):
        return item.copied
    if animated:
        quality = state.options.quality or JPEG_QUALITY
        play = state.options.playback
        return encode_animation(path.suffix, [item.original], play, quality=quality)
    return encode_original(path.suffix, item.original, quality=state.options.quality)


def _copy_sidecars(state: RunState, item: Item) -> list[Failure]:
    options, failures = state.options, []
    for output in item.job.outputs:
        try:
            copy_sidecars(item.job.source, output, mark=options.mark, overwrite=options.overwrite)
        except EfganError as error:
            failures.append(Failure(item.job.source, str(error), output))
    return failures


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
    if not failures and item.is_left([shot for shot in item.wanted]):
        status = Status.LEFT if item.framed else Status.COPIED
    notes = item.original.notes if item.framed else ()
    result = PictureResult(
        item.job.source, status, outputs, tuple(failures), item.faces, view, notes
    )
    tally.finish_picture(result, written=written)
