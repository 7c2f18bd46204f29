"""The folders that the studio may read and write: those of its command line, and no link out."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from glob import escape
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from efgan_rt.errors import EfganError
from efgan_rt.pipeline.files import Plan
from efgan_rt.shots import stills

EDITED = "edited"


@dataclass(frozen=True)
class Roots:
    """Where pictures are read and edits are written.

    Attributes:
        source: the folder of pictures, links resolved.
        out: the folder for edits, links resolved; it may not exist yet.
    """

    source: Path
    out: Path

    @classmethod
    def of(cls, folder: Path, out: Path | None) -> "Roots":
        """Those that a command line names.

        Raises:
            EfganError: the folder is none, or the edits would go out of it unasked, or over it.
        """
        source = folder.resolve()
        if not source.is_dir():
            raise EfganError(f"{folder}: is no folder; expected one of pictures")
        target = (source / EDITED if out is None else out).resolve()
        if out is None and not target.is_relative_to(source):
            raise EfganError(
                f"{folder / EDITED}: is a link out of the folder; name the place with --out DIR"
            )
        if target == source or source.is_relative_to(target):
            raise EfganError(
                f"{out}: holds the pictures themselves; choose another folder for the edits"
            )
        if target.exists() and not target.is_dir():
            raise EfganError(f"{target}: is no folder; expected one for edits")
        return cls(source, target)

    @property
    def excluded(self) -> tuple[str, ...]:
        """Patterns of what in the source is no input, for `Plan` and `batch --exclude`."""
        if not self.out.is_relative_to(self.source):
            return ()
        below = self.out.relative_to(self.source).as_posix()
        # Without a slash a pattern is of names, at any depth.
        return (escape(below),)

    @property
    def plan(self) -> Plan:
        """The pictures, as a run would find them."""
        return Plan(self.source, self.out, stills(""), exclude=self.excluded, inside=True)

    def pictures(self) -> Iterator[PurePosixPath]:
        """Every picture, by its path in the source, sorted."""
        for job in self.plan.jobs():
            yield PurePosixPath(job.source.relative_to(self.source).as_posix())

    def picture(self, path: str) -> Path:
        """A picture of the source.

        Args:
            path: in the source.

        Raises:
            EfganError: there is no such file, or it lies elsewhere once links are followed.
        """
        return _inside(self.source, path)

    def address_of(self, file: Path) -> str:
        """The path below the page's address at which a file of the folders is served.

        Links between files stay right where edits lie in the folder of the pictures.
        """
        is_inside = file.is_relative_to(self.source)
        root, top = (self.source, "folder") if is_inside else (self.out, "edits")
        return f"{top}/{quote(os.fsencode(file.relative_to(root)))}"

    def served(self, top: str, path: str) -> Path | None:
        """The file at such an address; None where there is none, or it lies elsewhere."""
        try:
            return _inside(self.source if top == "folder" else self.out, path)
        except EfganError:
            return None

    def new_output(self, path: str, name: str) -> Path:
        """A free name for an edit of a picture, in the picture's folder below `out`, which is made.

        Args:
            path: of the picture, in the source.
            name: of the edit.

        Raises:
            EfganError: a link leads elsewhere, or the folder cannot be made.
        """
        folder = self.out / PurePosixPath(path).parent
        self.refuse_links_out()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not folder.resolve().is_relative_to(self.out):
                raise EfganError(f"{folder}: a link leads out of {self.out}; remove it")
        except OSError as error:
            raise EfganError(f"{folder}: cannot be made: {error.strerror}") from error
        stem, suffix = Path(name).stem, Path(name).suffix
        number, wanted = 1, folder / name
        while wanted.exists() or wanted.is_symlink():
            number += 1
            wanted = folder / f"{stem}-{number}{suffix}"
        return wanted

    def refuse_links_out(self) -> None:
        """Refuses to write where a link below `out` leads out of it.

        Raises:
            EfganError: there is such a link.
        """
        waiting = [self.out] if self.out.is_dir() else []
        while waiting:
            folder = waiting.pop()
            for each in folder.iterdir():
                if each.is_symlink():
                    if each.is_dir() and not each.resolve().is_relative_to(self.out):
                        raise EfganError(f"{each}: a link leads out of {self.out}; remove it")
                elif each.is_dir():
                    waiting.append(each)


def _inside(root: Path, path: str) -> Path:
    """A file below a folder, links resolved.

    Raises:
        EfganError: there is none.
    """
    missing = EfganError(f"{path}: no such picture in the folder")
    try:
        found = (root / path).resolve(strict=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise missing from error
    if not found.is_relative_to(root) or not found.is_file():
        raise missing
    return found
