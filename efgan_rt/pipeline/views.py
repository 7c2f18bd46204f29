"""What a page shows of a picture: small copies of it and of its edits, and what the networks read.

Made only when somebody asks for a page, for it costs time: one more run of the estimator a batch,
and a JPEG of the crop's size for every picture, edit and attention map. A view holds bytes and a
few numbers, so it may outlive the picture that it was made from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Final

import numpy as np

from efgan_rt.action_units import MAX_INTENSITY, FloatArray
from efgan_rt.errors import EfganError
from efgan_rt.images import Picture, encode_original, read_original, to_crop
from efgan_rt.originals import Original, Pixels
from efgan_rt.pipeline.editor import BatchEditor, EditedBatch
from efgan_rt.pipeline.files import PictureJob
from efgan_rt.pipeline.items import Item
from efgan_rt.pipeline.resume import Need
from efgan_rt.shots import Product

# At 128 pixels and this quality a face takes about 5 kB, and no block shows at twice its size.
VIEW_QUALITY: Final = 88


@dataclass(frozen=True, eq=False)
class Reading:
    """What the networks said of one face and one shot; arrays of its own.

    Attributes:
        units: float32 (3, K): source, target and, read from the edited crop, measured.
        attention: uint8 (crop, crop), 255 where the last stage edited most.
    """

    units: FloatArray
    attention: Picture


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
class PictureView:
    """A picture and its edits.

    Attributes:
        outputs: the file of each product, whether it is there or not.
        needs: what each of them needed.
        before: JPEG, the picture as given, as a crop.
        edits: one a product; None where there is nothing to show.
    """

    outputs: tuple[Path, ...]
    needs: tuple[Need, ...]
    before: bytes
    edits: tuple[EditView | None, ...]


def read_batch(
    editor: BatchEditor,
    result: EditedBatch,
    source_au: FloatArray,
    scale: FloatArray,
    offset: FloatArray,
    progress: FloatArray | np.float32,
) -> list[Reading]:
    """Has the estimator read the edited crops, and keeps what the networks gave, row by row.

    Args:
        editor: that gave `result`, which this overwrites.
        result: of the editor's last run.
        source_au: float32 (B, K), a copy of the result's.
        scale: float32 (B, K), of the targets; see `efgan_rt.expressions.Target`.
        offset: float32 (B, K).
        progress: how much of the way to the target was gone; float32 (B, 1), or one for all.
    """
    attention = result.attention.copy()
    target = np.clip(scale * source_au + offset, 0, MAX_INTENSITY)
    asked = source_au + progress * (target - source_au)
    measured = editor.estimate(result.pixels.copy())
    units = np.stack([source_au, asked, measured], axis=1)
    return [Reading(*each) for each in zip(units, attention, strict=True)]


class ItemViewer:
    """Collects the view of a picture while its outputs are being made; for one thread.

    Args:
        item: the picture.
        products: the run's.

    Attributes:
        seconds: spent so far.
    """

    def __init__(self, item: Item, products: Sequence[Product]) -> None:
        self.seconds = 0.0
        self._item = item
        self._products = products
        self._crop_px = len(item.crops[0])
        self._edits: list[EditView | None] = [None] * len(products)

    def add(self, product: int, pixels: Pixels) -> None:
        """Takes an edit, as it is about to be written."""
        started = perf_counter()
        picture = small_jpeg(pixels, self._crop_px)
        found = self._item.readings.get((self._products[product].shots[-1], 0))
        if found is None:  # the first of several frames, which is the picture as given
            self._edits[product] = EditView(picture)
        else:
            self._edits[product] = EditView(picture, _jpeg(found.attention), found.units)
        self.seconds += perf_counter() - started

    def view(self) -> PictureView:
        """The picture's view; outputs that were done before are read from their files."""
        started = perf_counter()
        job, needs = self._item.job, self._item.work.needs
        for product, need in enumerate(needs):
            if need is Need.DONE:
                self._edits[product] = _view_of_file(job.outputs[product], self._crop_px)
        before = _jpeg(self._item.crops[0])
        self.seconds += perf_counter() - started
        return PictureView(job.outputs, needs, before, tuple(self._edits))


def view_of_done(job: PictureJob, crop_px: int, max_pixels: int) -> PictureView | None:
    """The view of a picture that needs nothing, from its files; None if it cannot be read."""
    try:
        picture = read_original(job.source, max_pixels=max_pixels).pixels
    except EfganError:
        return None
    edits = tuple(_view_of_file(path, crop_px) for path in job.outputs)
    needs = (Need.DONE,) * len(edits)
    return PictureView(job.outputs, needs, small_jpeg(picture, crop_px), edits)


def small_jpeg(pixels: Pixels, crop_px: int) -> bytes:
    """A picture of any kind as the JPEG of its crop."""
    return _jpeg(to_crop(pixels, crop_px))


def _view_of_file(path: Path, crop_px: int) -> EditView | None:
    try:
        return EditView(small_jpeg(read_original(path).pixels, crop_px))
    except Exception:  # the page lacks a picture then; nothing else needs this one
        return None


def _jpeg(pixels: Picture) -> bytes:
    """Pixels, RGB or grey, as a JPEG."""
    return bytes(encode_original(".jpg", Original(pixels), quality=VIEW_QUALITY))
