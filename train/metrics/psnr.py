"""Peak signal-to-noise ratio of finished pictures against their truth, in decibels.

One value a picture, over its three channels together, as scikit-image's `peak_signal_noise_ratio`
with a data range of 255 computes it. A table's figure is the mean of the decibels, not the decibels
of the mean error: that is how the paper and its successors report it.
"""

from typing import Final

import numpy as np

from engines.arrays import Bytes, Values

PEAK: Final = 255.0


def psnr_db(pictures: Bytes, truths: Bytes) -> Values:
    """PSNR of each picture.

    Args:
        pictures: uint8 (n, H, W, C).
        truths: the same shape.

    Returns:
        (n,) in dB; infinite where a picture equals its truth.

    Raises:
        ValueError: the shapes differ.
    """
    if pictures.shape != truths.shape:
        raise ValueError(f"pictures are {pictures.shape}, truths {truths.shape}")
    error = pictures.astype(np.float64) - truths
    mean_square = np.mean(error**2, axis=(1, 2, 3))
    with np.errstate(divide="ignore"):
        decibels: Values = 10 * np.log10(PEAK**2 / mean_square)
    return decibels


def finite_psnr_db(pictures: Bytes, truths: Bytes) -> Values:
    """PSNR of each picture, finite even where one equals its truth, (n,) in dB.

    An equal picture counts as one that is a single level off in a single sample, the smallest
    error that bytes can hold (95.0 dB for 128 x 128 x 3): one of them lifts a mean, but does not
    swallow it.
    """
    ceiling = 10 * np.log10(PEAK**2 * np.prod(pictures.shape[1:]))
    decibels: Values = np.minimum(psnr_db(pictures, truths), ceiling)
    return decibels
