"""Finds the rendered picture set, which is no part of the repository."""

import os
from pathlib import Path

from efgan_rt.errors import EfganError

REPOSITORY = Path(__file__).resolve().parents[1]


def find_picture_set(named: Path | None) -> Path:
    """The folder with `labels.csv` and `images/`.

    Args:
        named: what `--data` gave; without it `$EFGAN_SHARED/data/synth`, and without that variable
            `shared/data/synth` beside the repository.

    Raises:
        EfganError: there is no picture set at that place.
    """
    shared = Path(os.environ.get("EFGAN_SHARED", REPOSITORY.parent / "shared"))
    folder = named if named is not None else shared / "data" / "synth"
    if not ((folder / "labels.csv").is_file() and (folder / "images").is_dir()):
        raise EfganError(
            f"{folder}: no picture set, expected labels.csv and images/ in it; "
            "name its folder with --data, or the one that holds data/synth with EFGAN_SHARED"
        )
    return folder
