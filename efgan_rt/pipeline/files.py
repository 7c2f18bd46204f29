"""Which pictures a run reads and where each edit goes; all that can be refused is refused here.

The output tree mirrors the input tree. With several products each has its folder on top; the
extension is the input's unless a format is chosen, or none can be written that it names: then the
name stays whole and a true extension comes behind it (`IMG_1.HEIC.jpg`). A picture is known by its
extension, and where that says nothing by its content. What is left alone is named, each with the
reason. The walk is sorted and made twice, once to check
and once to work, so that memory holds one folder's names, a few hundred bytes each, and never the
whole tree's; a folder of more than 100,000 files comes in several listings, by way of a temporary
file.

Hidden files and folders are left out: they are thumbnails, resource forks and our own temporary
files. So are the folders in which systems and network storage keep previews and what was thrown
away (`SYSTEM_FOLDERS`), and what `--exclude` names. Links to folders are followed unless they lead
back to a folder that they lie in. A folder that cannot be listed is told of, and the walk goes on.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

from efgan_rt.errors import EfganError
from efgan_rt.face_rules import FaceRule
from efgan_rt.families.family import Goal
from efgan_rt.pictures.header import (
    EXTENSIONS,
    FORMAT_OF,
    READABLE_EXTENSIONS,
    is_writable,
    missing_reader,
    sniffed,
)
from efgan_rt.pipeline.large_sort import IN_MEMORY, LargeSort
from efgan_rt.pipeline.names import is_case_blind, one_name, refuse_windows_names
from efgan_rt.pipeline.sidecars import EXTENSIONS as SIDECAR_EXTENSIONS
from efgan_rt.shots import Product
from efgan_rt.video.reader import EXTENSIONS as VIDEO_EXTENSIONS
from engines.arrays import FloatArray

INSTEAD: Final = ".jpg"  # of a format that can be read and not written
RAW_EXTENSIONS: Final = frozenset(
    (".arw", ".cr2", ".cr3", ".dng", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".srw")
)
# Patterns of names, lower case: Synology, QNAP, Windows, macOS, Linux, Lightroom.
SYSTEM_FOLDERS: Final = (
    "@eadir",
    "@tmp",
    "@recycle",
    "@recently-snapshot",
    "#recycle",
    "#snapshot",
    ".@__thumb",
    "$recycle.bin",
    "recycler",
    "system volume information",
    "__macosx",
    "network trash folder",
    "temporary items",
    ".trashes",
    ".trash",
    ".trash-*",
    ".thumbnails",
    "lost+found",
    "*.lrdata",
)


@dataclass(frozen=True, eq=False)
class PictureJob:
    """One picture to read, the files to write from it, and what is to be made of its faces.

    Attributes:
        source: the picture.
        outputs: one a product of the run.
        targets: one for every edit that the run's shots number.
        recipes: for each output, what it depends on but for the input (`fingerprint.recipe_hash`).
        source_au: float32 (K,), the action units of its largest face; None has the networks read
            them, as they read those of its other faces.
        rules: in place of `targets`, for every edit the rules that say which face gets what.
    """

    source: Path
    outputs: tuple[Path, ...]
    targets: tuple[Goal, ...] = ()
    recipes: tuple[bytes, ...] = ()
    source_au: FloatArray | None = None
    rules: tuple[tuple[FaceRule, ...], ...] = ()


def _ignore(*_: object) -> None:
    """Tells nobody."""


def asked_of_all(
    jobs: Iterable[PictureJob], targets: Sequence[Goal], recipes: Sequence[bytes]
) -> Iterator[PictureJob]:
    """The jobs, with the same targets and recipes for every picture."""
    for job in jobs:
        yield replace(job, targets=tuple(targets), recipes=tuple(recipes))


class Tree(Protocol):
    """The pictures that a run reads: a local folder, a bucket, a list of addresses."""

    def check(self) -> None:
        """Refuses, with an `EfganError`, what is missing or no place for pictures."""
        ...

    def listings(self, output: Path) -> "Iterator[Listing]":
        """Its folders, each before those in it, without the output folder."""
        ...

    def picture(self, listing: "Listing", name: str) -> Path:
        """A picture of a listing, as the pipeline reads it."""
        ...

    def below(self, picture: Path) -> PurePosixPath:
        """A picture's path in the tree, which the output tree mirrors."""
        ...


