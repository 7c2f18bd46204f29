"""The faces that travel with the package."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from efgan_rt.errors import EfganError
from export.calibration import FILE_NAME, bundled_faces, checked_faces, write_faces


def test_the_bundled_faces_are_at_least_eight_distinct_crops() -> None:
    faces = bundled_faces()
    assert faces.shape[1:] == (128, 128, 3)
    assert faces.dtype == np.uint8
    assert len({face.tobytes() for face in faces}) == len(faces) >= 8


def test_the_bundled_faces_are_remade_from_the_picture_set(synth_dir: Path, tmp_path: Path) -> None:
    expressions = ("neutral", "angry")
    names = [f"id{200 + i}_{expressions[i % 2]}.jpg" for i in range(8)]
    write_faces([synth_dir / "images" / name for name in names], tmp_path / FILE_NAME)
    with np.load(tmp_path / FILE_NAME) as made:
        # Decoders differ by a level or so in how they turn JPEG into RGB.
        assert np.abs(made["faces"].astype(int) - bundled_faces()).max() <= 3


def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    with pytest.raises(EfganError, match=r"broken.jpg: not a picture that can be read"):
        write_faces([broken], tmp_path / FILE_NAME)


def test_faces_are_written_in_rgb(tmp_path: Path) -> None:
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 2] = 255  # OpenCV writes BGR
    cv2.imwrite(str(tmp_path / "red.png"), red)
    write_faces([tmp_path / "red.png"], tmp_path / FILE_NAME)
    with np.load(tmp_path / FILE_NAME) as made:
        assert made["faces"][0, 0, 0].tolist() == [255, 0, 0]


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
