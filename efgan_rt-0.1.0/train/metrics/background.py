"""Whether an edit leaves alone what the expression does not touch.

The truth says what an expression touches: where it differs from the input by 2 levels or more, and
4 pixels around that. Everywhere else is still, and an edit should be too. The difference of a pixel
is the largest of its three channels' absolute differences, so a change of hue counts in full.

Two pictures of the same still wall differ by their noise. The rendered set has a camera's noise of
its own in every picture: 79 % of its pixels differ from the paired picture by 2 levels or more,
scattered everywhere, and with the margin around them 0.2 % of the pictures are left to look at. So
`noise_px` averages their difference over a square; 7 leaves 38 %,
the parts where nothing but noise differs. The edit is always compared pixel by pixel: it is made
from the input and so has the input's noise.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]

STILL_BELOW_LEVELS: Final = 2
MARGIN_PX: Final = 4  # Euclidean: a disc of this radius around every touched pixel


@dataclass(frozen=True)
class Background:
    """How much of the pictures is still, and what edits did to it.

    `share` of all pixels is still; `mean_change` is the mean difference between edit and input over
    all still pixels of all pictures together, in levels of 255; `worst_change` is the largest such
    mean of a single picture; `changed_share` of the still pixels differ by 2 levels or more. The
    last three are 0 where nothing is still.
    """

    share: float
    mean_change: float
    worst_change: float
    changed_share: float


def level_difference(first: Bytes, second: Bytes) -> Bytes:
    """Each pixel's difference: the largest of its channels' absolute ones.

    Args:
        first: uint8 (..., H, W, C).
        second: the same shape.

    Returns:
        uint8 (..., H, W).
    """
    result: Bytes = (np.maximum(first, second) - np.minimum(first, second)).max(axis=-1)
    return result


def still_pixels(source: Bytes, truth: Bytes, noise_px: int = 1) -> npt.NDArray[np.bool_]:
    """Where one picture's truth leaves the source alone, (H, W).

    Args:
        source: the input, uint8 (H, W, C).
        truth: the wanted picture, the same shape.
        noise_px: side of the square that their difference is averaged over; 1 averages nothing.
    """
    window = (noise_px, noise_px)
    difference = cv2.blur(source.astype(np.float32) - truth, window)
    untouched: npt.NDArray[np.bool_] = np.abs(difference).max(axis=-1) < STILL_BELOW_LEVELS
    distance = cv2.distanceTransform(untouched.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # Without a touched pixel there is nothing to be far from, and OpenCV's distance means nothing.
    return untouched if untouched.all() else np.asarray(distance > MARGIN_PX)


def measure_background(
    sources: Bytes, edits: Bytes, truths: Bytes, noise_px: int = 1
) -> Background:
    """Compares edits with their inputs where the truth is still.

    Args:
        sources: the inputs, uint8 (n, H, W, 3).
        edits: what was made of them, the same shape.
        truths: what should have been made of them, the same shape.
        noise_px: see `still_pixels`.
    """
    still = np.stack([still_pixels(s, t, noise_px) for s, t in zip(sources, truths, strict=True)])
    changes = level_difference(sources, edits)
    counted = changes[still]
    if counted.size == 0:
        return Background(0.0, 0.0, 0.0, 0.0)
    by_picture = [c[s].mean() for c, s in zip(changes, still, strict=True) if s.any()]
    return Background(
        share=float(still.mean()),
        mean_change=float(counted.mean()),
        worst_change=float(max(by_picture)),
        changed_share=float((counted >= STILL_BELOW_LEVELS).mean()),
    )
