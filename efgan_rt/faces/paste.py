"""An edited face back into its picture, at the picture's own size and depth.

What goes back is the edit's difference to the crop, not the edited crop: brought to the picture's
size, through a mask that fades out towards the crop's border. So no seam shows, nothing outside the
mask is touched, and where the edit is no change the picture is not changed at all. The picture's
own detail, beyond what the networks see, stays where nothing was edited, and goes with the edit
where something was (`efgan_rt.faces.detail`).

A picture that is itself a crop gets the difference everywhere, as `add_difference` says.
"""

from typing import Final

import cv2
import numpy as np

from efgan_rt.faces.align import Similarity, warp
from efgan_rt.faces.cover import fitted
from efgan_rt.faces.detail import FloatImage, plan_detail
from efgan_rt.faces.framing import Framed
from efgan_rt.faces.motion import Motion
from efgan_rt.faces.motion_paste import MotionPaste, Move
from efgan_rt.faces.region import per_channel, pieces, sampled_at, stored, unit_of
from efgan_rt.pictures.crop import add_difference
from efgan_rt.pictures.original import Picture, Pixels, rgb8

# In shares of the crop's side: where the mask is nothing, and where it is all.
MASK_NONE: Final = 2 / 128
MASK_ALL: Final = 14 / 128
# The share of the crop's side beyond its picture up to which it is asked what covers a face.
LARGEST_CUT: Final = 0.1
# A face of fewer pixels than this share of the crop's has no detail that the networks do not see.
LEAST_SCALE: Final = 2 / 3
FINER: Final = 4  # times a crop's size: the grid from which is interpolated
FINER_SHIFT: Final = (0.5 + 0.5j) * (1 / FINER - 1)  # of its pixels, in the crop's


def _move(pixels: Pixels, framed: Framed, motion: Motion, move: Move) -> None:
    """Moves a face in its picture, at the picture's own size and depth."""
    grid = len(motion.fields)
    weights = np.ones((grid, grid), np.float32) if framed.face is None else mask(grid)
    rows, columns = region_of(framed, pixels.shape)
    region = pixels[rows, columns]
    if region.size == 0:
        return
    free = _free(framed, pixels.shape[:2])
    if free is not None:
        weights = weights * fitted(free, grid)
    to_region = framed.to_crop.inverse.then(Similarity(1, -complex(columns.start, rows.start)))
    move(MotionPaste(region.copy(), to_region, framed.crop, motion, weights), region)


