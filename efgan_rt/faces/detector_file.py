"""The face detector's file: the one that comes along, one that is named, or one that was fetched.

The package ships OpenCV's own YuNet of May 2026 (MIT licence) byte for byte; its licence lies
beside it. A file that the user names is taken as it is, since other YuNet files work as well; its
hash goes into every template made with it. A copy of the package without the file can have it
fetched once, pinned: the same bytes, or they are refused. Nothing is fetched unless somebody asks.
"""

import hashlib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Final

from efgan_rt.errors import EfganError
from efgan_rt.faces.detect import MIN_SCORE, SMALLEST_FACE_PX, Detector, HaarCascade, YuNet
from efgan_rt.faces.detector_facts import sha256_of
from efgan_rt.user_folders import data_folder
from efgan_rt.written import write_file

NAME: Final = "face_detection_yunet_2026may.onnx"
BYTES: Final = 229_738
SHA256: Final = "ebafce4e3c118d6554634be5c27ab333b4c047a9a8c3faf1d7cf93101c22f0f0"
COMMIT: Final = "47534e27c9851bb1128ccc0102f1145e27f23f98"
# The model zoo and, since it is archived, the place that its maintainers name instead.
ADDRESSES: Final = (
    f"https://github.com/opencv/opencv_zoo/raw/{COMMIT}/models/face_detection_yunet/{NAME}",
    f"https://huggingface.co/opencv/face_detection_yunet/resolve/main/{NAME}",
)
TIMEOUT_S: Final = 30
HAAR: Final = Path("haar")  # named in place of a file, it asks for OpenCV's cascade


def shipped_file() -> Path | None:
    """The detector inside the package, or None if this copy has none."""
    file = Path(str(resources.files("efgan_rt"))) / "faces" / "yunet" / NAME
    return file if file.is_file() else None


def own_file() -> Path:
    """Where the fetched detector lies, whether or not it is there.

    Raises:
        EfganError: the user has no home directory.
    """
    return data_folder() / "models" / NAME


def open_detector(
    named: Path | None, *, min_score: float = MIN_SCORE, min_face_px: int = SMALLEST_FACE_PX
) -> tuple[Detector, str]:
    """The detector to use, and the sentence that says which it is and why.

    Args:
        named: what `--detector` gave: a file, or `haar`.
        min_score: what YuNet scores below it is no face.
        min_face_px: the smallest face to search for.

    Raises:
        EfganError: a file is there and is no YuNet, or there is none and OpenCV has no cascade.
    """
    if named == HAAR and not named.exists():
        return HaarCascade(min_face_px), "OpenCV's Haar cascade (named by --detector)"
    file, why, remedy = named, "named by --detector", ""
    if file is None:
        file, why, remedy = shipped_file(), "comes along", "install efgan-rt again"
    if file is None:
        file, why, remedy = _fetched(), "fetched earlier", "fetch it again with --fetch-detector"
    if file is None:
        return HaarCascade(min_face_px), (
            "OpenCV's Haar cascade, because no YuNet file is there: it misses more faces and "
            "cannot turn them upright; --fetch-detector fetches YuNet once (0.2 MB), --detector "
            "names a file"
        )
    digest = sha256_of(file)
    if not named and digest != SHA256:
        raise EfganError(f"{file}: is damaged; {remedy}")
    found = YuNet(file, digest, min_score=min_score, min_face_px=min_face_px)
    return found, f"YuNet, {file} ({why})" if why != "comes along" else f"YuNet, {NAME} ({why})"


def _fetched() -> Path | None:
    try:
        file = own_file()
    except EfganError:  # no home directory, so that nothing can have been fetched
        return None
    return file if file.exists() else None


def fetch_detector(addresses: Sequence[str] = ADDRESSES) -> tuple[Path, str]:
    """Has the pinned detector: the one that comes along, one fetched earlier, else fetches it.

    Args:
        addresses: tried in order until one gives the pinned file.

    Returns:
        The file, and the sentence that says what was done.

    Raises:
        EfganError: none of them gives it, or it cannot be stored; the message says what each gave.
    """
    if (shipped := shipped_file()) is not None:
        return shipped, f"nothing was fetched: {NAME} comes along with efgan-rt"
    file = own_file()
    if file.is_file() and sha256_of(file) == SHA256:
        return file, f"nothing was fetched: {file} is there already"
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
        write_file(file, data, make_folder=True)
        return file, f"fetched {file}"
    raise EfganError(
        f"the detector cannot be fetched ({'; '.join(failures)}); fetch {NAME} by other means "
        "and give it with --detector FILE"
    )
