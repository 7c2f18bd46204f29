"""EXIF, XMP, colour profile and density survive an edit, within a format and across formats."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from efgan_rt.pictures.containers import (
    MAX_BLOCK_BYTES,
    _chunk,
    _segment,
    read_metadata,
)
from efgan_rt.pictures.exif import (
    EXIF_DIRECTORY,
    MAX_VALUE_BYTES,
    ORIENTATION,
    PIXEL_HEIGHT,
    PIXEL_WIDTH,
    Tag,
    copied_tags,
    exif_block,
    first_directory,
    orientation_of,
)
from efgan_rt.pictures.header import read_header
from efgan_rt.pictures.original import NONE, Density, Metadata, Original
from efgan_rt.pictures.read import _upright, decode_original, read_original
from efgan_rt.pictures.write import encode_original, write_original

MAKE, ISO, MAKER_NOTE = 271, 0x8827, 0x927C
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
    b'tiff:Orientation="1">who</x:xmpmeta>'
)
# Longer than a JPEG's segment, and enough of a profile for libpng to take it.
RGB_PROFILE = (
    struct.pack(">I4xI4s4s4s12x4s28x", 72_000, 0, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    + struct.pack(">III", 0xF6D6, 0x10000, 0xD32D)
    + bytes(72_000 - 80)
)


def metadata_of(data: bytes, format_: str) -> Metadata:
    return read_metadata(data, read_header(data, format_))[0]


def upright(metadata: Metadata) -> Metadata:
    return _upright(metadata, orientation_of(metadata.exif))[0]


PIXELS = np.full((24, 32, 3), 90, np.uint8)
EXTENSIONS = (".jpg", ".png", ".webp", ".tif")


def short(value: int) -> Tag:
    return Tag(3, 1, struct.pack("<H", value))


def camera_exif(orientation: int = 1) -> bytes:
    below = {
        ISO: short(400),
        MAKER_NOTE: Tag(7, 9, b"\x01own\xffnote"),
        PIXEL_WIDTH: short(32),
        PIXEL_HEIGHT: short(24),
    }
    tags = {MAKE: Tag(2, 6, b"Maker\0"), ORIENTATION: short(orientation)}
    return exif_block({**tags, EXIF_DIRECTORY: Tag(4, 1, below)})


def told(exif: bytes) -> tuple[bytes, int, bytes]:
    """Maker, sensitivity and the maker's own note."""
    directory = first_directory(exif)
    assert directory is not None
    below = directory.below(EXIF_DIRECTORY)
    assert below is not None
    return directory.value(MAKE), below.number(ISO), below.value(MAKER_NOTE)


FULL = Metadata(camera_exif(), XMP, RGB_PROFILE, Density(300, 300, "inch"))


def through(metadata: Metadata, *extensions: str) -> Metadata:
    """What is left of metadata after files of these kinds, one made from another."""
    original = Original(PIXELS, metadata=metadata)
    for extension in extensions:
        data = bytes(encode_original(extension, original))
        original = decode_original(data, Path(f"x{extension}"))
    return original.metadata


@pytest.mark.parametrize("second", EXTENSIONS)
@pytest.mark.parametrize("first", EXTENSIONS)
def test_metadata_goes_from_any_format_to_any(first: str, second: str) -> None:
    found = through(FULL, first, second)
    assert told(found.exif) == (b"Maker\0", 400, b"\x01own\xffnote")
    assert (found.xmp, found.icc) == (XMP, RGB_PROFILE)


@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp"])
def test_another_reader_finds_what_is_written(extension: str) -> None:
    data = encode_original(extension, Original(PIXELS, metadata=FULL))
    _, kinds, blocks = cv2.imdecodeWithMetadata(np.frombuffer(data, np.uint8))
    found = {int(kind): bytes(np.asarray(block)) for kind, block in zip(kinds, blocks, strict=True)}
    assert found[cv2.IMAGE_METADATA_EXIF] == FULL.exif
    assert found[cv2.IMAGE_METADATA_XMP].rstrip(b"\0").endswith(XMP)
    assert found[cv2.IMAGE_METADATA_ICCP] == RGB_PROFILE


@pytest.mark.parametrize("extension", [".jpg", ".png", ".bmp"])
def test_density_is_kept(extension: str) -> None:
    found = through(Metadata(density=Density(300, 150, "inch")), extension).density
    assert found is not None
    assert found.per("inch") == (300, 150)


def test_density_reaches_a_tiff() -> None:
    exif = through(Metadata(density=Density(300, 150, "inch")), ".tif").exif
    directory = first_directory(exif)
    assert directory is not None
    assert struct.unpack("<II", directory.value(282)) == (300, 1)


def test_a_pixels_shape_is_kept() -> None:
    for extension in (".jpg", ".png"):
        assert through(Metadata(density=Density(2, 1, "none")), extension).density == Density(
            2, 1, "none"
        )


def test_a_jpegs_comment_and_iptc_block_stay_with_a_jpeg_only(tmp_path: Path) -> None:
    resource = b"8BIM\x04\x04\0\0\0\0\0\x04iptc"
    own = (b"\xff\xfe\x00\x07hello", b"\xff\xed\x00\x20Photoshop 3.0\0" + resource)
    metadata = Metadata(own_format="JPEG", own=own)
    assert through(metadata, ".jpg").own == own
    assert through(metadata, ".png").own == ()


def test_what_would_be_wrong_of_an_edit_is_left_out() -> None:
    plain = bytes(encode_original(".jpg", Original(PIXELS)))
    adobe, further, signature = (
        b"\xff\xee\x00\x0eAdobe" + bytes(7),
        b"\xff\xe2\x00\x08MPF\0II",
        b"\xff\xeb\x00\x06JPsi",
    )
    assert metadata_of(plain[:20] + further + signature + adobe + plain[20:], "JPEG") == NONE


