"""The faces on which every build is held to its bars.

Eight rendered faces of people outside the training set travel with the package, so that a build
measures parity on faces wherever it runs. They are CC0 and show no real person: the rendered test
people 200 to 207, neutral and angry in turn.
"""

from importlib import resources
from typing import Final

import numpy as np
import numpy.typing as npt

from efgan_rt.errors import EfganError
from efgan_rt.pictures.crop import resized

Pixels = npt.NDArray[np.uint8]

FILE_NAME: Final = "calibration_faces.npz"


def bundled_faces() -> Pixels:
    """The package's faces, uint8 (n, 128, 128, 3), RGB."""
    file = resources.files("efgan_rt") / "shipped" / FILE_NAME
    with file.open("rb") as stream, np.load(stream) as content:
        return np.asarray(content["faces"], dtype=np.uint8)


def checked_faces(faces: Pixels | None, crop_px: int) -> Pixels:
    """The given faces, or the package's own, brought to the crop's size.

    Raises:
        EfganError: they are not uint8 (n, crop_px, crop_px, 3) with n at least 1.
    """
    found = resized(bundled_faces(), crop_px) if faces is None else faces
    if found.dtype != np.uint8 or found.shape[1:] != (crop_px, crop_px, 3) or not len(found):
        raise EfganError(
            f"faces for parity: found {found.dtype} {found.shape}, expected uint8 "
            f"(n, {crop_px}, {crop_px}, 3) with at least one face"
        )
    return found
