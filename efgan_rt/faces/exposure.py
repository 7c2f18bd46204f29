"""A face's crop as the networks shall see it: dim, high-key and tinted ones at a normal exposure.

What a table per channel does to the crop is undone on the edit's way back. A crop of usual light is
not touched, bit for bit. Usual is what the middle of a face has over 48 photographs (mean luma 62
to 169, red to blue 1.20 to 1.68), 12 examples (74 to 195, 1.4 to 2.1) and 514 portraits of all
kinds (43 to 195, half a hundredth below 50; red to blue 0.55 to 3.4); greys are usual.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from efgan_rt.pictures.original import Picture
from engines.arrays import FloatArray

# Of the mean luma in the middle of the face, in levels.
DIM, BRIGHT = 50.0, 212.0
NORMAL_DIM, NORMAL_BRIGHT = 95.0, 185.0  # what they are brought to
# Red to blue, and green to red, outside of which a face is tinted.
WARMEST, COLDEST, GREENEST = 4.0, 0.8, 1.08
SKIN: Final = (1.16, 0.96, 0.82)  # channels of a face to its luma, as photographs usually have them
LUMA: Final = (0.299, 0.587, 0.114)
ENDS: Final = (1, 99)  # percentiles that become black and white
LEAST_CONTRAST: Final = 4.0
# The middle of a face in its crop, in shares of the side.
ROWS, COLUMNS = (0.25, 0.90), (0.20, 0.80)


@dataclass(frozen=True, eq=False)
class Exposure:
    """What brings a crop to a normal exposure, for each of its channels.

    A level is stretched between the darkest and the brightest, then lifted or lowered by a curve
    that keeps black and white: t k / (1 + t (k - 1)).

    Attributes:
        low: float32 (3,), the darkest level.
        high: the brightest.
        gain: k, of what is dark.
    """

    low: FloatArray
    high: FloatArray
    gain: FloatArray

    def seen(self) -> Picture:
        """For each level, what the networks shall see: uint8 (1, 256, 3), for `cv2.LUT`."""
        levels = np.arange(256, dtype=np.float32)[:, np.newaxis]
        share = np.clip((levels - self.low) / (self.high - self.low), 0, 1)
        lifted = 255 * share * self.gain / (1 + share * (self.gain - 1))
        return np.asarray(np.rint(lifted)[np.newaxis], np.uint8)

    def back(self, seen: FloatArray) -> FloatArray:
        """What the networks see, in levels (..., 3), in the picture's own light."""
        share = np.clip(seen / 255, 0, 1)
        share = share / (self.gain - share * (self.gain - 1))
        return np.asarray(self.low + share * (self.high - self.low), np.float32)


def exposure_of(crop: Picture) -> Exposure | None:
    """What brings a crop, uint8 (crop, crop, 3), to a normal exposure; None where it has one."""
    side = len(crop)
    rows, columns = (slice(round(a * side), round(b * side)) for a, b in (ROWS, COLUMNS))
    face = crop[rows, columns]
    colour = cv2.mean(face)[:3]
    luma = sum(share * level for share, level in zip(LUMA, colour, strict=True))
    red, green, blue = (max(level, 1.0) for level in colour)
    is_tinted = not COLDEST <= red / blue <= WARMEST or green > GREENEST * red
    if DIM <= luma <= BRIGHT and not is_tinted:
        return None
    low, high = np.percentile(face.reshape(-1, 3), ENDS, axis=0)
    wanted = NORMAL_DIM if luma < DIM else NORMAL_BRIGHT if luma > BRIGHT else luma
    if is_tinted:
        start, end = np.asarray(colour), wanted * np.asarray(SKIN)
    else:
        low, high = np.full(3, low.min()), np.full(3, high.max())
        start, end = np.full(3, luma), np.full(3, wanted)
    if (high - low).min() < LEAST_CONTRAST:  # nothing to see
        return None
    start = np.clip((start - low) / (high - low), 0.02, 0.98)
    end = np.clip(end / 255, 0.02, 0.98)
    gain = end * (1 - start) / (start * (1 - end))
    return Exposure(*(np.asarray(each, np.float32) for each in (low, high, gain)))


def to_network(crop: Picture) -> Picture:
    """A face's crop as the networks shall see it; itself where its light is usual."""
    exposure = exposure_of(crop)
    return crop if exposure is None else np.asarray(cv2.LUT(crop, exposure.seen()), np.uint8)


def from_network(edited: Picture, crop: Picture) -> Picture:
    """What the networks made of `to_network(crop)`, as an edit of `crop`.

    Where they changed nothing it is the crop, bit for bit.
    """
    exposure = exposure_of(crop)
    if exposure is None:
        return edited
    seen = cv2.LUT(crop, exposure.seen())
    change = exposure.back(edited.astype(np.float32)) - exposure.back(seen.astype(np.float32))
    return np.clip(np.rint(crop + change), 0, 255).astype(np.uint8)
