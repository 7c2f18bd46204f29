"""Whether edits are as sharp as the truth where expressions live: the mouth and the eyes.

The variance of a patch's Laplacian is high where there are edges and fine texture. It is read
against the truth's: 1 is as sharp as the real picture, below 1 blurred, above 1 noisier than real.
It cannot tell detail from artefacts, so it is to be read beside PSNR, never alone.
"""

from collections.abc import Mapping

import cv2
import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
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


def relative_sharpness(
    edits: Bytes, truths: Bytes, patches: Mapping[str, Patch]
) -> dict[str, float]:
    """Median over the pictures of edit's sharpness by truth's, for each patch.

    Args:
        edits: uint8 RGB (n, H, W, 3).
        truths: the same shape; a truth without any edge in a patch is left out of it.
        patches: rows and columns by name.

    Returns:
        By patch name; not a number where no truth has an edge in the patch.
    """
    ratios = {}
    for name, patch in patches.items():
        pairs = [
            (laplacian_variance(edit, patch), laplacian_variance(truth, patch))
            for edit, truth in zip(edits, truths, strict=True)
        ]
        found = [edit / truth for edit, truth in pairs if truth > 0]
        ratios[name] = float(np.median(found)) if found else float("nan")
    return ratios