@dataclass(frozen=True)
class Plan:
    """What a run reads and writes.

    Attributes:
        source: a folder of pictures, or one picture.
        output: the folder above all outputs.
        products: the files made of every picture.
        extension: of outputs whose product has none, such as ".png"; None keeps each input's own.
        wants: whether a picture, by its path in the source, is to be read; None for all of them.
        exclude: patterns of files and folders to be left out: of a name, or with a slash in it of a
            path in the source.
        inside: whether links that lead out of the source are left alone.
        tree: the source's pictures; None has them read from the local file system.
    """

    source: Path
    output: Path
    products: tuple[Product, ...]
    extension: str | None = None
    wants: Callable[[PurePosixPath], bool] | None = None
    exclude: tuple[str, ...] = ()
    inside: bool = False
    tree: Tree | None = None

    def jobs(self, on_unlisted: Callable[[Path, str], None] = _ignore) -> Iterator[PictureJob]:
        """Every picture in the source, sorted by folder and name.

        Args:
            on_unlisted: told of a folder that cannot be listed, and why; the others are walked.
        """
        for listing in self._listings():
            if listing.fault is not None:
                on_unlisted(listing.folder, listing.fault)
            for name in listing.pictures:
                yield self._job(self._tree.picture(listing, name))

    def check(
        self,
        *,
        overwrite: bool,
        is_ours: Callable[[Path], bool] = lambda _: False,
        is_there: Callable[[Path], bool] = os.path.lexists,
    ) -> "PlanCount":
        """Counts the pictures, and refuses what would lose a file.

        Args:
            overwrite: whether files that are not ours may be replaced.
            is_ours: whether a file under an output's name is as an earlier run left it.
            is_there: whether there is anything under an output's name.

        Raises:
            EfganError: the source is missing, cannot be listed or holds no picture, two pictures
                would be written to one file, an output would replace an input, or a file that is
                not ours has an output's name and `overwrite` is not set.
        """
        self._tree.check()
        if self._resolved_output == self._resolved_source:
            raise EfganError(
                f"{self.output}: the output folder is the input folder; choose another one"
            )
        pictures = unwanted = system_folders = excluded = 0
        left: Counter[str] = Counter()
        unlisted: list[tuple[Path, str]] = []
        existing: list[Path] = []
        existing_count = 0
        key = one_name if is_case_blind(self.output) else str
        scattered = Scattered()
        folders: dict[str, Path] = {}
        for listing in self._listings():
            if listing.pictures:
                other = folders.setdefault(key(str(listing.folder)), listing.folder)
                if other != listing.folder:
                    raise EfganError(
                        f"{other} and {listing.folder} would be one folder below {self.output}, "
                        "which does not tell upper case from lower; rename one"
                    )
            left.update(why for _, why in listing.left)
            unwanted += listing.unwanted
            pictures += len(listing.pictures)
            system_folders += listing.system_folders
            excluded += listing.excluded
            if listing.fault is not None:
                unlisted.append((listing.folder, listing.fault))
                if listing.folder == self.source:
                    raise EfganError(unlisted_reason(*unlisted[0]))
            for output in self._outputs_without_collision(listing, key):
                self._refuse_inputs(output, is_there)
                refuse_windows_names(output, self.output)
                if listing.is_part:
                    scattered.add(key(str(output)))
                if not overwrite and is_there(output) and not is_ours(output):
                    existing_count += 1
                    existing = [*existing, output][:3]
        if twice := scattered.twice():
            self._refuse_scattered(twice, key)
        if not pictures and unwanted:
            raise EfganError(f"{self.source}: none of its {unwanted:,} pictures is asked for")
        if not pictures and unlisted:
            raise EfganError(f"{unlisted_reason(*unlisted[0])}; no picture found elsewhere")
        if not pictures:
            known = " ".join(READABLE_EXTENSIONS)
            raise EfganError(f"{self.source}: no picture found; expected files ending in {known}")
        if existing:
            names = ", ".join(map(str, existing)) + (", ..." if existing_count > 3 else "")
            raise EfganError(
                f"{existing_count:,} of the outputs are there already, and not as an earlier run "
                f"left them: {names}; "
                "choose another output folder, or replace them with --overwrite"
            )
        return PlanCount(
            pictures,
            left.total(),
            unwanted,
            dict(left.most_common()),
            system_folders,
            excluded,
            tuple(unlisted),
        )

    def left_alone(self) -> Iterator[tuple[Path, str]]:
        """Every file in the source that is not edited, and why."""
        for listing in self._listings():
            for name, why in listing.left:
                yield listing.folder / name, why

    def below(self, picture: Path) -> PurePosixPath:
        """A picture's path in the source."""
        return self._tree.below(picture)

    # Asked for every picture: each would ask the file system anew, or join the same names.

    @cached_property
    def _tree(self) -> Tree:
        return self.tree or LocalTree(self.source, self.exclude, self.inside)

    @cached_property
    def _resolved_source(self) -> Path:
        return self.source.resolve()

    @cached_property
    def _resolved_output(self) -> Path:
        return self.output.resolve()

    @cached_property
    def _is_source_in_output(self) -> bool:
        return self._resolved_source.is_relative_to(self._resolved_output)

    @cached_property
    def _folders(self) -> dict[str, dict[str, Path]]:
        """Of the last picture's folder, where its outputs go by the products' folders."""
        return {}

    def _listings(self) -> Iterator["Listing"]:
        """The source's folders, with the pictures that are wanted."""
        tree = self._tree
        listings = tree.listings(self._resolved_output)
        wants = self.wants
        if wants is None:
            yield from listings
            return
        for found in listings:
            wanted = [
                name for name in found.pictures if wants(tree.below(tree.picture(found, name)))
            ]
            unwanted = len(found.pictures) - len(wanted)
            yield replace(found, pictures=wanted, unwanted=unwanted)

    def _job(self, picture: Path) -> PictureJob:
        return PictureJob(picture, tuple(output for _, _, output in self._outputs(picture)))

    def _outputs(self, picture: Path) -> Iterator[tuple[str, str, Path]]:
        """The product's folder, the name in it, which may have a folder in it, and the path."""
        beside = os.path.dirname(picture)
        folders = self._folders.get(beside)
        if folders is None:
            self._folders.clear()
            below = self.below(picture).parent
            folders = {each.folder: self.output / each.folder / below for each in self.products}
            self._folders[beside] = folders
        for product in self.products:
            name = self._output_name(picture, product)
            yield product.folder, name, folders[product.folder] / name

    def _output_name(self, picture: Path, product: Product) -> str:
        """Of a picture's edit."""
        stem, own = os.path.splitext(picture.name)
        wanted = product.extension or self.extension
        format_ = FORMAT_OF.get(own.lower())
        # Phones give a HEIC and a JPEG of one moment one name.
        is_renamed = format_ == "HEIC" and wanted is not None
        if format_ is not None and is_writable(format_) and not is_renamed:
            return stem + product.suffix + (wanted or own)
        if wanted is None:
            format_ = format_ or sniffed(picture)
            is_one = format_ in EXTENSIONS and is_writable(str(format_))
            wanted = EXTENSIONS[str(format_)][0] if is_one else INSTEAD
        return picture.name + product.suffix + wanted

    def _outputs_without_collision(
        self, listing: "Listing", key: Callable[[str], str]
    ) -> Iterator[Path]:
        """A folder's outputs; two pictures collide only within it, because the tree is mirrored.

        Args:
            listing: of the folder.
            key: the same for names that are one in the output folder.
        """
        taken: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for name in listing.pictures:
            for folder, made, output in self._outputs(self._tree.picture(listing, name)):
                other = taken[folder].setdefault(key(made), name)
                if other != name:
                    raise EfganError(
                        f"{listing.folder / other} and {listing.folder / name} would both be "
                        f"written to {output}; rename one, or leave --format out"
                    )
                yield output

    def _refuse_scattered(self, twice: bytes, key: Callable[[str], str]) -> None:
        """Names the pictures of different listings that would be written to one file."""
        names = (
            job.source
            for job in self.jobs()
            for output in job.outputs
            if Scattered.mark(key(str(output))) == twice
        )
        first, second = next(names), next(names, None)
        raise EfganError(
            f"{first} and {second or first} would both be written to one file; leave one out"
        )

    def _refuse_inputs(self, output: Path, is_there: Callable[[Path], bool]) -> None:
        """An output lands among the inputs only where the input folder lies in the output's."""
        if not self._is_source_in_output:
            return
        root = self._resolved_source
        landed = self._resolved_output / output.relative_to(self.output)
        if landed.is_relative_to(root) and is_there(landed):
            raise EfganError(f"{output}: is an input as well; choose another output folder")


