"""What a picture file holds besides 8-bit RGB is still there after an edit."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from efgan_rt.errors import EfganError
from efgan_rt.pictures.crop import to_crop
from efgan_rt.pictures.exif import (
    EXTRA_SAMPLES,
    ORIENTATION,
    Tag,
    first_directory,
    orientation_of,
    tiff_with_tags,
)
from efgan_rt.pictures.original import Original, Picture
from efgan_rt.pictures.read import read_original, read_picture
from efgan_rt.pictures.write import write_original
from engines.arrays import Array
from tests.picture_files import with_difference

Make = Callable[..., Picture]
LOSSLESS = (".png", ".tif", ".bmp")


def edited(path: Path, out: Path, change: int = 0) -> Original:
    """Edits a file as the pipeline does, all of the crop by `change` levels, and reads it back."""
    original = read_original(path)
    crop = to_crop(original.pixels)
    assert crop.dtype == np.uint8 and crop.shape == (128, 128, 3)
    target = np.clip(crop.astype(np.int16) + change, 0, 255).astype(np.uint8)
    write_original(out, original.with_pixels(with_difference(original.pixels, crop, target)))
    return read_original(out)


def deep(picture: Array, seed: int = 5) -> npt.NDArray[np.uint16]:
    """16 bits whose lower 8 are noise."""
    noise = np.random.default_rng(seed).integers(0, 256, picture.shape)
    return (picture.astype(np.uint16) * 256 + noise).astype(np.uint16)


@pytest.mark.parametrize("extension", [".png", ".tif"])
@pytest.mark.parametrize("shape", [(200, 240, 3), (200, 240)])
def test_16_bits_are_kept_to_the_last_where_nothing_is_edited(
    tmp_path: Path, make_picture: Make, extension: str, shape: tuple[int, ...]
) -> None:
    pixels = deep(make_picture(200, 240) if len(shape) == 3 else make_picture(200, 240)[..., 0])
    cv2.imwrite(str(tmp_path / f"in{extension}"), pixels)
    result = edited(tmp_path / f"in{extension}", tmp_path / f"out{extension}")
    assert result.pixels.dtype == np.uint16
    expected = pixels if len(shape) == 2 else pixels[..., ::-1]
    np.testing.assert_array_equal(result.pixels, expected)


def test_16_bits_take_the_8_bit_difference_at_their_own_depth(make_picture: Make) -> None:
    pixels = deep(make_picture(300, 300) // 2 + 40)
    crop = to_crop(pixels)
    result = with_difference(pixels, crop, crop + 3)
    np.testing.assert_array_equal(result, pixels + 3 * 257)


def test_16_bits_stay_in_range(make_picture: Make) -> None:
    pixels = np.full((128, 128, 3), 65000, np.uint16)
    crop = to_crop(pixels)
    assert with_difference(pixels, crop, np.full_like(crop, 255)).max() <= 65535
    assert with_difference(pixels, crop, np.zeros_like(crop)).max() < 300


def test_16_bits_become_8_in_a_format_that_has_no_more(tmp_path: Path, make_picture: Make) -> None:
    picture = make_picture()
    cv2.imwrite(str(tmp_path / "in.png"), picture[..., ::-1].astype(np.uint16) * 257)
    result = edited(tmp_path / "in.png", tmp_path / "out.bmp")
    np.testing.assert_array_equal(result.pixels, picture)


@pytest.mark.parametrize("extension", [".jpg", ".png", ".tif", ".bmp"])
def test_grey_stays_grey_and_takes_the_edit_by_luma(
    tmp_path: Path, make_picture: Make, extension: str
) -> None:
    cv2.imwrite(str(tmp_path / f"in{extension}"), make_picture()[..., 0] // 2 + 40)
    before = read_original(tmp_path / f"in{extension}").pixels
    after = edited(tmp_path / f"in{extension}", tmp_path / f"out{extension}", change=7).pixels
    assert after.ndim == 2
    np.testing.assert_allclose(after, before + 7.0, atol=3 if extension == ".jpg" else 0)


def test_a_grey_picture_of_the_crops_size_becomes_the_luma_of_the_edit(make_picture: Make) -> None:
    grey, colours = make_picture(seed=1)[..., 0], make_picture(seed=2)
    result = with_difference(grey, to_crop(grey), colours)
    np.testing.assert_array_equal(result, cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY))


@pytest.mark.parametrize("extension", LOSSLESS)
def test_alpha_is_kept(tmp_path: Path, make_picture: Make, extension: str) -> None:
    picture, alpha = make_picture(), make_picture(seed=9)[..., 0]
    write_original(tmp_path / f"in{extension}", Original(picture, alpha))
    result = edited(tmp_path / f"in{extension}", tmp_path / f"out{extension}")
    assert result.alpha is not None
    np.testing.assert_array_equal(result.alpha, alpha)
    np.testing.assert_array_equal(result.pixels, picture)


def test_alpha_is_kept_in_webp_and_with_16_bits(tmp_path: Path, make_picture: Make) -> None:
    alpha = make_picture(seed=9)[..., 0]
    write_original(tmp_path / "in.webp", Original(make_picture(), alpha, lossless=True))
    result = edited(tmp_path / "in.webp", tmp_path / "out.webp")
    assert result.alpha is not None and result.lossless
    np.testing.assert_array_equal(result.alpha, alpha)
    for extension in (".png", ".tif"):
        path = tmp_path / f"deep{extension}"
        write_original(path, Original(deep(make_picture()), deep(alpha)))
        result = edited(path, tmp_path / f"out{extension}")
        assert result.alpha is not None
        np.testing.assert_array_equal(result.alpha, deep(alpha))


def test_a_tiffs_colours_are_not_multiplied_by_its_alpha(
    tmp_path: Path, make_picture: Make
) -> None:
    alpha = np.full((128, 128), 90, np.uint8)
    for kind in (1, 2):
        write_original(
            tmp_path / "in.tif", Original(make_picture(), alpha, premultiplied=kind == 1)
        )
        edited(tmp_path / "in.tif", tmp_path / "out.tif")
        directory = first_directory((tmp_path / "out.tif").read_bytes())
        assert directory is not None and directory.number(EXTRA_SAMPLES) == kind
        np.testing.assert_array_equal(read_picture(tmp_path / "out.tif"), make_picture())


def test_colours_multiplied_by_alpha_are_divided_by_it_for_other_formats(
    tmp_path: Path, make_picture: Make
) -> None:
    alpha = np.full((128, 128), 102, np.uint8)
    halved = np.rint(make_picture() * 0.4).astype(np.uint8)
    write_original(tmp_path / "in.tif", Original(halved, alpha, premultiplied=True))
    found = edited(tmp_path / "in.tif", tmp_path / "out.png").pixels
    np.testing.assert_allclose(found.astype(int), make_picture(), atol=2)


def test_a_jpeg_shows_what_is_transparent_as_white(tmp_path: Path) -> None:
    alpha = np.zeros((16, 16), np.uint8)
    write_original(tmp_path / "x.jpg", Original(np.zeros((16, 16, 3), np.uint8), alpha))
    assert read_picture(tmp_path / "x.jpg").min() == 255


def png_chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def png(bits: int, colour: int, rows: Array, *chunks: bytes) -> bytes:
    """A PNG written by hand, of rows that are bytes already."""
    width = rows.shape[1] * 8 // bits // {4: 2}.get(colour, 1)
    header = struct.pack(">IIBBBBB", width, len(rows), bits, colour, 0, 0, 0)
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    body = png_chunk(b"IDAT", zlib.compress(lines))
    ends = png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + b"".join(chunks) + body + ends


def test_a_palette_becomes_rgb(tmp_path: Path) -> None:
    palette = png_chunk(b"PLTE", bytes([10, 20, 30, 200, 100, 50]))
    indices = (np.indices((20, 20)).sum(0) % 2).astype(np.uint8)
    (tmp_path / "in.png").write_bytes(png(8, 3, indices, palette))
    result = edited(tmp_path / "in.png", tmp_path / "out.png")
    colours = np.array([[10, 20, 30], [200, 100, 50]], np.uint8)
    np.testing.assert_array_equal(result.pixels, colours[indices])


def test_a_transparent_palette_entry_stays_transparent(tmp_path: Path) -> None:
    palette = png_chunk(b"PLTE", bytes([10, 20, 30, 200, 100, 50])) + png_chunk(b"tRNS", b"\0")
    indices = (np.indices((20, 20)).sum(0) % 2).astype(np.uint8)
    (tmp_path / "in.png").write_bytes(png(8, 3, indices, palette))
    result = edited(tmp_path / "in.png", tmp_path / "out.png")
    assert result.alpha is not None
    np.testing.assert_array_equal(result.alpha, indices * 255)


@pytest.mark.parametrize(("bits", "level", "byte"), [(8, 7, 7), (2, 2, 0b10101010)])
def test_a_transparent_grey_level_stays_transparent(
    tmp_path: Path, bits: int, level: int, byte: int
) -> None:
    rows = np.zeros((8, 8), np.uint8)
    rows[:4] = byte
    chunk = png_chunk(b"tRNS", struct.pack(">H", level))
    (tmp_path / "in.png").write_bytes(png(bits, 0, rows, chunk))
    result = edited(tmp_path / "in.png", tmp_path / "out.png")
    assert result.alpha is not None
    assert np.all(result.alpha[:4] == 0) and np.all(result.alpha[4:] == 255)


def test_grey_with_alpha_is_edited_as_grey(tmp_path: Path, make_picture: Make) -> None:
    grey, alpha = make_picture(64, 64)[..., 0], make_picture(64, 64, seed=3)[..., 0]
    rows = np.stack([grey, alpha], axis=-1).reshape(64, 128)
    (tmp_path / "in.png").write_bytes(png(8, 4, rows))
    assert read_original(tmp_path / "in.png").pixels.ndim == 2
    result = edited(tmp_path / "in.png", tmp_path / "out.png")
    assert result.alpha is not None
    np.testing.assert_array_equal(result.pixels, np.dstack([grey] * 3))
    np.testing.assert_array_equal(result.alpha, alpha)


def cmyk_tiff(path: Path, picture: Picture) -> None:
    """A CMYK TIFF without black, made of an RGBA one by renaming its channels."""
    inverted = np.dstack([(255 - picture)[..., ::-1], np.zeros(picture.shape[:2], np.uint8)])
    data = bytes(cv2.imencode(".tif", inverted)[1])
    path.write_bytes(tiff_with_tags(data, {262: Tag(3, 1, struct.pack("<H", 5))}))


def test_cmyk_stays_cmyk(tmp_path: Path, make_picture: Make) -> None:
    cmyk_tiff(tmp_path / "in.tif", make_picture())
    result = edited(tmp_path / "in.tif", tmp_path / "out.tif")
    assert result.alpha is None and result.stored is not None
    np.testing.assert_array_equal(result.stored.pixels[..., :3], 255 - make_picture())
    np.testing.assert_allclose(result.pixels.astype(int), make_picture(), atol=1)


def test_cmyk_becomes_rgb_in_a_format_without_inks(tmp_path: Path, make_picture: Make) -> None:
    cmyk_tiff(tmp_path / "in.tif", make_picture())
    result = edited(tmp_path / "in.tif", tmp_path / "out.png")
    assert result.stored is None
    np.testing.assert_allclose(result.pixels.astype(int), make_picture(), atol=1)


def orient(path: Path, stored: Picture, orientation: int) -> None:
    """Stores pixels with an orientation in EXIF, or in a TIFF's own tag."""
    write_original(path, Original(stored))
    tag = {ORIENTATION: Tag(3, 1, struct.pack("<H", orientation))}
    data = path.read_bytes()
    if path.suffix == ".tif":
        path.write_bytes(tiff_with_tags(data, tag))
        return
    from efgan_rt.pictures.exif import exif_block

    chunk = png_chunk(b"eXIf", exif_block(tag))
    path.write_bytes(data[:33] + chunk + data[33:])


