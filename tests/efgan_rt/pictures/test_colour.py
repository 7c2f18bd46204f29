"""Networks see sRGB whatever a file holds; what is written is the file's own space."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from efgan_rt.pictures.colour import CodedSpace, coded_space, icc_space
from efgan_rt.pictures.mark import marked_original
from efgan_rt.pictures.original import Picture, Pixels
from efgan_rt.pictures.read import read_original
from efgan_rt.pictures.write import write_original

Make = Callable[..., Picture]
BT2020, P3 = 9, 12
LINEAR, PQ, HLG = 8, 16, 18


def matrix_profile(primaries: tuple[float, ...], gamma: float) -> bytes:
    """An RGB profile of three primaries and a gamma, as Adobe RGB and Display P3 are."""
    x, y = np.array(primaries[::2]), np.array(primaries[1::2])
    columns = np.stack([x / y, np.ones(3), (1 - x - y) / y])
    white = np.array([0.3127 / 0.3290, 1, (1 - 0.3127 - 0.3290) / 0.3290])
    to_xyz = columns * np.linalg.solve(columns, white)
    bradford = np.array(
        [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
    )
    d50 = np.array([0.9642, 1, 0.8249])
    change = np.linalg.inv(bradford) @ np.diag(bradford @ d50 / (bradford @ white)) @ bradford
    adapted = change @ to_xyz

    def fixed(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    def xyz(values: Any) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(map(fixed, values))

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    text = b"text\0\0\0\0x\0\0\0"
    tags = [
        (b"cprt", text),
        (b"wtpt", xyz(d50)),
        *((name, xyz(adapted[:, at])) for at, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))),
        *((name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")),
    ]
    at = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, content in tags:
        table += name + struct.pack(">II", at + len(body), len(content))
        body += content
    head = bytearray(128)
    struct.pack_into(">I", head, 0, at + len(body))
    head[8:12] = b"\x02\x10\0\0"
    head[12:24] = b"mntrRGB XYZ "
    head[36:40] = b"acsp"
    head[68:80] = b"".join(map(fixed, d50))
    return bytes(head) + table + body


ADOBE_RGB = matrix_profile((0.64, 0.33, 0.21, 0.71, 0.15, 0.06), 2.19921875)
DISPLAY_P3 = matrix_profile((0.68, 0.32, 0.265, 0.69, 0.15, 0.06), 2.2)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def png_with(path: Path, pixels: Pixels, *chunks: tuple[bytes, bytes]) -> None:
    data = bytes(cv2.imencode(".png", pixels[..., ::-1] if pixels.ndim == 3 else pixels)[1])
    made = b"".join(
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )
    path.write_bytes(data[:33] + made + data[33:])


def one_colour(*values: int) -> Picture:
    return np.full((16, 16, 3), values, np.uint8)


def test_a_wide_profile_is_seen_as_srgb(tmp_path: Path) -> None:
    # The sRGB green of this Adobe RGB colour by Adobe's own formulas: 144, 255, 60 is out of range
    # in green, so a muted one is taken.
    Image.fromarray(one_colour(120, 160, 100)).save(tmp_path / "a.png", icc_profile=ADOBE_RGB)
    seen = read_original(tmp_path / "a.png").pixels[0, 0].astype(int)
    linear = (np.array([120, 160, 100]) / 255) ** 2.19921875
    to_srgb = np.array([[1.3984, -0.3984, 0], [0, 1, 0], [0, -0.0429, 1.0429]])
    light = to_srgb @ linear
    expected = 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(seen, expected, atol=2)


@pytest.mark.parametrize("extension", [".png", ".jpg", ".webp", ".tif", ".avif"])
@pytest.mark.parametrize("profile", [ADOBE_RGB, DISPLAY_P3], ids=["Adobe RGB", "Display P3"])
def test_what_is_written_has_its_own_profile(
    tmp_path: Path, make_picture: Make, extension: str, profile: bytes
) -> None:
    Image.fromarray(make_picture(64, 64)).save(tmp_path / f"a{extension}", icc_profile=profile)
    original = read_original(tmp_path / f"a{extension}")
    assert original.stored is not None
    write_original(tmp_path / f"b{extension}", original, quality=95)
    again = read_original(tmp_path / f"b{extension}")
    assert again.metadata.icc == profile and again.stored is not None
    assert np.abs(again.stored.pixels.astype(int) - original.stored.pixels).mean() < 2


def test_no_pixel_that_was_not_edited_changes_in_its_own_space(
    tmp_path: Path, make_picture: Make
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png", icc_profile=DISPLAY_P3)
    original = read_original(tmp_path / "a.png")
    edited = original.pixels.copy()
    edited[20:30, 20:30] = 255 - edited[20:30, 20:30]
    write_original(tmp_path / "b.png", original.with_pixels(edited))
    result = np.asarray(Image.open(tmp_path / "b.png"))
    outside = np.ones((64, 64), bool)
    outside[20:30, 20:30] = False
    np.testing.assert_array_equal(result[outside], noise[outside])
    assert np.abs(result[~outside].astype(int) - noise[~outside]).mean() > 20


def test_an_edit_is_seen_as_it_was_made(tmp_path: Path, make_picture: Make) -> None:
    muted = make_picture(64, 64) // 3 + 80
    Image.fromarray(muted).save(tmp_path / "a.png", icc_profile=DISPLAY_P3)
    original = read_original(tmp_path / "a.png")
    edited = np.clip(original.pixels.astype(int) + 25, 0, 255).astype(np.uint8)
    write_original(tmp_path / "b.png", original.with_pixels(edited))
    seen = read_original(tmp_path / "b.png").pixels
    assert np.abs(seen.astype(int) - edited).max() <= 3


def test_a_profile_that_is_srgb_costs_nothing(tmp_path: Path) -> None:
    assert icc_space(SRGB, "RGB") is None
    Image.fromarray(one_colour(1, 200, 3)).save(tmp_path / "a.png", icc_profile=SRGB)
    assert read_original(tmp_path / "a.png").pixels[0, 0].tolist() == [1, 200, 3]


def test_a_profile_that_cannot_be_used_is_passed_over_and_kept(tmp_path: Path) -> None:
    broken = ADOBE_RGB[:128] + bytes(40)
    Image.fromarray(one_colour(9, 8, 7)).save(tmp_path / "a.jpg", icc_profile=broken)
    original = read_original(tmp_path / "a.jpg")
    assert original.stored is None and original.metadata.icc == broken


@pytest.mark.parametrize("extension", [".bmp", ".jxl"])
def test_a_format_without_a_place_for_a_profile_gets_srgb(tmp_path: Path, extension: str) -> None:
    if extension == ".jxl":
        pytest.importorskip("imagecodecs", reason="no JPEG XL: pip install 'efgan-rt[jxl]'")
    Image.fromarray(one_colour(120, 160, 100)).save(tmp_path / "a.png", icc_profile=ADOBE_RGB)
    original = read_original(tmp_path / "a.png")
    write_original(tmp_path / f"b{extension}", original)
    again = read_original(tmp_path / f"b{extension}")
    assert again.stored is None
    np.testing.assert_allclose(again.pixels.astype(int), original.pixels, atol=2)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    "chunks",
    [
        [(b"gAMA", struct.pack(">I", 100_000))],
        [(b"gAMA", struct.pack(">I", 55_556))],
        [(b"cICP", bytes((BT2020, PQ, 0, 1)))],
        [(b"cICP", bytes((BT2020, HLG, 0, 1)))],
        [(b"cICP", bytes((P3, 13, 0, 1)))],
    ],
    ids=["linear", "gamma 1.8", "PQ", "HLG", "Display P3"],
)
def test_a_pngs_own_space_is_kept_and_seen_as_srgb(
    tmp_path: Path, make_picture: Make, chunks: list[tuple[bytes, bytes]], depth: type
) -> None:
    seen = make_picture(48, 48) // 2 + 60
    deep = seen.astype(np.uint16) * 257 if depth is np.uint16 else seen
    png_with(tmp_path / "srgb.png", deep)
    png_with(tmp_path / "probe.png", deep, *chunks)
    space = read_original(tmp_path / "probe.png").stored
    assert space is not None
    png_with(tmp_path / "a.png", space.space.from_srgb(deep), *chunks)
    original = read_original(tmp_path / "a.png")
    # 8 bits of PQ or of linear light are coarse.
    np.testing.assert_allclose(
        original.pixels.astype(int), deep, atol=80 if depth is np.uint16 else 8
    )
    edited = original.pixels.copy()
    edited[:9] = np.iinfo(depth).max - edited[:9]
    write_original(tmp_path / "b.png", original.with_pixels(edited))
    again = read_original(tmp_path / "b.png")
    assert again.metadata.own == original.metadata.own
    assert again.stored is not None and original.stored is not None
    np.testing.assert_array_equal(again.stored.pixels[9:], original.stored.pixels[9:])
    np.testing.assert_allclose(again.pixels.astype(int), edited, atol=8 * np.iinfo(depth).max / 255)
    write_original(tmp_path / "b.bmp", original)
    eight = original.pixels if depth is np.uint8 else np.rint(original.pixels / 257)
    np.testing.assert_allclose(read_original(tmp_path / "b.bmp").pixels.astype(int), eight, atol=1)


def test_cicp_wins_over_srgb_and_srgb_over_gamma(tmp_path: Path) -> None:
    gamma, srgb = (b"gAMA", struct.pack(">I", 100_000)), (b"sRGB", b"\0")
    cicp = (b"cICP", bytes((BT2020, PQ, 0, 1)))
    png_with(tmp_path / "a.png", one_colour(9, 9, 9), gamma, srgb)
    assert read_original(tmp_path / "a.png").stored is None
    png_with(tmp_path / "b.png", one_colour(9, 9, 9), gamma, srgb, cicp)
    assert read_original(tmp_path / "b.png").stored is not None


def test_every_number_of_a_transfer_function_gives_a_space() -> None:
    for number in range(256):
        space = coded_space(BT2020, number)
        assert isinstance(space, CodedSpace)
        assert space.to_srgb(one_colour(0, 128, 255)).dtype == np.uint8


@pytest.mark.parametrize(
    ("transfer", "nits", "coded"), [(PQ, 203, 0.58), (PQ, 100, 0.51), (HLG, 203, 0.75)]
)
def test_reference_levels_are_those_of_the_standard(
    transfer: int, nits: float, coded: float
) -> None:
    """BT.2408, table 1: reference white, 203 nits, is 58 % of PQ and 75 % of HLG."""
    from efgan_rt.pictures.colour import _linear

    light = _linear(np.array([coded], np.float32), transfer)[0]
    assert light == pytest.approx(nits / 203, rel=0.06)


def test_grey_of_another_gamma_is_seen_as_srgb(tmp_path: Path) -> None:
    png_with(
        tmp_path / "a.png", np.full((9, 9), 55, np.uint8), (b"gAMA", struct.pack(">I", 100_000))
    )
    original = read_original(tmp_path / "a.png")
    assert original.pixels.shape == (9, 9) and 126 <= original.pixels[0, 0] <= 130


def test_an_avifs_numbered_space_is_brought_to_srgb_and_that_is_said(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.fromarray(one_colour(120, 160, 100)).save(file, "AVIF", quality=100)
    data = file.getvalue()
    at = data.index(b"colrnclx") + 8
    (tmp_path / "a.avif").write_bytes(data[:at] + struct.pack(">HH", P3, 13) + data[at + 4 :])
    original = read_original(tmp_path / "a.avif")
    assert original.notes == ("colours brought to sRGB",) and original.stored is None
    assert original.pixels[0, 0, 0] < 119  # P3's red goes further


def test_inks_are_kept_and_seen_as_rgb(tmp_path: Path) -> None:
    inks = np.random.default_rng(0).integers(0, 200, (64, 64, 4), np.uint8)
    Image.fromarray(inks, "CMYK").save(tmp_path / "a.tif", compression="tiff_lzw")
    original = read_original(tmp_path / "a.tif")
    assert original.pixels.shape == (64, 64, 3)
    edited = original.pixels.copy()
    edited[:20] //= 2
    write_original(tmp_path / "b.tif", original.with_pixels(edited))
    result = Image.open(tmp_path / "b.tif")
    assert result.mode == "CMYK"
    np.testing.assert_array_equal(np.asarray(result)[20:], inks[20:])
    assert np.asarray(result)[:20, :, :3].mean() > inks[:20, :, :3].mean()


def test_a_cmyk_jpeg_stays_one(tmp_path: Path) -> None:
    inks = np.full((64, 64, 4), (200, 30, 90, 20), np.uint8)
    Image.fromarray(inks, "CMYK").save(tmp_path / "a.jpg", quality=95)
    write_original(
        tmp_path / "b.jpg", marked_original(read_original(tmp_path / "a.jpg")), quality=None
    )
    result = Image.open(tmp_path / "b.jpg")
    assert result.mode == "CMYK" and "xmp" in result.info
    np.testing.assert_allclose(np.asarray(result).astype(int), inks, atol=3)


def test_a_grey_tiff_with_transparency_keeps_it(tmp_path: Path, make_picture: Make) -> None:
    both = make_picture(32, 32)[..., :2]
    Image.fromarray(np.ascontiguousarray(both), "LA").save(tmp_path / "a.tif")
    write_original(tmp_path / "b.tif", read_original(tmp_path / "a.tif"))
    result = Image.open(tmp_path / "b.tif")
    assert result.mode == "LA"
    np.testing.assert_array_equal(np.asarray(result), both)
