"""The pictures of a bucket's folder, or one of its objects.

Objects are known by their names alone: to look into one is to read it. What could be no file below
an output folder (an empty, `.` or `..` segment in its key) is left alone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Protocol

from efgan_rt.errors import EfganError
from efgan_rt.pictures.header import READABLE_EXTENSIONS
from efgan_rt.pipeline.files import Listing, arranged
from efgan_rt.remote.path import RemotePath, reading


class Listed(Protocol):
    """What listing tells of an object."""

    @property
    def stamp(self) -> str:
        """As `RemotePath.stamp` would have it."""
        ...


class _UnlistedError(Exception):
    """A folder cannot be listed, for what lies with its server."""

    def __init__(self, why: EfganError) -> None:
        super().__init__(why)
        self.why = why


class Buckets(Protocol):
    """What lists folders of buckets; for any thread."""

    def folder(self, path: RemotePath) -> Iterator[tuple[str, Listed | None]]:
        """The names in a folder, each with what is told of it; None for a folder's."""
        ...


@dataclass(frozen=True)
class BucketTree:
    """A folder of a bucket, or one object.

    Attributes:
        source: its address.
        exclude: patterns of what is left out.
    """

    source: RemotePath
    exclude: tuple[str, ...] = ()

    def check(self) -> None:
        """Refuses a picture that is not there; an empty folder is refused once it is walked.

        Raises:
            EfganError: there is no such object.
        """
        if self._is_picture and self.source.stamp() is None:
            raise EfganError(f"{self.source}: no such object; expected a picture or a folder")

    def listings(self, output: Path) -> Iterator[Listing]:
        """Its folders, each before those in it, without the output folder."""
        if self._is_picture:
            yield Listing(self.source.parent, [self.source.name])
            return
        buckets: Buckets = reading(self.source.scheme)  # type: ignore[assignment]
        waiting = [self.source]
        while waiting:
            folder = waiting.pop()
            if folder == output and folder != self.source:
                continue
            odd: list[tuple[str, str]] = []
            try:
                below, listings = arranged(
                    folder,
                    folder.relative_to(self.source),
                    _entries(buckets.folder(folder), odd),
                    self.exclude,
                )
            except _UnlistedError as error:
                if folder == self.source:
                    raise error.why from None
                said = str(error.why).removeprefix(f"{folder}: ")
                yield Listing(folder, [], fault=said)
                continue
            for listing in listings:
                yield replace(listing, left=[*listing.left, *odd])
                odd = []
            waiting += [folder / name for name in reversed(below)]

    def picture(self, listing: Listing, name: str) -> RemotePath:
        """A picture's address, with the stamp that listing has told."""
        path = listing.folder / name
        assert isinstance(path, RemotePath)
        path.listed = listing.stamps.get(name)
        return path

    def below(self, picture: Path) -> PurePosixPath:
        """A picture's path in the folder."""
        root = self.source.parent if self._is_picture else self.source
        return PurePosixPath("/".join(picture.parts[len(root.parts) :]))

    @property
    def _is_picture(self) -> bool:
        return bool(self.source.key) and self.source.name.lower().endswith(READABLE_EXTENSIONS)


def _entries(
    found: Iterable[tuple[str, Listed | None]], odd: list[tuple[str, str]]
) -> Iterator[tuple[str, bool, str]]:
    """What a folder holds, one by one; keys that can be no path go to `odd`.

    Raises:
        _UnlistedError: the folder cannot be listed.
    """
    try:
        for name, listed in found:
            if name in ("", ".", "..") or "/" in name or "\0" in name:
                odd.append((name or "(empty)", "a key that can be no path"))
            else:
                yield name, listed is None, "" if listed is None else listed.stamp
    except EfganError as error:
        raise _UnlistedError(error) from error
