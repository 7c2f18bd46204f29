"""The tag directories that TIFF files and EXIF blocks are made of: reading, patching, writing.

An EXIF block is a small TIFF without a picture, so one reader serves both. Nothing here trusts an
offset or a count that the data states: an entry that points outside is left out, and a directory
that lies outside is an empty one. What is written is little-endian, as what OpenCV writes is.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

# Bytes of one element, and of the numbers that it is made of (a rational is two), by TIFF's types.
_ELEMENT_BYTES: Final = dict(
    zip(range(1, 14), (1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4), strict=True)
)
_NUMBER_BYTES: Final = {**_ELEMENT_BYTES, 5: 4, 10: 4}
_SHORT: Final = 3
_LONG: Final = 4

ORIENTATION: Final = 0x0112
EXTRA_SAMPLES: Final = 0x0152
XMP: Final = 700
IPTC: Final = 33723
PHOTOSHOP: Final = 34377
ICC: Final = 34675
EXIF_DIRECTORY: Final = 34665
GPS_DIRECTORY: Final = 34853
INTEROP_DIRECTORY: Final = 40965
PIXEL_WIDTH, PIXEL_HEIGHT = 0xA002, 0xA003
# Which directories lie below which; by this alone no circle can be followed.
_BELOW_FIRST: Final = frozenset({EXIF_DIRECTORY, GPS_DIRECTORY})
_BELOW_EXIF: Final = frozenset({INTEROP_DIRECTORY})

# Of a TIFF's own directory, what speaks of the picture and not of how its pixels are stored.
DESCRIPTIVE: Final = frozenset(
    {269, 270, 271, 272, 282, 283, 285, 296, 305, 306, 315, 316, 33432}
    | {IPTC, PHOTOSHOP, EXIF_DIRECTORY, GPS_DIRECTORY}
    | set(range(0x9C9B, 0x9CA0))
)
# Many entries may point at one and the same large value; what is copied has to end somewhere.
MAX_VALUE_BYTES: Final = 4 << 20


@dataclass(frozen=True)
class Entry:
    """One entry: where it lies, and where its value lies, both inside the data."""

    at: int
    kind: int
    count: int
    start: int
    size: int


@dataclass(frozen=True)
class Directory:
    """One directory of `data`.

    Attributes:
        data: the whole TIFF or EXIF block.
        order: `<` or `>`, as `struct` has it.
        entries: by tag.
        next_at: where the offset of the next directory is kept; None where the data ends before.
    """

    data: bytes
    order: str
    entries: Mapping[int, Entry]
    next_at: int | None

    def numbers(self, tag: int) -> tuple[int, ...]:
        """An entry's whole numbers; none where it is missing or of another type."""
        entry = self.entries.get(tag)
        codes = {1: "B", _SHORT: "H", _LONG: "I"}
        if entry is None or entry.kind not in codes or entry.count > 16:
            return ()
        return struct.unpack_from(
            f"{self.order}{entry.count}{codes[entry.kind]}", self.data, entry.start
        )

    def number(self, tag: int, default: int = 0) -> int:
        """An entry's first whole number."""
        return next(iter(self.numbers(tag)), default)

    def value(self, tag: int) -> bytes:
        """An entry's bytes as they are; empty where it is missing or longer than any should be."""
        entry = self.entries.get(tag)
        if entry is None or entry.size > MAX_VALUE_BYTES:
            return b""
        return self.data[entry.start : entry.start + entry.size]

    def following(self) -> "Directory | None":
        """The next directory: a further page, or the thumbnail of an EXIF block."""
        if self.next_at is None:
            return None
        (offset,) = struct.unpack_from(f"{self.order}I", self.data, self.next_at)
        return _directory(self.data, self.order, offset) if offset else None

    def below(self, tag: int) -> "Directory | None":
        """The directory that an entry points at."""
        offset = self.number(tag)
        return _directory(self.data, self.order, offset) if offset else None


@dataclass(frozen=True)
class Tag:
    """A tag on its way into another file; `value` is little-endian, or a directory of its own."""

    kind: int
    count: int
    value: "bytes | Mapping[int, Tag]"


