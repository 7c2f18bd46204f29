"""An edited face back into its picture, at the picture's own size and depth.

What goes back is the edit's difference to the crop, not the edited crop: brought to the picture's
size, through a mask that fades out towards the crop's border. So the picture's own texture stays
where the edit is small, no seam shows, and nothing outside the mask is touched. Where the edit is
no change, the picture is not changed at all.

A picture that is itself a crop gets the difference everywhere, as `images.from_crop` says.
"""

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from efgan_rt.faces.align import Similarity, warp
from efgan_rt.faces.framing import Framed
from efgan_rt.images import Picture, add_difference
from efgan_rt.originals import Pixels

# In shares of the crop's side: where the mask is nothing, and where it is all.
MASK_NONE: Final = 2 / 128
MASK_ALL: Final = 14 / 128
# A region is worked on in bands of about this many pixels, so that a face that fills a picture of
# 24 megapixels takes no more memory than a small one.
BAND_PIXELS: Final = 1 << 20

FloatImage = npt.NDArray[np.float32]


def paste(pixels: Pixels, framed: Framed, edited: Picture) -> None:
    """Brings an edit into a picture.

    Args:
        pixels: uint8 or uint16, (H, W, 3) RGB or (H, W) grey; changed in place, inside `paste_box`.
        framed: the face as it was cut out of this picture, or of the picture before other faces
            were pasted.
        edited: uint8 (crop, crop, 3), the edited crop.
    """
    if framed.face is None:
        add_difference(pixels, framed.crop, edited)
        return
    rows, columns = paste_box(framed, pixels.shape[:2])
    region = pixels[rows, columns]
    if region.size == 0 or np.array_equal(framed.crop, edited):
        return
    difference = _difference(framed.crop, edited, grey=pixels.ndim == 2)
    height, width = region.shape[:2]
    to_region = framed.to_crop.inverse.then(Similarity(1, -complex(columns.start, rows.start)))
    band = max(1, BAND_PIXELS // width)
    for top in range(0, height, band):
        part = region[top : top + band]
        to_part = to_region.then(Similarity(1, complex(0, -top)))
        levels = warp(difference, to_part, width, len(part))
        part[:] = _added(part, levels)


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


def _difference(crop: Picture, edited: Picture, *, grey: bool) -> FloatImage:
    """The masked difference in levels of 8 bits, float32 (crop, crop, 3), or of the luma."""
    before, after = (
        (cv2.cvtColor(each, cv2.COLOR_RGB2GRAY) if grey else each) for each in (crop, edited)
    )
    difference = np.subtract(after, before, dtype=np.float32)
    weights = mask(len(crop))
    return np.asarray(difference * (weights if grey else weights[..., np.newaxis]))


def _added(part: Pixels, levels: FloatImage) -> Pixels:
    most = np.iinfo(part.dtype).max
    changed = part + levels * np.float32(most / 255)
    return np.asarray(np.clip(np.rint(changed), 0, most), dtype=part.dtype)
