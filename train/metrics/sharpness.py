"""Whether edits are as sharp as the truth where expressions live: the mouth and the eyes.

The variance of a patch's Laplacian is high where there are edges and fine texture. It is read
against the truth's: 1 is as sharp as the real picture, below 1 blurred, above 1 noisier than real.
It cannot tell detail from artefacts, so it is to be read beside PSNR, never alone.
"""

import cv2
import numpy as np
import numpy.typing as npt

from engines.arrays import Bytes

Patch = tuple[slice, slice]  # rows, columns


def laplacian_variance(picture: Bytes, patch: Patch) -> float:
    """Variance of the Laplacian of a patch's luma, levels squared.

    Args:
        picture: uint8 RGB (H, W, 3).
        patch: rows and columns of the patch.
    """
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float64)
    # Over the whole picture and then cut, so that the patch's rim is no edge.
    return float(cv2.Laplacian(luma, cv2.CV_64F)[patch].var())


def sharpness_ratios(edits: Bytes, truths: Bytes, patch: Patch) -> npt.NDArray[np.float64]:
    """Each edit's sharpness in a patch by its truth's.

    Args:
        edits: uint8 RGB (n, H, W, 3).
        truths: the same shape.
        patch: rows and columns.

    Returns:
        (n,), 1 being as sharp as the truth; not a number where the truth has no edge in the patch.
    """
    ratios = np.full(len(edits), np.nan)
    for i, (edit, truth) in enumerate(zip(edits, truths, strict=True)):
        wanted = laplacian_variance(truth, patch)
        if wanted > 0:
            ratios[i] = laplacian_variance(edit, patch) / wanted
    return ratios
