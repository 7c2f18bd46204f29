"""A video file in, the same with its faces edited out: picture by H.264, the rest as it is.

The output appears under its name when it is whole; until then, what is done is kept beside it, and
the same command goes on from there. Like an edited picture it carries the mark that says so, where
its container has a place for one.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

from efgan_rt.errors import EfganError
from efgan_rt.faces.framing import FaceFramer
from efgan_rt.faces.motion_paste import MotionPaste, Move
from efgan_rt.families.family import Goal
from efgan_rt.lane import BatchEditor
from efgan_rt.pictures.containers import MP4_EXTENSIONS, mp4_xmp_box, video_tags
from efgan_rt.pictures.mark import marked
from efgan_rt.pictures.original import NONE, Picture
from efgan_rt.pipeline.fingerprint import input_stamp
from efgan_rt.video.edit import FoundFaces, SearchedFrame, edit_frames, find_faces
from efgan_rt.video.reader import VideoFacts, read_film, read_frames
from efgan_rt.video.steady import SteadyEdits
from efgan_rt.video.streams import CONTAINERS, StreamPlan, join
from efgan_rt.video.unfinished import PART_FRAMES, KnownFrame, Unfinished
from efgan_rt.video.writer import VideoWriter


@dataclass(frozen=True)
class VideoResult:
    """What became of a video.

    Attributes:
        frames: how many it has.
        edited: in how many of them a face was edited.
        faces: how many faces were followed and edited.
        seconds: wall clock.
    """

    frames: int
    edited: int
    faces: int
    seconds: float


def check_output(source: Path, output: Path, *, overwrite: bool) -> None:
    """Refuses, before any work, what cannot or must not be written.

    Raises:
        EfganError: the name says no container, is the input's, or is taken.
    """
    if output.suffix.lower() not in CONTAINERS:
        known = " ".join(CONTAINERS)
        raise EfganError(f"{output}: names no video that can be written; expected one of {known}")
    if output.exists() and source.exists() and output.samefile(source):
        raise EfganError(f"{output}: is the input; choose another name")
    if os.path.lexists(output) and not overwrite:
        raise EfganError(f"{output}: is there already; replace it with --overwrite")


def edit_video(
    source: Path,
    output: Path,
    facts: VideoFacts,
    plan: StreamPlan,
    target: Goal,
    editor: BatchEditor,
    new_framer: Callable[[], FaceFramer],
    *,
    batch: int,
    crop_px: int,
    most: int | None = None,
    quality: int = 95,
    mark: bool = True,
    workers: int = 2,
    move: Move = MotionPaste.into_region,
    recipe: Mapping[str, Any] | None = None,
    on_search: Callable[[int], None] = lambda _: None,
    on_edit: Callable[[int], None] = lambda _: None,
) -> VideoResult:
    """Edits the faces of a video.

    Args:
        source: the video.
        output: the file to write, replaced if it is there.
        facts: of the source, by `reader.probe`.
        plan: of `streams.plan_streams`.
        target: of every face.
        editor: runs the networks.
        new_framer: makes a framer that takes no picture for a crop, for a thread of its own.
        batch: the editor's.
        crop_px: side of the networks' crops.
        most: how many people of a scene are edited, the largest; None for all.
        quality: 1 to 100.
        mark: whether the output says that it was edited.
        workers: detecting threads.
        move: what puts a moved face into its frame.
        recipe: plain values that say what editor and framer are, by which an interrupted run is
            known again; None where nothing of such a one shall be taken over.
        on_search: told how many frames have been searched.
        on_edit: told how many frames have been written.

    Raises:
        EfganError: the video cannot be read or written, or shows no face, or another run is at
            work on this output.
        EngineError: an engine failed.
    """
    started = perf_counter()
    search = {
        "source": input_stamp(source),
        "recipe": recipe,
        "run": None if recipe else os.getpid(),
    }
    edit = {
        "target": {place: row.tolist() for place, row in target.places.items()},
        "most": most,
        "quality": quality,
    }
    whole = output.with_name(f".efgan-{os.getpid()}{output.suffix}")
    try:
        with Unfinished(output, search, edit) as unfinished:
            times = [(each.time, each.duration) for each in unfinished.known]
            found = find_faces(
                _searched(source, facts, times),
                new_framer,
                editor,
                batch=batch,
                fps=facts.fps,
                most=most,
                workers=workers,
                on_frame=on_search,
                known=[each.searched for each in unfinished.known],
                keep=_keeper(unfinished, times),
            )
            if not found.faces:
                unfinished.remove()
                raise EfganError(f"{source}: no face found in its {found.frames:,} frames")
            _edit_parts(
                unfinished, source, facts, found, target, editor, new_framer(),
                batch=batch, crop_px=crop_px, quality=quality, move=move, on_edit=on_edit,
            )  # fmt: skip
            join(
                source,
                whole,
                plan,
                unfinished.parts,
                [time for time, _ in times],
                times[-1][1],
                facts.time_base,
                video_tags(output) if mark else {},
            )
            if mark and output.suffix.lower() in MP4_EXTENSIONS:
                with whole.open("ab") as file:
                    file.write(mp4_xmp_box(marked(NONE).xmp))
            os.replace(whole, output)
            unfinished.remove()
    except OSError as error:
        raise EfganError(f"{output}: cannot be written: {error.strerror}") from error
    finally:
        whole.unlink(missing_ok=True)
    return VideoResult(found.frames, len(found.faces), found.followed, perf_counter() - started)


def _searched(source: Path, facts: VideoFacts, times: list[tuple[int, int]]) -> Iterator[Picture]:
    """The frames to search, their times put behind those that are known.

    Where some are known, the last of them comes first.
    """
    known = len(times)
    start = max(known - 1, 0)
    for number, frame in enumerate(read_film(source, facts, start), start):
        if number >= known:
            times.append((frame.time, frame.duration))
        yield frame.pixels


def _keeper(
    unfinished: Unfinished, times: list[tuple[int, int]]
) -> Callable[[SearchedFrame], None]:
    count = len(unfinished.known)

    def keep(searched: SearchedFrame) -> None:
        nonlocal count
        unfinished.keep(KnownFrame(*times[count], searched))
        count += 1

    return keep


def _edit_parts(
    unfinished: Unfinished,
    source: Path,
    facts: VideoFacts,
    found: FoundFaces,
    target: Goal,
    editor: BatchEditor,
    framer: FaceFramer,
    *,
    batch: int,
    crop_px: int,
    quality: int,
    move: Move,
    on_edit: Callable[[int], None],
) -> None:
    """Edits what no earlier run has, part by part."""
    done = min(len(unfinished.parts) * PART_FRAMES, found.frames)
    on_edit(done)
    if done == found.frames:
        return
    # Edits are averaged over neighbours: those of the first frames need the ones before them.
    start = max(done - SteadyEdits(facts.fps).reach, 0)
    frames = edit_frames(
        read_frames(source, facts, start),
        found,
        framer,
        editor,
        target,
        batch=batch,
        crop_px=crop_px,
        fps=facts.fps,
        start=start,
        move=move,
    )
    rest = islice(frames, done - start, None)
    part = unfinished.folder / "part.tmp"
    while done < found.frames:
        with VideoWriter(
            part,
            facts.width,
            facts.height,
            facts.rate,
            quality=quality,
            colours=facts.colours,
            pixel_shape=facts.pixel_shape,
        ) as writer:
            for frame in islice(rest, PART_FRAMES):
                writer.write(frame)
                done += 1
                on_edit(done)
        unfinished.publish(part)
