"""Files beside a picture that speak of it: copied under its edit's name where that is asked for.

An .xmp is cleaned and marked as embedded XMP is. A Takeout .json holds no picture and is copied as
it is. Apple's .AAE is left out: it would cut and colour the edit as the original once was.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from efgan_rt.errors import EfganError
from efgan_rt.pictures.mark import marked_xmp
from efgan_rt.pictures.read import read_bytes
from efgan_rt.pictures.xmp import cleaned
from efgan_rt.written import write_file

# Behind a picture's whole name, and behind its name without the extension.
_BEHIND_NAME: Final = (".xmp", ".XMP", ".json", ".supplemental-metadata.json")
_BEHIND_STEM: Final = (".xmp", ".XMP")
EXTENSIONS: Final = (".xmp", ".json", ".aae")


def sidecars_of(source: Path, output: Path) -> Iterator[tuple[Path, Path]]:
    """The files beside a picture, each with its name beside an edit of it."""
    for end in _BEHIND_NAME:
        if (found := source.with_name(source.name + end)).is_file():
            yield found, output.with_name(output.name + end)
    for end in _BEHIND_STEM:
        if (found := source.with_suffix(end)).is_file():
            yield found, output.with_suffix(end)


def copy_sidecars(source: Path, output: Path, *, mark: bool, overwrite: bool) -> None:
    """Copies the files beside a picture to beside an edit of it.

    Args:
        source: the picture.
        output: the edit, which is there.
        mark: whether an .xmp shall say that a network edited the picture.
        overwrite: whether files that differ are replaced.

    Raises:
        EfganError: one cannot be read or written, or another file has its name.
    """
    for beside, target in sidecars_of(source, output):
        data = read_bytes(beside)
        if beside.suffix.lower() == ".xmp":
            data, _ = cleaned(data)
            data = marked_xmp(data) if mark else data
        if target.exists():
            if read_bytes(target) == data:
                continue
            if not overwrite:
                raise EfganError(f"{target}: is there already; replace it with --overwrite")
        write_file(target, data)
