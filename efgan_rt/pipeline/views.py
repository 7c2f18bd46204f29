"""What a page shows of a picture: small copies of it and of its edits, and what the networks read.

Made only when somebody asks for a page, for it costs time: one more run of the estimator a batch,
and a JPEG of the crop's size for every picture, edit and attention map. A view holds bytes and a
few numbers, so it may outlive the slot that it was made from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Final

import numpy as np

from efgan_rt.action_units import MAX_INTENSITY, FloatArray
from efgan_rt.errors import EfganError
from efgan_rt.expressions import Target
from efgan_rt.images import Picture, encode_original, read_original, to_crop
from efgan_rt.originals import Original, Pixels
from efgan_rt.pipeline.editor import BatchEditor, EditedBatch
from efgan_rt.pipeline.files import PictureJob
from efgan_rt.pipeline.resume import Need

# At 128 pixels and this quality a face takes about 5 kB, and no block shows at twice its size.
VIEW_QUALITY: Final = 88


@dataclass(frozen=True, eq=False)
class Readings:
    """What the networks said of a batch and one target; arrays of its own.

    Attributes:
        units: float32 (3, B, K): source, target and, read from the edited crops, measured.
        attention: uint8 (B, crop, crop), 255 where the last stage edited most.
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
        outputs: the file of each target, whether it is there or not.
        needs: what each of them needed.
        before: JPEG, the picture as given, as a crop.
        edits: one a target; None where there is nothing to show.
    """

    outputs: tuple[Path, ...]
    needs: tuple[Need, ...]
    before: bytes
    edits: tuple[EditView | None, ...]


def read_batch(
    editor: BatchEditor, target: Target, edited: Picture, result: EditedBatch, source_au: FloatArray
) -> Readings:
    """Has the estimator read the edited crops, and keeps what the networks gave.

    Args:
        editor: that gave `result`, which this overwrites.
        target: of the batch.
        edited: uint8 (B, crop, crop, 3), a copy of the result's pixels.
        result: of the editor's last run.
        source_au: float32 (B, K), a copy of the result's.
    """
    attention = result.attention.copy()
    asked = np.clip(target.scale * source_au + target.offset, 0, MAX_INTENSITY)
    return Readings(np.stack([source_au, asked, editor.estimate(edited)]), attention)


class RowViewer:
    """Collects the view of one row of a slot while its outputs are being made; for one thread.

    Args:
        job: the row's picture.
        needs: of its outputs.
        crop: uint8 (crop, crop, 3), the picture as the networks saw it.
        readings: by target, of the row's slot.
        row: its number there.

    Attributes:
        seconds: spent so far.
    """

    def __init__(
        self,
        job: PictureJob,
        needs: tuple[Need, ...],
        crop: Picture,
        readings: Mapping[int, Readings],
        row: int,
    ) -> None:
        self.seconds = 0.0
        self._job = job
        self._needs = needs
        self._crop = crop
        self._readings = readings
        self._row = row
        self._edits: list[EditView | None] = [None] * len(needs)

    def add(self, target: int, pixels: Pixels) -> None:
        """Takes an edit, as it is about to be written."""
        started = perf_counter()
        found = self._readings[target]
        self._edits[target] = EditView(
            small_jpeg(pixels, len(self._crop)),
            _jpeg(found.attention[self._row]),
            found.units[:, self._row].copy(),
        )
        self.seconds += perf_counter() - started

    def view(self) -> PictureView:
        """The row's view; outputs that were done before are read from their files."""
        started = perf_counter()
        for target, need in enumerate(self._needs):
            if need is Need.DONE:
                self._edits[target] = _view_of_file(self._job.outputs[target], len(self._crop))
        before = _jpeg(self._crop)
        self.seconds += perf_counter() - started
        return PictureView(self._job.outputs, self._needs, before, tuple(self._edits))


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
