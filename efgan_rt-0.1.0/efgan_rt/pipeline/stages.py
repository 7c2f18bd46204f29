"""The stages that a batch's time is told by, and the times of one batch on its way."""

import threading
from time import perf_counter
from typing import Final

from efgan_rt.reporting.latency import LatencyRecorder

DECODE: Final = "decode"
DETECT: Final = "detect"  # where faces are looked for
WAIT_SLOT: Final = "wait for a slot"
WAIT_LANE: Final = "wait for the networks"
WAIT_ENCODER: Final = "wait for an encoder"
PASTE: Final = "paste"  # where a face was found
ENCODE: Final = "encode"
# Only where pictures are larger than what may be in flight.
WAIT_MEMORY: Final = "wait for memory"
# Of these two there is nothing in a run without a page.
MEASURE: Final = "measure the edits"
VIEW: Final = "pictures for the page"


class BatchTimes:
    """The time that a batch took, stage by stage; recorded when all that belongs to it is done.

    Args:
        recorder: takes them; None keeps them to itself.

    A batch's are its run through the networks, and the decoding and encoding of those pictures
    whose last face it has. The time of several pictures or networks adds up.
    """

    def __init__(self, recorder: LatencyRecorder | None = None) -> None:
        self._recorder = recorder
        self._seconds = {DECODE: 0.0}  # first, so that stages stay in the pipeline's order
        self._unfinished = 1  # the networks
        self._lock = threading.Lock()

    def add(self, stage: str, seconds: float) -> None:
        """Adds to a stage's time."""
        with self._lock:
            self._seconds[stage] = self._seconds.get(stage, 0.0) + seconds

    def add_picture(self) -> None:
        """Says that one more picture belongs to the batch."""
        with self._lock:
            self._unfinished += 1

    def note_wait(self, stage: str, since: float) -> None:
        """Notes the time from `since` until now as a wait, for the first that comes."""
        with self._lock:
            self._seconds.setdefault(stage, perf_counter() - since)

    def finish(self) -> None:
        """Says that the networks, or one of the pictures, are done with the batch."""
        with self._lock:
            self._unfinished -= 1
            if self._unfinished or self._recorder is None:
                return
        stages = (
            (WAIT_ENCODER, PASTE, ENCODE) if DETECT in self._seconds else (WAIT_ENCODER, ENCODE)
        )
        for stage in stages:  # nothing of a batch in which no picture ends
            self._seconds.setdefault(stage, 0.0)
        for stage, seconds in self._seconds.items():
            self._recorder.add(stage, seconds)
