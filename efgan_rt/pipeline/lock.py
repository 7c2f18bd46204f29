"""One run at a time on an output folder.

The lock is the kernel's (`flock`): it ends with the process that holds it, however that ends, so
that no stale lock is ever left. What stands in the lock's file only says who holds it.
"""

import fcntl
import os
import socket
from datetime import datetime
from pathlib import Path
from typing import IO

from efgan_rt.errors import EfganError


def take_lock(path: Path, folder: Path) -> IO[str]:
    """Takes the lock and signs it; it is held until the returned file is closed.

    Args:
        path: the lock's file, made if it is missing.
        folder: the output folder, for the message.

    Raises:
        EfganError: another run holds it; the message says which.
        OSError: the file cannot be opened, or the file system has no locks.
    """
    file = open(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+")  # noqa: SIM115
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
    return file
