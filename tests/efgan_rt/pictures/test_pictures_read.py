"""Pictures from files to arrays and back, and the way between picture and crop."""

import os
import stat
import struct
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from efgan_rt.errors import EfganError
from efgan_rt.pictures import read
from efgan_rt.pictures.crop import to_crop
from efgan_rt.pictures.original import Picture
from efgan_rt.pictures.read import read_picture
from efgan_rt.pictures.write import encode_picture, write_picture
from tests.picture_files import with_difference

Make = Callable[..., Picture]


def psnr(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> float:
    return cv2.PSNR(one, other)


@pytest.mark.parametrize(
    ("extension", "at_least_db"), [(".jpg", 38), (".webp", 38), (".png", 300), (".bmp", 300)]
)
def test_a_picture_survives_writing_and_reading(
    tmp_path: Path, make_picture: Make, extension: str, at_least_db: float
) -> None:
    picture = make_picture(90, 130)
    path = tmp_path / f"face{extension}"
    write_picture(path, picture)
    assert psnr(read_picture(path), picture) >= at_least_db


def test_channels_are_red_green_blue(tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    red_in_opencv = np.zeros((4, 4, 3), np.uint8)
    red_in_opencv[..., 2] = 255
    cv2.imwrite(str(path), red_in_opencv)
    assert read_picture(path)[0, 0].tolist() == [255, 0, 0]


def write_with_orientation(path: Path, picture: Picture, orientation: int) -> None:
    """Writes a JPEG whose EXIF asks to be turned, as a camera held upright does."""
    jpeg = bytes(encode_picture(".jpg", picture))
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    exif = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 1) + entry + struct.pack(">I", 0)
    path.write_bytes(jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:])


def test_exif_orientation_is_honoured(tmp_path: Path, make_picture: Make) -> None:
    picture = make_picture(64, 96)
    write_with_orientation(tmp_path / "turned.jpg", picture, 6)
    upright = read_picture(tmp_path / "turned.jpg")
    assert upright.shape == (96, 64, 3)
    assert psnr(upright, np.ascontiguousarray(np.rot90(picture, -1))) > 35


def test_grey_becomes_rgb(tmp_path: Path, make_picture: Make) -> None:
    grey = make_picture()[..., 0]
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    np.testing.assert_array_equal(read_picture(tmp_path / "grey.png"), np.dstack([grey] * 3))


def test_transparency_is_dropped(tmp_path: Path, make_picture: Make) -> None:
    picture = make_picture()
    with_alpha = np.dstack([picture[..., ::-1], np.full(picture.shape[:2], 9, np.uint8)])
    cv2.imwrite(str(tmp_path / "alpha.png"), with_alpha)
    np.testing.assert_array_equal(read_picture(tmp_path / "alpha.png"), picture)


@pytest.mark.parametrize("extension", [".png", ".tif"])
def test_16_bits_become_8(tmp_path: Path, make_picture: Make, extension: str) -> None:
    picture = make_picture()
    path = tmp_path / f"deep{extension}"
    cv2.imwrite(str(path), picture[..., ::-1].astype(np.uint16) * 257)
    np.testing.assert_allclose(read_picture(path).astype(int), picture, atol=1)


def refusal(path: Path, **options: int) -> str:
    """The message with which a file is refused, checked to begin with its path."""
    with pytest.raises(EfganError) as caught:
        read_picture(path, **options)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "empty.jpg"
    path.touch()
    assert refusal(path) == "the file is empty; expected a picture"


def test_text_called_jpg_is_named(tmp_path: Path) -> None:
    path = tmp_path / "text.jpg"
    path.write_text("hello, world")
    assert refusal(path) == (
        "not a picture: it begins with 'hello, w'; expected JPEG, PNG, WebP, BMP, TIFF, "
        "HEIC, AVIF or JPEG XL"
    )


