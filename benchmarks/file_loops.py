"""Directories edited the way people do who have the networks and nothing else: a loop over files.

The opponents of `efgan-rt batch`: read a batch of pictures, run the networks, write the results,
take the next ones. Nothing overlaps but what the runtime overlaps by itself. Crops only, and no
resuming, checking or reports: what a loop leaves out counts for it.

As a program this is torch.compile in a process of its own, because nothing else can end a
compilation: it takes a line of JSON for each run and answers with one, pictures a second. The first
run at a batch compiles the networks for it, which takes a minute or several.
"""

import json
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Final, Protocol

import cv2
import numpy as np

from benchmarks.kit import ENVIRONMENT, Document
from efgan_rt.errors import EfganError
from efgan_rt.expressions import Target, target_places
from efgan_rt.lane import Edited
from efgan_rt.pictures.read import read_picture
from efgan_rt.pictures.write import encode_picture
from engines.arrays import Array, Bytes

PATIENCE_S: Final = 600.0  # once everything is compiled


class LoopEditor(Protocol):
    """What a loop asks of whatever runs the networks."""

    def run(self, pixels: Bytes, goal: Mapping[str, Array]) -> Edited:
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


class CompiledLoop:
    """The other side of the process: starts it, asks it to edit, ends it where it takes too long.

    Args:
        networks: options of `benchmarks.opponents` that say which networks: width, stages or a
            checkpoint.
        form: precision, and `channels_last` if that.
        target: what to make of every picture.
    """

    def __init__(self, networks: Sequence[str], form: Sequence[str], target: Target) -> None:
        self.is_compiled = False
        self._target = [target.scale.tolist(), target.offset.tolist()]
        which = json.dumps([list(networks), list(form)])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.file_loops", which],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env=ENVIRONMENT,
        )

    def edit(self, batch: int, source: Path, out: Path, *, limit_s: float | None) -> float:
        """Edits all pictures of a folder; gives pictures a second, compiling not counted.

        Args:
            batch: always the same.
            source: the pictures.
            out: an existing folder for the edits.
            limit_s: for compiling and running; None is ten minutes.

        Raises:
            EfganError: the process has failed, or took longer than `limit_s`.
        """
        asked = {"batch": batch, "source": str(source), "out": str(out), "target": self._target}
        assert self._process.stdin is not None and self._process.stdout is not None
        started = time.monotonic()
        limit_s = PATIENCE_S if limit_s is None else max(0.0, limit_s)
        try:
            self._process.stdin.write(json.dumps(asked).encode() + b"\n")
            ready, _, _ = select.select([self._process.stdout], [], [], limit_s)
            if not ready:
                self.close()
                waited = time.monotonic() - started
                raise EfganError(f"batch {batch} was not compiled within {waited:.0f} s")
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = b""
        if not answer:
            raise EfganError(f"its process ended with status {self._process.wait()}")
        self.is_compiled = True
        return float(json.loads(answer)["images_per_s"])

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.communicate()


def answer_requests(which: str) -> None:
    """The process: answers until its input ends."""
    from benchmarks.opponents import networks_of, parse_arguments
    from benchmarks.torch_engine import TorchForm, torch_networks
    from benchmarks.torch_loop import TorchLoop

    arguments, (precision, *layout) = json.loads(which)
    networks = networks_of(parse_arguments(arguments))
    form = TorchForm(precision, compiled=True, channels_last=bool(layout))
    exported = torch_networks(networks, form, "cpu")
    loops: dict[int, TorchLoop] = {}
    for line in sys.stdin:
        asked: Document = json.loads(line)
        batch = asked["batch"]
        scale, offset = (np.asarray(each, np.float32) for each in asked["target"])
        target, files = Target(scale, offset), sorted(Path(asked["source"]).iterdir())
        if batch not in loops:
            loops[batch] = TorchLoop(exported, networks.cascade.config.stages, batch, "cpu")
            edit_files(loops[batch], target, files[:batch], Path(asked["out"]), batch=batch)
        speed = edit_files(loops[batch], target, files, Path(asked["out"]), batch=batch)
        print(json.dumps({"images_per_s": speed}), flush=True)


if __name__ == "__main__":
    answer_requests(sys.argv[1])
