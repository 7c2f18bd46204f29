"""Every picture that people have: edited, or named with the reason, and nothing lost silently."""

import io
import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from efgan_rt.pictures.exif import Tag, exif_block
from efgan_rt.pictures.header import format_of, is_camera_raw, is_writable
from efgan_rt.pictures.mark import EDITED_BY_AI
from efgan_rt.pictures.original import rgb8
from efgan_rt.pictures.read import read_original
from tests.picture_files import MARKER, WITH_MORE_INSIDE, packet

Cli = Callable[..., Any]
NAMES = ("id202_neutral.jpg", "id203_neutral.jpg", "id204_neutral.jpg")


@pytest.fixture
def jpeg(repository: Path) -> bytes:
    return (repository / "examples" / "faces" / NAMES[0]).read_bytes()


@pytest.fixture
def batch(cli: Cli, source: Path, out: Path, toy_engines: Path, tmp_path: Path) -> Cli:
    """Runs `efgan-rt batch` on the source, as crops; gives the result and its report."""

    def run(*options: object, path: Path = source) -> tuple[Any, dict[str, Any]]:
        report = tmp_path / "run.json"
        result = cli(
            *("batch", path, out, "-e", "happy", "--crops", "--engines", toy_engines),
            *("--report", report, "--overwrite", *options),
        )
        document = json.loads(report.read_text()) if report.exists() else {}
        return result, document

    return run


def encoded(jpeg: bytes, format_: str, **settings: Any) -> bytes:
    file = io.BytesIO()
    Image.open(io.BytesIO(jpeg)).save(file, format_, **settings)
    return file.getvalue()


def heic(cases: Path) -> bytes:
    return (cases / "files" / "iphone.HEIC").read_bytes()


def left(document: dict[str, Any]) -> dict[str, str]:
    return {Path(row["file"]).name: row["why"] for row in document["left_alone"]}


@pytest.mark.parametrize("name", ["a.jfif", "a.jpe", "a.JPE", "a.avif", "a.jxl"])
def test_formats_that_programs_and_phones_write_are_edited(
    batch: Cli, source: Path, out: Path, jpeg: bytes, name: str
) -> None:
    if name.endswith("jxl"):
        imagecodecs = pytest.importorskip(
            "imagecodecs", reason="no JPEG XL: pip install 'efgan-rt[jxl]'"
        )
        pixels = np.asarray(Image.open(io.BytesIO(jpeg)))
        (source / name).write_bytes(imagecodecs.jpegxl_encode(pixels, level=90))
    else:
        data = encoded(jpeg, "AVIF") if name.endswith("avif") else jpeg
        (source / name).write_bytes(data)
    result, _ = batch()
    assert result.status == 0, result.err
    made = (out / name).read_bytes()
    assert format_of(made) == format_of((source / name).read_bytes())
    assert EDITED_BY_AI.encode() in made


@pytest.mark.parametrize(
    ("name", "format_", "made"),
    [
        ("photo", "JPEG", "photo.jpg"),
        ("photo.bak", "PNG", "photo.bak.png"),
        ("photo.png", "JPEG", "photo.png"),
        ("photo.jpg", "WEBP", "photo.jpg"),
        ("photo.tif", "AVIF", "photo.tif"),
    ],
)
def test_a_picture_is_known_by_its_content_and_its_edit_by_its_name(
    batch: Cli, source: Path, out: Path, jpeg: bytes, name: str, format_: str, made: str
) -> None:
    (source / name).write_bytes(encoded(jpeg, format_))
    result, _ = batch()
    assert result.status == 0, result.err
    data = (out / made).read_bytes()
    formats = {".jpg": "JPEG", ".png": "PNG", ".tif": "TIFF"}
    assert format_of(data) == formats[Path(made).suffix]


def test_heic_becomes_a_jpeg_beside_a_jpeg_of_its_name(
    batch: Cli, cases: Path, source: Path, out: Path, jpeg: bytes
) -> None:
    (source / "IMG_1.HEIC").write_bytes(heic(cases))
    (source / "IMG_1.JPG").write_bytes(jpeg)
    (source / "named.jpg").write_bytes(heic(cases))
    result, _ = batch()
    assert result.status == 0, result.err
    made = "IMG_1.HEIC" if is_writable("HEIC") else "IMG_1.HEIC.jpg"
    assert sorted(path.name for path in out.glob("[!.]*.*")) == sorted(
        ["IMG_1.JPG", made, "named.jpg"]
    )
    assert read_original(out / made).pixels.shape == (640, 900, 3)
    assert format_of((out / "named.jpg").read_bytes()) == "JPEG"
    result, _ = batch("--format", "png")
    assert {"IMG_1.HEIC.png", "IMG_1.png"} <= {path.name for path in out.iterdir()}


