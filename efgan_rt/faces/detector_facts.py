"""Which detector found a face, and which points it gives; needs no OpenCV, as `detect` does."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from efgan_rt.errors import EfganError

POINT_NAMES: Final = ("right_eye", "left_eye", "nose", "right_mouth", "left_mouth")  # the person's


LARGEST_BYTES: Final = 64 << 20  # YuNet has a quarter of a megabyte; a device or a film is no YuNet


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


def sha256_of(file: Path) -> str:
    """A file's hash in hexadecimal.

    Raises:
        EfganError: it cannot be read, or is no file of a detector's size.
    """
    try:
        if not file.is_file() or file.stat().st_size > LARGEST_BYTES:
            raise EfganError(f"{file}: not a detector's file; expected an ONNX file of YuNet")
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise EfganError(f"{file}: cannot be read: {error.strerror}") from error
