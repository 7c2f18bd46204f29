"""Which detector found a face, and which points it gives; needs no OpenCV, as `detect` does."""

from dataclasses import dataclass
from typing import Final

POINT_NAMES: Final = ("right_eye", "left_eye", "nose", "right_mouth", "left_mouth")  # the person's


@dataclass(frozen=True)
class DetectorFacts:
    """Which detector it is; part of an alignment template, for points of two do not mix.

    Attributes:
        name: `yunet` or `haar`.
        file: the file's name.
        sha256: of the file, in hexadecimal.
    """

    name: str
    file: str
    sha256: str