STORED_AS: dict[int, Callable[[Array], Array]] = {
    1: lambda upright: upright,
    2: np.fliplr,
    3: lambda upright: np.rot90(upright, 2),
    4: np.flipud,
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: np.rot90(upright, 2).swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("extension", [".png", ".tif"])
def test_a_turned_picture_is_stored_upright_and_looks_as_before(
    tmp_path: Path, make_picture: Make, orientation: int, extension: str
) -> None:
    upright = make_picture(60, 90)
    stored = np.ascontiguousarray(STORED_AS[orientation](upright))
    orient(tmp_path / f"in{extension}", stored, orientation)
    result = edited(tmp_path / f"in{extension}", tmp_path / f"out{extension}")
    np.testing.assert_array_equal(result.pixels, upright)
    assert orientation_of(result.metadata.exif) == 1


def test_a_lossless_webp_stays_lossless(tmp_path: Path, make_picture: Make) -> None:
    write_original(tmp_path / "in.webp", Original(make_picture(), lossless=True))
    result = edited(tmp_path / "in.webp", tmp_path / "out.webp")
    np.testing.assert_array_equal(result.pixels, make_picture())


def refusal(path: Path) -> str:
    with pytest.raises(EfganError) as caught:
        read_original(path)
    return str(caught.value).removeprefix(f"{path}: ")


SEVERAL = "holds several pictures, as an animation or as pages; expected one"


def test_an_animation_is_refused(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for name, format_ in (("a.png", "PNG"), ("a.webp", "WebP"), ("a.avif", "AVIF")):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        assert f"the {format_} file {SEVERAL}" in refusal(tmp_path / name)


def test_pages_are_refused_and_a_preview_is_no_page(tmp_path: Path, make_picture: Make) -> None:
    path = tmp_path / "pages.tif"
    _, data = cv2.imencodemulti(".tif", [make_picture(), make_picture(20, 20)])
    path.write_bytes(bytes(data))
    assert f"the TIFF file {SEVERAL}" in refusal(path)
    first = first_directory(bytes(data))
    second = first.following() if first is not None else None
    assert second is not None
    patched = bytearray(data)
    struct.pack_into("<I", patched, second.entries[254].start, 1)
    path.write_bytes(patched)
    assert read_original(path).pixels.shape == (128, 128, 3)


@pytest.mark.parametrize(
    ("pixels", "tags", "why"),
    [
        (np.zeros((8, 8), np.float32), {}, "its pixels are float32; expected 8 or 16 bits"),
        (np.zeros((8, 8, 4), np.uint16), {262: 5}, "16 bits are known for grey and RGB only"),
        (np.zeros((8, 8, 4), np.uint8), {262: 1}, "it is grey with 3 further channels"),
        (np.zeros((8, 8, 4), np.uint8), {277: 5}, "it has 5 channels; expected at most 4"),
    ],
)
def test_a_tiff_that_would_lose_something_is_refused_with_the_reason(
    tmp_path: Path, pixels: Array, tags: dict[int, int], why: str
) -> None:
    data = bytes(cv2.imencode(".tif", pixels)[1])
    made = {tag: Tag(3, 1, struct.pack("<H", value)) for tag, value in tags.items()}
    (tmp_path / "x.tif").write_bytes(tiff_with_tags(data, made))
    assert refusal(tmp_path / "x.tif").startswith(f"the TIFF file cannot be edited: {why}")