class Scattered:
    """Outputs of folders that come in several listings, to find two of a name: a hash of each."""

    def __init__(self) -> None:
        self._marks = LargeSort()

    @staticmethod
    def mark(output: str) -> bytes:
        """The hash of an output's name."""
        return blake2b(os.fsencode(output), digest_size=16).digest()

    def add(self, output: str) -> None:
        """Takes note of an output."""
        self._marks.add(self.mark(output))

    def twice(self) -> bytes | None:
        """The mark of an output that comes twice; None if there is none."""
        found = next((one for one, next_ in pairwise(self._marks) if one == next_), None)
        self._marks.close()
        return None if found is None else found[0]


@dataclass(frozen=True)
class PlanCount:
    """How much there is to do.

    Attributes:
        pictures: to be read.
        skipped: files that are left alone.
        unwanted: pictures that are none of the plan's.
        left: how many of the skipped for which reason, the most frequent first.
        system_folders: folders that were left out by their names.
        excluded: files and folders that a pattern left out.
        unlisted: folders that cannot be listed, each with the system's reason.
    """

    pictures: int
    skipped: int
    unwanted: int = 0
    left: Mapping[str, int] = field(default_factory=dict)
    system_folders: int = 0
    excluded: int = 0
    unlisted: tuple[tuple[Path, str], ...] = ()


