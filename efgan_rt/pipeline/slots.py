"""The ring of batch slots: all the memory that pictures in flight may take.

A slot holds one batch from decoding to encoding. Decoders place crops into the slot that is open;
a full one (or, at the end, a part-filled one) goes to a lane; its rows go to the encoders; the one
that finishes the last row puts the slot back. With every slot in use the decoders wait, so what is
in flight never grows.

Ownership of a slot's arrays: the decoders' until it is ready, then the lane's, then the encoders',
who only read.
"""

import threading
from dataclasses import dataclass
from time import perf_counter
from typing import Final

import numpy as np

from efgan_rt.images import Picture
from efgan_rt.originals import Original
from efgan_rt.pipeline.channel import Channel
from efgan_rt.pipeline.files import PictureJob
from efgan_rt.pipeline.resume import Need, Work
from efgan_rt.pipeline.views import Readings
from efgan_rt.reporting.latency import LatencyRecorder

DECODE: Final = "decode"
WAIT_SLOT: Final = "wait for a slot"
WAIT_LANE: Final = "wait for the networks"
WAIT_ENCODER: Final = "wait for an encoder"
ENCODE: Final = "encode"
# Of these two there is nothing in a run without a page.
MEASURE: Final = "measure the edits"
VIEW: Final = "pictures for the page"


@dataclass(frozen=True)
class Item:
    """A decoded picture on its way."""

    job: PictureJob
    original: Original
    work: Work
    digest: bytes  # sha256 of the input


class Slot:
    """One batch in flight.

    Attributes:
        pixels: uint8 (B, crop, crop, 3), the crops; zeros below the last item.
        edited: uint8 (T, B, crop, crop, 3), the edited crops of each of T targets.
        items: the pictures, one a row, at most B.
        readings: by target, what the networks said; empty where no page is asked for.
        seconds: by stage, the time this batch took.
    """

    def __init__(self, batch: int, targets: int, crop_px: int) -> None:
        self.pixels = np.zeros((batch, crop_px, crop_px, 3), np.uint8)
        self.edited = np.zeros((targets, batch, crop_px, crop_px, 3), np.uint8)
        self.items: list[Item] = []
        self.readings: dict[int, Readings] = {}
        self.seconds: dict[str, float] = {}
        self.waiting_since = 0.0
        self._unfinished = 0
        self._lock = threading.Lock()

    def add_seconds(self, stage: str, seconds: float) -> None:
        """Adds to a stage's time; the time of several pictures or networks runs adds up."""
        with self._lock:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

    def hand_over(self) -> None:
        """Marks the moment from which the slot, no row finished, waits for its next stage."""
        self._unfinished = len(self.items)
        self.waiting_since = perf_counter()

    def note_wait(self, stage: str) -> None:
        """Records the time since `hand_over` as a wait, once."""
        with self._lock:
            self.seconds.setdefault(stage, perf_counter() - self.waiting_since)

    def finish_row(self) -> bool:
        """Counts a row as finished; True for the last one."""
        with self._lock:
            self._unfinished -= 1
            return self._unfinished == 0

    def wants(self, target: int) -> bool:
        """Whether any picture needs its output for a target."""
        return any(item.work.needs[target] is not Need.DONE for item in self.items)

    def clear(self) -> None:
        """Lets go of the pictures, the readings and the times."""
        self.items.clear()
        self.readings.clear()
        self.seconds.clear()


class SlotRing:
    """A fixed number of slots, and the channels they travel through.

    Attributes:
        ready: slots that wait for a lane.
    """

    def __init__(
        self, count: int, *, batch: int, targets: int, crop_px: int, recorder: LatencyRecorder
    ) -> None:
        self.ready: Channel[Slot] = Channel()
        self._free: Channel[Slot] = Channel()
        self._batch = batch
        self._recorder = recorder
        self._open: Slot | None = None
        self._placing = threading.Lock()
        for _ in range(count):
            self._free.put(Slot(batch, targets, crop_px))

    def place(self, item: Item, crop: Picture, decode_s: float) -> None:
        """Copies a crop into the open slot, waiting for a free one if none is open.

        Raises:
            AbortError: the run is being abandoned.
        """
        with self._placing:
            if self._open is None:
                waited_from = perf_counter()
                self._open = self._free.take()
                assert self._open is not None, "the free slots' channel is never closed"
                self._open.add_seconds(DECODE, 0.0)  # first, so that stages stay in order
                self._open.add_seconds(WAIT_SLOT, perf_counter() - waited_from)
            slot = self._open
            slot.pixels[len(slot.items)] = crop
            slot.items.append(item)
            slot.add_seconds(DECODE, decode_s)
            if len(slot.items) == self._batch:
                self._send()

    def flush(self) -> None:
        """Sends the part-filled slot on its way and closes `ready`: no more pictures will come."""
        with self._placing:
            if self._open is not None:
                self._open.pixels[len(self._open.items) :] = 0
                self._send()
            self.ready.close()

    def give_back(self, slot: Slot) -> None:
        """Records a finished batch's times and frees its slot."""
        for stage, seconds in slot.seconds.items():
            self._recorder.add(stage, seconds)
        slot.clear()
        self._free.put(slot)

    def abort(self) -> None:
        """Wakes every thread that waits for a slot, with `AbortError`."""
        self._free.abort()
        self.ready.abort()

    def _send(self) -> None:
        assert self._open is not None
        self._open.hand_over()
        self.ready.put(self._open)
        self._open = None
