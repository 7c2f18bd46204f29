"""A batch run: decoding, the networks and encoding side by side, in bounded memory.

    jobs -> decoders, which find the faces -> slot of the ring -> lane (the networks, once a target)
         -> encoders, which paste the faces back -> temporary files -> journal -> files

Always a full batch of the engine's fixed size, a part-filled one padded, so that a picture comes
out the same whatever its neighbours. What is in flight is bounded by a budget (`budget`). What the
journal knows to be done is passed over. Failures are values; the first Ctrl-C and `fail_fast`
finish what is in flight and stop there, a second Ctrl-C drops it.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Final

from efgan_rt.choices import NoFace
from efgan_rt.faces.motion_paste import MotionPaste, Move
from efgan_rt.lane import BatchEditor
from efgan_rt.pictures.crop import CROP_PX
from efgan_rt.pictures.device_jpeg import open_coder
from efgan_rt.pipeline.budget import Budget
from efgan_rt.pipeline.channel import Channel
from efgan_rt.pipeline.crew import Crew
from efgan_rt.pipeline.decoders import decode_pictures
from efgan_rt.pipeline.encoders import encode_pictures
from efgan_rt.pipeline.faces import FaceFinding, whole_crops
from efgan_rt.pipeline.files import PictureJob
from efgan_rt.pipeline.items import Item
from efgan_rt.pipeline.journal import Journal
from efgan_rt.pipeline.networks import edit_batches
from efgan_rt.pipeline.outcome import Failure, Outcome, PictureResult, Tally
from efgan_rt.pipeline.publish import Publisher
from efgan_rt.pipeline.reserve import Reserve
from efgan_rt.pipeline.resume import Inspector
from efgan_rt.pipeline.run_state import BatchOptions, Desk, JobSource, RunState
from efgan_rt.pipeline.slots import SlotRing
from efgan_rt.pipeline.watchdog import Watchdog
from efgan_rt.reporting.latency import LatencyRecorder
from efgan_rt.shots import Product, Shot, network_runs, one_shot_each, stills

if TYPE_CHECKING:
    from efgan_rt.faces.device_canvas import DeviceCanvases

# Besides the one in each lane: one being filled, one waiting for a lane.
SPARE_SLOTS: Final = 2
# Batches of pictures in flight besides the one in each lane: those in the spare slots, and one
# being written.
SPARE_BATCHES: Final = SPARE_SLOTS + 1
PROGRESS_INTERVAL_S: Final = 0.1
# What an abandoned run's threads get to leave the decoders and engines that they are in.
GRACE_S: Final = 2.0


def _ignore(*_: object) -> None:
    """Tells nobody."""


def run_batch(
    jobs: Iterator[PictureJob | None],
    editors: Sequence[BatchEditor],
    shots: Sequence[Shot] | None = None,
    products: Sequence[Product] | None = None,
    *,
    batch: int,
    journal: Journal | None = None,
    desk: Desk | None = None,
    stages: int = 1,
    crop_px: int = CROP_PX,
    faces: FaceFinding | None = None,
    options: BatchOptions | None = None,
    views: bool = False,
    move: Move = MotionPaste.into_region,
    canvases: "DeviceCanvases | None" = None,
    recorder: LatencyRecorder | None = None,
    on_failure: Callable[[Failure], None] = _ignore,
    on_picture: Callable[[PictureResult], None] = _ignore,
    on_progress: Callable[[int, int], None] = _ignore,
) -> Outcome:
    """Edits pictures and writes the results.

    Args:
        jobs: the pictures, each with one output and one recipe a product, and its targets; None
            where the next one is not known yet, so that none waits for it.
        editors: one for each lane, at least one; each is used by a thread of its own.
        shots: what is made of each face; one shot of one target if None.
        products: the files made of each picture; a still of each shot if None.
        batch: the editors' fixed batch.
        journal: of the folder above all outputs.
        desk: in place of a journal, where another process has it.
        stages: of the editors' family; matters only to shots that do not go all the way.
        crop_px: the side of the networks' crops.
        faces: how they are found; if None, every picture is a face crop.
        options: how files are treated.
        views: whether each picture's result has its view, for a page; it costs time.
        move: what puts a moved face into its picture.
        canvases: of the same device, for photographs that stay there from decoding to encoding.
        recorder: takes each batch's time by stage.
        on_failure: told of each failure, from a worker's thread, one at a time.
        on_picture: told of each picture that is dealt with, likewise.
        on_progress: told about ten times a second how many pictures are done and how many failed.

    Raises:
        EfganError: the disk is full or read-only, the jobs cannot be listed, the networks hang
            (`HangError`), or what shall decode JPEGs does not work here.
        EngineError: an engine failed.
        Exception: the run itself met a bug; its own exception, with its traceback.
    """
    options = options or BatchOptions()
    faces = faces or whole_crops(crop_px)
    shots = one_shot_each(1) if shots is None else shots
    products = stills(*("" for _ in shots)) if products is None else products
    started = perf_counter()
    if desk is None:
        assert journal is not None, "a run has a journal, or a desk in its place"
        desk = Desk(
            Inspector(journal, takes_copies=faces.no_face is NoFace.COPY),
            Publisher(journal, overwrite=options.overwrite),
        )
    source = JobSource(jobs)
    ready: Channel[Item] = Channel()
    # Each decoder may have one picture in hand on top.
    most_pictures = (len(editors) + SPARE_BATCHES) * batch + options.workers
    budget = Budget(most_pictures, options.memory_bytes, lot=max(1, batch // 2))
    ring = SlotRing(
        len(editors) + SPARE_SLOTS,
        batch=batch,
        crop_px=crop_px,
        recorder=recorder or LatencyRecorder(),
        is_short=lambda: budget.is_short,
    )
    budget.on_shortage = source.on_idle = ring.flush

    def tell(failure: Failure) -> None:
        if options.fail_fast:
            source.stop()
        on_failure(failure)

    decoders, encoders = Reserve(), Reserve()

    def let_go() -> None:
        decoders.end()
        encoders.end()

    def abort() -> None:
        source.stop()
        let_go()
        budget.abort()
        ring.abort()
        ready.abort()

    state = RunState(
        source,
        budget,
        ring,
        ready,
        Tally(tell, on_picture),
        desk.inspector,
        desk.publisher,
        Watchdog(options.timeout_s),
        options,
        products,
        crop_px,
        faces,
        views,
        move,
        canvases,
        open_coder(options.jpeg_codec),
    )
    crew = Crew(abort)

    def decode() -> None:
        decode_pictures(state, decoders, lambda: replace("decode", decode))

    def encode() -> None:
        encode_pictures(state, encoders, lambda: replace("encode", encode))

    def replace(stage: str, body: Callable[[], None]) -> None:
        let_go()
        crew.replace(stage, body)

    def look_around() -> None:
        state.watchdog.check()
        on_progress(state.tally.pictures, state.tally.failed)

    runs = network_runs(shots)
    edit = [partial(edit_batches, state, editor, runs, stages) for editor in editors]
    try:
        crew.start("encode", [encode] * options.workers, then=_ignore)
        crew.start("lane", edit, then=ready.close)
        crew.start("decode", [decode] * options.workers, then=ring.close)
        interrupted = _wait(crew, source, look_around)
    finally:
        abort()  # of no effect on threads that have ended
        ended = crew.join(GRACE_S)
    return state.tally.outcome(
        interrupted=interrupted,
        abandoned=not ended or bool(state.watchdog.given_up),
        seconds=perf_counter() - started,
    )


def _wait(crew: Crew, source: JobSource, report: Callable[[], None]) -> bool:
    """Waits for the crew's end; True if the user interrupted it."""
    interrupts = 0
    while True:
        try:
            if crew.wait(PROGRESS_INTERVAL_S):
                report()
                return interrupts > 0
            report()
        except KeyboardInterrupt:
            interrupts += 1
            source.stop()
            if interrupts > 1:
                return True
