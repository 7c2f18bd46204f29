"""The face detector's file: named, in the user's data folder, or fetched once on request.

Nothing is fetched unless somebody asks for it. What is fetched is pinned: it is OpenCV's own YuNet
of 2023 (MIT licence) byte for byte, or it is refused. A file that the user names is taken as it is,
since YuNet files of later years work as well; its hash goes into every template made with it.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from efgan_rt.errors import EfganError
from efgan_rt.faces.detect import MIN_SCORE, Detector, HaarCascade, YuNet

NAME: Final = "face_detection_yunet_2023mar.onnx"
BYTES: Final = 232_589
SHA256: Final = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
# The model zoo and, since it is archived, the place that its maintainers name instead.
ADDRESSES: Final = (
    f"https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/{NAME}",
    f"https://huggingface.co/opencv/face_detection_yunet/resolve/main/{NAME}",
)
TIMEOUT_S: Final = 30
LARGEST_BYTES: Final = 64 << 20  # YuNet has a quarter of a megabyte; a device or a film is no YuNet


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


def own_file() -> Path:
    """Where the fetched detector lies, whether or not it is there."""
    from platformdirs import user_data_path

    return user_data_path("efgan-rt", appauthor=False) / "models" / NAME


def open_detector(named: Path | None, *, min_score: float = MIN_SCORE) -> tuple[Detector, str]:
    """The detector to use, and the sentence that says which it is and why.

    Args:
        named: what `--detector` gave.
        min_score: what YuNet scores below it is no face.

    Raises:
        EfganError: a file is there and is no YuNet, or there is none and OpenCV has no cascade.
    """
    file, why = (named, "named by --detector") if named else (own_file(), "fetched earlier")
    if named or file.exists():
        digest = sha256_of(file)
        if not named and digest != SHA256:
            raise EfganError(f"{file}: is damaged; fetch it again with --fetch-detector")
        return YuNet(file, digest, min_score=min_score), f"YuNet, {file} ({why})"
    return HaarCascade(), (
        "OpenCV's Haar cascade, because no YuNet file is there: it misses more faces and cannot "
        "turn them upright; --fetch-detector fetches YuNet once (0.2 MB), --detector names a file"
    )


def fetch_detector(addresses: Sequence[str] = ADDRESSES) -> Path:
    """Fetches the pinned detector into the user's data folder, unless it is there already.

    Args:
        addresses: tried in order until one gives the pinned file.

    Raises:
        EfganError: none of them gives it, or it cannot be stored; the message says what each gave.
    """
    file = own_file()
    if file.is_file() and sha256_of(file) == SHA256:
        return file
    # Here and not above: it takes longer to import than the rest of finding a detector.
    import urllib.request

    failures = []
    for address in addresses:
        try:
            with urllib.request.urlopen(address, timeout=TIMEOUT_S) as answer:
                data = answer.read(BYTES + 1)
        except (OSError, ValueError) as error:  # an URLError is an OSError
            failures.append(f"{address}: {getattr(error, 'reason', None) or error}")
            continue
        if hashlib.sha256(data).hexdigest() != SHA256:
            failures.append(f"{address}: another file than the pinned one")
            continue
        _store(file, data)
        return file
    raise EfganError(
        f"the detector cannot be fetched ({'; '.join(failures)}); fetch {NAME} by other means "
        "and give it with --detector FILE"
    )


def _store(file: Path, data: bytes) -> None:
    """Writes the file whole or not at all."""
    part = file.with_name(f".{file.name}-{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(data)
            os.replace(part, file)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise EfganError(f"{file}: cannot be written: {error.strerror}") from error