def region_of(framed: Framed, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of a picture of this shape in which a moved face may change something."""
    if framed.face is None:
        return slice(0, shape[0]), slice(0, shape[1])
    return paste_box(framed, (shape[0], shape[1]))


def paste(
    pixels: Pixels,
    framed: Framed,
    edited: Picture | Motion,
    move: Move = MotionPaste.into_region,
) -> None:
    """Brings an edit into a picture.

    Args:
        pixels: uint8 or uint16, (H, W, 3) RGB or (H, W) grey; changed in place, inside `paste_box`.
        framed: the face as it was cut out of this picture, or of the picture before other faces
            were pasted.
        edited: uint8 (crop, crop, 3), the edited crop; or, of a set with motion, what the networks
            say of the face.
        move: what puts that into the picture.
    """
    if isinstance(edited, Motion):
        _move(pixels, framed, edited, move)
        return
    free = _free(framed, pixels.shape[:2])
    if free is not None:
        edited = _where_free(framed.crop, edited, free)
    if framed.face is None:
        add_difference(pixels, framed.crop, edited)
        return
    rows, columns = paste_box(framed, pixels.shape[:2])
    region = pixels[rows, columns]
    if region.size == 0 or np.array_equal(framed.crop, edited):
        return
    to_region = framed.to_crop.inverse.then(Similarity(1, -complex(columns.start, rows.start)))
    crop, difference = _difference(framed.crop, edited, grey=pixels.ndim == 2)
    if to_region.scale < LEAST_SCALE:
        levels = warp(difference, to_region, region.shape[1], region.shape[0])
        region[:] = stored(region + levels * unit_of(region), region)
        return
    _Pasting(region.copy(), to_region, crop, difference).into(region)


def _free(framed: Framed, shape: tuple[int, int]) -> FloatImage | None:
    """Where nothing covers the face; None for everywhere, and for one that the picture cuts off.

    Beyond its edge a crop repeats it, and what that looks like is not to be told from a cover.
    """
    if framed.face is None:  # nothing of such a crop is beyond its picture
        return framed.free
    last = len(framed.crop) - 1
    corners = np.array([[0, 0], [last, 0], [0, last], [last, last]], dtype=np.float32)
    seen = framed.to_crop.inverse.apply(corners)
    beyond = max(-seen.min(), (seen.max(axis=0) - (shape[1] - 1, shape[0] - 1)).max())
    return None if beyond * framed.to_crop.scale > LARGEST_CUT * last else framed.free


def _where_free(crop: Picture, edited: Picture, free: FloatImage) -> Picture:
    """The edit without what covers the face."""
    share = fitted(free, len(crop))[..., np.newaxis]
    difference = np.subtract(edited, crop, dtype=np.int16)
    return np.asarray(crop + np.rint(difference * share), np.uint8)


def paste_box(framed: Framed, shape: tuple[int, int]) -> tuple[slice, slice]:
    """The rows and columns that `paste` may touch; everything outside stays bit for bit.

    Args:
        framed: the face.
        shape: height and width of its picture.
    """
    last = len(framed.crop) - 1
    corners = np.array([[0, 0], [last, 0], [0, last], [last, last]], dtype=np.float32)
    seen = framed.to_crop.inverse.apply(corners)
    (left, top), (right, bottom) = seen.min(axis=0), seen.max(axis=0)
    rows = slice(*(int(np.clip(place, 0, shape[0])) for place in (top, np.ceil(bottom) + 1)))
    columns = slice(*(int(np.clip(place, 0, shape[1])) for place in (left, np.ceil(right) + 1)))
    return rows, columns


def mask(crop_px: int) -> FloatImage:
    """How much of the edit each pixel of a crop gives, float32 (crop, crop), 0 to 1."""
    middle = (crop_px - 1) / 2
    from_border = middle - abs(np.arange(crop_px) - middle)
    rising = (from_border / crop_px - MASK_NONE) / (MASK_ALL - MASK_NONE)
    share = np.clip(rising, 0, 1)
    smooth = share * share * (3 - 2 * share)
    return np.asarray(np.minimum.outer(smooth, smooth), dtype=np.float32)


def _difference(crop: Picture, edited: Picture, *, grey: bool) -> tuple[FloatImage, FloatImage]:
    """The crop and the masked difference in levels of 8 bits, float32 (crop, crop, 3).

    Of a grey picture both are of the luma, (crop, crop).
    """
    before, after = (
        (cv2.cvtColor(each, cv2.COLOR_RGB2GRAY) if grey else each).astype(np.float32)
        for each in (crop, edited)
    )
    weights = mask(len(crop))
    difference = (after - before) * (weights if grey else weights[..., np.newaxis])
    return before, np.asarray(difference, dtype=np.float32)


class _Pasting:
    """One edit on its way into a region of a picture.

    Args:
        before: a copy of the region.
        to_region: from the crop's pixels to the region's.
        crop: float32, (crop, crop, 3), or (crop, crop) of a grey picture.
        difference: likewise.
    """

    def __init__(
        self, before: Pixels, to_region: Similarity, crop: FloatImage, difference: FloatImage
    ) -> None:
        self._before = before
        self._to_region = to_region
        self._finer_to_region = Similarity(1 / FINER, FINER_SHIFT).then(to_region)
        unit = unit_of(before)
        self._crop, self._difference = _finer(crop * unit), _finer(difference * unit)
        self._edited = self._crop + self._difference
        plan = plan_detail(_rgb(crop), _rgb(crop + difference))
        self._active = plan.active
        changed = difference != 0
        self._changed = self._active | (changed.any(axis=-1) if changed.ndim == 3 else changed)
        away, lender = (
            (each[..., 0] + 1j * each[..., 1]) * np.complex64(to_region.turn)
            for each in (plan.origin, plan.lender)
        )
        fields = np.dstack([away.real, away.imag, plan.kept, plan.lent])
        self._fields = np.asarray(fields, np.float32)
        self._lender = np.asarray(np.dstack([lender.real, lender.imag]), np.float32)

    def into(self, region: Pixels) -> None:
        """Puts the edit into the region, tile by tile."""
        for tile, corner in pieces(region):
            near = self._near(tile, corner)
            if self._active[near].any():
                tile[:] = stored(self._with_detail(tile, corner), tile)
            elif self._changed[near].any():
                change = _warped(self._difference, self._finer_to_region, tile, corner)
                tile[:] = stored(tile + change, tile)

    def _with_detail(self, tile: Pixels, corner: complex) -> FloatImage:
        """The edited crop as a tile shows it, with the detail that it shall have."""
        places = np.indices(tile.shape[:2], np.float32)
        down, across = places + np.array([[[corner.imag]], [[corner.real]]], np.float32)
        fields = _warped(self._fields, self._to_region, tile, corner)
        kept, lent = fields[..., 2], fields[..., 3]
        result = sampled_at(self._edited, *self._in_finer(across, down))
        own = self._detail(across + fields[..., 0], down + fields[..., 1])
        result += own * per_channel(kept, own)
        if lent.any():
            # Its neighbours may have another lender, so the way to one is never averaged.
            way = _warped(self._lender, self._to_region, tile, corner, cv2.INTER_NEAREST)
            other = self._detail(across + way[..., 0], down + way[..., 1])
            result += other * per_channel(lent, other)
        return result

    def _detail(self, across: FloatImage, down: FloatImage) -> FloatImage:
        """What the picture has beyond the crop at these places of the region."""
        picture = sampled_at(self._before, across, down, cv2.INTER_CUBIC)
        crop = sampled_at(self._crop, *self._in_finer(across, down))
        return np.asarray(cv2.subtract(picture, crop, dtype=cv2.CV_32F), np.float32)

    def _in_finer(self, across: FloatImage, down: FloatImage) -> tuple[FloatImage, FloatImage]:
        """Places of the region on the finer grid."""
        matrix = self._finer_to_region.inverse.matrix.astype(np.float32)
        there = (each[0] * across + each[1] * down + each[2] for each in matrix)
        return next(there), next(there)

    def _near(self, tile: Pixels, corner: complex) -> tuple[slice, slice]:
        """The crop's pixels on which a tile may depend."""
        height, width = tile.shape[:2]
        sides = np.array([[0, 0], [width, 0], [0, height], [width, height]], np.float32)
        seen = self._to_region.then(Similarity(1, -corner)).inverse.apply(sides)
        (left, top), (right, bottom) = (
            np.clip(each, 0, len(self._active)).astype(int)
            for each in (seen.min(axis=0) - 3, seen.max(axis=0) + 4)
        )
        return slice(top, bottom), slice(left, right)


def _finer(image: FloatImage) -> FloatImage:
    """On the grid from which linear is nearly as good as cubic from the crop's own, and quicker."""
    finer = cv2.resize(image, None, fx=FINER, fy=FINER, interpolation=cv2.INTER_CUBIC)
    return np.asarray(finer, np.float32)


def _warped(
    image: FloatImage,
    to_region: Similarity,
    tile: Pixels,
    corner: complex,
    how: int = cv2.INTER_LINEAR,
) -> FloatImage:
    """What a tile of the region shows of an image."""
    matrix = to_region.then(Similarity(1, -corner)).matrix
    size = tile.shape[1], tile.shape[0]
    found = cv2.warpAffine(image, matrix, size, flags=how, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float32)


def _rgb(levels: FloatImage) -> Picture:
    picture = np.asarray(np.clip(np.rint(levels), 0, 255), dtype=np.uint8)
    return rgb8(picture)