def test_a_pngs_texts_and_gamma_stay_with_a_png() -> None:
    chunks = [_chunk(b"gAMA", b"\0\0\xb1\x8f"), _chunk(b"tEXt", b"Title\0hello")]
    assert through(Metadata(own_format="PNG", own=tuple(chunks)), ".png").own == tuple(chunks)


def big_endian(block: bytes) -> bytes:
    """The flat tags of a little-endian block, as a Motorola-minded camera writes them."""
    directory = first_directory(block)
    assert directory is not None
    entries = b"".join(
        struct.pack(">HHIHH", tag, 3, 1, directory.number(tag), 0) for tag in directory.entries
    )
    return b"MM\0*" + struct.pack(">IH", 8, len(directory.entries)) + entries + bytes(4)


@pytest.mark.parametrize("order", ["little", "big"])
def test_turning_upright_resets_the_orientation(order: str) -> None:
    block = exif_block({ORIENTATION: short(6)})
    block = big_endian(block) if order == "big" else block
    turned = Metadata(exif=block, xmp=XMP.replace(b'"1"', b'"6"'), density=Density(2, 1, "none"))
    assert orientation_of(turned.exif) == 6
    assert orientation_of(upright(turned).exif) == 1
    assert upright(turned).xmp == XMP
    assert upright(turned).density == Density(1, 2, "none")


def test_turning_by_a_quarter_exchanges_width_and_height() -> None:
    directory = first_directory(upright(Metadata(exif=camera_exif(8))).exif)
    below = directory.below(EXIF_DIRECTORY) if directory is not None else None
    assert below is not None
    assert (below.number(PIXEL_WIDTH), below.number(PIXEL_HEIGHT)) == (24, 32)


def test_the_thumbnail_of_the_unedited_face_is_taken_out() -> None:
    block = bytearray(exif_block({ORIENTATION: short(1)}))
    struct.pack_into("<I", block, 22, len(block))
    block += struct.pack("<HHHII", 1, 0x0103, 3, 1, 6) + bytes(4)
    before = first_directory(bytes(block))
    assert before is not None and before.following() is not None
    after = first_directory(upright(Metadata(exif=bytes(block))).exif)
    assert after is not None and after.following() is None


@pytest.mark.parametrize(("space", "kept"), [(b"CMYK", False), (b"GRAY", False), (b"RGB ", True)])
def test_a_profile_for_other_pixels_is_left_out(space: bytes, kept: bool) -> None:
    profile = bytes(16) + space + bytes(50)
    assert bool(through(Metadata(icc=profile), ".png").icc) == kept
    grey = Original(PIXELS[..., 0], metadata=Metadata(icc=profile))
    data = bytes(encode_original(".png", grey))
    assert bool(metadata_of(data, "PNG").icc) == (space == b"GRAY")


@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp", ".bmp", ".tif"])
def test_a_file_without_metadata_is_what_opencv_writes(extension: str) -> None:
    settings = {".jpg": (1, 95), ".png": (16, 1), ".webp": (64, 95)}.get(extension, ())
    _, plain = cv2.imencode(extension, PIXELS[..., ::-1], settings)
    assert bytes(encode_original(extension, Original(PIXELS))) == plain.tobytes()


def test_a_packed_profile_that_is_a_bomb_is_left_out() -> None:
    bomb = b"x\0\0" + zlib.compress(bytes(MAX_BLOCK_BYTES + 1))
    plain = bytes(encode_original(".png", Original(PIXELS)))
    data = plain[:33] + _chunk(b"iCCP", bomb) + plain[33:]
    assert metadata_of(data, "PNG").icc == b""


def test_many_entries_that_share_one_large_value_do_not_multiply_it() -> None:
    count, size = 300, 1 << 20
    value = bytes(size)
    at = 8 + 2 + 12 * count + 4
    entries = b"".join(struct.pack("<HHII", tag, 7, size, at) for tag in range(1, count + 1))
    block = b"II*\0" + struct.pack("<IH", 8, count) + entries + bytes(4) + value
    directory = first_directory(block)
    assert directory is not None and len(directory.entries) == count
    copied = sum(len(tag.value) for tag in copied_tags(directory).values())
    assert 0 < copied <= MAX_VALUE_BYTES


def test_a_directory_that_points_at_itself_ends() -> None:
    entry = struct.pack("<HHII", EXIF_DIRECTORY, 4, 1, 8)
    block = b"II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 8)
    directory = first_directory(block)
    assert directory is not None
    assert len(exif_block(copied_tags(directory))) < 200


def test_exif_too_long_for_a_jpeg_is_left_out_of_it_only() -> None:
    long = exif_block({MAKE: Tag(2, 70_000, b"a" * 70_000)})
    assert through(Metadata(exif=long), ".png").exif == long
    assert through(Metadata(exif=long, xmp=XMP), ".jpg").xmp == XMP
    assert through(Metadata(exif=long, xmp=XMP), ".jpg").exif == b""


def test_a_jpeg_of_several_profile_segments_is_put_together_in_order() -> None:
    plain = bytes(encode_original(".jpg", Original(PIXELS)))
    parts = [
        _segment(0xE2, b"ICC_PROFILE\0" + bytes((number, 2)) + content)
        for number, content in ((2, b"second"), (1, b"first "))
    ]
    assert metadata_of(plain[:20] + b"".join(parts) + plain[20:], "JPEG").icc == b"first second"


def test_a_written_file_is_read_with_its_metadata(tmp_path: Path) -> None:
    write_original(tmp_path / "x.jpg", Original(PIXELS, metadata=FULL))
    found = read_original(tmp_path / "x.jpg").metadata
    assert found.exif == FULL.exif and found.density == FULL.density
