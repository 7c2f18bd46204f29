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
from efgan_rt.faces.region import per_channel, sampled, stored, tiles, unit_of
from efgan_rt.pictures.crop import add_difference
from efgan_rt.pictures.original import Picture, Pixels, rgb8
from engines.arrays import Places

# In shares of the crop's side: where the mask is nothing, and where it is all.
MASK_NONE: Final = 2 / 128
MASK_ALL: Final = 14 / 128
# The share of the crop's side beyond its picture up to which it is asked what covers a face.
LARGEST_CUT: Final = 0.1
# A face of fewer pixels than this share of the crop's has no detail that the networks do not see.
LEAST_SCALE: Final = 2 / 3


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
        self._turn = np.complex64(to_region.turn)
        self._to_crop = to_region.inverse
        self._unit = unit_of(before)
        self._crop = crop
        self._difference = difference
        self._edited = crop + difference
        self._plan = plan_detail(_rgb(crop), _rgb(self._edited))
        self._active = self._plan.active

    def into(self, region: Pixels) -> None:
        """Puts the edit into the region, tile by tile."""
        for tile, here in tiles(region):
            tile[:] = stored(self._levels(tile, here) * self._unit, tile)

    def _levels(self, tile: Pixels, here: Places) -> FloatImage:
        """The tile's pixels after the edit, in levels of 8 bits.

        Args:
            tile: as it was.
            here: its pixels' places in the region.
        """
        places = (here * self._to_crop.turn + self._to_crop.shift).astype(np.complex64)
        if not self._is_active(places):
            levels = tile / self._unit + sampled(self._difference, places, cv2.INTER_CUBIC)
            return np.asarray(levels, dtype=np.float32)
        plan = self._plan
        origin = _as_places(sampled(plan.origin, places))
        kept = sampled(plan.kept, places)
        result = sampled(self._edited, places, cv2.INTER_CUBIC)
        result += self._detail(here, places, origin) * per_channel(kept, result)
        lent = sampled(plan.lent, places)
        if lent.any():
            # Its neighbours may have another lender, so the way to one is never averaged.
            lender = _as_places(sampled(plan.lender, places, cv2.INTER_NEAREST))
            result += self._detail(here, places, lender) * per_channel(lent, result)
        return result

    def _detail(self, here: Places, places: Places, away: Places) -> FloatImage:
        """What the picture has beyond the crop, some crop pixels away from each of these places."""
        there = here + away * self._turn
        of_picture = sampled(self._before, there, cv2.INTER_CUBIC).astype(np.float32)
        return of_picture / self._unit - sampled(self._crop, places + away, cv2.INTER_CUBIC)

    def _is_active(self, places: Places) -> bool:
        corners = places[:: max(1, len(places) - 1), :: max(1, places.shape[1] - 1)]
        last = len(self._active) - 1
        left, right = np.clip((corners.real.min() - 1, corners.real.max() + 2), 0, last).astype(int)
        top, bottom = np.clip((corners.imag.min() - 1, corners.imag.max() + 2), 0, last).astype(int)
        return bool(self._active[top : bottom + 1, left : right + 1].any())


def _as_places(pairs: FloatImage) -> Places:
    return np.asarray(pairs[..., 0] + 1j * pairs[..., 1], dtype=np.complex64)


def _rgb(levels: FloatImage) -> Picture:
    picture = np.asarray(np.clip(np.rint(levels), 0, 255), dtype=np.uint8)
    return rgb8(picture)
