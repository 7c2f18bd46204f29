"""Files whose fault is the user's to mend."""

from pathlib import Path

from efgan_rt.errors import EfganError
from engines.whole_file import write_whole


def write_file(path: Path, content: bytes | memoryview | str, *, make_folder: bool = False) -> None:
    """Writes a file, which appears whole or not at all, replacing what has its name.

    Args:
        path: of the file.
        content: bytes, or a text for UTF-8.
        make_folder: whether its folder is made; else it has to exist.

    Raises:
        EfganError: it cannot be written; an `OSError` behind it is its cause.
    """
    try:
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise EfganError(f"{path}: cannot be written: {error.strerror}") from error
