"""A row of the journal: an output, and what it was made from."""

import os
from dataclasses import dataclass
from typing import Final

COLUMNS: Final = "path, sha256, size, mtime_ns, input_sha256, input_stamp, recipe"
TABLE: Final = """(path BLOB PRIMARY KEY, sha256 BLOB, size INTEGER, mtime_ns INTEGER,
    input_sha256 BLOB, input_stamp TEXT, recipe BLOB{}) WITHOUT ROWID"""
TABLES: Final = (
    f"CREATE TABLE outputs {TABLE.format('')}",
    f"CREATE TABLE intents {TABLE.format(', part TEXT')}",
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT)",
)


@dataclass(frozen=True)
class Record:
    """An output and what it was made from; `path` is relative to the output folder."""

    path: bytes
    sha256: bytes
    size: int
    mtime_ns: int
    input_sha256: bytes
    input_stamp: str
    recipe: bytes

    @property
    def row(self) -> tuple[bytes, bytes, int, int, bytes, str, bytes]:
        """The values in the order of `COLUMNS`."""
        return (
            self.path,
            self.sha256,
            self.size,
            self.mtime_ns,
            self.input_sha256,
            self.input_stamp,
            self.recipe,
        )

    def has_stamp_of(self, found: os.stat_result) -> bool:
        """Whether a file has the recorded size and modification time."""
        return (self.size, self.mtime_ns) == (found.st_size, found.st_mtime_ns)