def unlisted_reason(folder: Path, fault: str) -> str:
    """The sentence on a folder that cannot be listed."""
    return f"{folder}: the folder cannot be listed: {fault}"


@dataclass(frozen=True)
class Listing:
    """A folder's pictures, sorted by name; its other files, each with why it is left alone.

    Or why the folder's content is not known.

    Names and not paths, for a folder may hold hundreds of thousands.

    Attributes:
        stamps: of pictures, where listing them has told.
        is_part: whether other listings may be of the same folder.
    """

    folder: Path
    pictures: list[str]
    left: list[tuple[str, str]] = field(default_factory=list)
    unwanted: int = 0
    system_folders: int = 0
    excluded: int = 0
    fault: str | None = None
    stamps: Mapping[str, str] = field(default_factory=dict)
    is_part: bool = False


@dataclass(frozen=True)
class LocalTree:
    """A folder of the local file system, or one picture.

    Attributes:
        source: the folder or picture.
        exclude: patterns of what is left out.
        inside: whether links that lead out of it are left alone.
    """

    source: Path
    exclude: tuple[str, ...] = ()
    inside: bool = False

    def check(self) -> None:
        """Refuses what is missing or a video."""
        if not os.path.exists(self.source):  # False where even that cannot be found out
            raise EfganError(f"{self.source}: no such file or folder; expected pictures to edit")
        if self.source.suffix.lower() in VIDEO_EXTENSIONS and self.source.is_file():
            raise EfganError(
                f"{self.source}: is a video; edit it with efgan-rt video {self.source} OUT.mp4"
            )

    def listings(self, output: Path) -> Iterator[Listing]:
        """Its folders, each before those in it."""
        if not self.source.is_dir():
            return iter([Listing(self.source.parent, [self.source.name])])
        return _walk(self.source, output, self.exclude, inside=self.inside)

    def picture(self, listing: Listing, name: str) -> Path:
        """A picture's path."""
        return listing.folder / name

    def below(self, picture: Path) -> PurePosixPath:
        """A picture's path in the folder."""
        return PurePosixPath(picture.relative_to(self._root).as_posix())

    @cached_property
    def _root(self) -> Path:
        return self.source if self.source.is_dir() else self.source.parent


