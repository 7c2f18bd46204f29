"""Directories edited the way people do who have the networks and nothing else: a loop over files.

The opponents of `efgan-rt batch`: read a batch of pictures, run the networks, write the results,
take the next ones. Nothing overlaps but what the runtime overlaps by itself. Crops only, and no
resuming, checking or reports: what a loop leaves out counts for it.
"""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import cv2
import numpy as np

from efgan_rt.expressions import Target, target_places
from efgan_rt.families.cascade import AU_ESTIMATOR, INTERPOLATOR, stage_name
from efgan_rt.lane import SOURCE_AU, ByteArray, Edited, even_progress
from efgan_rt.pictures.read import read_picture
from efgan_rt.pictures.write import encode_picture
from engines.base import Array
from engines.directory import EngineDirectory
from engines.manifest import Manifest
from engines.runtimes import import_onnxruntime


class LoopEditor(Protocol):
    """What a loop asks of whatever runs the networks."""

    def run(self, pixels: ByteArray, goal: Mapping[str, Array]) -> Edited:
        """Edits a batch; see `efgan_rt.lane.BatchEditor.run`."""
        ...


def edit_files(
    editor: LoopEditor, target: Target, files: Sequence[Path], out: Path, *, batch: int
) -> float:
    """Edits files one batch after the other; gives pictures a second.

    Args:
        editor: takes batches of exactly `batch` pictures; the last one is padded.
        target: what to make of every picture.
        files: pictures of the networks' size.
        out: an existing folder; results have the inputs' names.
        batch: pictures in a run.
    """
    scale, offset = (np.tile(each, (batch, 1)) for each in (target.scale, target.offset))
    waiting = iter(files)
    started = perf_counter()
    while chunk := list(islice(waiting, batch)):
        pictures = [read_picture(path) for path in chunk]
        pictures += [pictures[-1]] * (batch - len(chunk))
        edited = editor.run(np.stack(pictures), target_places(scale, offset)).pixels
        for path, pixels in zip(chunk, edited, strict=False):
            (out / path.name).write_bytes(encode_picture(path.suffix, pixels))
    return len(files) / (perf_counter() - started)


def open_sessions(
    directory: Path, manifest: Manifest, stages: int, threads: int
) -> Mapping[str, Any]:
    """A session of ONNX Runtime for each network, for every batch.

    Args:
        directory: an engine directory.
        manifest: of it.
        stages: of its cascade.
        threads: of a run; the runtime's own default is one for each physical core.
    """
    ort = import_onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    names = (AU_ESTIMATOR, INTERPOLATOR, *map(stage_name, range(1, stages + 1)))
    return {
        name: ort.InferenceSession(
            EngineDirectory(directory, manifest).model(name),
            options,
            providers=["CPUExecutionProvider"],
        )
        for name in names
    }


class SessionLoop:
    """The ONNX files in ONNX Runtime with its defaults, one after the other; a `LoopEditor`."""

    def __init__(self, sessions: Mapping[str, Any], stages: int, batch: int) -> None:
        self._stages = stages
        self._progress = even_progress(stages, batch)
        self._sessions = sessions

    def run(self, pixels: ByteArray, goal: Mapping[str, Array]) -> Edited:
        """See `LoopEditor.run`; the arrays are the caller's own."""
        (source,) = self._sessions[AU_ESTIMATOR].run(["au"], {"pixels": pixels})
        asked = {
            "source_au": source,
            **goal,
            "progress": self._progress,
        }
        (stage_au,) = self._sessions[INTERPOLATOR].run(["stage_au"], asked)
        picture = {"pixels": pixels}
        wanted = ["image_out", "pixels_out", "attention"]
        for number in range(1, self._stages + 1):
            given = picture | {"au": stage_au[number - 1]}
            image, edited, attention = self._sessions[stage_name(number)].run(wanted, given)
            picture = {"image_in": image}
        return Edited(edited, {SOURCE_AU: source}, stage_au, attention, {})


def largest_difference(first: Path, second: Path) -> int | None:
    """In levels, over all pictures that have the same name in both folders; None without any."""
    found = []
    for path in sorted(first.iterdir()):
        if not (second / path.name).exists():
            continue
        one, other = (cv2.imread(str(folder / path.name)) for folder in (first, second))
        assert one is not None and other is not None, f"{path.name}: no picture"
        found.append(int(np.abs(one.astype(int) - other).max()))
    return max(found, default=None)
