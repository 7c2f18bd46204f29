"""What is wrong with an installation, in one sentence: packages missing, old or over each other.

Looked for where something has failed in a way that it may explain, and once before a run that finds
faces, for OpenCV's packages all write into one folder: of two releases the one installed last has
won, and not everywhere. Two packages of one release are what `portraits` brings, and no fault.
"""

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Final

OPENCV: Final = "opencv-python-headless"
OPENCV_WANTED: Final = f"{OPENCV}>=4.14,<5"
OPENCV_OLDEST: Final = (4, 14)
OPENCV_PACKAGES: Final = (
    OPENCV,
    "opencv-python",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
# import name -> distribution, of what efgan-rt cannot do without.
NEEDED: Final = {
    "cv2": OPENCV,
    "msgspec": "msgspec",
    "numpy": "numpy",
    "platformdirs": "platformdirs",
    "rich": "rich",
    "typer": "typer",
}


def opencv_packages() -> dict[str, str]:
    """The OpenCV packages that are installed, each with its version."""
    found = {}
    for package in OPENCV_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def installation_fault() -> str | None:
    """What is wrong with the installation, and the line that mends it; None if nothing is."""
    for module, package in NEEDED.items():
        if find_spec(module) is None:
            return (
                f"efgan-rt needs {package}, which is not installed; pip install '{_wish(package)}'"
            )
    found = opencv_packages()
    # Of one release they write the same files, but for what one has more than the other.
    if len(set(found.values())) > 1:
        named = " and ".join(f"{package} {number}" for package, number in found.items())
        return (
            f"{named} are installed, which overwrite each other's files; pip uninstall -y "
            f"{' '.join(found)} && pip install '{OPENCV_WANTED}'"
        )
    remedy = f"pip install --force-reinstall '{OPENCV_WANTED}'"
    try:
        import cv2
    except ImportError as error:
        return f"OpenCV is installed but does not load ({error}); {remedy}"
    number = getattr(cv2, "__version__", "")
    if not number or not hasattr(cv2, "FaceDetectorYN"):
        return f"OpenCV is installed in part: files of it are missing; {remedy}"
    if tuple(int(part) for part in number.split(".")[:2]) < OPENCV_OLDEST:
        return f"OpenCV {number} is installed, and 4.14 or newer is needed; {remedy}"
    return None


def _wish(package: str) -> str:
    return OPENCV_WANTED if package == OPENCV else package
