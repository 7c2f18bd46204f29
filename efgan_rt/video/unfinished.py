"""What an interrupted run leaves for the next: a folder beside the output, gone when it is done.

In it stand what the search found, a line a frame, and the edited frames so far, in parts of some
hundreds. A part has its name when it is whole; of the search's last line a torn half is ignored.
Both stand for one source and one way to search and to edit it; what belongs to another is thrown
away. The frames of a part do not depend on where a run began, so that a film that was resumed is
the film of one run.
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from efgan_rt.faces.detect import Face
from efgan_rt.pipeline.lock import take_lock
from efgan_rt.video.edit import SearchedFrame
from efgan_rt.video.tracks import Sighting

PART_FRAMES: Final = 250
REVISION: Final = 1  # raised by whoever changes what stands in the folder


@dataclass(frozen=True, eq=False)
class KnownFrame:
    """A frame that has been searched: when it is shown and what the search found.

    Attributes:
        time: in the video's time base.
        duration: likewise; 0 where the file does not say.
        searched: what was found.
    """

    time: int
    duration: int
    searched: SearchedFrame


class Unfinished:
    """The folder of one output, held by one run at a time; a context manager.

    Attributes:
        known: the frames that an earlier run has searched.
        parts: the parts that it has edited, in order.
    """

    def __init__(self, output: Path, search: Mapping[str, Any], edit: Mapping[str, Any]) -> None:
        """Opens the folder, or makes it.

        Args:
            output: the file to be written.
            search: plain values on which the search depends, the source among them.
            edit: those on which the edit depends as well.

        Raises:
            EfganError: another run is at work on this output.
            OSError: the folder cannot be made or read.
        """
        self.folder = output.with_name(f".{output.name}.efgan-rt")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = take_lock(self.folder / "lock", self.folder)
        self._lines = self.folder / "faces.jsonl"
        values = {"revision": REVISION, "search": dict(search), "edit": dict(edit)}
        was = self._read_recipe()
        if was.get("revision") != REVISION or was.get("search") != values["search"]:
            self._lines.unlink(missing_ok=True)
            was = {}
        if was.get("edit") != values["edit"]:
            for part in self.folder.glob("*.mp4"):
                part.unlink()
            (self.folder / "recipe.json").write_text(json.dumps(values))
        self.known = self._read_lines()
        self.parts: list[Path] = []
        while (path := self.part(len(self.parts))).exists():
            self.parts.append(path)
        self._file = self._lines.open("a")

    def part(self, number: int) -> Path:
        """Where a part stands once it is whole."""
        return self.folder / f"{number:06d}.mp4"

    def keep(self, frame: KnownFrame) -> None:
        """Writes down what the search found in the next frame."""
        rows = [
            [
                *(each.face.left, each.face.top, each.face.width, each.face.height),
                each.face.score,
                None if each.face.points is None else each.face.points.tolist(),
                each.units.tolist(),
            ]
            for each in frame.searched.sightings
        ]
        line = [frame.time, frame.duration, frame.searched.change, rows]
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def publish(self, written: Path) -> None:
        """Gives a whole part, written under another name in the folder, its own."""
        with written.open("rb") as file:
            os.fsync(file.fileno())
        path = self.part(len(self.parts))
        os.replace(written, path)
        self.parts.append(path)

    def remove(self) -> None:
        """Takes the folder away: the output is whole."""
        self._file.close()
        self._lock.file.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._lock.file.close()

    def _read_recipe(self) -> dict[str, Any]:
        try:
            found = json.loads((self.folder / "recipe.json").read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _read_lines(self) -> list[KnownFrame]:
        """What the search found so far; the file ends behind it afterwards."""
        if not self._lines.exists():
            return []
        found, whole = [], 0
        data = self._lines.read_bytes()
        for line in data.splitlines(keepends=True):
            try:
                known = _known(json.loads(line))
            except (ValueError, TypeError, IndexError):
                break
            if not line.endswith(b"\n"):
                break
            found.append(known)
            whole += len(line)
        if whole < len(data):
            os.truncate(self._lines, whole)
        return found


def _known(line: list[Any]) -> KnownFrame:
    time, duration, change, rows = line
    sightings = []
    for *box, score, points, units in rows:
        found = None if points is None else np.array(points, np.float32)
        left, top, width, height = box
        face = Face(left, top, width, height, score, found)
        sightings.append(Sighting(face, np.array(units, np.float32)))
    return KnownFrame(int(time), int(duration), SearchedFrame(tuple(sightings), float(change)))
