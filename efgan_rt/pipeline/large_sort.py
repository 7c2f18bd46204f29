"""Sorts more rows than memory should hold: beyond a number they lie in a temporary file.

The file is a private database of SQLite's, which sorts in runs on the disk and merges them; it has
no name and is gone with its rows.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from efgan_rt.errors import EfganError

IN_MEMORY: Final = 100_000  # rows; a folder's names, some ten megabytes with their keys
CACHE_KIB: Final = 32 << 10

Row = tuple[bytes, bytes]


class LargeSort:
    """Pairs of bytes that come back in their order; for one thread at a time.

    Args:
        in_memory: so many rows need no file.
    """

    def __init__(self, in_memory: int = IN_MEMORY) -> None:
        self._in_memory = in_memory
        self._rows: list[Row] = []
        self._database: sqlite3.Connection | None = None
        self._written = 0

    def __len__(self) -> int:
        return self._written + len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        """All rows in order, those that are equal too.

        Raises:
            EfganError: the temporary folder cannot hold them.
        """
        if self._database is None:
            yield from sorted(self._rows)
            return
        with _faults_named():
            self._write()
            yield from self._database.execute("SELECT key, value FROM rows ORDER BY key, value")

    def add(self, key: bytes, value: bytes = b"") -> None:
        """Takes a row.

        Raises:
            EfganError: the temporary folder cannot hold it.
        """
        self._rows.append((key, value))
        if len(self._rows) > self._in_memory:
            with _faults_named():
                self._write()

    def close(self) -> None:
        """Lets go of the file."""
        if self._database is not None:
            self._database.close()

    def _write(self) -> None:
        if self._database is None:
            self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = OFF")
            self._database.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            self._database.execute("CREATE TABLE rows (key BLOB, value BLOB)")
        self._database.execute("BEGIN")
        self._database.executemany("INSERT INTO rows VALUES (?, ?)", self._rows)
        self._database.execute("COMMIT")
        self._written += len(self._rows)
        self._rows.clear()


@contextmanager
def _faults_named() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise EfganError(
            f"the folder for temporary files cannot hold the names of a large folder: {error}; "
            "make room there, or name another one by the variable TMPDIR"
        ) from error
