"""The journal of a bucket's folder, kept beside its outputs below `.efgan-rt/`.

    journal.sqlite   what was written up to the last whole copy, replaced by its ETag
    log/00000042     what has come since, a group of outputs each, put before the group's outputs

An output is recorded before it is put, with the hash that it carries as metadata, and its ETag
after; so at any moment every object of ours has its record, and after a crash the next run, on any
machine, tells its own objects from others'. While a run is at work its copy of the journal, and
what a listing says of the folder, lie in a temporary SQLite file, so that memory does not grow.

Where `.efgan-rt/` is lost, the outputs are objects like others: they are refused, never replaced.
"""

import json
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from efgan_rt.errors import EfganError
from efgan_rt.pipeline.parts import FileTimes
from efgan_rt.pipeline.record import Record
from efgan_rt.remote.lease import Lease, probe
from efgan_rt.remote.path import RemotePath, reading
from efgan_rt.remote.s3 import S3, Found, UnmetError

FOLDER: Final = ".efgan-rt"
DATABASE: Final = "journal.sqlite"
LOG: Final = "log"
APPLICATION_ID: Final = 0x6566676E  # efgn
# The journal is copied whole once there are so many groups, and outputs in them by this share of
# those in the last copy: a run after a crash has to read the groups besides.
COPIED_EVERY: Final = 1000
COPIED_SHARE: Final = 0.25
LOG_READERS: Final = 16
TABLES: Final = (
    "CREATE TABLE records (path TEXT, sha256 TEXT, size INTEGER, input_sha256 TEXT, "
    "input_stamp TEXT, recipe TEXT, etag TEXT, PRIMARY KEY (path, sha256)) WITHOUT ROWID",
    # The last group of the log that is in here.
    "CREATE TABLE applied (number INTEGER)",
    "INSERT INTO applied VALUES (0)",
)


@dataclass(frozen=True)
class ObjectVersion(FileTimes):
    """An object of ours, as it was when it was found to be."""

    etag: str = ""


