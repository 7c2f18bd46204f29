"""Pictures as phones, cameras and programs write them, made of a JPEG: with more inside than one.

Each maker gives a file in which the unedited face is to be seen a second time, or promised.
"""

import base64
import hashlib
import io
import struct
from collections.abc import Callable
from typing import Final

from PIL import Image

from efgan_rt.pictures.crop import add_difference
from efgan_rt.pictures.iso_boxes import boxes
from efgan_rt.pictures.original import Picture, Pixels

RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
MARKER: Final = b"UNEDITED-FACE"  # a comment in every picture that has to go


def segment(code: int, payload: bytes) -> bytes:
    """A JPEG's segment."""
    return struct.pack(">BBH", 0xFF, code, len(payload) + 2) + payload


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    """A JPEG with segments behind its JFIF header."""
    return jpeg[:20] + b"".join(segments) + jpeg[20:]


def small(jpeg: bytes, px: int = 96) -> bytes:
    """A thumbnail of a JPEG, with `MARKER` inside."""
    image = Image.open(io.BytesIO(jpeg)).convert("RGB")
    image.thumbnail((px, px))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=70, comment=MARKER)
    return file.getvalue()


def packet(content: str, attributes: str = "") -> bytes:
    """An XMP packet with a description."""
    return (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"><rdf:Description '
        f'rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:format="image/jpeg" '
        f"{attributes}>{content}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def xmp_segment(content: bytes) -> bytes:
    """A packet in its segment."""
    return segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + content)


def exif_with_thumbnail(jpeg: bytes, order: str = ">", orientation: int = 1) -> bytes:
    """An EXIF block with maker, GPS place, camera's notes with a preview, and a thumbnail."""
    thumbnail, preview = small(jpeg), b"note" + small(jpeg, 48)

    def directory(at: int, entries: list[tuple[int, int, int, bytes]], following: int = 0) -> bytes:
        behind = at + 2 + 12 * len(entries) + 4
        rows, values = b"", b""
        for tag, kind, count, value in entries:
            if len(value) > 4:
                value, values = struct.pack(f"{order}I", behind + len(values)), values + value
            rows += struct.pack(f"{order}HHI", tag, kind, count) + value.ljust(4, b"\0")
        head = struct.pack(f"{order}H", len(entries))
        return head + rows + struct.pack(f"{order}I", following) + values

    def short(value: int) -> bytes:
        return struct.pack(f"{order}HH", value, 0)

    def long(value: int) -> bytes:
        return struct.pack(f"{order}I", value)

    place = struct.pack(f"{order}6I", 48, 1, 51, 1, 30, 1)
    starts = [0, 0, 0]
    for _ in range(2):  # the second time with the right offsets
        parts = []
        at = 8
        main = [
            (271, 2, 6, b"Maker\0"),
            (0x0112, 3, 1, short(orientation)),
            (0x8769, 4, 1, long(starts[0])),
            (0x8825, 4, 1, long(starts[1])),
        ]
        parts.append(directory(at, main, starts[2]))
        starts[0] = at = at + len(parts[-1])
        camera = [
            (0x8827, 3, 1, short(400)),
            (0x927C, 7, len(preview), preview),
            (0xA002, 3, 1, short(96)),
            (0xA003, 3, 1, short(64)),
        ]
        parts.append(directory(at, camera))
        starts[1] = at = at + len(parts[-1])
        parts.append(directory(at, [(1, 2, 2, b"N\0"), (2, 5, 3, place)]))
        starts[2] = at = at + len(parts[-1])
        thumb_at = at + 2 + 12 * 3 + 4
        rows = [
            (0x0103, 3, 1, short(6)),
            (0x0201, 4, 1, long(thumb_at)),
            (0x0202, 4, 1, long(len(thumbnail))),
        ]
        parts.append(directory(at, rows) + thumbnail)
    start = (b"II*\0" if order == "<" else b"MM\0*") + long(8)
    return start + b"".join(parts)


def exif_thumbnail(jpeg: bytes) -> bytes:
    """As cameras write it."""
    return with_segments(jpeg, segment(0xE1, b"Exif\0\0" + exif_with_thumbnail(jpeg)))


def photoshop_thumbnail(jpeg: bytes) -> bytes:
    """Photoshop's block: a caption, which is to stay, and a thumbnail."""

    def resource(number: int, content: bytes) -> bytes:
        padded = content + bytes(len(content) % 2)
        return b"8BIM" + struct.pack(">HHI", number, 0, len(content)) + padded

    caption = b"\x1c\x02\x78\0\x07caption"
    picture = struct.pack(">IIIIIIHH", 1, 96, 64, 288, 18432, 5000, 24, 1) + small(jpeg)
    block = resource(0x0404, caption) + resource(0x040C, picture)
    return with_segments(jpeg, segment(0xED, b"Photoshop 3.0\0" + block))


def xmp_thumbnail(jpeg: bytes) -> bytes:
    """XMP's own thumbnails, in base64."""
    text = base64.b64encode(small(jpeg)).decode()
    content = (
        '<xmp:Thumbnails xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
        'xmlns:g="http://ns.adobe.com/xap/1.0/g/img/"><rdf:Alt><rdf:li rdf:parseType="Resource">'
        f"<g:image>{text}</g:image></rdf:li></rdf:Alt></xmp:Thumbnails>"
    )
    return with_segments(jpeg, xmp_segment(packet(content)))


