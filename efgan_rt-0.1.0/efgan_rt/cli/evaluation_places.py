"""What an evaluation reads and writes: checked before any work, since a training may come first."""

import hashlib
import json
from pathlib import Path
from typing import Final

from efgan_rt.errors import EfganError
from efgan_rt.user_folders import cache_folder

WRITTEN: Final = ("evaluation.json", "evaluation.md", "pairs.csv", "pictures")


def check_set(data: Path) -> None:
    """Refuses what is no labelled set.

    Raises:
        EfganError: it is none.
    """
    if not ((data / "labels.csv").is_file() and (data / "images").is_dir()):
        raise EfganError(
            f"{data}: no labelled set, expected labels.csv and images/ in it; "
            "efgan-rt prepare makes one"
        )


def check_out(out: Path, *, overwrite: bool) -> None:
    """Refuses to write over what no evaluation has written.

    Raises:
        EfganError: such a file is there.
    """
    present = [name for name in WRITTEN if (out / name).exists()]
    if overwrite or not present:
        return
    try:
        own = json.loads((out / WRITTEN[0]).read_text())["format"].startswith("efgan-rt evaluation")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        own = False
    if not own:
        raise EfganError(
            f"{out}: has {' and '.join(present)}, which no evaluation has written; "
            "choose another folder, or say --overwrite"
        )


def make_out(out: Path) -> None:
    """Makes the folder of the results.

    Raises:
        EfganError: it cannot be made.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EfganError(
            f"{out}: cannot be made a folder: {error.strerror}; choose another --out"
        ) from error


def own_judges(data: Path) -> Path:
    """Where a set's judges are kept without `--judges`: by the content of its labels.

    Raises:
        EfganError: the user has no home directory.
    """
    digest = hashlib.sha256((data / "labels.csv").read_bytes()).hexdigest()
    return cache_folder() / "judges" / digest[:16]
