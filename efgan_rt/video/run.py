"""A video file in, the same with its faces edited out: picture by H.264, sound as it is.

The output appears under its name when it is whole. Like an edited picture it carries the mark that
says so, where its container has a place for one.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Final

from efgan_rt.errors import EfganError
from efgan_rt.faces.framing import FaceFramer
from efgan_rt.families.family import Goal
from efgan_rt.lane import BatchEditor
from efgan_rt.pictures.containers import MP4_EXTENSIONS, mp4_xmp_box, video_tags
from efgan_rt.pictures.mark import marked
from efgan_rt.pictures.original import NONE
from efgan_rt.video.edit import edit_frames, find_faces
from efgan_rt.video.reader import VideoFacts, read_frames
from efgan_rt.video.writer import VideoWriter

OUTPUT_EXTENSIONS: Final = (".mp4", ".m4v", ".mov", ".mkv")
# Sound that these containers hold as it is; other sound becomes AAC.
COPIED_SOUND: Final = ("aac", "mp3", "ac3", "eac3", "alac")


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
    if output.suffix.lower() not in OUTPUT_EXTENSIONS:
        known = " ".join(OUTPUT_EXTENSIONS)
        raise EfganError(f"{output}: names no video that can be written; expected one of {known}")
    if output.exists() and source.exists() and output.samefile(source):
        raise EfganError(f"{output}: is the input; choose another name")
    if os.path.lexists(output) and not overwrite:
        raise EfganError(f"{output}: is there already; replace it with --overwrite")


def edit_video(
    source: Path,
    output: Path,
    facts: VideoFacts,
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
    on_search: Callable[[int], None] = lambda _: None,
    on_edit: Callable[[int], None] = lambda _: None,
) -> VideoResult:
    """Edits the faces of a video.

    Args:
        source: the video.
        output: the file to write, replaced if it is there.
        facts: of the source, by `reader.probe`.
        target: of every face.
        editor: runs the networks.
        new_framer: makes a framer that takes no picture for a crop, for a thread of its own.
        batch: the editor's.
        crop_px: side of the networks' crops.
        most: how many of the largest faces of a frame are edited; None for all.
        quality: 1 to 100.
        mark: whether the output says that it was edited.
        workers: detecting threads.
        on_search: told how many frames have been searched.
        on_edit: told how many frames have been written.

    Raises:
        EfganError: the video cannot be read or written, or shows no face.
        EngineError: an engine failed.
    """
    started = perf_counter()
    found = find_faces(
        read_frames(source, facts),
        new_framer,
        editor,
        batch=batch,
        fps=facts.fps,
        most=most,
        workers=workers,
        on_frame=on_search,
    )
    if not found.faces:
        raise EfganError(f"{source}: no face found in its {found.frames:,} frames")
    frames = edit_frames(
        read_frames(source, facts),
        found,
        new_framer(),
        editor,
        target,
        batch=batch,
        crop_px=crop_px,
        fps=facts.fps,
    )
    part = output.with_name(f".efgan-{os.getpid()}{output.suffix}")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        writer = VideoWriter(
            part,
            facts.width,
            facts.height,
            facts.rate,
            quality=quality,
            colours=facts.colours,
            pixel_shape=facts.pixel_shape,
            sound_of=source if facts.sound else None,
            encode_sound=facts.sound not in COPIED_SOUND,
            tags=video_tags(output) if mark else {},
        )
        with writer:
            for number, frame in enumerate(frames, start=1):
                writer.write(frame)
                on_edit(number)
        if mark and output.suffix.lower() in MP4_EXTENSIONS:
            with part.open("ab") as file:
                file.write(mp4_xmp_box(marked(NONE).xmp))
        os.replace(part, output)
    except OSError as error:
        raise EfganError(f"{output}: cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
    return VideoResult(found.frames, len(found.faces), found.followed, perf_counter() - started)
