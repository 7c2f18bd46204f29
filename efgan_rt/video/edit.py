"""A video through the networks: once to find its faces, once to edit them.

The first pass reads every frame, finds the faces and reads their action units. Then each face is
known in all its frames and can be smoothed over time, both ways. The second pass frames, edits and
pastes it back. Only a few frames are in memory at a time, in their order; the detectors work beside
the networks, and both passes can go on where an earlier run ended.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, Full, Queue
from threading import Event, Thread, local
from typing import Final, TypeVar

import cv2
import numpy as np

from efgan_rt.editing import edit_batches, padded
from efgan_rt.faces.align import warp
from efgan_rt.faces.exposure import from_network, to_network
from efgan_rt.faces.framing import FaceFramer, Framed
from efgan_rt.faces.motion_paste import MotionPaste, Move
from efgan_rt.faces.paste import paste
from efgan_rt.families.family import Goal
from efgan_rt.lane import SOURCE_AU, BatchEditor
from efgan_rt.pictures.original import Picture, rgb8
from efgan_rt.video.steady import Edit, FaceInFrame, SteadyEdits
from efgan_rt.video.tracks import (
    Sighting,
    Track,
    Tracker,
    largest_people,
    people,
    smoothed,
    strengths,
)
from engines.arrays import FloatArray

SMALL_PX: Final = (32, 18)  # of the grey frame by which new scenes are seen
FRAMES_IN_HAND: Final = 16
# How long a thread waits before it looks whether it is still needed.
LOOK_S: Final = 0.2
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class SearchedFrame:
    """What the first pass keeps of a frame.

    Attributes:
        sightings: its faces.
        change: how much it differs from the frame before, in levels, over a few grey pixels.
    """

    sightings: tuple[Sighting, ...]
    change: float


@dataclass(frozen=True)
class FoundFaces:
    """The faces of a video.

    Attributes:
        frames: how many frames it has.
        faces: by frame, the largest first; a frame without any is not there.
    """

    frames: int
    faces: dict[int, list[FaceInFrame]]

    @property
    def followed(self) -> int:
        """How many people are followed and edited."""
        return len({face.track for faces in self.faces.values() for face in faces})


def find_faces(
    frames: Iterable[Picture],
    new_framer: Callable[[], FaceFramer],
    editor: BatchEditor,
    *,
    batch: int,
    fps: float,
    most: int | None = None,
    workers: int = 2,
    on_frame: Callable[[int], None] = lambda _: None,
    known: Sequence[SearchedFrame] = (),
    keep: Callable[[SearchedFrame], None] = lambda _: None,
) -> FoundFaces:
    """The faces of a video, followed and smoothed.

    Args:
        frames: uint8 RGB (H, W, 3), in order; the last one that is known, where there are any, and
            all after it.
        new_framer: makes a framer that takes no picture for a crop; called in each worker's thread.
        editor: reads action units.
        batch: the editor's.
        fps: frames a second.
        most: how many people are taken, those who fill most of a scene; None for all.
        workers: detecting threads.
        on_frame: told how many frames are done.
        known: what an earlier run kept of the first frames.
        keep: given each frame's part of the result, in their order.
    """
    own = local()

    def look(frame: Picture) -> tuple[tuple[Framed, ...], FloatArray]:
        if not hasattr(own, "framer"):
            own.framer = new_framer()
        return own.framer.frame(frame), _few_pixels(frame)

    tracker = Tracker(fps)
    count = len(known)
    for earlier in known:
        tracker.add(earlier.sightings, earlier.change)
    frames = iter(frames)
    before = _few_pixels(next(frames)) if known else None
    waiting: deque[Future[tuple[tuple[Framed, ...], FloatArray]]] = deque()
    seen: list[tuple[tuple[Framed, ...], FloatArray]] = []

    def track_seen() -> None:
        """Reads the action units of the frames seen so far, a whole batch at a time."""
        nonlocal count, before
        sightings = iter(_sightings([face for faces, _ in seen for face in faces], editor, batch))
        for faces, small in seen:
            change = 0.0 if before is None else float(np.abs(small - before).mean())
            searched = SearchedFrame(tuple(next(sightings) for _ in faces), change)
            tracker.add(searched.sightings, searched.change)
            keep(searched)
            before = small
        count += len(seen)
        seen.clear()
        on_frame(count)

    with ThreadPoolExecutor(workers, thread_name_prefix="efgan-faces") as pool:
        try:
            for frame in _ahead(frames):
                waiting.append(pool.submit(look, frame))
                if len(waiting) > 2 * workers:
                    seen.append(waiting.popleft().result())
                if sum(len(faces) for faces, _ in seen) >= batch or len(seen) >= FRAMES_IN_HAND:
                    track_seen()
            while waiting:
                seen.append(waiting.popleft().result())
            track_seen()
        finally:
            for each in waiting:
                each.cancel()
    tracks = tracker.finish()
    return FoundFaces(count, _by_frame(tracks, tracker.scenes, count, fps, most))


def edit_frames(
    frames: Iterable[Picture],
    found: FoundFaces,
    framer: FaceFramer,
    editor: BatchEditor,
    target: Goal,
    *,
    batch: int,
    crop_px: int,
    fps: float,
    start: int = 0,
    move: Move = MotionPaste.into_region,
) -> Iterator[Picture]:
    """The frames with their faces edited, in order.

    Args:
        frames: those of a video from `start` on; changed in place.
        found: what it gave.
        framer: frames the faces.
        editor: runs the networks.
        target: of every face.
        batch: the editor's.
        crop_px: side of the networks' crops.
        fps: frames a second.
        start: the first one's number; as many as `SteadyEdits.reach` behind it are averaged over
            fewer frames than they would be with those before.
        move: what puts a moved face into its frame.
    """
    steady = SteadyEdits(fps)
    fresh: list[Edit] = []  # not yet through the networks
    held: deque[tuple[int, Picture, list[Edit]]] = deque()

    def run() -> None:
        _run(fresh, editor, target, batch)
        for edit in fresh:
            steady.add(edit)
        fresh.clear()

    def done(until: int) -> Iterator[Picture]:
        """The frames before a number, with their edits in them."""
        while held and held[0][0] < until:
            number, frame, edits = held.popleft()
            for edit in edits:
                paste(frame, edit.framed, steady.edited(edit), move)
            steady.forget_before(number + 1)
            yield frame

    number = start - 1
    for number, frame in enumerate(_ahead(frames), start):
        edits = []
        for face in found.faces.get(number, ()):
            similarity = framer.similarity_of(face.sighting.face)
            crop = rgb8(warp(frame, similarity, crop_px, crop_px))
            edits.append(Edit(number, Framed(similarity, crop, face.sighting.face), face))
        fresh += edits
        held.append((number, frame, edits))
        if len(fresh) >= batch or len(held) >= FRAMES_IN_HAND + steady.reach:
            run()
            yield from done(number + 1 - steady.reach)
    run()
    yield from done(number + 1)


def _run(edits: Sequence[Edit], editor: BatchEditor, target: Goal, batch: int) -> None:
    """The networks over some faces, whose reading is known from before."""
    if not edits:
        return
    crops = np.stack([to_network(edit.framed.crop) for edit in edits])
    goal = {place: np.stack([row] * len(edits)) for place, row in target.places.items()}
    known = {SOURCE_AU: np.stack([edit.face.sighting.units for edit in edits])}
    for rows, result in edit_batches(editor, batch, crops, goal, known=known):
        for row, edit in enumerate(edits[rows]):
            if result.motion is not None:
                edit.motion = result.motion.of(row)
                edit.residual = edit.motion.fields
                continue
            edited = from_network(result.pixels[row], edit.framed.crop)
            edit.residual = np.subtract(edited, edit.framed.crop, dtype=np.int16)


def _sightings(found: Sequence[Framed], editor: BatchEditor, batch: int) -> list[Sighting]:
    """Faces with their action units."""
    sightings = []
    for start in range(0, len(found), batch):
        part = found[start : start + batch]
        crops = np.stack([to_network(each.crop) for each in part])
        units = editor.estimate(padded([crops], batch)).copy()
        for row, framed in enumerate(part):
            assert framed.face is not None, "the framer takes no picture for a crop"
            sightings.append(Sighting(framed.face, units[row]))
    return sightings


def _few_pixels(frame: Picture) -> FloatArray:
    """A frame as a few grey pixels, by which a new scene is seen."""
    small = cv2.resize(frame, SMALL_PX, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), dtype=np.float32)


def _by_frame(
    tracks: Sequence[Track], scenes: Sequence[int], frames: int, fps: float, most: int | None
) -> dict[int, list[FaceInFrame]]:
    """What is to be edited in each frame, the largest first."""
    found: defaultdict[int, list[FaceInFrame]] = defaultdict(list)
    owners = people(tracks, scenes)
    wanted = largest_people(tracks, owners, scenes, most)
    for track, owner in zip(tracks, owners, strict=True):
        if owner not in wanted:
            continue
        area = track.mean_area
        strength = strengths(track, scenes, frames, fps)
        for at, sighting in enumerate(smoothed(track, fps)):
            face = FaceInFrame(sighting, float(strength[at]), area, owner)
            found[track.start + at].append(face)
    return {frame: sorted(faces, key=lambda face: -face.area) for frame, faces in found.items()}


def _ahead(items: Iterable[T], count: int = 4) -> Iterator[T]:
    """The items, the next few of them fetched by another thread meanwhile."""
    queue: Queue[tuple[bool, T | BaseException | None]] = Queue(count)
    stopped = Event()

    def put(is_item: bool, value: T | BaseException | None) -> None:
        while not stopped.is_set():
            try:
                queue.put((is_item, value), timeout=LOOK_S)
                return
            except Full:
                continue

    def fetch() -> None:
        source = iter(items)
        try:
            for item in source:
                put(True, item)
                if stopped.is_set():
                    return
            put(False, None)
        except BaseException as error:
            put(False, error)
        finally:
            if hasattr(source, "close"):
                source.close()

    thread = Thread(target=fetch, name="efgan-ahead", daemon=True)
    thread.start()
    try:
        while True:
            try:
                is_item, value = queue.get(timeout=LOOK_S)
            except Empty:
                continue
            if is_item:
                yield value  # type: ignore[misc]
            elif isinstance(value, BaseException):
                raise value
            else:
                return
    finally:
        stopped.set()
        thread.join()
