"""The folder of one studio's uploads: its user's alone, and gone when the studio is.

Where the process is killed its folder stays, and the next start removes it. That a folder is of no
living process is known by its lock, which the kernel keeps for as long as the process lives.
"""

import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path
from typing import Final, Self

from efgan_rt.errors import EfganError
from efgan_rt.pipeline.lock import Held, take_lock
from efgan_rt.user_folders import cache_folder

PREFIX: Final = "studio-"
LOCK: Final = "lock"


class PrivateFolder:
    """A new folder that nobody but the user can look into; removed at the end of a `with`.

    Attributes:
        path: of the folder.
    """

    path: Path

    def __init__(self) -> None:
        self._held: Held | None = None

    def __enter__(self) -> Self:
        """Makes it, once those of studios that were killed are gone.

        Raises:
            EfganError: it cannot be made.
        """
        above = _above()
        try:
            above.mkdir(parents=True, exist_ok=True, mode=0o700)
            _refuse_foreign(above)
            for left in above.glob(f"{PREFIX}*"):
                _remove_if_nobodys(left)
            # 0700, whatever the mask.
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=above))
            self._held = take_lock(self.path / LOCK, self.path)
        except OSError as error:
            raise EfganError(
                f"{above}: no private folder can be made: {error.strerror}; set XDG_CACHE_HOME"
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        if self._held is not None:
            shutil.rmtree(self.path, ignore_errors=True)
            self._held.file.close()


def _above() -> Path:
    """The folder above all of them."""
    try:
        return cache_folder() / "studio"
    except EfganError:  # no home
        return Path(tempfile.gettempdir()) / f"efgan-rt-studio-{_user()}"


def _user() -> int:
    """This user's number, as files have it."""
    if sys.platform == "win32":
        return 0
    return os.getuid()


def _refuse_foreign(folder: Path) -> None:
    """Refuses a folder that somebody else has put there, as anybody may in a shared one."""
    found = folder.lstat()
    if not (found.st_uid == _user() and stat.S_ISDIR(found.st_mode)):
        raise EfganError(f"{folder}: is not this user's own folder; set XDG_CACHE_HOME to another")
    folder.chmod(0o700)


def _remove_if_nobodys(folder: Path) -> None:
    lock = folder / LOCK
    try:
        # One that has no lock yet is being made at this moment, or was killed in that moment.
        held = take_lock(lock, folder) if lock.exists() else None
    except (OSError, EfganError):
        return
    if held is not None:
        shutil.rmtree(folder, ignore_errors=True)
        held.file.close()
