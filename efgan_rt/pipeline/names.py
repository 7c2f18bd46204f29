"""Names of outputs on file systems that are not the input's: which are one, which cannot be.

Windows, macOS and the sticks and shares that they are used with do not tell upper case from lower;
macOS does not tell two spellings of an accent apart either. Windows has names of its own.
"""

import os
import sys
import unicodedata
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Final

from efgan_rt.errors import EfganError
from efgan_rt.remote.path import RemotePath

_DEVICES: Final = frozenset(
    ("con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)))
)
_NO_CHARACTERS: Final = frozenset('<>:"|?*')
_TRIED_ENTRIES: Final = 20


def is_case_blind(folder: Path) -> bool:
    """Whether a folder's file system takes upper and lower case for the same.

    Nothing is written: a name that is there is asked for in the other case. Where a folder is not
    there yet, it is the nearest above it that is asked.
    """
    if isinstance(folder, RemotePath):
        return False
    place = folder.absolute()
    while not place.is_dir() and place != place.parent:
        place = place.parent
    for known in _entries(place):
        other = known.with_name(known.name.swapcase())
        if other.name == known.name:
            continue
        try:
            return other.exists() and other.samefile(known)
        except OSError:
            continue
    return False


def _entries(place: Path) -> Iterable[Path]:
    try:
        with os.scandir(place) as entries:
            yield from (place / entry.name for entry in islice(entries, _TRIED_ENTRIES))
    except OSError:
        return
    yield place


def one_name(name: str) -> str:
    """The same for all names that are one where case makes no difference."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def refuse_windows_names(output: Path, below: Path, platform: str = sys.platform) -> None:
    """Refuses, on Windows, an output whose name or folder Windows keeps for itself or changes.

    Args:
        output: of a picture.
        below: the folder of which the user knows that it can be.
        platform: as `sys.platform` has it.

    Raises:
        EfganError: there is such a name; the message says which and why.
    """
    if platform != "win32":
        return
    for part in output.relative_to(below).parts:
        why = None
        if part.partition(".")[0].rstrip(" ").lower() in _DEVICES:
            why = "is the name of a device"
        elif part.endswith((" ", ".")):
            why = "ends with a space or a dot, which Windows drops"
        elif _NO_CHARACTERS & set(part) or any(ord(each) < 32 for each in part):
            why = "has a character that Windows has no names with"
        if why is not None:
            raise EfganError(f"{output}: '{part}' {why}; rename the picture or the expression")
