"""A video through the networks: once to find its faces, once to edit them.

The first pass reads every frame, finds the faces and reads their action units. Then each face is
known in all its frames and can be smoothed over time, both ways. The second pass frames, edits and
pastes it back. Only a few frames are in memory at a time, in their order; the detectors work beside
the networks, and ffmpeg reads and writes in processes of its own.
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

from efgan_rt.action_units import FloatArray
from efgan_rt.editing import edit_batches, padded
from efgan_rt.faces.align import warp
from efgan_rt.faces.framing import FaceFramer, Framed
from efgan_rt.faces.paste import paste
from efgan_rt.families.family import Goal
from efgan_rt.lane import SOURCE_AU, BatchEditor
from efgan_rt.pictures.original import Picture, rgb8
from efgan_rt.video.steady import Edit, FaceInFrame, SteadyEdits
from efgan_rt.video.tracks import Sighting, Track, Tracker, smoothed, strengths

SMALL_PX: Final = (32, 18)  # of the grey frame by which new scenes are seen
FRAMES_IN_HAND: Final = 16
# How long a thread waits before it looks whether it is still needed.
LOOK_S: Final = 0.2
T = TypeVar("T")


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
        """How many faces are followed and edited."""
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
) -> FoundFaces:
    """The faces of a video, followed and smoothed.

    Args:
        frames: uint8 RGB (H, W, 3), in order.
        new_framer: makes a framer that takes no picture for a crop; called in each worker's thread.
        editor: reads action units.
        batch: the editor's.
        fps: frames a second.
        most: how many of the largest faces of a frame are taken; None for all.
        workers: detecting threads.
        on_frame: told how many frames are done.
    """
    own = local()

    def look(frame: Picture) -> tuple[tuple[Framed, ...], FloatArray]:
        if not hasattr(own, "framer"):
            own.framer = new_framer()
        small = cv2.resize(frame, SMALL_PX, interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        return own.framer.frame(frame), np.asarray(grey, dtype=np.float32)

    tracker = Tracker(fps)
    count = 0
    waiting: deque[Future[tuple[tuple[Framed, ...], FloatArray]]] = deque()
    seen: list[tuple[tuple[Framed, ...], FloatArray]] = []

    def track_seen() -> None:
        """Reads the action units of the frames seen so far, a whole batch at a time."""
        nonlocal count
        sightings = iter(_sightings([face for faces, _ in seen for face in faces], editor, batch))
        for faces, small in seen:
            tracker.add([next(sightings) for _ in faces], small)
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
) -> Iterator[Picture]:
    """The frames with their faces edited, in order.

    Args:
        frames: the same as those of `find_faces`; changed in place.
        found: what it gave.
        framer: frames the faces.
        editor: runs the networks.
        target: of every face.
        batch: the editor's.
        crop_px: side of the networks' crops.
        fps: frames a second.
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
                paste(frame, edit.framed, steady.edited(edit))
            steady.forget_before(number + 1)
            yield frame

    number = -1
    for number, frame in enumerate(_ahead(frames)):
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
    crops = np.stack([edit.framed.crop for edit in edits])
    goal = {place: np.stack([row] * len(edits)) for place, row in target.places.items()}
    known = {SOURCE_AU: np.stack([edit.face.sighting.units for edit in edits])}
    for rows, result in edit_batches(editor, batch, crops, goal, known=known):
        for row, edit in enumerate(edits[rows]):
            if result.motion is not None:
                edit.motion = result.motion.of(row)
                edit.residual = edit.motion.fields
                continue
            edit.residual = np.subtract(result.pixels[row], edit.framed.crop, dtype=np.int16)


def _sightings(found: Sequence[Framed], editor: BatchEditor, batch: int) -> list[Sighting]:
    """Faces with their action units."""
    sightings = []
    for start in range(0, len(found), batch):
        part = found[start : start + batch]
        units = editor.estimate(padded([np.stack([each.crop for each in part])], batch)).copy()
        for row, framed in enumerate(part):
            assert framed.face is not None, "the framer takes no picture for a crop"
            sightings.append(Sighting(framed.face, units[row]))
    return sightings


def _by_frame(
    tracks: Sequence[Track], scenes: Sequence[int], frames: int, fps: float, most: int | None
) -> dict[int, list[FaceInFrame]]:
    """What is to be edited in each frame: the faces whose tracks are largest."""
    found: defaultdict[int, list[FaceInFrame]] = defaultdict(list)
    for number, track in enumerate(tracks):
        area = track.mean_area
        strength = strengths(track, scenes, frames, fps)
        for at, sighting in enumerate(smoothed(track, fps)):
            face = FaceInFrame(sighting, float(strength[at]), area, number)
            found[track.start + at].append(face)
    return {
        frame: sorted(faces, key=lambda face: -face.area)[:most] for frame, faces in found.items()
    }


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
