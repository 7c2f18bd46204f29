"""The alignment template: where a detector's five points lie in a training set's crops, on average.

Whoever crops a face for a model brings the same detector's points onto the model's template, so
that the crop is framed as the training crops were. A template names its detector and the hash of
the detector's file: another detector puts its points elsewhere on the same face (the nose by 4
pixels of 128), so its points do not belong to this template.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from efgan_rt.errors import EfganError
from efgan_rt.faces.detector_facts import POINT_NAMES, DetectorFacts
from engines.arrays import FloatArray

FORMAT: Final = "efgan-rt template 1"
NAME: Final = "template.json"
STANDARD_PX: Final = 128
# YuNet's points over 64 of the training pictures of the rendered set that the weights which come
# along were trained on, made symmetric (November 2026): a set framed so suits those weights.
STANDARD_POINTS: Final = np.array(
    [[42.66, 48.70], [85.75, 48.70], [64.20, 73.14], [45.92, 92.52], [82.48, 92.52]],
    dtype=np.float32,
)
# The Haar cascade's box in crops framed so: centre and side, medians over 72 portraits.
HAAR_CENTRE: Final = complex(63.8, 60.5)
HAAR_SIDE: Final = 108.7


@dataclass(frozen=True, eq=False)
class Template:
    """Where a face's points lie in a crop.

    Attributes:
        points: float32 (5, 2), x and y of `POINT_NAMES` in a crop of `crop_px`.
        crop_px: side of the crop.
        detector: whose points they are.
        pictures: how many crops were averaged.
    """

    points: FloatArray
    crop_px: int
    detector: DetectorFacts
    pictures: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a file and for a checkpoint."""
        points = zip(POINT_NAMES, self.points.tolist(), strict=True)
        return {
            "format": FORMAT,
            "crop_px": self.crop_px,
            "points": {name: [round(x, 3), round(y, 3)] for name, (x, y) in points},
            "detector": asdict(self.detector),
            "pictures": self.pictures,
        }


def template_from_dict(values: Any, where: str) -> Template:
    """The template that `to_dict` wrote.

    Raises:
        EfganError: something is missing, or of the wrong kind; the message begins with `where`.
    """
    if not isinstance(values, Mapping) or values.get("format") != FORMAT:
        raise EfganError(f"{where}: not an alignment template; expected format '{FORMAT}'")
    try:
        crop_px, pictures = values["crop_px"], values["pictures"]
        points = np.array([values["points"][name] for name in POINT_NAMES], dtype=np.float64)
        detector = DetectorFacts(**values["detector"])
        sizes_are_whole = type(crop_px) is int and type(pictures) is int
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise EfganError(f"{where}: the template lacks or garbles {error}") from error
    if not sizes_are_whole or not 16 <= crop_px <= 4096:
        raise EfganError(
            f"{where}: crop_px is {crop_px!r}, expected a whole number from 16 to 4096"
        )
    if points.shape != (5, 2) or not (abs(points) <= 4 * crop_px).all():
        raise EfganError(f"{where}: expected five points, x and y, in a crop of {crop_px}")
    for name, value in asdict(detector).items():
        if not isinstance(value, str):
            raise EfganError(f"{where}: the detector's {name} is {value!r}, expected a text")
    if not re.fullmatch(r"[0-9a-f]{64}", detector.sha256):
        raise EfganError(f"{where}: the detector's sha256 is no hash")
    return Template(points.astype(np.float32), crop_px, detector, pictures)


def read_template(path: Path) -> Template:
    """Reads a template's file.

    Raises:
        EfganError: it cannot be read, or is no template.
    """
    try:
        values = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise EfganError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise EfganError(f"{path}: not JSON: {error}") from error
    return template_from_dict(values, str(path))
