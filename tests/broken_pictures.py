"""Ten files that look like pictures to a directory walk and are none."""

import os
import struct
from collections.abc import Callable
from pathlib import Path

PNG_START = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR"


def write_broken_pictures(folder: Path, good_jpeg: Path) -> list[Path]:
    """Writes one of each kind into `folder`, made from a good JPEG where that is needed.

    Returns:
        The ten paths.
    """
    jpeg = good_jpeg.read_bytes()
    huge = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0) + bytes(4)
    contents: dict[str, bytes] = {
        "empty.jpg": b"",
        "truncated.jpg": jpeg[: len(jpeg) // 2],
        "text.jpg": b"this is not a picture\n",
        "random.png": os.urandom(4096),
        "header-only.png": PNG_START,
        "bomb.png": PNG_START + huge + bytes(12),
        "start-and-end.jpg": jpeg[:2] + jpeg[-2:],
        "archive.webp": b"PK\x03\x04" + bytes(100),
    }
    makers: dict[str, Callable[[Path], object]] = {
        name: lambda path, data=data: path.write_bytes(data)  # type: ignore[misc]
        for name, data in contents.items()
    }
    makers["dangling.png"] = lambda path: path.symlink_to(folder / "nowhere.png")
    makers["pipe.jpg"] = lambda path: os.mkfifo(path)
    for name, make in makers.items():
        make(folder / name)
    return [folder / name for name in makers]
