"""The journal of an output folder: which files there are ours, and what each was made from.

It is an SQLite database in `OUT_DIR/.efgan-rt/`, beside the lock and the folder in which outputs
are written before they get their names. An output is recorded in two steps around its renaming:

    intents  <- the record, committed          (the file still has a temporary name)
    renamed to its final name
    outputs  <- the record, with the next group's commit

So at any moment every file under a final name has its record, and after a crash each intent is
either completed or dropped (`recovery`). A commit reaches the operating system but is not forced to
the disk: that outlives the process, and where the machine itself has gone down during a run, every
output is hashed before the next one.
"""

import os
import sqlite3
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from efgan_rt.errors import EfganError
from efgan_rt.pipeline.fingerprint import content_hash
from efgan_rt.pipeline.lock import take_lock
from efgan_rt.pipeline.parts import FileTimes, new_run_folder, output_key, remove_parts
from efgan_rt.pipeline.record import COLUMNS, TABLES, Record
from efgan_rt.pipeline.recovery import complete_intents, note_damage, settle_intents

FOLDER: Final = ".efgan-rt"
DATABASE: Final = "journal.sqlite"
SCHEMA_VERSION: Final = 1
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
# A thread that hangs inside the journal must not keep the process from ending.
CLOSE_TIMEOUT_S: Final = 2.0


