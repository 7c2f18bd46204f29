"""Which engine directory a command uses: one that is named, the current one, or the shipped one.

`build-engines` without `--out` puts a set into the user's data folder and makes it the current one:
a file called `current` there holds its name. Nothing here opens an engine or reads a manifest.
"""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from efgan_rt.errors import EfganError
from efgan_rt.user_folders import cache_folder, data_folder
from engines.manifest import MANIFEST_NAME
from engines.whole_file import write_whole

CURRENT: Final = "current"
SHIPPED_MODEL: Final = "cascade"
"""The family of the set that comes along."""


@dataclass(frozen=True)
class EngineSet:
    """An engine directory and why it is the one."""

    directory: Path
    reason: str


def sets_folder() -> Path:
    """The folder that holds the user's own engine directories; it may not exist yet.

    Raises:
        EfganError: the user has no home directory.
    """
    return data_folder() / "engines"


def compiled_folder() -> Path | None:
    """Where networks compiled for this processor or GPU are kept; it may not exist yet.

    None where the user has no home directory: then they are kept nowhere.
    """
    try:
        return cache_folder() / "compiled"
    except EfganError:
        return None


def current_set(model: str | None = None) -> Path | None:
    """The user's current engine directory, or None if none was built.

    Args:
        model: of which family of models; None is the one that was built last.

    Raises:
        EfganError: the current set has been removed.
    """
    try:
        pointer = sets_folder() / (CURRENT if model is None else f"{CURRENT}-{model}")
        name = pointer.read_text().strip()
    except (OSError, EfganError):  # none was built, or there is no home for one
        return None
    directory = sets_folder() / name
    if name != Path(name).name or not (directory / MANIFEST_NAME).is_file():
        raise EfganError(
            f"{pointer} names '{name}', which is no engine directory; "
            "build one with efgan-rt build-engines CKPT.pt, or remove that file"
        )
    return directory


def own_set(name: str) -> Path:
    """The user's own engine directory of a name, whether or not it exists."""
    return sets_folder() / name


def make_current(directory: Path, model: str = SHIPPED_MODEL) -> None:
    """Makes an engine directory inside `sets_folder()` the current one, and that of its family."""
    assert directory.parent == sets_folder(), "only the user's own sets can be current"
    for name in (CURRENT, f"{CURRENT}-{model}"):
        write_whole(sets_folder() / name, f"{directory.name}\n")


def shipped_set() -> Path | None:
    """The engine directory inside the package, or None if this copy has none."""
    directory = Path(str(resources.files("efgan_rt"))) / "shipped"
    return directory if (directory / MANIFEST_NAME).is_file() else None


def find_set(named: Path | None, model: str | None = None) -> EngineSet:
    """The engine directory to use.

    Args:
        named: what `--engines` gave.
        model: what `--model` gave, a family of models.

    Raises:
        EfganError: both are given, the named directory is none, the current one has been removed,
            or there is neither a named, nor a current, nor a shipped one.
    """
    if named is not None and model is not None:
        raise EfganError(
            f"--engines {named} names a set, and --model {model} asks for the current one of a "
            "family; choose one of the two"
        )
    if named is not None:
        if not (named / MANIFEST_NAME).is_file():
            raise EfganError(
                f"{named}: no engine directory, for it has no {MANIFEST_NAME}; "
                f"make it with efgan-rt build-engines CKPT.pt --out {named}"
            )
        return EngineSet(named, "named by --engines")
    of_family = "" if model is None else f" of the family {model}"
    if (current := current_set(model)) is not None:
        return EngineSet(current, f"the current ones{of_family}, built last")
    shipped = shipped_set() if model in (None, SHIPPED_MODEL) else None
    if shipped is not None:
        return EngineSet(shipped, "shipped with efgan-rt, for none were built")
    raise EfganError(
        f"no engines{of_family}: none were built and this copy ships none; "
        "build some with efgan-rt build-engines CKPT.pt"
    )