@pytest.mark.skipif(not is_writable("HEIC"), reason="no HEIC: pip install 'efgan-rt[heic]'")
def test_heic_stays_heic_with_its_metadata(
    batch: Cli, source: Path, out: Path, jpeg: bytes
) -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()
    exif = exif_block({271: Tag(2, 6, b"Maker\0")})
    (source / "a.heic").write_bytes(encoded(jpeg, "HEIF", exif=exif, xmp=packet("")))
    result, _ = batch()
    assert result.status == 0, result.err
    again = read_original(out / "a.heic")
    assert b"Maker" in again.metadata.exif and b"image/jpeg" in again.metadata.xmp
    assert EDITED_BY_AI.encode() in again.metadata.xmp


def raw_files(jpeg: bytes) -> dict[str, bytes]:
    """What cameras write: a TIFF whose first picture is a preview."""
    short = {tag: Tag(3, 1, struct.pack("<H", value)) for tag, value in ((254, 1), (262, 2))}
    version = {50706: Tag(1, 4, b"\1\4\0\0")}
    sensor = {262: Tag(3, 1, struct.pack("<H", 32803))}
    block = exif_block(short)
    below = struct.pack("<H", 1) + struct.pack("<HHIHH", 262, 3, 1, 32803, 0) + bytes(4)
    with_below = exif_block({**short, 330: Tag(4, 1, struct.pack("<I", len(block) + 12))}) + below
    return {
        "a.dng": exif_block({**short, **version}),
        "a.NEF": with_below,
        "a.arw": exif_block(sensor),
        "a.cr2": b"II*\0\x10\0\0\0CR\2\0" + bytes(20),
        "a.cr3": b"\0\0\0\x18ftypcrx " + bytes(20),
    }


def test_camera_raw_is_left_alone_and_named(
    batch: Cli, source: Path, out: Path, jpeg: bytes
) -> None:
    (source / "a.jpg").write_bytes(jpeg)
    for name, data in raw_files(jpeg).items():
        assert is_camera_raw(data), name
        (source / name).write_bytes(data)
    result, document = batch()
    assert result.status == 0
    assert left(document) == dict.fromkeys(raw_files(jpeg), "a camera's raw picture")
    assert "left alone: 5 other files: 5 x a camera's raw picture" in result.out
    assert [path.name for path in out.glob("[!.]*.*")] == ["a.jpg"]


def test_camera_raw_that_is_called_tiff_is_refused_by_name(
    batch: Cli, source: Path, jpeg: bytes
) -> None:
    (source / "a.tif").write_bytes(raw_files(jpeg)["a.dng"])
    result, _ = batch()
    assert result.status == 3
    assert (
        "a.tif: is a camera's raw picture, which is developed and not edited; "
        "export it as JPEG or TIFF first" in result.err
    )


def test_what_is_left_alone_is_named_with_the_reason(batch: Cli, source: Path, jpeg: bytes) -> None:
    (source / "IMG_1.jpg").write_bytes(jpeg)
    for name in ("IMG_1.MOV", "other.mp4", "IMG_1.AAE", "IMG_1.xmp", "notes.txt", "IMG_1.jpg.json"):
        (source / name).write_bytes(b"x")
    _, document = batch()
    assert left(document) == {
        "IMG_1.AAE": "an .aae, which would redo old edits",
        "IMG_1.MOV": "the film of a Live Photo, unedited",
        "IMG_1.jpg.json": "a sidecar, which --sidecars copies",
        "IMG_1.xmp": "a sidecar, which --sidecars copies",
        "notes.txt": "not a picture",
        "other.mp4": "a video",
    }
    assert document["summary"]["skipped"] == 6


def test_what_edits_lack_is_counted_and_named(
    batch: Cli, source: Path, out: Path, jpeg: bytes
) -> None:
    for name, (make, _) in WITH_MORE_INSIDE.items():
        (source / f"{name}.jpg").write_bytes(make(jpeg))
    (source / "no_end.jpg").write_bytes(jpeg[:-2])
    result, document = batch()
    assert result.status == 0, result.err
    notes = {Path(row["picture"]).stem: row.get("notes", []) for row in document["pictures"]}
    for name, (_, note) in WITH_MORE_INSIDE.items():
        assert note in notes[name]
        assert MARKER not in (out / f"{name}.jpg").read_bytes()
    assert document["summary"]["notes"]["picture inside the XMP left out"] == 2
    assert "2 x picture inside the XMP left out" in result.out
    assert "1 x JPEG's end marker was missing, its pixels were whole" in result.out


