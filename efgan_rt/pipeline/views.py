"""What a page shows of a picture: small copies of it and of its edits, and what the networks read.

Made only when somebody asks for a page, for it costs time: one more run of the estimator a batch,
and a JPEG of the crop's size for every picture, edit and attention map. A view holds bytes and a
few numbers, so it may outlive the picture that it was made from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Final

import numpy as np

from efgan_rt.errors import EfganError
from efgan_rt.expressions import clipped_target
from efgan_rt.faces.align import warp
from efgan_rt.faces.framing import Framed
from efgan_rt.lane import BatchEditor, Edited
from efgan_rt.pictures.crop import to_crop
from efgan_rt.pictures.original import Original, Picture, Pixels, rgb8
from efgan_rt.pictures.read import read_original
from efgan_rt.pictures.write import encode_original
from efgan_rt.pipeline.files import PictureJob
from efgan_rt.pipeline.items import Item, Reading
from efgan_rt.pipeline.resume import Need
from efgan_rt.shots import Product
from engines.arrays import FloatArray

# At 128 pixels and this quality a face takes about 5 kB, and no block shows at twice its size.
VIEW_QUALITY: Final = 88


@dataclass(frozen=True, eq=False)
class EditView:
    """One edit of a picture.

    Attributes:
        picture: JPEG, what was written, as a crop.
        attention: JPEG, grey; None where the networks did not run.
        units: float32 (3, K): source, target and measured; likewise.
    """

    picture: bytes
    attention: bytes | None = None
    units: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class FaceView:
    """A face of a picture, or a picture that is itself a crop.

    Attributes:
        before: JPEG, the face as given, as a crop.
        edits: one a product; None where there is nothing to show.
    """

    before: bytes
    edits: tuple[EditView | None, ...]


@dataclass(frozen=True, eq=False)
class PictureView:
    """A picture and its edits.

    Attributes:
        outputs: the file of each product, whether it is there or not.
        needs: what each of them needed.
        faces: of a photograph; otherwise the one that the picture is taken for.
    """

    outputs: tuple[Path, ...]
    needs: tuple[Need, ...]
    faces: tuple[FaceView, ...]


def read_batch(
    editor: BatchEditor,
    result: Edited,
    source_au: FloatArray | None,
    goal: Mapping[str, FloatArray],
    progress: FloatArray | np.float32,
) -> list[Reading]:
    """Has the estimator read the edited crops, and keeps what the networks gave, row by row.

    Args:
        editor: that gave `result`, which this overwrites.
        result: of the editor's last run.
        source_au: float32 (B, K), a copy of the result's; None of a family without.
        goal: by place; of a family with action units a scale and an offset, see
            `efgan_rt.expressions.Target`.
        progress: how much of the way to the target was gone; float32 (B, 1), or one for all.
    """
    attention: list[Picture | None] = [None] * len(result.pixels)
    if result.attention is not None:
        attention = [each.copy() for each in result.attention]
    if source_au is None:
        return [Reading(None, each) for each in attention]
    target = clipped_target(source_au, goal)
    asked = source_au + progress * (target - source_au)
    measured = editor.estimate(result.pixels.copy())
    units = np.stack([source_au, asked, measured], axis=1)
    return [Reading(*each) for each in zip(units, attention, strict=True)]


class ItemViewer:
    """Collects the view of a picture while its outputs are being made; for one thread.

    Args:
        item: the picture.
        products: the run's.
        crop_px: side of the crops.

    Attributes:
        seconds: spent so far.
    """

    def __init__(self, item: Item, products: Sequence[Product], crop_px: int) -> None:
        self.seconds = 0.0
        self._item = item
        self._products = products
        self._crop_px = crop_px
        # A picture without a face, which is copied, is shown as if it were a crop.
        self._places: tuple[Framed | None, ...] = item.framed or (None,)
        self._edits: list[list[EditView | None]] = [[None] * len(products) for _ in self._places]

    def add(self, product: int, pixels: Pixels) -> None:
        """Takes an edit, as it is about to be written."""
        started = perf_counter()
        shot = self._products[product].shots[-1]
        for face, place in enumerate(self._places):
            picture = self._jpeg_of(pixels, place)
            found = self._item.readings.get((shot, face))
            if found is None:  # the first of several frames, which is the picture as given
                self._edits[face][product] = EditView(picture)
            else:
                attention = None if found.attention is None else _jpeg(found.attention)
                self._edits[face][product] = EditView(picture, attention, found.units)
        self.seconds += perf_counter() - started

    def view(self) -> PictureView:
        """The picture's view; outputs that were done before are read from their files."""
        started = perf_counter()
        job, needs = self._item.job, self._item.work.needs
        for product, need in enumerate(needs):
            if need is not Need.DONE or (pixels := _pixels_of(job.outputs[product])) is None:
                continue
            for face, place in enumerate(self._places):
                self._edits[face][product] = EditView(self._jpeg_of(pixels, place))
        original = self._item.original.pixels
        faces = tuple(
            FaceView(
                _jpeg(place.crop) if place else small_jpeg(original, self._crop_px), tuple(edits)
            )
            for place, edits in zip(self._places, self._edits, strict=True)
        )
        self.seconds += perf_counter() - started
        return PictureView(job.outputs, needs, faces)

    def _jpeg_of(self, pixels: Pixels, place: Framed | None) -> bytes:
        """A face, cut out of a picture of the same size as the one in which it was found."""
        if place is None or place.face is None:
            return small_jpeg(pixels, self._crop_px)
        return _jpeg(rgb8(warp(pixels, place.to_crop, self._crop_px, self._crop_px)))


def view_of_done(job: PictureJob, crop_px: int, max_pixels: int) -> PictureView | None:
    """The view of a picture that needs nothing, from its files; None if it cannot be read.

    Where its faces are is not known without looking for them again, so it is shown as a whole.
    """
    try:
        picture = read_original(job.source, max_pixels=max_pixels).pixels
    except EfganError:
        return None
    found = (_pixels_of(path) for path in job.outputs)
    edits = tuple(None if each is None else EditView(small_jpeg(each, crop_px)) for each in found)
    face = FaceView(small_jpeg(picture, crop_px), edits)
    return PictureView(job.outputs, (Need.DONE,) * len(edits), (face,))


def _pixels_of(path: Path) -> Pixels | None:
    """An output that was there already."""
    try:
        return read_original(path).pixels
    except Exception:  # the page lacks a picture then; nothing else needs this one
        return None


def small_jpeg(pixels: Pixels, crop_px: int) -> bytes:
    """A picture of any kind as the JPEG of its crop."""
    return _jpeg(to_crop(pixels, crop_px))


def _jpeg(pixels: Picture) -> bytes:
    """Pixels, RGB or grey, as a JPEG."""
    return bytes(encode_original(".jpg", Original(pixels), quality=VIEW_QUALITY))
