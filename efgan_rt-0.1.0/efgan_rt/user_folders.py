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
    from platformdirs import user_data_path

    try:
        return user_data_path(NAME, appauthor=False)
    except RuntimeError as error:
        raise EfganError(f"{_NO_HOME}; set HOME or XDG_DATA_HOME") from error


def cache_folder() -> Path:
    """Where what can be made again is kept; it may not exist yet.

    Raises:
        EfganError: the user has no home directory.
    """
    from platformdirs import user_cache_path

    try:
        return user_cache_path(NAME, appauthor=False)
    except RuntimeError as error:
        raise EfganError(f"{_NO_HOME}; set HOME or XDG_CACHE_HOME") from error


_NO_HOME = "this user has no home directory, so there is no folder for what efgan-rt keeps"