def gimage_original(jpeg: bytes) -> bytes:
    """The whole original in extended XMP, as phones with a portrait mode write it."""
    inner = with_segments(jpeg, segment(0xFE, MARKER))
    text = base64.b64encode(inner).decode()
    names = 'xmlns:GImage="http://ns.google.com/photos/1.0/image/"'
    extended = packet("", f'{names} GImage:Data="{text}"')
    guid = hashlib.md5(extended).hexdigest().upper()
    note = 'xmlns:xmpNote="http://ns.adobe.com/xmp/note/"'
    main = packet("", f'{names} {note} GImage:Mime="image/jpeg" xmpNote:HasExtendedXMP="{guid}"')
    further = [
        segment(
            0xE1,
            b"http://ns.adobe.com/xmp/extension/\0"
            + guid.encode()
            + struct.pack(">II", len(extended), at)
            + extended[at : at + 60_000],
        )
        for at in range(0, len(extended), 60_000)
    ]
    return with_segments(jpeg, xmp_segment(main), *further)


def depth_map(jpeg: bytes) -> bytes:
    """A depth map as XMP."""
    text = base64.b64encode(small(jpeg)).decode()
    names = 'xmlns:GDepth="http://ns.google.com/photos/1.0/depthmap/"'
    return with_segments(jpeg, xmp_segment(packet("", f'{names} GDepth:Data="{text}"')))


def unknown_property(jpeg: bytes) -> bytes:
    """A picture in a property that nobody has heard of."""
    text = base64.b64encode(small(jpeg)).decode()
    content = f'<o:Preview xmlns:o="urn:other">{text}</o:Preview>'
    return with_segments(jpeg, xmp_segment(packet(content)))


def _container(*items: tuple[str, int]) -> str:
    rows = "".join(
        '<rdf:li rdf:parseType="Resource"><Container:Item '
        f'Item:Mime="image/jpeg" Item:Semantic="{semantic}" Item:Length="{length}"/></rdf:li>'
        for semantic, length in items
    )
    return (
        '<Container:Directory xmlns:Container="http://ns.google.com/photos/1.0/container/" '
        'xmlns:Item="http://ns.google.com/photos/1.0/container/item/">'
        f"<rdf:Seq>{rows}</rdf:Seq></Container:Directory>"
    )


def ultra_hdr(jpeg: bytes) -> bytes:
    """A gain map behind the picture."""
    names = 'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"'
    gain_map = with_segments(small(jpeg), xmp_segment(packet("", names)))
    items = _container(("Primary", 0), ("GainMap", len(gain_map)))
    return with_segments(jpeg, xmp_segment(packet(items, names))) + gain_map


def motion_photo(jpeg: bytes) -> bytes:
    """A film behind the picture."""
    film = struct.pack(">I", 24) + b"ftypmp42\0\0\0\0mp42isom" + MARKER * 50
    names = (
        'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:MotionPhoto="1" '
        'GCamera:MotionPhotoVersion="1"'
    )
    items = _container(("Primary", 0), ("MotionPhoto", len(film)))
    return with_segments(jpeg, xmp_segment(packet(items, names))) + film


def several_pictures(jpeg: bytes) -> bytes:
    """An MPO: a second picture behind the first."""
    file = io.BytesIO()
    first = Image.open(io.BytesIO(jpeg)).convert("RGB")
    second = Image.open(io.BytesIO(small(jpeg)))
    first.save(file, "MPO", save_all=True, append_images=[second], quality=90)
    return file.getvalue()


def trailer(jpeg: bytes) -> bytes:
    """A phone's own data behind the picture."""
    return jpeg + b"SEFH" + MARKER * 20 + b"SEFT"


# Each with what is said of it.
WITH_MORE_INSIDE: Final[dict[str, tuple[Callable[[bytes], bytes], str]]] = {
    "exif_thumbnail": (exif_thumbnail, "EXIF thumbnail left out"),
    "photoshop_thumbnail": (photoshop_thumbnail, "Photoshop thumbnail left out"),
    "xmp_thumbnail": (xmp_thumbnail, "XMP thumbnail left out"),
    "gimage_original": (gimage_original, "picture inside the XMP left out"),
    "depth_map": (depth_map, "depth map left out"),
    "unknown_property": (unknown_property, "picture inside the XMP left out"),
    "ultra_hdr": (ultra_hdr, "gain map left out"),
    "motion_photo": (motion_photo, "motion photo's film left out"),
    "several_pictures": (several_pictures, "further pictures left out"),
    "trailer": (trailer, "data behind the picture left out"),
}


def with_difference(picture: Pixels, crop: Picture, edited: Picture) -> Pixels:
    """A new picture: the original plus the difference of an edit."""
    result = picture.copy()
    add_difference(result, crop, edited)
    return result


def mp4_xmp(data: bytes) -> bytes:
    """The XMP packet of a whole MP4; empty where there is none."""
    uuid = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
    found = (content for kind, content in boxes(data) if kind == b"uuid")
    return next((each[16:] for each in found if each.startswith(uuid)), b"")


def gif_xmp(data: bytes) -> bytes:
    """The XMP packet of a whole GIF, which ends before its trailer; empty where there is none."""
    name, trailer = b"\x21\xff\x0bXMP DataXMP", b"\x01" + bytes(range(255, -1, -1)) + b"\x00"
    start = data.find(name)
    end = data.find(trailer, start)
    return b"" if start < 0 or end < 0 else data[start + len(name) : end]
