"""Files that appear whole or not at all: written under a hidden name beside, then renamed."""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_numbers = itertools.count()


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write that gets its name, replacing what has it, once the context is left.

    After an exception nothing is left of it. The hidden name is in the same folder, because a
    rename is atomic only within one file system, and short, because the file's own may already be
    as long as names may be.

    Raises:
        OSError: it cannot be written.
    """
    part = path.parent / f".efgan-{os.getpid()}-{next(_numbers)}.part"
    try:
        with part.open("xb") as file:
            yield file
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_whole(path: Path, content: bytes | memoryview | str) -> None:
    """Writes bytes, or a text in UTF-8 with its line ends as they are.

    Raises:
        OSError: it cannot be written.
    """
    data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    with whole_file(path) as file:
        file.write(data)
