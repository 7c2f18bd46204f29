"""The faces on which every build is held to its bars.

Eight rendered faces of people outside the training set travel with the package, so that a build
measures parity on faces wherever it runs. They are CC0 and show no real person.
"""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
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


def write_faces(pictures: Sequence[Path], destination: Path) -> None:
    """Makes the package's file of faces from pictures of one size.

    What ships was made from the rendered test people 200 to 207, neutral and angry in turn:
    `write_faces([synth / f"id{200 + i}_{('neutral', 'angry')[i % 2]}.jpg" for i in range(8)],
    Path("efgan_rt/shipped/calibration_faces.npz"))`.

    Raises:
        EfganError: a picture cannot be read.
    """
    import cv2

    faces = []
    for picture in pictures:
        read = cv2.imread(str(picture), cv2.IMREAD_COLOR_RGB)
        if read is None:
            raise EfganError(f"{picture}: not a picture that can be read")
        faces.append(read)
    np.savez_compressed(destination, faces=np.stack(faces))


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
