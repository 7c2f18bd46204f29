"""The user's own folders, for what is built, tuned, fetched or cached; where there is a home.

A process may have none: started with an empty environment, or under a user number without a name.
Then nothing is kept and nothing is found, and what was asked to be kept there is refused.
"""

from pathlib import Path

from efgan_rt.errors import EfganError

NAME = "efgan-rt"


def data_folder() -> Path:
    """Where engine sets, tunings and fetched files lie; it may not exist yet.

    Raises:
        EfganError: the user has no home directory.
    """
    return _folder("data")


def cache_folder() -> Path:
    """Where what can be made again is kept; the same of it."""
    return _folder("cache")


def _folder(kind: str) -> Path:
    import platformdirs

    try:
        found: Path = getattr(platformdirs, f"user_{kind}_path")(NAME, appauthor=False)
    except RuntimeError as error:
        raise EfganError(
            "this user has no home directory, so there is no folder for what efgan-rt keeps; set "
            f"HOME or XDG_{kind.upper()}_HOME"
        ) from error
    return found