def first_directory(data: bytes) -> Directory | None:
    """The first directory of a TIFF or an EXIF block; None where the data is neither."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None or len(data) < 8:
        return None
    (offset,) = struct.unpack_from(f"{order}I", data, 4)
    return _directory(data, order, offset)


def _directory(data: bytes, order: str, offset: int) -> Directory:
    entries: dict[int, Entry] = {}
    if offset + 2 > len(data):
        return Directory(data, order, entries, None)
    (count,) = struct.unpack_from(f"{order}H", data, offset)
    end = offset + 2 + 12 * count
    for at in range(offset + 2, min(end, len(data) - 11), 12):
        tag, kind, length, start = struct.unpack_from(f"{order}HHII", data, at)
        size = _ELEMENT_BYTES.get(kind, 0) * length
        if size <= 4:
            start = at + 8
        if size and start + size <= len(data):
            entries.setdefault(tag, Entry(at, kind, length, start, size))
    return Directory(data, order, entries, end if end + 4 <= len(data) else None)


def copied_tags(directory: Directory, wanted: frozenset[int] | None = None) -> dict[int, Tag]:
    """The wanted tags (None: all) of a first directory, and all of those below it.

    What would go beyond `MAX_VALUE_BYTES` a directory is left out.
    """
    return _copied(directory, wanted, _BELOW_FIRST)


def _copied(
    directory: Directory, wanted: frozenset[int] | None, pointers: frozenset[int]
) -> dict[int, Tag]:
    tags: dict[int, Tag] = {}
    room = MAX_VALUE_BYTES
    for tag, entry in directory.entries.items():
        if (wanted is not None and tag not in wanted) or entry.size > room:
            continue
        room -= entry.size
        if tag in pointers:
            below = directory.below(tag)
            if below is not None and below.entries:
                further = _BELOW_EXIF if tag == EXIF_DIRECTORY else frozenset()
                tags[tag] = Tag(_LONG, 1, _copied(below, None, further))
        elif value := directory.value(tag):
            width = _NUMBER_BYTES[entry.kind]
            if directory.order == ">" and width > 1:
                value = np.frombuffer(value, f">u{width}").astype(f"<u{width}").tobytes()
            tags[tag] = Tag(entry.kind, entry.count, value)
    return tags


def _written(tags: Mapping[int, Tag], at: int) -> bytes:
    """A directory and its values, to lie at an even offset of a little-endian file."""
    values = bytearray()
    behind = at + 2 + 12 * len(tags) + 4
    entries = b""
    for tag, item in sorted(tags.items()):
        value = item.value
        if not isinstance(value, bytes):
            where = behind + len(values)
            values += _written(value, where)
            value = struct.pack("<I", where)
        elif len(value) > 4:
            where = behind + len(values)
            values += value + bytes(len(value) % 2)
            value = struct.pack("<I", where)
        entries += struct.pack("<HHI", tag, item.kind, item.count) + value.ljust(4, b"\0")
    return struct.pack("<H", len(tags)) + entries + bytes(4) + bytes(values)


def exif_block(tags: Mapping[int, Tag]) -> bytes:
    """An EXIF block of these tags; empty where there are none."""
    return b"II*\0" + struct.pack("<I", 8) + _written(tags, 8) if tags else b""


def tiff_with_tags(tiff: bytes, tags: Mapping[int, Tag]) -> bytes:
    """A little-endian TIFF with tags added to its first directory, which is written anew."""
    directory = first_directory(tiff)
    assert directory is not None and directory.order == "<", "a TIFF that OpenCV wrote"
    if not tags:
        return tiff
    own = {
        tag: Tag(entry.kind, entry.count, tiff[entry.start : entry.start + entry.size])
        for tag, entry in directory.entries.items()
    }
    tiff += bytes(len(tiff) % 2)
    return tiff[:4] + struct.pack("<I", len(tiff)) + tiff[8:] + _written({**own, **tags}, len(tiff))


def upright_exif(block: bytes, *, quarter_turn: bool) -> bytes:
    """An EXIF block for a picture that has been turned upright and edited.

    The orientation becomes 1, after a quarter turn width and height change places, and the
    thumbnail is taken out, because it shows the face as it was. All else stays where it is, for a
    camera's own notes hold offsets that nobody else can mend.
    """
    directory = first_directory(block)
    if directory is None:
        return block
    patched = bytearray(block)
    order = directory.order
    orientation = directory.entries.get(ORIENTATION)
    if orientation is not None and orientation.kind == _SHORT and orientation.count == 1:
        struct.pack_into(f"{order}H", patched, orientation.start, 1)
    if directory.next_at is not None:
        struct.pack_into(f"{order}I", patched, directory.next_at, 0)
    below = directory.below(EXIF_DIRECTORY)
    if quarter_turn and below is not None:
        width, height = below.entries.get(PIXEL_WIDTH), below.entries.get(PIXEL_HEIGHT)
        if width is not None and height is not None:
            patched[width.at + 2 : width.at + 12] = block[height.at + 2 : height.at + 12]
            patched[height.at + 2 : height.at + 12] = block[width.at + 2 : width.at + 12]
    return bytes(patched)
