"""One run at a time on a bucket's folder: a lock object, and the probe that makes it one.

The lock is an object that is put only where there is none, and signed anew every half minute, each
time in the place of the signature before. Its age is told by the server's clock alone. A run that
has not signed for `STALE_S` is taken for dead and its lock taken over, and at once where it ran on
this machine and its process is gone. Whoever was taken for dead and was not finds its signature
replaced, and ends; until then it can do no harm, for outputs are put under conditions as well.
"""

import json
import os
import socket
import threading
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from efgan_rt.errors import EfganError
from efgan_rt.remote.path import RemotePath
from efgan_rt.remote.s3 import S3, Found, UnmetError

LOCK: Final = "lock"
SIGNED_EVERY_S: Final = 30.0
STALE_S: Final = 300.0
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
PID_NAMESPACE: Final = Path("/proc/self/ns/pid")


def probe(store: S3, folder: RemotePath) -> None:
    """Makes sure that the server knows conditions, by an object that is removed again.

    Raises:
        EfganError: it ignores one, or nothing can be written there.
    """
    path = folder / f"probe-{uuid.uuid4().hex}"
    assert isinstance(path, RemotePath)
    etag = store.put(path, b"1", instead_of=None)
    try:
        if not _is_refused(store, path, None):
            raise _ignores(folder, "If-None-Match")
        if not _is_refused(store, path, '"00000000000000000000000000000000"'):
            raise _ignores(folder, "If-Match")
        now = store.head(path)
        if now is None or now.etag != etag:
            raise EfganError(
                f"{folder.parent}: its server does not find what it has just taken; "
                "write to a local folder and copy that"
            )
        try:
            store.put(path, b"3", instead_of=etag)
        except UnmetError:
            raise _ignores(folder, "If-Match") from None
    finally:
        store.remove(path)


def _is_refused(store: S3, path: RemotePath, instead_of: str | None) -> bool:
    try:
        store.put(path, b"2", instead_of=instead_of)
    except UnmetError:
        return True
    except EfganError as error:
        if "answers" in str(error):  # NotImplemented, or a 400
            return False
        raise
    return False


def _ignores(folder: RemotePath, header: str) -> EfganError:
    return EfganError(
        f"{folder.parent}: its server ignores the condition {header} of a put, so nothing would "
        "keep two runs from replacing each other's files; write to a local folder and copy that"
    )


class Lease:
    """A lock that is held until `release`, by a thread that signs it again and again.

    Args:
        store: of the bucket.
        folder: for the lock.

    Raises:
        EfganError: another run holds it; the message says which.
    """

    def __init__(self, store: S3, folder: RemotePath) -> None:
        self._store = store
        path = folder / LOCK
        assert isinstance(path, RemotePath)
        self._path = path
        self._who = _signature()
        self._etag = self._taken()
        self._lost: str | None = None
        self._end = threading.Event()
        self._signer = threading.Thread(target=self._sign, name="efgan-lease", daemon=True)
        self._signer.start()

    def check(self) -> None:
        """Refuses to go on once the lock is another run's.

        Raises:
            EfganError: it is.
        """
        if self._lost is not None:
            raise EfganError(self._lost)

    def release(self) -> None:
        """Lets go of the lock."""
        self._end.set()
        self._signer.join()
        if self._lost is None:
            self._store.remove(self._path)

    def _taken(self) -> str:
        data = json.dumps(self._who).encode()
        for _ in range(3):
            try:
                return self._store.put(self._path, data, instead_of=None)
            except UnmetError:
                found = self._store.head(self._path)
            if found is None:
                continue
            holder = self._holder()
            age_s = self._age_s(found)
            if not _is_gone(holder) and age_s < STALE_S:
                who = f"process {holder.get('process', '?')} on {holder.get('host', '?')}"
                raise EfganError(
                    f"{self._path.parent.parent}: another run is at work there: {who}, since "
                    f"{holder.get('since', '?')}, heard of {age_s:.0f} s ago; wait for its end, or "
                    f"choose another output folder (one that died is passed over after "
                    f"{STALE_S:.0f} s)"
                )
            try:
                return self._store.put(self._path, data, instead_of=found.etag)
            except UnmetError:
                continue
        raise EfganError(
            f"{self._path.parent.parent}: other runs are taking its lock; start one at a time"
        )

    def _age_s(self, found: Found) -> float:
        """By the server's clock: the lock's time against that of an object put just now."""
        clock = self._path.with_name(f"clock-{uuid.uuid4().hex}")
        assert isinstance(clock, RemotePath)
        self._store.put(clock, b"", instead_of=None)
        try:
            now = self._store.head(clock)
        finally:
            self._store.remove(clock)
        if now is None or now.modified is None or found.modified is None:
            return 0.0
        return max(0.0, (now.modified - found.modified) / timedelta(seconds=1))

    def _holder(self) -> dict[str, Any]:
        try:
            told = json.loads(self._store.read(self._path)[0])
        except (FileNotFoundError, ValueError):
            return {}
        return told if isinstance(told, dict) else {}

    def _sign(self) -> None:
        while not self._end.wait(SIGNED_EVERY_S):
            self._who["signed"] = _now()
            try:
                data = json.dumps(self._who).encode()
                self._etag = self._store.put(self._path, data, instead_of=self._etag)
            except UnmetError:
                self._lost = (
                    f"{self._path.parent.parent}: another run has taken this folder over, because "
                    f"this one was not heard of for {STALE_S:.0f} s; run the same command again "
                    "once that one has ended"
                )
                return
            except EfganError:
                pass  # the network, say; the next signature may be in time


def _signature() -> dict[str, Any]:
    return {
        "process": os.getpid(),
        "host": socket.gethostname(),
        "since": _now(),
        "machine": _machine(),
        "run": uuid.uuid4().hex,
    }


def _machine() -> str:
    """What processes share that see each other; "" where that is not known."""
    try:
        return f"{BOOT_ID.read_text().strip()} {PID_NAMESPACE.stat().st_ino}"
    except OSError:
        return ""


def _is_gone(holder: dict[str, Any]) -> bool:
    """Whether a lock's holder was a process of this machine and has ended."""
    process, machine = holder.get("process"), _machine()
    if not machine or holder.get("machine") != machine or not isinstance(process, int):
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _now() -> str:
    return datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S")
