"""The user's own presets: TOML files in the data folder, called by their names."""

import os
import re
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from efgan_rt.errors import EfganError
from efgan_rt.presets.preset import Preset, preset_toml, read_preset
from efgan_rt.user_folders import data_folder

NAME: Final = re.compile(r"[a-z0-9_-]{1,64}")
EXTENSION: Final = ".toml"


def presets_folder() -> Path:
    """Where the user's own presets lie; it may not exist yet.

    Raises:
        EfganError: the user has no home directory.
    """
    return data_folder() / "presets"


def preset_names() -> tuple[str, ...]:
    """The names of the user's own presets, sorted; none where there is no folder of them."""
    try:
        found = sorted(presets_folder().glob(f"*{EXTENSION}"))
    except (OSError, EfganError):
        return ()
    return tuple(each.stem for each in found if NAME.fullmatch(each.stem))


def checked_name(name: str) -> str:
    """The name, where a preset may be called so.

    Raises:
        EfganError: it may not.
    """
    if NAME.fullmatch(name) is None:
        raise EfganError(
            f"'{name}' cannot be a preset's name; expected 1 to 64 of a-z, 0-9, _ and -"
        )
    return name


def find_preset(named: str) -> Path:
    """The file of a preset.

    Args:
        named: one of the user's own by its name, or a file ending in `.toml`.

    Raises:
        EfganError: there is none.
    """
    if named.lower().endswith(EXTENSION):
        return Path(named)
    path = presets_folder() / f"{checked_name(named)}{EXTENSION}"
    if not path.is_file():
        known = ", ".join(preset_names()) or "none yet"
        raise EfganError(
            f"there is no preset '{named}'; saved are: {known}; "
            "save one with efgan-rt presets save, or name a .toml file"
        )
    return path


def load_preset(named: str | os.PathLike[str]) -> tuple[str, Preset]:
    """A preset and its name.

    Args:
        named: as for `find_preset`.

    Raises:
        EfganError: there is none, or its file is broken.
    """
    path = find_preset(os.fspath(named))
    return path.stem, read_preset(path)


def load_presets(named: Iterable[str | os.PathLike[str]]) -> dict[str, Preset]:
    """Several presets by their names.

    Raises:
        EfganError: as `load_preset`, or two have one name.
    """
    found: dict[str, Preset] = {}
    for each in named:
        name, preset = load_preset(each)
        if name in found:
            raise EfganError(f"two edits are called '{name}'; give each once, or rename one")
        found[name] = preset
    return found


def save_preset(name: str, preset: Preset, *, overwrite: bool = False) -> Path:
    """Keeps a preset under a name, whole or not at all.

    Args:
        name: of `a-z`, `0-9`, `_` and `-`.
        preset: what is kept.
        overwrite: whether one of that name is replaced.

    Raises:
        EfganError: the name cannot be one or is taken, or the file cannot be written.
    """
    folder = presets_folder()
    path = folder / f"{checked_name(name)}{EXTENSION}"
    taken = EfganError(f"a preset '{name}' is there already; replace it with --overwrite")
    if path.exists() and not overwrite:
        raise taken
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=folder, prefix=".", suffix=".part")
        put: Callable[[str, Path], None] = os.replace if overwrite else os.link
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(preset_toml(preset))
            put(part, path)
        finally:
            Path(part).unlink(missing_ok=True)
    except FileExistsError as error:
        raise taken from error
    except OSError as error:
        raise EfganError(f"{path}: cannot be written: {error.strerror}") from error
    return path
