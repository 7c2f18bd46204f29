"""What the host's own code allows: the whole pipeline over networks that do nothing.

Pictures are read, decoded, handed to a lane that gives them back as they are, encoded, written and
entered into the journal. So pictures a second here are what no GPU can exceed in so many processes.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, Unpack

import numpy as np

from benchmarks.gpu.links import UNITS, LinksEdited, edit_links
from efgan_rt.lane import SOURCE_AU, Edited, RunOptions
from engines.arrays import Array, Bytes, FloatArray

LANES: Final = 2


@dataclass(frozen=True)
class NullLane:
    """Gives every face back as it is."""

    batch: int

    def run(self, pixels: Bytes, goal: Mapping[str, Array], **_: Unpack[RunOptions]) -> Edited:
        """See `efgan_rt.lane.Lane.run`."""
        return Edited(pixels, {SOURCE_AU: self.estimate(pixels)}, None, None, {})

    @property
    def reader(self) -> str:
        """None."""
        return "none"

    def estimate(self, pixels: Bytes) -> FloatArray:
        """No action unit anywhere."""
        return np.zeros((self.batch, UNITS), np.float32)


def through_null(sources: Sequence[Path], count: int, batch: int) -> LinksEdited:
    """Edits `count` links by lanes that do nothing."""
    return edit_links([NullLane(batch)] * LANES, sources, count, batch)


def limit(sources: Sequence[Path], processes: int, count: int, batch: int) -> dict[str, Any]:
    """Pictures a second of so many processes, each with `count` pictures of its own."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for many in (batch, count):  # the first to warm up
            runs = [pool.submit(through_null, sources, many, batch) for _ in range(processes)]
            found = [each.result() for each in runs]
    seconds = max(each.end for each in found) - min(each.begin for each in found)
    written = sum(each.written for each in found)
    return {
        "processes": processes,
        "batch": batch,
        "written": written,
        "failed": sum(each.failed for each in found),
        "images_per_s": round(written / seconds, 1),
        "each_images_per_s": [round(each.written / each.seconds, 1) for each in found],
    }
