"""What a journal makes of a run that did not end by itself.

Killed, a run leaves intents: outputs that were about to be renamed. Each is completed or dropped,
by what is under the final and the temporary name. After a power cut even a file with its final name
may lack its bytes, so then every output is hashed once.
"""

import os
import sqlite3
import stat
from pathlib import Path

from efgan_rt.pipeline.fingerprint import content_hash
from efgan_rt.pipeline.parts import has_writer
from efgan_rt.pipeline.record import COLUMNS, Record


def settle_intents(database: sqlite3.Connection) -> None:
    """Turns every intent into a record; part of a transaction, or one by itself."""
    database.execute(f"INSERT OR REPLACE INTO outputs ({COLUMNS}) SELECT {COLUMNS} FROM intents")
    database.execute("DELETE FROM intents")


def complete_intents(database: sqlite3.Connection, output: Path, parts: Path) -> None:
    """Completes or drops each intent; only for one that has the output folder for itself."""
    intents = database.execute(f"SELECT {COLUMNS}, part FROM intents").fetchall()
    for *row, part in intents:
        record = Record(*row)
        path = output / os.fsdecode(record.path)
        if not _is_placed(record, path) and not _place(database, record, parts / part, path):
            database.execute("DELETE FROM intents WHERE path = ?", (record.path,))
    settle_intents(database)


def note_damage(database: sqlite3.Connection, output: Path) -> None:
    """Finds what a power cut has spoilt among the outputs.

    A file whose blocks never reached the disk is empty, or has the size and time on record and
    other bytes. It gets a record as what it is, so that it is ours, and without a recipe, so that
    it is made again.
    """
    for row in database.execute(f"SELECT {COLUMNS} FROM outputs"):
        record = Record(*row)
        path = output / os.fsdecode(record.path)
        try:
            found = path.lstat()
            if not _may_be_it(record, found):
                continue
            present = content_hash(path)
        except OSError:
            continue
        if present != record.sha256:
            database.execute(
                "UPDATE outputs SET sha256 = ?, size = ?, mtime_ns = ?, recipe = x'' "
                "WHERE path = ?",
                (present, found.st_size, found.st_mtime_ns, record.path),
            )


def _is_placed(record: Record, path: Path) -> bool:
    try:
        return _may_be_it(record, path.lstat())
    except OSError:
        return False


def _may_be_it(record: Record, found: os.stat_result) -> bool:
    is_empty = stat.S_ISREG(found.st_mode) and not found.st_size
    return is_empty or record.has_stamp_of(found)


def _place(database: sqlite3.Connection, record: Record, part: Path, path: Path) -> bool:
    """Gives a whole file its final name, unless something that is not ours has it."""
    try:
        if has_writer(part.parent) or content_hash(part) != record.sha256:
            return False
        if os.path.lexists(path):
            ours = database.execute(
                "SELECT sha256 FROM outputs WHERE path = ?", (record.path,)
            ).fetchone()
            if ours is None or ours[0] != content_hash(path):
                return False
        os.replace(part, path)
    except OSError:
        return False
    return True