@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp", ".bmp"])
@pytest.mark.parametrize("kept", ["a quarter", "half", "all but a few bytes"])
def test_a_file_cut_short_is_noticed(
    tmp_path: Path, make_picture: Make, extension: str, kept: str
) -> None:
    whole = bytes(encode_picture(extension, make_picture()))
    # The last two bytes of a JPEG are its end marker, without which its pixels are whole.
    last = len(whole) - (12 if extension == ".jpg" else 2)
    size = {"a quarter": len(whole) // 4, "half": len(whole) // 2}.get(kept, last)
    path = tmp_path / f"cut{extension}"
    path.write_bytes(whole[:size])
    assert f"is cut short after {size:,} bytes; get a whole copy of it" in refusal(path)


@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp", ".bmp", ".tif"])
def test_no_beginning_of_a_file_passes_for_the_whole(
    tmp_path: Path, make_picture: Make, extension: str
) -> None:
    whole = bytes(encode_picture(extension, make_picture(24, 24)))
    path = tmp_path / f"cut{extension}"
    for size in range(1, len(whole) - 1, 7):
        path.write_bytes(whole[:size])
        with pytest.raises(EfganError):
            read_picture(path)


def test_the_end_marker_of_a_thumbnail_does_not_make_a_jpeg_whole(
    tmp_path: Path, make_picture: Make
) -> None:
    whole = bytes(encode_picture(".jpg", make_picture()))
    thumbnail = bytes(encode_picture(".jpg", make_picture(16, 16)))
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    path = tmp_path / "cut.jpg"
    path.write_bytes(whole[:2] + segment + whole[2 : len(whole) // 2])
    assert "the JPEG file is cut short" in refusal(path)


@pytest.mark.parametrize("sampling", [0x111111, 0x211111, 0x221111, 0x121111, 0x411111])
@pytest.mark.parametrize("progressive", [0, 1])
@pytest.mark.parametrize("restarts", [0, 3])
def test_every_kind_of_jpeg_gives_the_pixels_that_opencv_gives(
    tmp_path: Path, make_picture: Make, sampling: int, progressive: int, restarts: int
) -> None:
    settings = {
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR: sampling,
        cv2.IMWRITE_JPEG_PROGRESSIVE: progressive,
        cv2.IMWRITE_JPEG_RST_INTERVAL: restarts,
    }
    flat = [each for setting in settings.items() for each in setting]
    encoded = cv2.imencode(".jpg", make_picture(93, 117), flat)[1]
    (tmp_path / "a.jpg").write_bytes(encoded.tobytes())
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    assert decoded is not None
    expected = cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
    assert np.array_equal(read_picture(tmp_path / "a.jpg"), expected)


def test_a_jpeg_of_another_size_than_was_asked_of_takes_no_memory(make_picture: Make) -> None:
    def encoded(rows: int) -> bytes:
        return cv2.imencode(".jpg", make_picture(rows, 40))[1].tobytes()

    header = read.checked_header(encoded(30), Path("a.jpg"), max_pixels=10_000)
    assert read._turbo_pixels(encoded(30), header) is not None
    assert read._turbo_pixels(encoded(5000), header) is None


def test_bytes_behind_the_end_of_a_jpeg_do_no_harm(tmp_path: Path, make_picture: Make) -> None:
    path = tmp_path / "longer.jpg"
    path.write_bytes(bytes(encode_picture(".jpg", make_picture())) + b"a phone's own data")
    assert read_picture(path).shape == (128, 128, 3)


def test_a_picture_damaged_inside_is_named(tmp_path: Path, make_picture: Make) -> None:
    png = bytearray(encode_picture(".png", make_picture()))
    at = png.index(b"IDAT") + 20
    png[at : at + 200] = bytes(200)
    path = tmp_path / "damaged.png"
    path.write_bytes(png)
    assert refusal(path) == (
        "the PNG file cannot be edited: it is damaged or of a kind that cannot be decoded"
    )


def test_a_header_that_promises_too_much_is_refused_before_decoding(tmp_path: Path) -> None:
    small = bytes(encode_picture(".png", np.zeros((2, 2, 3), np.uint8)))
    path = tmp_path / "bomb.png"
    head = small[12:16] + struct.pack(">II", 50_000, 50_000) + small[24:29]
    check = struct.pack(">I", zlib.crc32(head))
    path.write_bytes(small[:12] + head + check + small[33:])
    assert refusal(path) == (
        "50000 x 50000 is 2,500,000,000 pixels, over the limit of 200,000,000; "
        "raise it with --max-pixels"
    )


def test_a_jpeg_too_short_for_the_pixels_it_promises_is_refused_before_decoding(
    tmp_path: Path,
) -> None:
    small = bytearray(encode_picture(".jpg", np.zeros((16, 16, 3), np.uint8)))
    struct.pack_into(">HH", small, small.index(b"\xff\xc0") + 5, 14_000, 14_000)
    path = tmp_path / "bomb.jpg"
    path.write_bytes(small)
    assert refusal(path) == (
        f"the JPEG file is cut short after {len(small)} bytes; get a whole copy of it"
    )


def test_a_plain_grey_jpeg_is_as_short_as_jpegs_get_and_still_whole(tmp_path: Path) -> None:
    path = tmp_path / "plain.jpg"
    optimised = [cv2.IMWRITE_JPEG_OPTIMIZE, 1, cv2.IMWRITE_JPEG_QUALITY, 1]
    cv2.imwrite(str(path), np.full((4096, 4096), 128, np.uint8), optimised)
    assert read_picture(path).shape == (4096, 4096, 3)


@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp", ".bmp", ".tif"])
def test_the_limit_of_pixels_holds_for_every_format(
    tmp_path: Path, make_picture: Make, extension: str
) -> None:
    path = tmp_path / f"face{extension}"
    write_picture(path, make_picture(30, 40))
    assert read_picture(path, max_pixels=1200).shape == (30, 40, 3)
    assert "30" in refusal(path, max_pixels=1199)


def test_the_limit_of_pixels_holds_for_lossless_and_extended_webp(tmp_path: Path) -> None:
    alpha = np.full((30, 40, 4), 7, np.uint8)
    path = tmp_path / "alpha.webp"
    for quality in (101, 90):  # above 100 is lossless
        cv2.imwrite(str(path), alpha, [cv2.IMWRITE_WEBP_QUALITY, quality])
        assert "40 x 30 is 1,200 pixels" in refusal(path, max_pixels=1199)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.jpg") == "cannot be read: No such file or directory"


def test_a_name_with_a_null_byte_is_named() -> None:
    with pytest.raises(EfganError) as caught:
        read_picture(Path("a\0.jpg"))
    assert str(caught.value) == "'a\\x00.jpg': cannot be read: embedded null byte"


def test_a_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").mkdir()
    assert refusal(tmp_path / "x.jpg") in (
        "not a regular file; expected a picture",
        "cannot be read: Is a directory",
    )


def test_a_pipe_is_named_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert refusal(tmp_path / "pipe.jpg") == "not a regular file; expected a picture"


def test_an_unreadable_file_is_named(
    tmp_path: Path, make_picture: Make, without_root: Callable[[], AbstractContextManager[None]]
) -> None:
    path = tmp_path / "secret.png"
    write_picture(path, make_picture())
    path.chmod(0)
    with without_root():
        assert refusal(path) == "cannot be read: Permission denied"


def test_a_square_picture_is_brought_to_the_crop_as_a_whole(make_picture: Make) -> None:
    for side in (64, 300):
        crop = to_crop(make_picture(side, side))
        assert crop.shape == (128, 128, 3)
        assert psnr(crop, make_picture(128, 128)) > 30


def test_a_picture_that_is_not_square_gives_its_centre(make_picture: Make) -> None:
    wide = np.zeros((100, 300, 3), np.uint8)
    wide[:, 100:200] = make_picture(100, 100)
    np.testing.assert_array_equal(to_crop(wide), to_crop(make_picture(100, 100)))


@pytest.mark.parametrize("shape", [(128, 128), (500, 500), (90, 200), (301, 97)])
def test_no_edit_gives_the_very_picture_back(make_picture: Make, shape: tuple[int, int]) -> None:
    picture = make_picture(*shape)
    crop = to_crop(picture)
    np.testing.assert_array_equal(with_difference(picture, crop, crop.copy()), picture)


def test_a_picture_of_the_crops_size_becomes_exactly_the_edit(make_picture: Make) -> None:
    picture, edited = make_picture(seed=1), make_picture(seed=2)
    np.testing.assert_array_equal(with_difference(picture, to_crop(picture), edited), edited)


def test_an_edit_reaches_a_large_picture_and_keeps_its_texture(make_picture: Make) -> None:
    picture = make_picture(512, 512) // 2 + 40
    picture[::2] += 8  # finer than any crop can hold
    crop = to_crop(picture)
    result = with_difference(picture, crop, crop + 20)
    np.testing.assert_array_equal(result, picture + 20)


def test_what_lies_beside_the_centred_square_is_left_alone(make_picture: Make) -> None:
    picture = make_picture(100, 200)
    crop = to_crop(picture)
    result = with_difference(picture, crop, 255 - crop)
    np.testing.assert_array_equal(result[:, :50], picture[:, :50])
    np.testing.assert_array_equal(result[:, 150:], picture[:, 150:])
    assert not np.array_equal(result[:, 50:150], picture[:, 50:150])


def test_from_crop_leaves_its_inputs_alone(make_picture: Make) -> None:
    picture = make_picture(200, 200)
    before = picture.copy()
    crop = to_crop(picture)
    with_difference(picture, crop, 255 - crop)
    np.testing.assert_array_equal(picture, before)


def test_writing_leaves_no_other_file_and_the_usual_permissions(
    tmp_path: Path, make_picture: Make
) -> None:
    path = tmp_path / f"{'long' * 62}.png"  # as long as a name may be, nearly
    write_picture(path, make_picture())
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_a_picture_that_cannot_be_written_is_named_and_leaves_nothing(
    tmp_path: Path, make_picture: Make
) -> None:
    path = tmp_path / "there.png"
    (path / "inside").mkdir(parents=True)  # a folder cannot be replaced by a file
    with pytest.raises(EfganError) as caught:
        write_picture(path, make_picture())
    assert str(caught.value) == f"{path}: cannot be written: Is a directory"
    assert list(tmp_path.iterdir()) == [path]


def test_an_extension_that_names_no_format_is_refused(make_picture: Make) -> None:
    with pytest.raises(EfganError, match=r"'\.txt' names no picture format; expected one of \.jpg"):
        encode_picture(".txt", make_picture())


def test_a_picture_too_large_for_its_format_is_refused() -> None:
    with pytest.raises(EfganError, match=r"a picture of 20000 x 1 cannot be stored as \.webp"):
        encode_picture(".webp", np.zeros((1, 20_000, 3), np.uint8))
