"""How an expression unfolds: how far to go for each frame.

Even steps of action units are not even steps to the eye. The weights that come along, asked for a
smile in twelve even steps, show six pictures that hardly differ, then most of the smile in three.
So the frames of a face are set by what is seen: a few pictures on the way are made first, the
change from each to the next is measured, and the frames then divide the whole change evenly. Each
face has its own way of unfolding, whatever its neighbours in the batch. `units` keeps to even steps
of action units, for whoever measures with the frames.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import numpy as np

from efgan_rt.pictures.original import Picture
from engines.arrays import FloatArray

# With 16 the largest step of 12 was 1.1 to 1.5 times the mean one (four example faces, happy,
# surprised and angry); with 8 up to 2.2 times, with 32 up to 1.3 times.
PROBES: Final = 16
# Of the change added to each probe, so that a face that does not change at all has a pace, too.
FLOOR_LEVELS: Final = 1e-3


class Unfolding:
    """The pace of every face of a batch on its way to one target."""

    def __init__(
        self,
        crops: Picture,
        edited_at: Callable[[Sequence[float]], Iterable[Picture]],
        *,
        probes: int = PROBES,
    ) -> None:
        """Measures it.

        Args:
            crops: uint8 (B, crop, crop, 3), the faces as given.
            edited_at: gives them edited so much of the way, for each of several shares from 0 to 1;
                each may be overwritten by the next.
            probes: how many pictures on the way are made.
        """
        changes = np.empty((probes + 1, len(crops)))
        changes[0] = 0
        before = crops
        shares = [number / probes for number in range(1, probes + 1)]
        for number, made in enumerate(edited_at(shares), start=1):
            seen = made.copy()
            difference = np.subtract(seen, before, dtype=np.int16)
            changes[number] = np.abs(difference).mean(axis=(1, 2, 3)) + FLOOR_LEVELS
            before = seen
        reached = changes.cumsum(axis=0)
        self._reached = reached / reached[-1]
        self._progress = np.linspace(0, 1, probes + 1)

    def progress_at(self, share: float) -> FloatArray:
        """How far to go for a share of the change, 0 to 1 each, float32 (B,)."""
        columns = [np.interp(share, each, self._progress) for each in self._reached.T]
        return np.array(columns, dtype=np.float32)


def frame_shares(frames: int) -> tuple[float, ...]:
    """What part of the way each frame is: the first is the picture as given, the last the edit."""
    return tuple(number / (frames - 1) for number in range(frames))
