"""A decoded picture on its way, from the decoder that read it to the encoder that writes it.

It may have any number of faces. Each goes through the networks in a row of some slot, and its
edited crops come back here, so that no slot has to wait for an encoder.
"""

import threading
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from efgan_rt.images import Picture
from efgan_rt.originals import Original
from efgan_rt.pipeline.budget import Share
from efgan_rt.pipeline.files import PictureJob
from efgan_rt.pipeline.resume import Need, Work
from efgan_rt.pipeline.stages import BatchTimes
from efgan_rt.shots import Product

if TYPE_CHECKING:
    from efgan_rt.pipeline.views import Reading


class Item:
    """A decoded picture with its crops.

    Attributes:
        job: what is asked for.
        original: the picture.
        work: which of its outputs are to be made.
        digest: sha256 of the input.
        crops: uint8 (crop, crop, 3), one a face.
        wanted: the shots that some output to be made needs.
        edited: by shot, uint8 (F, crop, crop, 3), what the networks made of each face.
        readings: by shot and face, what the networks said; empty where no page is asked for.
        share: of the budget, to be given back when all outputs are published.
        seconds: of its decoding, by stage.
        times: of the batch that its last face goes with; set by the slots.
        ready_at: when its last face came back from the networks.
    """

    times: BatchTimes

    def __init__(
        self,
        job: PictureJob,
        original: Original,
        work: Work,
        digest: bytes,
        crops: Sequence[Picture],
        products: Sequence[Product],
        share: Share,
        seconds: Mapping[str, float],
    ) -> None:
        self.job = job
        self.original = original
        self.work = work
        self.digest = digest
        self.crops = tuple(crops)
        self.wanted = frozenset(
            shot
            for product, need in zip(products, work.needs, strict=True)
            if need is not Need.DONE
            for shot in product.shots
        )
        faces = (len(self.crops), *self.crops[0].shape)
        self.edited = {shot: np.empty(faces, np.uint8) for shot in self.wanted}
        self.readings: dict[tuple[int, int], Reading] = {}
        self.share = share
        self.seconds = seconds
        self.ready_at = 0.0
        self._faces_out = len(self.crops)
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """What the edits of its faces take."""
        return sum(each.nbytes for each in self.edited.values())

    def finish_face(self) -> bool:
        """Counts a face as back from the networks; True for the last one."""
        with self._lock:
            self._faces_out -= 1
            is_last = self._faces_out == 0
        if is_last:
            self.ready_at = perf_counter()
        return is_last
