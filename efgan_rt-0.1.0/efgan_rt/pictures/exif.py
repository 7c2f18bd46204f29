"""Tag directories, which TIFF files and EXIF blocks are made of: reading, patching, writing.

An EXIF block is patched where it lies and never written anew, for a camera's own notes hold offsets
that nobody else can mend. Nothing here trusts an offset or a count that the data states: an entry
that points outside is left out, and a directory that lies outside is an empty one.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

# Bytes of one element by TIFF's types, and of the numbers that it is made of (a rational is two).
_ELEMENT_BYTES: Final = dict(
    zip(range(1, 14), (1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4), strict=True)
)
_NUMBER_BYTES: Final = {**_ELEMENT_BYTES, 5: 4, 10: 4}
_CODES: Final = {1: "B", 3: "H", 4: "I", 13: "I"}

PHOTOMETRIC, ORIENTATION, SAMPLES, SUB_DIRECTORIES = 262, 0x0112, 277, 330
EXTRA_SAMPLES: Final = 0x0152
XMP, IPTC, PHOTOSHOP, ICC = 700, 33723, 34377, 34675
EXIF_DIRECTORY, GPS_DIRECTORY, INTEROP_DIRECTORY = 34665, 34853, 40965
PIXEL_WIDTH, PIXEL_HEIGHT = 0xA002, 0xA003
_THUMBNAILS: Final = ((0x0201, 0x0202), (0x0111, 0x0117))  # where it lies, and its bytes
# Which directories lie below which; by this alone no circle can be followed.
_BELOW: Final = {
    0: frozenset({EXIF_DIRECTORY, GPS_DIRECTORY}),
    EXIF_DIRECTORY: frozenset({INTEROP_DIRECTORY}),
}
# Of a TIFF's own directory, what speaks of the picture and not of how its pixels are stored.
DESCRIPTIVE: Final = frozenset(
    {269, 270, 271, 272, 282, 283, 285, 296, 305, 306, 315, 316, 33432}
    | {IPTC, PHOTOSHOP, EXIF_DIRECTORY, GPS_DIRECTORY}
    | set(range(0x9C9B, 0x9CA0))
)
# Many entries may point at one and the same large value; what is copied has to end somewhere.
MAX_VALUE_BYTES: Final = 4 << 20
MAX_DIRECTORIES: Final = 64
THUMBNAIL, PREVIEW = "EXIF thumbnail left out", "preview in a camera's notes left out"


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
        """An entry's whole numbers, of any width; none where it is missing or of another type."""
        entry = self.entries.get(tag)
        if entry is None or entry.kind not in _CODES or entry.count > 16:
            return ()
        layout = f"{self.order}{entry.count}{_CODES[entry.kind]}"
        return struct.unpack_from(layout, self.data, entry.start)

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

    def pages(self) -> Iterator["Directory"]:
        """The directories behind this one, up to a limit that only hostile files reach."""
        page = self.following()
        for _ in range(MAX_DIRECTORIES):
            if page is None or not page.entries:
                return
            yield page
            page = page.following()

    def below(self, tag: int) -> "Directory | None":
        """The directory that an entry points at."""
        return next(iter(self.all_below(tag)), None)

    def all_below(self, tag: int) -> "list[Directory]":
        """All the directories that an entry points at."""
        return [_directory(self.data, self.order, at) for at in self.numbers(tag) if at]


@dataclass(frozen=True)
class Tag:
    """A tag on its way into another file; `value` is little-endian, or a directory of its own."""

    kind: int
    count: int
    value: "bytes | Mapping[int, Tag]"


