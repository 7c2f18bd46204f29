"""Files beside the outputs: a run replaces those of an earlier run, and no other without asking."""

import os
from pathlib import Path

from efgan_rt.errors import EfganError


def refuse_foreign(path: Path, what: str, mark: bytes, *, within: int, overwrite: bool) -> None:
    """Refuses, before any work, to replace a file that no run has written.

    Args:
        path: what is to be written.
        what: names its kind, such as "contact sheet".
        mark: bytes by which a file of that kind is known.
        within: how many bytes from a file's start hold the mark.
        overwrite: whether any file may be replaced.

    Raises:
        EfganError: another file has the name.
    """
    if overwrite or not os.path.lexists(path):
        return
    try:
        with path.open("rb") as file:
            is_own = mark in file.read(within)
    except OSError:
        is_own = False
    if not is_own:
        raise EfganError(f"{path}: is there already and is no {what}; replace it with --overwrite")
