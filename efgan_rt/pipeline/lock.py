"""One run at a time on an output folder.

The lock is the kernel's: it ends with the process that holds it, however that ends, so that no
stale lock is ever left. It is `flock`; where the file system has none (Lustre as it is often
mounted, some shared folders), POSIX's record lock; on Windows, its own. Where there is none of them
the run goes on and says that nothing keeps a second one away. What stands in the lock's file only
says who holds it.
"""

import os
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Final

from efgan_rt.errors import EfganError

# Behind what is written in the file: what Windows locks nobody else can read.
LOCKED_BYTE: Final = 1 << 30


@dataclass(frozen=True)
class Held:
    """A lock, held until the file is closed.

    Attributes:
        file: the lock's file.
        is_held: False where the system has no lock for it.
        has_record_locks: whether files there can be locked in parts, as SQLite does.
    """

    file: IO[str]
    is_held: bool
    has_record_locks: bool


def take_lock(path: Path, folder: Path) -> Held:
    """Takes the lock and signs it; it is held until the returned file is closed.

    Args:
        path: the lock's file, made if it is missing.
        folder: the output folder, for the message.

    Raises:
        EfganError: another run holds it; the message says which.
        OSError: the file cannot be opened.
    """
    file = open(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+")  # noqa: SIM115
    try:
        is_held = _is_locked(file)
    except BlockingIOError as error:
        holder = file.read(200).strip() or "which has not signed yet"
        file.close()
        raise EfganError(
            f"{folder}: another run is at work there: {holder}; "
            "wait for its end, or choose another output folder"
        ) from error
    file.seek(0)
    file.truncate()
    now = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S")
    file.write(f"process {os.getpid()} on {socket.gethostname()}, since {now}\n")
    file.flush()
    return Held(file, is_held, _has_record_locks(file))


def hold(path: Path) -> IO[str]:
    """A file that is locked until it is closed, where the system has locks for it.

    Raises:
        OSError: it cannot be made, or another process holds it.
    """
    file = open(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+")  # noqa: SIM115
    try:
        _is_locked(file)
    except BaseException:
        file.close()
        raise
    return file


def has_holder(path: Path) -> bool:
    """Whether a process holds a file's lock; False where the system has no locks for it."""
    try:
        hold(path).close()
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _is_locked(file: IO[str]) -> bool:
    """Takes the first lock that there is; False where there is none.

    Raises:
        BlockingIOError: another process holds it.
    """
    for lock in _locks():
        try:
            lock(file)
        except BlockingIOError:
            raise
        except PermissionError as error:  # so POSIX may say that another holds it
            raise BlockingIOError(*error.args) from error
        except OSError:  # not on this file system
            continue
        return True
    return False


def _has_record_locks(file: IO[str]) -> bool:
    if sys.platform == "win32":
        return True
    try:
        import fcntl
    except ImportError:
        return True  # SQLite has its own way to them
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, LOCKED_BYTE)
    except (BlockingIOError, PermissionError):
        return True
    except OSError:
        return False
    return True


def _locks() -> list[Callable[[IO[str]], object]]:
    if sys.platform == "win32":
        import msvcrt

        def lock_byte(file: IO[str]) -> None:
            file.seek(LOCKED_BYTE)
            try:
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            finally:
                file.seek(0)

        return [lock_byte]
    try:
        import fcntl
    except ImportError:
        return []
    how = fcntl.LOCK_EX | fcntl.LOCK_NB
    return [lambda file: fcntl.flock(file, how), lambda file: fcntl.lockf(file, how)]
