"""A decoded picture on its way, from the decoder that read it to the encoder that writes it.

It may have any number of faces, or be itself the crop of one. Each goes through the networks in a
row of some slot, and its edited crops come back here, so that no slot has to wait for an encoder.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from efgan_rt.face_rules import target_of_face
from efgan_rt.faces.framing import Framed
from efgan_rt.faces.image import Image
from efgan_rt.faces.motion import Motion
from efgan_rt.families.family import Goal
from efgan_rt.pictures.original import Original, Picture
from efgan_rt.pipeline.budget import Share
from efgan_rt.pipeline.files import PictureJob
from efgan_rt.pipeline.resume import Need, Work
from efgan_rt.pipeline.stages import BatchTimes
from efgan_rt.shots import Product
from engines.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class Reading:
    """What the networks said of one face and one shot; arrays of its own.

    Attributes:
        units: float32 (3, K): source, target and, read from the edited crop, measured; None of a
            family without action units.
        attention: uint8 (crop, crop), 255 where the last stage edited most; None of a family that
            does not say.
    """

    units: FloatArray | None
    attention: Picture | None


@dataclass(frozen=True, eq=False)
class EditedFace:
    """A face of a picture, as it was found.

    Attributes:
        box: left, top, width and height in the upright picture's pixels; None where the picture is
            itself a crop.
        score: of the detector, 0 to 1; None where it has none.
        source_au: float32 (K,), the action units that it showed; None where nobody had to know.
        is_left: whether no rule asked anything of it, so that it is as it was.
    """

    box: tuple[float, float, float, float] | None
    score: float | None
    source_au: FloatArray | None
    is_left: bool = False


class Item:
    """A decoded picture with its faces.

    Attributes:
        job: what is asked for.
        original: the picture.
        work: which of its outputs are to be made.
        digest: sha256 of the input.
        framed: its faces, the largest first; none for a picture to be copied.
        copied: the file's bytes, of a picture that is or may have to be copied.
        wanted: the shots that some output to be made needs.
        edited: by shot, uint8 (F, crop, crop, 3), what the networks made of each face.
        motion: by shot and face, what a set with motion says of it.
        source_au: by face, float32 (K,), what it showed.
        left: by shot and face, those that no rule asks anything of.
        readings: by shot and face, what the networks said; empty where no page is asked for.
        share: of the budget, to be given back when all outputs are published.
        seconds: of its decoding, by stage.
        times: of the batch that its last face goes with, set by the slots; None without a face.
        ready_at: when its last face came back from the networks.
    """

    def __init__(
        self,
        job: PictureJob,
        original: Original,
        work: Work,
        digest: bytes,
        framed: Sequence[Framed],
        products: Sequence[Product],
        share: Share,
        seconds: Mapping[str, float],
    ) -> None:
        self.job = job
        self.original = original
        self.work = work
        self.digest = digest
        self.framed = tuple(framed)
        self.copied = b""
        self.wanted = frozenset(
            shot
            for product, need in zip(products, work.needs, strict=True)
            if need is not Need.DONE
            for shot in product.shots
        )
        self.edited = {}
        if self.framed:
            faces = (len(self.framed), *self.framed[0].crop.shape)
            self.edited = {shot: np.empty(faces, np.uint8) for shot in self.wanted}
        self.motion: dict[tuple[int, int], Motion] = {}
        self.source_au: dict[int, FloatArray] = {}
        self.left: set[tuple[int, int]] = set()
        self.readings: dict[tuple[int, int], Reading] = {}
        self.share = share
        self.seconds = seconds
        self.times: BatchTimes | None = None
        self.ready_at = 0.0
        self._faces_out = len(self.framed)
        self._lock = threading.Lock()

    @property
    def image(self) -> Image | None:
        """The picture where it lies on a GPU."""
        return next((each.image for each in self.framed if each.image is not None), None)

    def release(self) -> None:
        """Gives back its place on a GPU."""
        if self.image is not None:
            self.image.release()

    @property
    def is_photograph(self) -> bool:
        """Whether its faces were found in it, rather than it being a crop."""
        return any(framed.face is not None for framed in self.framed)

    @property
    def faces(self) -> tuple[EditedFace, ...]:
        """Its faces once they are back from the networks."""
        found = []
        for number, framed in enumerate(self.framed):
            face, source_au = framed.face, self.source_au.get(number)
            is_left = all((shot, number) in self.left for shot in self.wanted)
            if face is None:
                found.append(EditedFace(None, None, source_au, is_left))
            else:
                box = (face.left, face.top, face.width, face.height)
                found.append(EditedFace(box, face.score, source_au, is_left))
        return tuple(found)

    @property
    def nbytes(self) -> int:
        """What the edits of its faces take."""
        crops = sum(each.nbytes for each in self.edited.values())
        return crops + len(self.copied) + sum(each.nbytes for each in self.motion.values())

    def target(self, edit: int, face: int) -> Goal | None:
        """What an edit asks of a face, whose `source_au` is known; None leaves it as it is."""
        if not self.job.rules:
            return self.job.targets[edit]
        return target_of_face(self.job.rules[edit], face, self.source_au[face])

    def is_left(self, shots: Sequence[int]) -> bool:
        """Whether no face is edited in any of these shots, so that the picture is to be copied."""
        return all((shot, face) in self.left for shot in shots for face in range(len(self.framed)))

    def finish_face(self) -> bool:
        """Counts a face as back from the networks; True for the last one."""
        with self._lock:
            self._faces_out -= 1
            is_last = self._faces_out == 0
        if is_last:
            self.ready_at = perf_counter()
        return is_last