def test_sidecars_are_copied_only_when_asked_and_cleaned(
    batch: Cli, source: Path, out: Path, jpeg: bytes
) -> None:
    (source / "IMG_1.jpg").write_bytes(jpeg)
    promise = 'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:MotionPhoto="1"'
    (source / "IMG_1.xmp").write_bytes(packet("", promise))
    (source / "IMG_1.jpg.json").write_text('{"photoTakenTime":{"timestamp":"1500000000"}}')
    (source / "IMG_1.AAE").write_text("x")
    batch()
    assert [path.name for path in out.glob("[!.]*.*")] == ["IMG_1.jpg"]
    shutil.rmtree(out)
    result, _ = batch("--sidecars")
    assert result.status == 0, result.err
    names = sorted(path.name for path in out.glob("[!.]*.*"))
    assert names == ["IMG_1.jpg", "IMG_1.jpg.json", "IMG_1.xmp"]
    made = (out / "IMG_1.xmp").read_bytes()
    assert b"MotionPhoto" not in made and b"image/jpeg" in made and EDITED_BY_AI.encode() in made
    assert "1500000000" in (out / "IMG_1.jpg.json").read_text()


def test_a_sidecar_of_somebody_elses_is_not_replaced(
    cli: Cli, source: Path, out: Path, toy_engines: Path, jpeg: bytes
) -> None:
    (source / "a.jpg").write_bytes(jpeg)
    (source / "a.xmp").write_bytes(packet(""))
    out.mkdir()
    (out / "a.xmp").write_text("theirs")
    arguments = ("batch", source, out, "-e", "happy", "--crops", "--engines", toy_engines)
    result = cli(*arguments, "--sidecars")
    assert result.status == 3
    assert f"{out}/a.xmp: is there already; replace it with --overwrite" in result.err
    assert (out / "a.xmp").read_text() == "theirs"


@pytest.mark.parametrize(
    "name", ["windows.jfif", "old.jpe", "phone.avif", "no_eoi.jpg", "iphone.HEIC"]
)
def test_the_files_that_failed_are_edited_one_by_one(
    batch: Cli, cases: Path, out: Path, name: str
) -> None:
    result, _ = batch(path=cases / "files" / name)
    assert result.status == 0, result.err
    (made,) = out.glob("[!.]*.*")
    assert read_original(made).pixels.shape == (640, 900, 3)


def test_the_files_with_more_inside_hold_nothing_of_it_afterwards(
    batch: Cli, cases: Path, source: Path, out: Path
) -> None:
    for path in (cases / "metadata").iterdir():
        shutil.copy(path, source)
    result, document = batch("--sidecars")
    assert result.status == 0, result.err
    notes = {Path(row["picture"]).name: row.get("notes", []) for row in document["pictures"]}
    assert notes["PXL_ultra_hdr.jpg"] == ["gain map left out"]
    assert notes["PXL_motion_photo.MP.jpg"] == ["motion photo's film left out"]
    assert notes["exif_thumbnail_gps.jpg"] == ["EXIF thumbnail left out"]
    assert notes["photoshop_thumbnail.jpg"] == ["Photoshop thumbnail left out"]
    assert notes["xmp_thumbnail.jpg"] == ["XMP thumbnail left out"]
    assert notes["gimage_original_in_xmp.jpg"] == ["picture inside the XMP left out"]
    for path in out.glob("*.jpg"):
        data = path.read_bytes()
        assert data.count(b"\xff\xd8\xff") == 1 and b"/9j/" not in data
        assert not any(gone in data for gone in (b"GainMap", b"hdrgm", b"MotionPhoto", b"GImage"))
    assert left(document)["IMG_0001.AAE"] == "an .aae, which would redo old edits"
    assert (out / "IMG_0001.xmp").exists() and (out / "IMG_0001.jpg.json").exists()


def test_the_turned_case_is_stored_upright_with_a_short_tag(
    batch: Cli, cases: Path, out: Path
) -> None:
    result, _ = batch(path=cases / "files" / "orientation6_long.jpg")
    assert result.status == 0, result.err
    image = Image.open(out / "orientation6_long.jpg")
    assert image.size == (900, 640) and image.getexif()[0x0112] == 1


@pytest.mark.parametrize("name", ["hdr_cicp_pq.png", "linear_gama1.png"])
def test_the_cases_in_other_colour_spaces_are_seen_as_the_same_picture(
    cases: Path, name: str
) -> None:
    seen = rgb8(read_original(cases / "files" / name).pixels)
    plain = read_original(cases / "files" / "old.jpe").pixels
    # The luma, because the one with PQ says BT.2020 of colours that are BT.709's.
    lumas = [cv2.cvtColor(each, cv2.COLOR_RGB2GRAY).astype(int) for each in (seen, plain)]
    assert np.abs(lumas[0] - lumas[1]).mean() < 4
