"""Reading the JSON of a manifest: each field checked, with a sentence for each fault.

The checks are written out by hand, because a message has to say which file and field, what was
found, what was expected and what to do.
"""

import hashlib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from engines.base import EngineError

MAX_SHOWN: Final = 200  # characters of a value that a message quotes
REMEDY: Final = "make the engines again with: efgan-rt build-engines CKPT.pt"

# No separator, no drive, no leading dot: a name that cannot leave the directory on any system.
# And no longer than file systems allow.
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def directory_fault(directory: Path, fault: str) -> EngineError:
    """The error for an engine directory that cannot be used, with the remedy."""
    return EngineError(f"{directory}: {fault}; {REMEDY}")


def is_finite_number(value: object) -> bool:
    """True for a number that a float can hold; a truth value is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False


def is_count(value: object) -> bool:
    """True for a whole number above 0."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


@dataclass(frozen=True)
class StoredFile:
    """A file of the directory, and what vouches for its content."""

    file: str
    sha256: str
    bytes: int


def checked_bytes(
    path: Path, stored: StoredFile, error_for: Callable[[Path, str], EngineError]
) -> bytes:
    """The content of a stored file: the very bytes that were checked.

    Args:
        path: where it lies.
        stored: what vouches for it.
        error_for: makes the error of a path and a fault.

    Raises:
        EngineError: it is missing, of another size, or of other content.
    """
    if not path.is_file():
        raise error_for(path, "the file is missing, though the manifest names it")
    try:
        size = path.stat().st_size
        if size != stored.bytes:
            raise error_for(path, f"{size} bytes found, {stored.bytes} expected")
        content = path.read_bytes()
    except OSError as error:
        raise error_for(path, f"cannot be read ({error})") from error
    found = hashlib.sha256(content).hexdigest()
    if found != stored.sha256:
        raise error_for(path, f"sha256 {found[:12]}... found, {stored.sha256[:12]}... expected")
    return content


@dataclass(frozen=True)
class Fields:
    """The fields of one JSON object, read with a sentence for whatever is not as it should be."""

    path: Path
    what: str
    fields: Any

    def __post_init__(self) -> None:
        if not isinstance(self.fields, dict):
            raise directory_fault(self.path, f"{self.what} is not a JSON object")

    def refuse(self, key: str, found: object, expected: str) -> NoReturn:
        """Raises the error for one field."""
        shown = repr(found)
        shown = shown if len(shown) <= MAX_SHOWN else f"{shown[:MAX_SHOWN]}..."
        raise directory_fault(self.path, f"{self.what}: {key} is {shown}, expected {expected}")

    def checked(self, key: str, right: Callable[[Any], bool], expected: str) -> Any:
        """The value of a field that must be there and be right."""
        if key not in self.fields:
            raise directory_fault(self.path, f"{self.what} has no '{key}', expected {expected}")
        if not right(self.fields[key]):
            self.refuse(key, self.fields[key], expected)
        return self.fields[key]

    def get(self, key: str, kind: type, expected: str) -> Any:
        """The value of a field of this type."""
        return self.checked(key, lambda value: isinstance(value, kind), expected)

    def text(self, key: str) -> str:
        """The value of a field that is a text and not empty."""
        value: str = self.checked(
            key, lambda value: isinstance(value, str) and value != "", "a text"
        )
        return value

    def one_of(self, key: str, known: tuple[str, ...]) -> str:
        """The value of a field that is one of a few texts."""
        value: str = self.checked(key, lambda value: value in known, " or ".join(known))
        return value

    def optional_text(self, key: str) -> str | None:
        """The value of a field that is a text or null."""
        value: str | None = self.checked(
            key,
            lambda value: value is None or (isinstance(value, str) and value != ""),
            "a text or null",
        )
        return value

    def stored_file(self) -> StoredFile:
        """The fields `file`, `sha256` and `bytes`."""
        file = self.text("file")
        if not _FILE_NAME.fullmatch(file) or ".." in file:
            self.refuse("file", file, "a plain file name without '/' or '..', no longer than 255")
        sha256 = self.text("sha256")
        if not _SHA256.fullmatch(sha256):
            self.refuse("sha256", sha256, "64 lower-case hexadecimal digits")
        return StoredFile(file, sha256, self.checked("bytes", is_count, "a positive integer"))

    def optional_file(self, key: str) -> StoredFile | None:
        """A file's fields under a key, or None where the key is not there."""
        if key not in self.fields:
            return None
        return Fields(self.path, f"{self.what}, {key}", self.fields[key]).stored_file()
