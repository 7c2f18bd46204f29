"""The ring of batch slots: the crops on their way to the networks.

A slot holds one batch. Decoders place the crops of their pictures' faces into the slot that is
open; a full one goes to a lane, which copies what the networks made of each row to the row's
picture and puts the slot back. So a slot never waits for an encoder, and a picture may have more
faces than all slots have rows.

A part-filled slot is sent at the end, and when a decoder waits for memory: then the pictures that
would free it may be those in the open slot.

Ownership of a slot's array: the decoders' until it is ready, then the lane's.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from efgan_rt.pictures.crop import to_network
from efgan_rt.pictures.original import Picture
from efgan_rt.pipeline.channel import Channel
from efgan_rt.pipeline.items import Item
from efgan_rt.pipeline.stages import WAIT_SLOT, BatchTimes
from efgan_rt.reporting.latency import LatencyRecorder


@dataclass(frozen=True)
class Row:
    """One face of one picture."""

    item: Item
    face: int


class Slot:
    """One batch.

    Attributes:
        pixels: uint8 (B, crop, crop, 3), the crops; zeros below the last row.
        rows: what they are, at most B.
        times: of this batch.
        sent_at: when it became ready.
    """

    times: BatchTimes

    def __init__(self, batch: int, crop_px: int) -> None:
        self.pixels = np.zeros((batch, crop_px, crop_px, 3), np.uint8)
        self.rows: list[Row] = []
        self.sent_at = 0.0

    def add(self, row: Row, crop: Picture) -> bool:
        """Takes a crop; True if the slot is full now."""
        self.pixels[len(self.rows)] = crop
        self.rows.append(row)
        return len(self.rows) == len(self.pixels)

    def wants(self, shot: int) -> bool:
        """Whether any row's picture needs a shot."""
        return any(shot in row.item.wanted for row in self.rows)


class SlotRing:
    """A fixed number of slots, and the channels they travel through.

    Args:
        count: of slots.
        batch: rows of each.
        crop_px: side of the crops.
        recorder: takes each batch's times.
        is_short: whether nothing is to be kept back; see `efgan_rt.pipeline.budget`.

    Attributes:
        ready: slots that wait for a lane.
    """

    def __init__(
        self,
        count: int,
        *,
        batch: int,
        crop_px: int,
        recorder: LatencyRecorder,
        is_short: Callable[[], bool] = lambda: False,
    ) -> None:
        self.ready: Channel[Slot] = Channel()
        self._free: Channel[Slot] = Channel()
        self._recorder = recorder
        self._is_short = is_short
        self._open: Slot | None = None
        self._placing = threading.Lock()
        for _ in range(count):
            self._free.put(Slot(batch, crop_px))

    def place(self, item: Item) -> None:
        """Copies a picture's crops into slots, waiting for a free one where none is open.

        Raises:
            AbortError: the run is being abandoned.
        """
        with self._placing:
            last = len(item.framed) - 1
            for face, framed in enumerate(item.framed):
                slot = self._open or self._opened(item)
                if face == last:  # before the slot can be sent, for then the item may be, too
                    item.times = slot.times
                    slot.times.add_picture()
                    for stage, seconds in item.seconds.items():
                        slot.times.add(stage, seconds)
                if slot.add(Row(item, face), to_network(framed.crop)):
                    self._send()
            if self._is_short():
                self._send()

    def flush(self) -> None:
        """Sends the part-filled slot on its way, if there is one."""
        with self._placing:
            self._send()

    def close(self) -> None:
        """Flushes and closes `ready`: no more pictures will come."""
        self.flush()
        self.ready.close()

    def give_back(self, slot: Slot) -> None:
        """Frees a slot that the networks are done with."""
        slot.rows.clear()
        slot.times.finish()
        self._free.put(slot)

    def abort(self) -> None:
        """Wakes every thread that waits for a slot, with `AbortError`."""
        self._free.abort()
        self.ready.abort()

    def _opened(self, item: Item) -> Slot:
        waited_from = perf_counter()
        slot = self._free.take()
        assert slot is not None, "the free slots' channel is never closed"
        slot.times = BatchTimes(self._recorder)
        for stage in item.seconds:  # before the waits, so that stages stay in order
            slot.times.add(stage, 0.0)
        slot.times.add(WAIT_SLOT, perf_counter() - waited_from)
        self._open = slot
        return slot

    def _send(self) -> None:
        if self._open is None:
            return
        self._open.pixels[len(self._open.rows) :] = 0
        self._open.sent_at = perf_counter()
        self.ready.put(self._open)
        self._open = None