def _without_links(listing: Listing, root: Path) -> Listing:
    """A listing without the pictures that links lead out of a folder to."""
    out = {name for name in listing.pictures if not _is_inside(listing.folder / name, root)}
    kept = [name for name in listing.pictures if name not in out]
    left = [*listing.left, *((name, "a link out of the folder") for name in sorted(out))]
    return replace(listing, pictures=kept, left=left)


def _is_inside(path: Path, root: Path) -> bool:
    try:
        return path.resolve().is_relative_to(root)
    except (OSError, RuntimeError):  # a link to itself
        return False


def _walk(
    root: Path, output: Path, exclude: Sequence[str], *, inside: bool = False
) -> Iterator[Listing]:
    """Every folder of a tree, each before those in it."""
    resolved = root.resolve()
    # Folders still to be listed, the next one last, each with the folders that it lies in. No
    # recursion: a tree may be deeper than Python's stack.
    waiting: list[tuple[Path, frozenset[tuple[int, int]]]] = [(root, frozenset())]
    while waiting:
        folder, ancestors = waiting.pop()
        try:
            identity = _identity(folder)
            if identity in ancestors or (folder is not root and identity == _output(output)):
                continue
            below, listings = _listed(folder, folder.relative_to(root), exclude)
        except OSError as error:
            yield Listing(folder, [], fault=error.strerror or str(error))
            continue
        for listing in listings:
            yield _without_links(listing, resolved) if inside else listing
        if inside:
            below = [name for name in below if _is_inside(folder / name, resolved)]
        waiting += [(folder / name, ancestors | {identity}) for name in reversed(below)]


def _listed(
    folder: Path, below: Path, exclude: Sequence[str]
) -> tuple[list[str], Iterator[Listing]]:
    """The names of the folders in a folder, sorted, and its files.

    Args:
        folder: to be listed.
        below: its path in the source.
        exclude: patterns of what is left out.

    Raises:
        OSError: it cannot be listed.
    """
    with os.scandir(folder) as entries:
        found = ((entry.name, _is_folder(entry), "") for entry in entries)
        return arranged(folder, below, found, exclude)


def arranged(
    folder: Path, below: Path, entries: Iterable[tuple[str, bool, str]], exclude: Sequence[str]
) -> tuple[list[str], Iterator[Listing]]:
    """The names of a folder's folders, sorted, and its files, by the rules that all trees share.

    Args:
        folder: that was listed.
        below: its path in the source.
        entries: names, whether each is a folder's, and a picture's stamp where that is told.
        exclude: patterns of what is left out.

    Returns:
        The folders, and at least one listing.
    """
    folders: list[str] = []
    files = LargeSort()
    system_folders = excluded = 0
    for name, is_folder, stamp in entries:
        if is_folder and any(fnmatchcase(name.lower(), each) for each in SYSTEM_FOLDERS):
            system_folders += 1
        elif name.startswith("."):
            continue
        elif exclude and _is_excluded(name, below, exclude):
            excluded += 1
        elif is_folder:
            folders.append(name)
        else:
            files.add(os.fsencode(_stem(name)), os.fsencode(f"{name}\0{stamp}"))
    return sorted(folders), _listings(folder, files, system_folders, excluded)