def first_directory(data: bytes) -> Directory | None:
    """The first directory of a TIFF or an EXIF block; None where the data is neither."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(data[:4]))
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
        start = at + 8 if size <= 4 else start
        if size and start + size <= len(data):
            entries.setdefault(tag, Entry(at, kind, length, start, size))
    return Directory(data, order, entries, end if end + 4 <= len(data) else None)


def orientation_of(block: bytes) -> int:
    """How the stored pixels are to be turned, 1 to 8, as EXIF numbers it."""
    directory = first_directory(block)
    found = directory.number(ORIENTATION, 1) if directory is not None else 1
    return found if 1 <= found <= 8 else 1


def upright_exif(block: bytes, *, quarter_turn: bool) -> tuple[bytes, tuple[str, ...]]:
    """An EXIF block for a picture that has been turned upright, without pictures in it.

    The orientation becomes 1, after a quarter turn width and height change places, and thumbnail
    and previews, which show the face as it was, become zeros. All else stays where it is.

    Returns:
        The block, and what was left out.
    """
    directory = first_directory(block)
    if directory is None:
        return block, ()
    patched, order = bytearray(block), directory.order
    notes = []
    orientation = directory.entries.get(ORIENTATION)
    if orientation is not None and orientation_of(block) != 1:
        # Whatever type a careless program gave it, other readers want a short one.
        struct.pack_into(f"{order}HIHH", patched, orientation.at + 2, 3, 1, 1, 0)
    thumbnail = directory.following()
    if thumbnail is not None and directory.next_at is not None:
        struct.pack_into(f"{order}I", patched, directory.next_at, 0)
        for where, size in _THUMBNAILS:
            for start, length in zip(
                thumbnail.numbers(where), thumbnail.numbers(size), strict=False
            ):
                patched[start : start + length] = bytes(len(patched[start : start + length]))
        if thumbnail.entries:
            notes.append(THUMBNAIL)
    at = 0
    while (at := patched.find(b"\xff\xd8\xff", at)) >= 0:
        end = end_of_jpeg(patched, at)
        patched[at:end] = bytes(end - at)
        notes.append(PREVIEW)
    below = directory.below(EXIF_DIRECTORY)
    if quarter_turn and below is not None:
        width, height = below.entries.get(PIXEL_WIDTH), below.entries.get(PIXEL_HEIGHT)
        if width is not None and height is not None:
            patched[width.at + 2 : width.at + 12] = block[height.at + 2 : height.at + 12]
            patched[height.at + 2 : height.at + 12] = block[width.at + 2 : width.at + 12]
    return bytes(patched), tuple(dict.fromkeys(notes))


def end_of_jpeg(data: bytes | bytearray, at: int) -> int:
    """Where the JPEG that begins at `at` ends; the data's end where it has no end marker."""
    position = at + 2
    while 0 <= (position := data.find(b"\xff", position)) < len(data) - 1:
        code = data[position + 1]
        if code == 0xD9:
            return position + 2
        if code == 0xFF:  # fill
            position += 1
        elif code <= 1 or 0xD0 <= code <= 0xD8:  # stuffed bytes and markers without a length
            position += 2
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return len(data)


def copied_tags(
    directory: Directory, wanted: frozenset[int] | None = None, *, of: int = 0
) -> dict[int, Tag]:
    """The wanted tags (None: all) of a directory, and all of those below it.

    Args:
        directory: where they are.
        wanted: which.
        of: the tag that points at it; 0 for a first directory.

    Returns:
        By number; what would go beyond `MAX_VALUE_BYTES` a directory is left out.
    """
    tags: dict[int, Tag] = {}
    room = MAX_VALUE_BYTES
    for tag, entry in directory.entries.items():
        if (wanted is not None and tag not in wanted) or entry.size > room:
            continue
        room -= entry.size
        if tag in _BELOW.get(of, ()):
            below = directory.below(tag)
            if below is not None and below.entries:
                tags[tag] = Tag(4, 1, copied_tags(below, of=tag))
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
        if not isinstance(value, bytes) or len(value) > 4:
            where = behind + len(values)
            values += value if isinstance(value, bytes) else _written(value, where)
            values += bytes(len(values) % 2)
            value = struct.pack("<I", where)
        entries += struct.pack("<HHI", tag, item.kind, item.count) + value.ljust(4, b"\0")
    return struct.pack("<H", len(tags)) + entries + bytes(4) + bytes(values)


def exif_block(tags: Mapping[int, Tag]) -> bytes:
    """An EXIF block of these tags; empty where there are none."""
    return b"II*\0" + struct.pack("<I", 8) + _written(tags, 8) if tags else b""


def tiff_with_tags(tiff: bytes, tags: Mapping[int, Tag]) -> bytes:
    """A little-endian TIFF with tags added to its first directory, which is written anew."""
    directory = first_directory(tiff)
    assert directory is not None and directory.order == "<", "a TIFF that OpenCV or Pillow wrote"
    if not tags:
        return tiff
    own = {
        tag: Tag(entry.kind, entry.count, tiff[entry.start : entry.start + entry.size])
        for tag, entry in directory.entries.items()
    }
    tiff += bytes(len(tiff) % 2)
    return tiff[:4] + struct.pack("<I", len(tiff)) + tiff[8:] + _written({**own, **tags}, len(tiff))