class RemoteJournal:
    """The opened journal of a bucket's folder, for any thread.

    Args:
        output: the folder above all outputs.
        only_read: leaves everything as it is, and takes no lock.

    Raises:
        EfganError: another run holds the folder, it cannot be written, its server ignores
            conditions, or the journal is damaged.
    """

    unlocked: str | None = None
    """Nothing to say: where there is no lock, there is no run."""

    def __init__(self, output: RemotePath, *, only_read: bool = False) -> None:
        self.output = output
        self.only_read = only_read
        store = reading("s3")
        assert isinstance(store, S3)
        self.store = store
        self._lock = threading.Lock()
        self._settled: list[tuple[str, str, str]] = []
        self._withdrawn: list[tuple[str, str]] = []
        self._lease: Lease | None = None
        if not only_read:
            probe(store, self._own())
            self._lease = Lease(store, self._own())
        self._folder = Path(tempfile.mkdtemp(prefix="efgan-rt-"))
        try:
            self._open()
        except BaseException:
            self._let_go()
            raise

    @staticmethod
    def exists(output: RemotePath) -> bool:
        """Whether an earlier run has left a journal.

        Raises:
            EfganError: that cannot be found out.
        """
        store = reading("s3")
        assert isinstance(store, S3)
        own = output / FOLDER
        assert isinstance(own, RemotePath)
        return any(name == DATABASE or name.startswith(LOG) for name, _ in store.everything(own))

    def __enter__(self) -> "RemoteJournal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Puts a whole copy of the journal and lets go of the folder; once."""
        if not self._folder.exists():
            return
        try:
            if not self.only_read and self._is_changed:
                with suppress(EfganError):  # the log stays, and the next run reads it
                    self._put_copy()
        finally:
            self._let_go()

    def present(self, path: Path) -> Found | None:
        """What the folder's listing, and this run, know of an object."""
        with self._lock:
            row = self._database.execute(
                "SELECT etag, size FROM present WHERE path = ?", (self._key(path),)
            ).fetchone()
        return None if row is None else Found(*row)

    def is_there(self, path: Path) -> bool:
        """Whether an output's name is taken."""
        return self.present(path) is not None

    def version(self, found: Found) -> FileTimes:
        """What a put names when it replaces an object."""
        return ObjectVersion(found.size, 0, found.etag)

    def find(self, path: Path, found: Found) -> Record | None:
        """The record of an object, if it is ours and as it was left."""
        key = self._key(path)
        with self._lock:
            rows = self._database.execute(
                "SELECT sha256, size, input_sha256, input_stamp, recipe, etag "
                "FROM records WHERE path = ?",
                (key,),
            ).fetchall()
        for sha256, size, *others, etag in rows:
            if etag == found.etag:
                return _record(key, sha256, size, *others)
        open_rows = [row for row in rows if row[-1] is None and row[1] == found.size]
        if not open_rows:
            return None
        # Recorded by a run that ended before it could say what had become of it.
        assert isinstance(path, RemotePath)
        now = self.store.head(path)
        for sha256, size, *others, _ in open_rows:
            if now is not None and now.etag == found.etag and now.sha256 == sha256:
                self.settle(key, sha256, found.etag, size)
                return _record(key, sha256, size, *others)
        return None

    def is_ours(self, path: Path) -> bool:
        """Whether what is under an output's name may be made again without asking."""
        found = self.present(path)
        return found is not None and self.find(path, found) is not None

    def intend(self, records: Sequence[Record]) -> None:
        """Records, in one object of the log, outputs about to be put.

        Raises:
            EfganError: that cannot be put, or another run has taken over.
        """
        assert self._lease is not None, "a journal that is only read takes no records"
        self._lease.check()
        with self._lock:
            rows = [_row(record) for record in records]
            group = {"settled": self._settled, "withdrawn": self._withdrawn, "outputs": rows}
            self._number += 1
            try:
                self.store.put(self._log(self._number), json.dumps(group).encode(), instead_of=None)
            except UnmetError:
                raise EfganError(
                    f"{self.output}: another run writes into its journal; start one at a time"
                ) from None
            self._settled, self._withdrawn = [], []
            self._apply(self._number, group)
            if self._number - self._copied >= COPIED_EVERY and self._since_copy >= (
                COPIED_SHARE * self._in_copy
            ):
                self._put_copy()

    def settle(self, key: str, sha256: str, etag: str, size: int) -> None:
        """Records that an output has been put."""
        with self._lock:
            if not self.only_read:
                self._settled.append((key, sha256, etag))
            with self._database:
                self._settle(key, sha256, etag)
                self._database.execute(
                    "INSERT OR REPLACE INTO present VALUES (?,?,?)", (key, etag, size)
                )

    def withdraw(self, record: Record) -> None:
        """Takes back a record whose output is sure not to have been put."""
        with self._lock, self._database:
            self._withdrawn.append((record.path.decode(), record.sha256.hex()))
            self._withdraw(*self._withdrawn[-1])

    def note_input_stamp(self, record: Record, stamp: str) -> None:
        """Records that an input has another stamp and still the same content."""
        with self._lock, self._database:
            self._is_changed = True
            self._database.execute(
                "UPDATE records SET input_stamp = ? WHERE path = ?", (stamp, record.path.decode())
            )

    def key(self, path: Path) -> bytes:
        """An output's name in the journal.

        Raises:
            EfganError: it cannot be an object's.
        """
        return self._key(path).encode()

    def _key(self, path: Path) -> str:
        key = "/".join(path.parts[len(self.output.parts) :])
        try:
            key.encode()
        except UnicodeEncodeError:
            shown = path.name.encode(errors="replace").decode()
            raise EfganError(
                f"{self.output}: {shown!r} is no text, which an object's name has to be; rename it"
            ) from None
        return key

    # The database: the journal, and beside it what is there.

    def _open(self) -> None:
        copy = self._own(DATABASE)
        file = self._folder / DATABASE
        try:
            self._copy_etag: str | None = self.store.read_into(copy, file)
        except FileNotFoundError:
            self._copy_etag = None
        self._database = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        try:
            self._database.execute("PRAGMA synchronous = OFF")  # its place is temporary
            self._database.execute("PRAGMA journal_mode = MEMORY")
            if self._copy_etag is None:
                for statement in TABLES:
                    self._database.execute(statement)
                self._database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            (number,) = self._database.execute("SELECT number FROM applied").fetchone()
            (self._in_copy,) = self._database.execute("SELECT count(*) FROM records").fetchone()
        except sqlite3.Error as error:
            raise EfganError(
                f"{copy}: the journal cannot be used: {error}; if it is damaged, remove "
                f"{self._own()}: the outputs stay, and --overwrite lets a run replace them"
            ) from error
        self._number = self._copied = number
        self._since_copy = 0
        self._is_changed = False
        self._read_log()
        beside = self._folder / "present.sqlite"
        self._database.execute("ATTACH DATABASE ? AS beside", (str(beside),))
        self._database.execute("PRAGMA beside.synchronous = OFF")
        self._database.execute("PRAGMA beside.journal_mode = MEMORY")
        self._database.execute(
            "CREATE TABLE beside.present (path TEXT PRIMARY KEY, etag TEXT, size INTEGER) "
            "WITHOUT ROWID"
        )
        with _transaction(self._database):
            self._database.executemany("INSERT INTO present VALUES (?,?,?)", self._listed())

    def _listed(self) -> Iterator[tuple[str, str, int]]:
        for name, found in self.store.everything(self.output):
            if not name.startswith(f"{FOLDER}/"):
                yield name, found.etag, found.size

    def _read_log(self) -> None:
        """Takes up what has come since the copy."""
        folder = self._own(LOG)
        names = [name for name, _ in self.store.everything(folder) if name.isdecimal()]
        numbers = sorted(int(name) for name in names if int(name) > self._copied)
        with ThreadPoolExecutor(LOG_READERS, "efgan-log") as pool:
            for at in range(0, len(numbers), LOG_READERS):  # no more of them in memory
                some = numbers[at : at + LOG_READERS]
                read = pool.map(self.store.read, map(self._log, some))
                for number, (data, _) in zip(some, read, strict=True):
                    self._take_up(number, data)
        self._number = max([self._number, *numbers])

    def _take_up(self, number: int, data: bytes) -> None:
        try:
            self._apply(number, json.loads(data))
        except (ValueError, KeyError, TypeError, sqlite3.Error) as error:
            raise EfganError(
                f"{self._log(number)}: the journal cannot be used: {error}; remove "
                f"{self._own()}: the outputs stay, and --overwrite lets a run replace them"
            ) from error

    def _apply(self, number: int, group: dict[str, Any]) -> None:
        self._is_changed = True
        self._since_copy += len(group["outputs"])
        with _transaction(self._database):
            for key, sha256 in group["withdrawn"]:
                self._withdraw(key, sha256)
            for key, sha256, etag in group["settled"]:
                self._settle(key, sha256, etag)
            self._database.executemany(
                "INSERT OR REPLACE INTO records VALUES (?,?,?,?,?,?,NULL)", group["outputs"]
            )
            self._database.execute("UPDATE applied SET number = ?", (number,))

    def _settle(self, key: str, sha256: str, etag: str) -> None:
        self._is_changed = True
        self._database.execute(
            "UPDATE records SET etag = ? WHERE path = ? AND sha256 = ?", (etag, key, sha256)
        )
        self._database.execute("DELETE FROM records WHERE path = ? AND sha256 <> ?", (key, sha256))

    def _withdraw(self, key: str, sha256: str) -> None:
        self._database.execute(
            "DELETE FROM records WHERE path = ? AND sha256 = ? AND etag IS NULL", (key, sha256)
        )

    def _put_copy(self) -> None:
        """Puts the whole journal, and removes the log that is in it."""
        file = self._folder / "copy.sqlite"
        with closing(sqlite3.connect(file)) as copy:
            self._database.backup(copy)
        try:
            self._copy_etag = self.store.put_file(
                self._own(DATABASE), file, instead_of=self._copy_etag
            )
        except UnmetError:
            raise EfganError(
                f"{self.output}: another run has replaced its journal; run the same command again"
            ) from None
        finally:
            file.unlink()
        self._settled, self._withdrawn = [], []
        self._copied, self._is_changed = self._number, False
        self._in_copy, self._since_copy = self._in_copy + self._since_copy, 0
        for name, _ in list(self.store.everything(self._own(LOG))):
            if name.isdecimal() and int(name) <= self._copied:
                self.store.remove(self._log(int(name)))

    def _let_go(self) -> None:
        with suppress(AttributeError, sqlite3.Error):
            self._database.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._lease is not None:
            with suppress(EfganError):  # then it ends by itself
                self._lease.release()
            self._lease = None

    def _own(self, *names: str) -> RemotePath:
        path = self.output.joinpath(FOLDER, *names)
        assert isinstance(path, RemotePath)
        return path

    def _log(self, number: int) -> RemotePath:
        return self._own(LOG, f"{number:08}")


class _transaction:  # noqa: N801 - reads as a statement
    """Everything or nothing, on a connection that commits by itself otherwise."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __enter__(self) -> None:
        self._database.execute("BEGIN")

    def __exit__(self, kind: object, *_: object) -> None:
        self._database.execute("COMMIT" if kind is None else "ROLLBACK")


def _row(record: Record) -> tuple[str, str, int, str, str, str]:
    return (
        record.path.decode(),
        record.sha256.hex(),
        record.size,
        record.input_sha256.hex(),
        record.input_stamp,
        record.recipe.hex(),
    )


def _record(
    key: str, sha256: str, size: int, input_sha256: str, input_stamp: str, recipe: str
) -> Record:
    return Record(
        key.encode(),
        bytes.fromhex(sha256),
        size,
        0,
        bytes.fromhex(input_sha256),
        input_stamp,
        bytes.fromhex(recipe),
    )
