"""What a movement hides: where lips close over teeth, their edges meet.

A network is not certain where that is and gives a slope: the teeth that are to be hidden are
squeezed into a band and stay to be seen. All that the slope squeezes together is left out here
instead: above its middle the pixels come from where those at its upper end do, below it from where
those at its lower end do, so that lips keep their height. A line in between is darker, as it is
where lips touch.
"""

from typing import Final

import cv2
import numpy as np

from efgan_rt.pictures.original import Picture
from engines.arrays import FloatArray

ZONE: Final = (0.55, 0.95)  # rows of mouths, shares of the crop's side
GRID: Final = 128  # what is counted in steps of a grid is counted in those of this one
FINER: Final = 2
# A slope is where this many rows and more of the source fall into one, besides that one; it counts
# where that gets twice as much somewhere.
SLOPE: Final = 0.2
# From the one to the other a slope turns into a step: rows that are hidden, the levels by which
# they go up and down, and both as a share of the mouth's most. Lips alone vary less.
HIDDEN: Final = (1.5, 3.5)
VARIED: Final = (80.0, 150.0)
HIDDEN_SHARE: Final = (0.25, 0.5)
VARIED_SHARE: Final = (0.3, 0.5)
DRAWN: Final = (
    0.25,
    0.5,
)  # alpha of a mouth that is drawn over it, from which on no step is wanted
SMOOTH, EVEN = 1.5, 4.0  # columns, of the step's strength and of its place
LINE: Final = 0.25  # the line's shade


def closed(fields: FloatArray, crop: Picture) -> FloatArray:
    """Fields with steps where something is hidden.

    Args:
        fields: float32 (h, h, 10), as in `efgan_rt.faces.motion.Motion`, unmasked.
        crop: uint8 (crop, crop, 3), what they move.

    Returns:
        The fields themselves where nothing is, else others on a grid `FINER` times as fine.
    """
    if not _hides(fields[_zone(len(fields))]):
        return fields
    found = finer(fields)
    zone = _zone(len(found))
    _close(found[zone], moved(light_of(crop, len(found)), found[..., :2])[zone])
    return found


def finer(fields: FloatArray) -> FloatArray:
    """Fields on a grid `FINER` times as fine, displacements in its pixels."""
    side = FINER * len(fields)
    found = np.empty((side, side, fields.shape[2]), np.float32)
    for channel in range(fields.shape[2]):
        found[..., channel] = cv2.resize(fields[..., channel], (side, side))
    found[..., :2] *= FINER
    return found


def light_of(crop: Picture, side: int) -> FloatArray:
    """A crop's luma in levels, float32 (side, side)."""
    small = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.float32)


def moved(light: FloatArray, displacement: FloatArray) -> FloatArray:
    """Luma (h, h) as a displacement (h, h, 2), in its pixels, moves it."""
    rows, columns = np.mgrid[: len(light), : len(light)].astype(np.float32)
    places = columns + displacement[..., 0], rows + displacement[..., 1]
    found = cv2.remap(light, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float32)


def _zone(side: int) -> slice:
    first, last = ZONE
    return slice(round(first * side), round(last * side))


def _hides(zone: FloatArray) -> bool:
    squeezed = np.diff(zone[..., 1], axis=0)
    hidden = np.where(squeezed > SLOPE, squeezed, 0).sum(axis=0)
    limit = HIDDEN[0] * zone.shape[1] / GRID
    return bool(((squeezed.max(axis=0) > 2 * SLOPE) & (hidden > limit)).any())


def _close(fields: FloatArray, light: FloatArray) -> None:
    """Turns a mouth's slopes into steps, one in each column.

    Args:
        fields: float32 (rows, columns, 10), changed in place.
        light: float32 (rows, columns), the luma that their displacement gives.
    """
    unit = fields.shape[1] / GRID
    squeezed = np.diff(fields[..., 1], axis=0)
    last = len(squeezed)
    rows = np.arange(last, dtype=np.int16)[:, np.newaxis]
    peak = squeezed.argmax(axis=0)
    is_flat = squeezed < SLOPE
    start = np.where(is_flat & (rows < peak), rows + 1, 0).max(axis=0)
    end = np.where(is_flat & (rows > peak), rows, last).min(axis=0)
    slope = squeezed * ((rows >= start) & (rows < end))
    hidden = slope.sum(axis=0)
    varied = (np.abs(np.diff(light, axis=0)) * (slope > 0)).sum(axis=0)
    varied = _smooth(varied, SMOOTH * unit)
    strength = (squeezed.max(axis=0) > 2 * SLOPE).astype(np.float32)
    strength *= _rising(hidden / unit, HIDDEN) * _rising(varied, VARIED)
    strength *= _rising(hidden / max(float(hidden.max()), 1e-6), HIDDEN_SHARE)
    strength *= _rising(varied / max(float(varied.max()), 1e-6), VARIED_SHARE)
    strength *= 1 - _rising(fields[..., 5].max(), DRAWN)
    strength = np.minimum(strength, _smooth(strength, SMOOTH * unit))
    middle = np.arange(0.5, last, dtype=np.float32) @ slope / np.maximum(hidden, 1e-6)
    counted = strength * hidden
    even = _smooth(middle * counted, EVEN * unit)
    middle = even / np.maximum(_smooth(counted, EVEN * unit), 1e-6)
    columns = np.arange(fields.shape[1])
    upper, lower = fields[start, columns, :2], fields[end, columns, :2]
    rows = np.arange(last + 1, dtype=np.int16)[:, np.newaxis]
    step = np.where((rows < middle)[..., np.newaxis], upper, lower)
    share = strength * ((rows >= start) & (rows <= end))
    fields[..., :2] += share[..., np.newaxis] * (step - fields[..., :2])
    off = np.abs(rows.astype(np.float32) - middle)
    fields[..., 2] -= LINE * strength * np.clip(1.25 - off / np.float32(unit), 0, 1)


def _smooth(columns: FloatArray, sigma: float) -> FloatArray:
    row = columns[np.newaxis].astype(np.float32)
    return np.asarray(cv2.GaussianBlur(row, (0, 0), sigma)[0], np.float32)


def _rising(values: FloatArray | np.float32, ends: tuple[float, float]) -> FloatArray:
    """0 up to the first end, 1 from the second on."""
    first, second = ends
    return np.asarray(np.clip((values - first) / (second - first), 0, 1), np.float32)
