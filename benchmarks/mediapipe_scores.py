"""MediaPipe's expression scores of picture files, from a Python environment that has MediaPipe."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from efgan_rt.errors import EfganError

SCRIPT: Final = Path(__file__).with_name("smile_scores.py")
SMILE: Final = ("mouthSmileLeft", "mouthSmileRight")


def check_landmarker(landmarker: Path) -> None:
    """Refuses a model that is not there.

    Raises:
        EfganError: there is no such file.
    """
    if not landmarker.is_file():
        raise EfganError(
            f"{landmarker}: no such file; expected MediaPipe's face_landmarker.task, named by "
            "--landmarker"
        )


def smiles_of(files: Sequence[Path], python: Path, landmarker: Path) -> npt.NDArray[np.float64]:
    """The smile in each picture, (n,), 0 to 1; not a number where MediaPipe finds no face.

    Args:
        files: of the pictures.
        python: an interpreter with MediaPipe.
        landmarker: MediaPipe's `face_landmarker.task`.

    Raises:
        EfganError: the model or MediaPipe is missing, or it fails.
    """
    check_landmarker(landmarker)
    try:
        done = subprocess.run(
            [str(python), str(SCRIPT), str(landmarker), *map(str, files)],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise EfganError(f"{python}: cannot be started ({error.strerror})") from error
    if "No module named 'mediapipe'" in done.stderr:
        raise EfganError(
            f"{python} has no MediaPipe; make an environment for it "
            "(python -m venv VENV && VENV/bin/pip install mediapipe) and name its interpreter "
            "with --mediapipe-python VENV/bin/python"
        )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise EfganError(f"MediaPipe failed with status {done.returncode}: {last}")
    found = json.loads(done.stdout.strip().splitlines()[-1])

    def smile(scores: dict[str, float] | None) -> float:
        return float("nan") if scores is None else sum(scores[s] for s in SMILE) / len(SMILE)

    return np.array([smile(found[str(file)]) for file in files])