class Journal:
    """The opened journal of one output folder, for any thread.

    Args:
        output: the folder above all outputs.
        only_read: leaves everything as it is, for a dry run.

    Raises:
        EfganError: another run holds the folder, it cannot be written, or the journal is damaged or
            of another version.
    """

    def __init__(self, output: Path, *, only_read: bool = False) -> None:
        self.output = output
        self._all_parts = self.parts = output / FOLDER / "parts"
        """Where this run's outputs are until they get their names."""
        self._path = output / FOLDER / DATABASE
        self.only_read = only_read
        self._lock = threading.Lock()
        self._withdrawn: list[bytes] = []
        try:
            if not only_read:
                self._all_parts.mkdir(parents=True, exist_ok=True)
            self._held = take_lock(output / FOLDER / "lock", output)
        except OSError as error:
            raise EfganError(
                f"{output / FOLDER}: cannot be written: {error.strerror}; "
                "expected an output folder that can be"
            ) from error
        try:
            with self._faults_named():
                self._open_database()
                if not only_read:
                    complete_intents(self._database, output, self._all_parts)
                    remove_parts(self._all_parts)
                    self.parts = new_run_folder(self._all_parts)
                    self._note_beginning()
        except BaseException:
            self._held.file.close()
            raise

    @staticmethod
    def exists(output: Path) -> bool:
        """Whether an earlier run has left a journal."""
        return (output / FOLDER / DATABASE).exists()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Settles what was published and lets go of the folder; of no effect the second time."""
        if self._held.file.closed or not self._lock.acquire(timeout=CLOSE_TIMEOUT_S):
            return
        try:
            if not self.only_read:
                self._delete_withdrawn()
                complete_intents(self._database, self.output, self._all_parts)
                remove_parts(self._all_parts)
                self._database.execute("DELETE FROM facts")
        except (sqlite3.Error, EfganError, OSError):
            pass  # a full disk, say: the intents stay, and the next run settles them
        finally:
            self._database.close()
            self._held.file.close()
            self._lock.release()

    def key(self, path: Path) -> bytes:
        """An output's name in the journal."""
        return output_key(path, self.output)

    def present(self, path: Path) -> os.stat_result | None:
        """What is under an output's name; None for nothing."""
        try:
            return path.lstat()
        except OSError:
            return None

    def is_there(self, path: Path) -> bool:
        """Whether an output's name is taken."""
        return os.path.lexists(path)

    def version(self, found: os.stat_result) -> FileTimes:
        """What a file has to be as still, to be replaced."""
        return FileTimes(found.st_size, found.st_mtime_ns)

    def find(self, path: Path, found: os.stat_result) -> Record | None:
        """The record of a file under an output's name, if it is ours and as it was left.

        Args:
            path: the output.
            found: its `lstat`.
        """
        if not stat.S_ISREG(found.st_mode):
            return None
        records = self._records(self.key(path))
        for record in records:
            if record.has_stamp_of(found):
                return record
        if not any(record.size == found.st_size for record in records):
            return None
        try:
            present = content_hash(path)
        except OSError:
            return None
        for record in records:
            if record.sha256 == present:
                if not record.has_stamp_of(found):
                    self._update(record.path, "mtime_ns", found.st_mtime_ns)
                return record
        return None

    def is_ours(self, path: Path) -> bool:
        """Whether what is under an output's name may be made again without asking."""
        found = self.present(path)
        return found is not None and self.find(path, found) is not None

    def intend(self, records: Sequence[tuple[Record, Path]]) -> None:
        """Records, in one commit, outputs about to be renamed, and settles the group before them.

        Args:
            records: each with its file below `parts`.

        Raises:
            EfganError: the disk is full, or the journal cannot be written.
        """
        # By text, because paths take longer to compare than the database to write.
        above = os.path.join(self._all_parts, "")
        rows = [
            (*record.row, os.fspath(part).removeprefix(above).replace(os.sep, "/"))
            for record, part in records
        ]
        with self._lock:
            with self._transaction():
                self._delete_withdrawn()
                settle_intents(self._database)
                self._database.executemany(
                    f"INSERT OR REPLACE INTO intents ({COLUMNS}, part) VALUES (?,?,?,?,?,?,?,?)",
                    rows,
                )
            self._withdrawn.clear()

    def withdraw(self, record: Record) -> None:
        """Takes back an intent whose file did not get its name."""
        with self._lock:
            self._withdrawn.append(record.path)

    def note_input_stamp(self, record: Record, stamp: str) -> None:
        """Records that an input has another stamp and still the same content."""
        self._update(record.path, "input_stamp", stamp)

    def _records(self, key: bytes) -> list[Record]:
        with self._lock, self._faults_named():
            rows = self._database.execute(
                f"SELECT {COLUMNS} FROM outputs WHERE path = ? "
                f"UNION ALL SELECT {COLUMNS} FROM intents WHERE path = ?",
                (key, key),
            )
            return [Record(*row) for row in rows]

    def _update(self, key: bytes, column: str, value: object) -> None:
        if self.only_read:
            return
        with self._lock, self._faults_named():
            for table in ("outputs", "intents"):
                change = f"UPDATE {table} SET {column} = ? WHERE path = ?"
                self._database.execute(change, (value, key))

    @property
    def unlocked(self) -> str | None:
        """The sentence that nothing keeps a second run away; None where a lock does."""
        if self._held.is_held:
            return None
        return (
            f"{self.output}: its file system has no locks, so nothing keeps a second run away from "
            "it; start only one at a time"
        )

    def _open_database(self) -> None:
        """Opens SQLite's file, without locks of its own where the file system has none.

        They are not needed: the run's lock has made us alone, or nothing can.
        """
        # As an address, for only that can name the way in which files are used.
        address = self._path.absolute().as_uri()
        if not self._held.has_record_locks:
            address += "?vfs=unix-none"
        self._database = sqlite3.connect(
            address, uri=True, isolation_level=None, check_same_thread=False
        )
        self._prepare()

    def _prepare(self) -> None:
        # The lock has made us alone, so SQLite needs no memory shared with others for its
        # write-ahead log, which network file systems do not have.
        self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        # Every copying of the log into the database waits for the disk; 64 MB of log at most.
        self._database.execute("PRAGMA wal_autocheckpoint = 16000")
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version not in (0, SCHEMA_VERSION):
            raise EfganError(
                f"{self._path}: the journal has version {version}, expected {SCHEMA_VERSION}; "
                "use the efgan-rt that wrote it, or choose another output folder"
            )
        if version == 0:
            with self._transaction():
                for statement in TABLES:
                    self._database.execute(statement)
                self._database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _delete_withdrawn(self) -> None:
        rows = [(key,) for key in self._withdrawn]
        self._database.executemany("DELETE FROM intents WHERE path = ?", rows)

    def _note_beginning(self) -> None:
        """Notes since which start of the machine a run is on; after a power cut it was another."""
        boot = BOOT_ID.read_text().strip() if BOOT_ID.exists() else ""
        before = self._database.execute("SELECT value FROM facts").fetchone()
        with self._transaction():
            if before is not None and before[0] != boot:
                note_damage(self._database, self.output)
            self._database.execute("INSERT OR REPLACE INTO facts VALUES ('running', ?)", (boot,))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._faults_named():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    @contextmanager
    def _faults_named(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            remedy = (
                f"if it is damaged, remove {self.output / FOLDER}: the files stay, "
                "and --overwrite lets a run replace them"
            )
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
                remedy = "make room and run the same command again: what is done stays done"
            raise EfganError(f"{self._path}: the journal cannot be used: {error}; {remedy}") from (
                error
            )
