"""The small pictures of a page: hidden while the run goes on, then inside it or beside.

Beside it they lie in a folder of a new name in each run, so the moment in which the page gets its
own name switches both at once; what an earlier page had is removed after that.
"""

import base64
import re
import secrets
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

FOLDER_MARK: Final = ".efgan-rt-page"
TOKEN: Final = re.compile(r"[0-9a-f]{8}")
DRAWER: Final = 1000  # pictures in one folder
LENGTH: Final = struct.Struct("<I")


def folder_of(page: Path) -> Path:
    """The folder beside a page that has its pictures, where they are too many to lie inside."""
    return page.with_name(f"{page.stem}.pictures")


class PagePictures:
    """Takes pictures, for one thread at a time, and numbers them; every method may raise `OSError`.

    Args:
        page: its folder must be there.

    Attributes:
        base64_bytes: what they would take inside the page.
    """

    def __init__(self, page: Path) -> None:
        self.base64_bytes = 0
        self._folder = folder_of(page)
        self._part = page.with_name(f".{page.name}.pictures.part")
        self._file: IO[bytes] = self._part.open("wb")
        self._count = 0

    def keep(self, picture: bytes) -> int:
        """Takes a picture; its number."""
        self._file.write(LENGTH.pack(len(picture)) + picture)
        self.base64_bytes += (len(picture) + 2) // 3 * 4
        self._count += 1
        return self._count - 1

    def fill_folder(self) -> str:
        """Puts the pictures into files beside the page; the name of their folder in its folder."""
        token = secrets.token_hex(4)
        (self._folder / token).mkdir(parents=True)
        (self._folder / FOLDER_MARK).touch()
        for number, picture in enumerate(self._kept()):
            drawer = self._folder / token / f"{number // DRAWER:03}"
            if number % DRAWER == 0:
                drawer.mkdir()
            (drawer / f"{number:06}.jpg").write_bytes(picture)
        return token

    def pieces(self) -> Iterator[str]:
        """The pictures as a JSON array of base64, piece by piece."""
        yield "["
        for number, picture in enumerate(self._kept()):
            yield f'{"," if number else ""}"{base64.b64encode(picture).decode()}"'
        yield "]"

    def clean(self, token: str | None) -> None:
        """Removes the hidden file, and what earlier pages had beside them.

        Args:
            token: from `fill_folder`, to stay; None if the page needs no folder.
        """
        self._part.unlink()
        if not (self._folder / FOLDER_MARK).is_file():
            return
        for each in list(self._folder.iterdir()):
            if TOKEN.fullmatch(each.name) and each.name != token and each.is_dir():
                shutil.rmtree(each)
        if token is None and [each.name for each in self._folder.iterdir()] == [FOLDER_MARK]:
            shutil.rmtree(self._folder)

    def _kept(self) -> Iterator[bytes]:
        """The pictures in the order of their numbers."""
        self._file.close()
        with self._part.open("rb") as file:
            for _ in range(self._count):
                (length,) = LENGTH.unpack(file.read(LENGTH.size))
                yield file.read(length)
