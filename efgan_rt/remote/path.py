"""The address of a remote picture or output, as a path that the pipeline carries about.

`str` of it is the address without user, password and query, so that nothing that is printed or
recorded can hold a secret. What is needed to read it stays in attributes of its own.
"""

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from pathlib import Path, PosixPath, PurePath
from typing import Final, Protocol, runtime_checkable

from efgan_rt.errors import EfganError

BUCKETS: Final = ("s3", "gs")
LIST_EXTENSION: Final = ".txt"


class Reading(Protocol):
    """Where the pictures of a scheme are read from; for any thread."""

    def stamp(self, path: "RemotePath") -> str:
        """What tells the content of now from that of another time.

        Raises:
            FileNotFoundError: there is nothing.
            EfganError: it cannot be found out.
        """
        ...

    def read(self, path: "RemotePath") -> tuple[bytes, str]:
        """The whole content, and its stamp.

        Raises:
            FileNotFoundError: there is nothing.
            EfganError: it cannot be read.
        """
        ...


@runtime_checkable
class Writing(Protocol):
    """Where outputs go, for any thread."""

    def put_over(self, path: "RemotePath", data: bytes) -> str:
        """Puts an object whatever is there."""
        ...


class RemotePath(PosixPath):
    """An address below which paths behave as those of a file system do.

    Attributes:
        listed: the stamp that listing has told; None if it has not.
        url: how to ask for it, where the path alone does not say.
        coming: its content, where somebody fetches it ahead; None in it leaves that to others.
    """

    # Defaults of the class: a path that is made from another one comes without `__init__`.
    listed: str | None = None
    url: str | None = None
    coming: Future[tuple[bytes, str] | None] | None = None
    _read_stamp: str | None = None
    _kept: bytes | None = None

    def __str__(self) -> str:
        scheme, slash, rest = super().__str__().partition(":/")
        return f"{scheme}://{rest}" if slash else scheme

    def __fspath__(self) -> str:
        return str(self)

    def resolve(self, strict: bool = False) -> "RemotePath":
        """Itself: an address has no links."""
        return self

    def absolute(self) -> "RemotePath":
        """Itself."""
        return self

    @property
    def scheme(self) -> str:
        """Such as `s3`."""
        return self.parts[0].removesuffix(":")

    @property
    def bucket(self) -> str:
        """Of an object."""
        return self.parts[1]

    @property
    def key(self) -> str:
        """Of an object; "" of a whole bucket."""
        return "/".join(self.parts[2:])

    def again(self) -> "RemotePath":
        """The same address, of which nothing has been read yet."""
        other = RemotePath(*self.parts)
        other.listed, other.url = self.listed, self.url
        return other

    def stamp(self) -> str | None:
        """Of what was read, else of what was listed, else of what is there now; None of nothing.

        Raises:
            EfganError: it cannot be found out.
        """
        if self.coming is not None:
            self._await()
        if known := self._read_stamp or self.listed:
            return known
        try:
            self.listed = reading(self.scheme).stamp(self)
        except FileNotFoundError:
            return None
        return self.listed

    def content(self) -> bytes:
        """Its content, handed out once: a second call reads it again.

        Raises:
            EfganError: it cannot be read.
        """
        kept = self._fetched()
        self._kept = None
        return kept

    def sha256(self) -> bytes:
        """Of its content, which is kept for the one that wants it next.

        Raises:
            EfganError: it cannot be read.
        """
        return hashlib.sha256(self._fetched()).digest()

    def fetch(self) -> tuple[bytes, str]:
        """Its content and stamp, from where it is.

        Raises:
            EfganError: it cannot be read.
        """
        try:
            return reading(self.scheme).read(self)
        except FileNotFoundError as error:
            why = "it has gone since it was listed" if self.scheme in BUCKETS else "mend the line"
            raise EfganError(f"{self}: cannot be read: nothing is there; {why}") from error

    def _fetched(self) -> bytes:
        self._await()
        if self._kept is None:
            self._kept, self._read_stamp = self.fetch()
        return self._kept

    def _await(self) -> None:
        coming, self.coming = self.coming, None
        if coming is None:
            return
        with suppress(CancelledError):  # the run was stopped; this picture was begun all the same
            if (fetched := coming.result()) is not None:
                self._kept, self._read_stamp = fetched

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        """Its content as text.

        Raises:
            FileNotFoundError: there is nothing.
            EfganError: it cannot be read.
        """
        return reading(self.scheme).read(self)[0].decode(encoding or "utf-8", errors or "strict")

    def write_text(
        self,
        data: str,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> int:
        """Puts text of ours that says nothing that another run would miss.

        Raises:
            EfganError: it cannot be written.
        """
        store = reading(self.scheme)
        assert isinstance(store, Writing), "outputs go to S3 alone"
        store.put_over(self, data.encode(encoding or "utf-8", errors or "strict"))
        return len(data)


OPENERS: Final[dict[str, Callable[[], Reading]]] = {}
"""What reads a scheme; `efgan_rt.remote.places` fills it."""
_OPENED: Final[dict[str, Reading]] = {}
_OPENING: Final = threading.Lock()


def reading(scheme: str) -> Reading:
    """Where a scheme's pictures are read from, opened once.

    Raises:
        EfganError: what reads them is not installed.
    """
    with _OPENING:
        if scheme not in _OPENED:
            _OPENED[scheme] = OPENERS[scheme]()
        return _OPENED[scheme]


def forget_opened() -> None:
    """Closes nothing, but has the next use of a scheme read credentials and endpoints anew."""
    _OPENED.clear()


def place(text: str) -> Path:
    """The place that a user names: a path, or a bucket's folder or object.

    Raises:
        EfganError: the address holds what does not belong there; the message shows none of it.
    """
    scheme, colon, rest = text.partition("://")
    if not colon or "/" in scheme:
        return Path(text)
    scheme = scheme.lower()
    if scheme in ("http", "https"):
        raise EfganError(
            f"{scheme}:// addresses of pictures are given in a text file, one a line: "
            f"name a file that ends in {LIST_EXTENSION}"
        )
    if scheme not in BUCKETS:
        raise EfganError(
            f"{scheme}:// is no place that can be read; expected a folder, s3:// or gs://"
        )
    bucket, _, key = rest.partition("/")
    if "@" in bucket:
        raise EfganError(
            f"{scheme}:// with a user or a password in it: leave them out of the address; "
            "credentials come from the environment or the provider's own files (docs/remote.md)"
        )
    if "?" in rest or "#" in rest:
        raise EfganError(f"{scheme}://{bucket}: an address has no query here; leave out '?' or '#'")
    parts = [each for each in key.split("/") if each]
    if not bucket or any(each in (".", "..") for each in parts):
        raise EfganError(f"{text}: expected {scheme}://BUCKET or {scheme}://BUCKET/FOLDER")
    return RemotePath(f"{scheme}:", bucket, *parts)


def is_remote(path: PurePath) -> bool:
    """Whether a place is not on a file system."""
    return isinstance(path, RemotePath)
