"""XMP in files of the MP4 family (ISO base media files): a box of its own at the file's end.

Source: XMP Specification part 3, "ISO Base Media File Format", and its UUID.
"""

import struct
from pathlib import Path
from typing import Final

from efgan_rt.metadata.mark import EDITED_BY_AI

EXTENSIONS: Final = (".mp4", ".m4v", ".mov")
_XMP_UUID: Final = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")


def xmp_box(xmp: bytes) -> bytes:
    """The box that holds an XMP packet; nothing for an empty one."""
    if not xmp:
        return b""
    return struct.pack(">I4s", 24 + len(xmp), b"uuid") + _XMP_UUID + xmp


def append_xmp(path: Path, xmp: bytes) -> None:
    """Puts an XMP packet into a file that has none.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("ab") as file:
        file.write(xmp_box(xmp))


def read_xmp(data: bytes) -> bytes:
    """The XMP packet of a whole file; empty where there is none."""
    position = 0
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        header = 8
        if length == 1 and position + 16 <= len(data):
            (length,) = struct.unpack_from(">Q", data, position + 8)
            header = 16
        if length < header:
            break
        content = data[position + header : position + length]
        if kind == b"uuid" and content.startswith(_XMP_UUID):
            return content[len(_XMP_UUID) :]
        position += length
    return b""


def tags(path: Path) -> dict[str, str]:
    """What says the same in a container that has no place for XMP, such as Matroska."""
    if path.suffix.lower() in EXTENSIONS:
        return {}
    return {"DIGITAL_SOURCE_TYPE": EDITED_BY_AI}