def _listings(
    folder: Path, files: LargeSort, system_folders: int, excluded: int
) -> Iterator[Listing]:
    """A folder's files in parts; files of one stem, which speak of each other, are in one part.

    Args:
        folder: that they lie in.
        files: stems, and names with stamps behind a null byte.
        system_folders: for the first part.
        excluded: for the first part.
    """
    is_part = len(files) > IN_MEMORY
    names: dict[str, str] = {}
    last = b""
    for stem, named in files:
        # Some give all files one stem, and number them behind the dot.
        if len(names) >= IN_MEMORY and (stem != last or len(names) >= 2 * IN_MEMORY):
            part = _sorted_out(folder, names)
            yield replace(part, is_part=True, system_folders=system_folders, excluded=excluded)
            names, system_folders, excluded = {}, 0, 0
        name, _, stamp = os.fsdecode(named).partition("\0")
        names[name] = stamp
        last = stem
    files.close()
    part = _sorted_out(folder, names)
    yield replace(part, is_part=is_part, system_folders=system_folders, excluded=excluded)


def _stem(name: str) -> str:
    return os.path.splitext(name)[0].lower()


def _sorted_out(folder: Path, names: Mapping[str, str]) -> Listing:
    """Files of a folder, with their stamps: its pictures, and what is left alone."""
    pictures: list[str] = []
    others: list[str] = []
    for name in names:
        (pictures if name.lower().endswith(READABLE_EXTENSIONS) else others).append(name)
    stems = {_stem(name) for name in pictures} if others else ()
    left = []
    for name in sorted(others):
        if why := _why_left_alone(folder / name, stems):
            left.append((name, why))
        else:
            pictures.append(name)
    readable = []
    for name in sorted(pictures):
        format_ = FORMAT_OF.get(os.path.splitext(name)[1].lower(), "")
        if missing := missing_reader(format_):
            left.append((name, f"nothing here reads {format_}; {missing}"))
        else:
            readable.append(name)
    stamps = {name: names[name] for name in readable if names[name]}
    return Listing(folder, readable, left, stamps=stamps)


def _why_left_alone(path: Path, stems: Container[str]) -> str:
    """Why a file whose extension is no picture's is left alone; empty for one that is a picture.

    Args:
        path: the file.
        stems: of the pictures beside it, in small letters.
    """
    stem, extension = os.path.splitext(path.name.lower())
    if extension in VIDEO_EXTENSIONS:
        return "the film of a Live Photo, unedited" if stem in stems else "a video"
    if extension in SIDECAR_EXTENSIONS:
        if extension == ".aae":
            return "an .aae, which would redo old edits"
        return "a sidecar, which --sidecars copies"
    format_ = sniffed(path)
    if format_ is None:
        return "not a picture"
    if format_ not in EXTENSIONS or extension in RAW_EXTENSIONS:
        return "a camera's raw picture"
    missing = missing_reader(format_)
    return f"nothing here reads {format_}; {missing}" if missing else ""


def _is_excluded(name: str, below: Path, exclude: Sequence[str]) -> bool:
    path = (below / name).as_posix()
    return any(
        fnmatchcase(path if "/" in pattern.rstrip("/") else name, pattern.rstrip("/"))
        for pattern in exclude
    )


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _output(folder: Path) -> tuple[int, int] | None:
    """The output folder's identity; asked anew each time, for the run may have made it."""
    try:
        return _identity(folder)
    except OSError:
        return None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, say: for the reader to name, as a file
        return False
