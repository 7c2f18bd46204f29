"""The way between a picture's size and the networks' crop.

A picture that is itself a face crop, of any size, gives its largest centred square, and what comes
back to it is the edit's difference, not the small picture: where nothing was edited the original
pixels stay, and its texture stays everywhere. The networks' crop is 8-bit RGB whatever the picture
is; the difference is added at the picture's own depth, and by its luma where the picture is grey.
"""

from typing import Final

import cv2
import numpy as np

from efgan_rt.pictures.original import Picture, Pixels, rgb8

CROP_PX: Final = 128


def to_crop(picture: Pixels, crop_px: int = CROP_PX) -> Picture:
    """The picture's largest centred square, at the networks' size.

    Args:
        picture: uint8 or uint16, (H, W, 3) RGB or (H, W) grey.
        crop_px: side of the result.

    Returns:
        uint8 (crop_px, crop_px, 3); a view of `picture` where it is of that kind already.
    """
    return rgb8(_resized(_centred_square(picture), crop_px))


def resized(crops: Picture, side: int) -> Picture:
    """Crops, uint8 (n, h, h, 3), at another size; themselves where they have it."""
    own = crops.shape[1]
    if own == side:
        return crops
    how = cv2.INTER_AREA if side < own else cv2.INTER_CUBIC
    made = [cv2.resize(each, (side, side), interpolation=how) for each in crops]
    return np.asarray(np.stack(made), np.uint8)


def add_difference(picture: Pixels, crop: Picture, edited: Picture) -> None:
    """Adds the difference of an edit to its picture, enlarged, in the picture's own memory.

    Args:
        picture: as for `to_crop`; where `edited` equals `crop` it stays as it is. Of 8 bits and the
            crop's own size it becomes `edited` (a grey one its luma).
        crop: uint8 (crop_px, crop_px, 3), `to_crop(picture)`.
        edited: uint8 of the same shape, the edited crop.
    """
    square = _centred_square(picture)
    if square.shape == crop.shape and picture.dtype == np.uint8:
        square[:] = edited
        return
    if picture.ndim == 2:
        crop = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)  # type: ignore[assignment]
        edited = cv2.cvtColor(edited, cv2.COLOR_RGB2GRAY)  # type: ignore[assignment]
    difference = np.subtract(edited, crop, dtype=np.int16)
    if picture.dtype == np.uint16:
        levels = _resized(difference.astype(np.float32) * 257, len(square))
        square[:] = np.clip(np.rint(square + levels), 0, 65535)
    else:
        square[:] = cv2.add(square, _resized(difference, len(square)), dtype=cv2.CV_8U)


def _centred_square(picture: Pixels) -> Pixels:
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return picture[top : top + side, left : left + side]


def _resized(square: Pixels, side: int) -> Pixels:
    if len(square) == side:
        return square
    # Area averaging keeps a picture that shrinks from shimmering; cubic keeps one that grows sharp.
    how = cv2.INTER_AREA if side < len(square) else cv2.INTER_CUBIC
    return cv2.resize(square, (side, side), interpolation=how)
