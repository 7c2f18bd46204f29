"""Nothing unedited stays inside an edited file, and nothing is promised that is gone."""

import base64
import io
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from efgan_rt.pictures.exif import (
    EXIF_DIRECTORY,
    GPS_DIRECTORY,
    ORIENTATION,
    first_directory,
    upright_exif,
)
from efgan_rt.pictures.mark import marked_original
from efgan_rt.pictures.original import Original
from efgan_rt.pictures.read import decode_original, read_original
from efgan_rt.pictures.write import encode_original
from tests.picture_files import (
    MARKER,
    WITH_MORE_INSIDE,
    exif_thumbnail,
    exif_with_thumbnail,
    photoshop_thumbnail,
    segment,
    ultra_hdr,
    with_segments,
)

EXTENSIONS = (".jpg", ".png", ".webp", ".tif", ".avif")
PROMISES = (b"GainMap", b"hdrgm", b"MotionPhoto", b"GImage", b"GDepth", b"Thumbnails", b"Extended")


@pytest.fixture(scope="module")
def jpeg(repository: Path) -> bytes:
    return (repository / "examples" / "faces" / "id202_neutral.jpg").read_bytes()


def edit_of(data: bytes, extension: str) -> bytes:
    """The file of an edit that turned the picture's colours over."""
    original = decode_original(data, Path("x.jpg"))
    return bytes(
        encode_original(extension, marked_original(original.with_pixels(255 - original.pixels)))
    )


def pictures_in(data: bytes) -> list[bytes]:
    """Every JPEG and every base64 of one that a file holds, at any depth."""
    texts = re.findall(rb"/9j/[A-Za-z0-9+/=\s]{100,}", data)
    inside = [base64.b64decode(text + b"=" * (-len(text) % 4)) for text in texts]
    return [
        data[at.start() :] for at in re.finditer(b"\xff\xd8\xff[\xdb\xe0\xe1\xfe]", data)
    ] + inside


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize("name", WITH_MORE_INSIDE)
def test_the_unedited_face_is_gone_and_that_is_said(jpeg: bytes, name: str, extension: str) -> None:
    make, note = WITH_MORE_INSIDE[name]
    whole = make(jpeg)
    assert len(pictures_in(whole)) > 1 or MARKER in whole
    assert note in decode_original(whole, Path("x.jpg")).notes
    made = edit_of(whole, extension)
    assert MARKER not in made
    assert len(pictures_in(made)) == (1 if extension == ".jpg" else 0)
    assert not any(promise in made for promise in PROMISES)


def test_what_else_the_metadata_say_stays(jpeg: bytes) -> None:
    block = decode_original(edit_of(exif_thumbnail(jpeg), ".jpg"), Path("x.jpg")).metadata.exif
    first = first_directory(block)
    assert first is not None and first.value(271) == b"Maker\0"
    camera, place = first.below(EXIF_DIRECTORY), first.below(GPS_DIRECTORY)
    assert camera is not None and camera.number(0x8827) == 400
    assert place is not None and place.value(1) == b"N\0"
    assert b"caption" in edit_of(photoshop_thumbnail(jpeg), ".jpg")
    assert b"image/jpeg" in edit_of(ultra_hdr(jpeg), ".jpg")


@pytest.mark.parametrize("order", ["<", ">"])
def test_nothing_else_of_an_exif_block_moves(jpeg: bytes, order: str) -> None:
    block = exif_with_thumbnail(jpeg, order, orientation=6)
    patched, notes = upright_exif(block, quarter_turn=False)
    assert len(patched) == len(block)
    assert notes == ("EXIF thumbnail left out", "preview in a camera's notes left out")
    changed = [at for at in range(len(block)) if block[at] != patched[at]]
    first = first_directory(block)
    assert first is not None
    orientation = first.entries[ORIENTATION].at
    notes_at = block.index(b"note")
    assert all(
        orientation < at < orientation + 12
        or at >= notes_at + 4
        or (first.next_at is not None and first.next_at <= at < first.next_at + 4)
        for at in changed
    )


@pytest.mark.parametrize(("kind", "value"), [(1, b"\6\0\0\0"), (3, b"\6\0\0\0"), (4, b"\6\0\0\0")])
def test_an_orientation_of_any_width_is_read_and_a_short_one_is_written(
    jpeg: bytes, kind: int, value: bytes
) -> None:
    entry = b"\x12\x01" + bytes((kind, 0, 1, 0, 0, 0)) + value
    block = b"II*\0\x08\0\0\0\x01\0" + entry + bytes(4)
    whole = with_segments(jpeg, segment(0xE1, b"Exif\0\0" + block))
    upright = decode_original(whole, Path("x.jpg"))
    plain = decode_original(jpeg, Path("x.jpg"))
    np.testing.assert_array_equal(upright.pixels, np.rot90(plain.pixels, -1))
    first = first_directory(upright.metadata.exif)
    assert first is not None
    assert (first.entries[ORIENTATION].kind, first.number(ORIENTATION)) == (3, 1)


def test_the_previews_of_a_tiff_are_left_out(tmp_path: Path) -> None:
    pages = [Image.new("RGB", size, "red") for size in ((64, 64), (16, 16))]
    file = io.BytesIO()
    pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:])
    data = bytearray(file.getvalue())
    first = first_directory(bytes(data))
    second = first.following() if first is not None else None
    assert second is not None
    # Its first tag becomes "a reduced picture of another page".
    entry = second.entries[256]
    data[entry.at : entry.at + 12] = b"\xfe\0\4\0\1\0\0\0\1\0\0\0"
    (tmp_path / "x.tif").write_bytes(data)
    original = read_original(tmp_path / "x.tif")
    assert original.notes == ("thumbnail left out",)
    made = first_directory(bytes(encode_original(".tif", original)))
    assert made is not None and made.following() is None


def test_a_pngs_text_copies_of_exif_are_left_out() -> None:
    plain = bytes(encode_original(".png", Original(np.zeros((8, 8, 3), np.uint8))))
    from efgan_rt.pictures.containers import _chunk

    text = _chunk(b"tEXt", b"Raw profile type exif\0\nexif\n 8\n45786966")
    data = plain[:33] + text + _chunk(b"tEXt", b"Title\0kept") + plain[33:]
    original = decode_original(data, Path("x.png"))
    assert original.notes == ("copy of other metadata left out",)
    made = bytes(encode_original(".png", original))
    assert b"Raw profile" not in made and b"Title\0kept" in made


def test_a_jpeg_without_its_end_marker_is_edited_and_that_is_said(jpeg: bytes) -> None:
    whole = decode_original(jpeg, Path("x.jpg"))
    original = decode_original(jpeg[:-2], Path("x.jpg"))
    np.testing.assert_array_equal(original.pixels, whole.pixels)
    assert original.notes == ("JPEG's end marker was missing, its pixels were whole",)
    assert bytes(encode_original(".jpg", original)).endswith(b"\xff\xd9")


def test_a_grey_jpeg_without_its_end_marker_stays_grey(jpeg: bytes) -> None:
    grey = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert grey is not None
    data = cv2.imencode(".jpg", grey)[1].tobytes()
    assert decode_original(data[:-2], Path("x.jpg")).pixels.ndim == 2
