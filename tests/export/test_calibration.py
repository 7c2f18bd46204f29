"""The faces that travel with the package."""

from pathlib import Path

import numpy as np
import pytest

from efgan_rt.errors import EfganError
from efgan_rt.pictures.read import read_picture
from export.calibration import bundled_faces, checked_faces


def test_the_bundled_faces_are_at_least_eight_distinct_crops() -> None:
    faces = bundled_faces()
    assert faces.shape[1:] == (128, 128, 3)
    assert faces.dtype == np.uint8
    assert len({face.tobytes() for face in faces}) == len(faces) >= 8


def test_the_bundled_faces_are_those_of_the_picture_set(synth_dir: Path) -> None:
    names = [f"id{200 + i}_{('neutral', 'angry')[i % 2]}.jpg" for i in range(8)]
    faces = np.stack([read_picture(synth_dir / "images" / name) for name in names])
    # Decoders differ by a level or so in how they turn JPEG into RGB.
    assert np.abs(faces.astype(int) - bundled_faces()).max() <= 3


@pytest.mark.parametrize(
    "faces",
    [
        np.zeros((2, 64, 64, 3), np.uint8),
        np.zeros((2, 128, 128, 3), np.float32),
        np.zeros((0, 128, 128, 3), np.uint8),
        np.zeros((128, 128, 3), np.uint8),
    ],
)
def test_faces_of_another_kind_are_refused(faces: np.ndarray) -> None:
    with pytest.raises(EfganError, match=r"expected uint8 \(n, 128, 128, 3\)"):
        checked_faces(faces, 128)
