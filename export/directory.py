"""Putting an engine directory in place: all of it or none, and never at another file's cost."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from efgan_rt.errors import EfganError
from efgan_rt.families.registry import read_properties
from engines.directory import EngineDirectory
from engines.manifest import MANIFEST_NAME, Manifest

FORMAT_PREFIX: Final = "efgan-rt engines"  # any version's: an older directory may be replaced too


def check_replaceable(out: Path) -> None:
    """Makes sure that nothing but engines would be lost if `out` were replaced.

    Raises:
        EfganError: `out` is a file, or holds a file that no manifest of ours names.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise EfganError(f"{out}: found a file, expected an engine directory or nothing")
    foreign = sorted(path.name for path in out.iterdir() if path.name not in _own_names(out))
    if foreign:
        shown = ", ".join(foreign[:3]) + (" ..." if len(foreign) > 3 else "")
        raise EfganError(
            f"{out}: holds {shown}, which no engines of efgan-rt brought there; choose another "
            "--out or move it away"
        )


def _own_names(out: Path) -> set[str]:
    """The files that the directory's manifest names, itself included; none if it is not ours."""
    try:
        content = json.loads((out / MANIFEST_NAME).read_text(encoding="utf-8"))
        if not content["format"].startswith(FORMAT_PREFIX):
            return set()
        networks = content["networks"].values()
        plans = [network["plan"] for network in networks if "plan" in network]
        int8 = [file for network in networks for file in network.get("int8", {}).values()]
        weights = [content[key] for key in ("weights_file", "data_file") if key in content]
        return {MANIFEST_NAME} | {each["file"] for each in (*networks, *plans, *int8, *weights)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return set()


@contextmanager
def staging_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out`, on the same file system, removed at the end if it is still there."""
    folder = _beside(out, "part")
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def copy_files(source: EngineDirectory, folder: Path) -> None:
    """Copies every file that a manifest vouches for, each checked on the way.

    Raises:
        EngineError: a file is not as the manifest says.
    """
    for stored in source.manifest.stored_files():
        content = source.content(stored)
        (folder / stored.file).write_bytes(content)


def remade(
    source: EngineDirectory, out: Path, made: Manifest, add: Callable[[Path, Manifest], Manifest]
) -> Manifest:
    """An engine directory made again with something more in it, in place of what is at `out`.

    Args:
        source: whose files are copied.
        out: may be the same directory.
        made: the manifest of what is copied.
        add: adds to a folder with those files, and gives the manifest.

    Raises:
        EngineError: a file is not as the manifest says.
        EfganError: `out` holds something else.
    """
    with staging_folder(out) as folder:
        copy_files(EngineDirectory(source.path, made), folder)
        made = add(folder, made)
        made.write(folder)
        read_properties(EngineDirectory(folder, made))
        put_in_place(folder, out)
    return made


def put_in_place(folder: Path, out: Path) -> None:
    """Renames a finished folder to `out`; what was there goes only after it has been replaced.

    Raises:
        EfganError: `out` has come to hold something else since `check_replaceable`.
    """
    check_replaceable(out)
    old = _beside(out, "old")
    if out.exists():
        out.rename(old)
    try:
        folder.rename(out)
    except OSError:
        if old.exists():
            old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _beside(out: Path, suffix: str) -> Path:
    place = out.absolute()
    return place.with_name(f".{place.name}.{os.getpid()}.{suffix}")
