"""MediaPipe's landmarks and blendshape scores of a face: for making pairs, never for running edits.

MediaPipe (Apache-2.0) asks for OpenCV's contrib build without a bound; it works with the headless
one that this project has.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from efgan_rt.errors import EfganError

Found: TypeAlias = tuple[npt.NDArray[np.float64], dict[str, float]]
Landmarker: TypeAlias = Callable[[npt.NDArray[np.uint8]], Found | None]

# MediaPipe brings OpenCV's contrib build, which lies over the files of the headless one.
INSTALL: Final = (
    'pip install "efgan-rt[portraits]", then '
    "pip install --force-reinstall --no-deps 'opencv-python-headless<5'"
)


def open_landmarker(model: Path) -> "MediaPipeLandmarker":
    """A function from a picture, uint8 RGB (H, W, 3), to its face's landmarks and scores.

    Landmarks are (478, 2) in pixels; None where no face is found.

    Args:
        model: MediaPipe's `face_landmarker.task`.

    Raises:
        EfganError: MediaPipe is not installed, or the model's file cannot be used.
    """
    try:
        import mediapipe
        from mediapipe.tasks.python import BaseOptions, vision
    except ImportError as error:
        raise EfganError(f"landmarks need MediaPipe: {INSTALL}") from error
    if not model.is_file():
        raise EfganError(f"{model}: no such landmarker; expected MediaPipe's face_landmarker.task")
    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(model)),
        output_face_blendshapes=True,
        num_faces=1,
    )
    try:
        landmarker: Any = vision.FaceLandmarker.create_from_options(options)
    except (RuntimeError, ValueError) as error:
        said = str(error).partition("\n")[0]
        raise EfganError(
            f"{model}: not MediaPipe's face_landmarker.task, whose scores are needed too: {said}"
        ) from error
    return MediaPipeLandmarker(landmarker, mediapipe.Image, mediapipe.ImageFormat.SRGB)


class MediaPipeLandmarker:
    """A `Landmarker`; closed when it is done with, else its process may end noisily or hang."""

    def __init__(self, landmarker: Any, image: Any, srgb: Any) -> None:
        self._landmarker, self._image, self._srgb = landmarker, image, srgb

    def __call__(self, picture: npt.NDArray[np.uint8]) -> Found | None:
        """Landmarks and scores of a picture's face, uint8 RGB (H, W, 3); None without a face."""
        image = self._image(image_format=self._srgb, data=np.ascontiguousarray(picture))
        result = self._landmarker.detect(image)
        if not result.face_landmarks:
            return None
        height, width = picture.shape[:2]
        points = np.array([[p.x * width, p.y * height] for p in result.face_landmarks[0]])
        return points, {c.category_name: c.score for c in result.face_blendshapes[0]}

    def close(self) -> None:
        """Ends MediaPipe's threads."""
        self._landmarker.close()
