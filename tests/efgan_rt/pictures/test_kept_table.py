"""The table of docs/pictures.md is what these tests find, cell by cell."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from efgan_rt.pictures.colour import icc_space, in_srgb
from efgan_rt.pictures.exif import EXIF_DIRECTORY, Tag, exif_block
from efgan_rt.pictures.header import EXTENSIONS, is_writable, missing_reader
from efgan_rt.pictures.jpeg_tables import JpegCoding, libjpegs
from efgan_rt.pictures.original import Density, Metadata, Original
from efgan_rt.pictures.read import decode_original
from efgan_rt.pictures.write import encode_original
from tests.efgan_rt.pictures.test_colour import ADOBE_RGB
from tests.picture_files import exif_with_thumbnail, packet

ROWS, COLUMNS = np.mgrid[:64, :64]
PICTURE: Final = np.stack([ROWS * 2 + COLUMNS, ROWS + COLUMNS, 90 + ROWS - COLUMNS], -1).astype(
    np.uint8
)
GREY: Final = PICTURE[..., 0].copy()
EXIF: Final = exif_block(
    {271: Tag(2, 6, b"Maker\0"), EXIF_DIRECTORY: Tag(4, 1, {0x8827: Tag(3, 1, b"\x90\1")})}
)


def through(extension: str, original: Original) -> Original:
    """Written and read back."""
    data = bytes(encode_original(extension, original, quality=None))
    return decode_original(data, Path(f"x{extension}"))


def own_pixels(extension: str) -> str:
    found = through(extension, Original(PICTURE)).pixels
    if np.array_equal(found, PICTURE):
        return "exact"
    assert np.abs(found.astype(int) - PICTURE).mean() < 3
    return "lossy"


def depth(extension: str) -> str:
    return (
        f"{8 * through(extension, Original(PICTURE.astype(np.uint16) * 257)).pixels.itemsize} bits"
    )


def kinds(extension: str) -> str:
    grey = through(extension, Original(GREY)).pixels.ndim == 2
    inks = np.dstack([PICTURE, GREY])
    seen, stored = in_srgb(inks, icc_space(b"", "CMYK"))
    made = through(extension, Original(seen, stored=stored)).stored
    found = ["RGB", *(["grey"] if grey else []), *(["CMYK"] if made is not None else [])]
    return ", ".join(found)


def alpha(extension: str) -> str:
    found = through(extension, Original(PICTURE, GREY)).alpha
    if found is None:
        return "laid on white" if extension == ".jpg" else "-"
    assert np.abs(found.astype(int) - GREY).mean() < 3
    return "kept"


def profile(extension: str) -> str:
    seen, stored = in_srgb(PICTURE, icc_space(ADOBE_RGB, "RGB"))
    made = through(extension, Original(seen, metadata=Metadata(icc=ADOBE_RGB), stored=stored))
    assert np.abs(made.pixels.astype(int) - seen).mean() < 4
    return "own, with profile" if made.metadata.icc == ADOBE_RGB else "brought to sRGB"


def said(extension: str, metadata: Metadata, is_kept: Callable[[Metadata], bool]) -> str:
    return (
        "kept"
        if is_kept(through(extension, Original(PICTURE, metadata=metadata)).metadata)
        else "-"
    )


def exif(extension: str) -> str:
    return said(extension, Metadata(exif=EXIF), lambda found: b"Maker\0" in found.exif)


def xmp(extension: str) -> str:
    return said(extension, Metadata(xmp=packet("")), lambda found: b"image/jpeg" in found.xmp)


def density(extension: str) -> str:
    wanted = Density(300, 300, "inch")

    def is_kept(found: Metadata) -> bool:
        own = found.density
        return b"\x2c\1\0\0" in found.exif or (own is not None and own.per("inch") == (300, 300))

    return said(extension, Metadata(density=wanted), is_kept)


def coding(extension: str) -> str:
    own = JpegCoding(
        (tuple(min(255, each + 1) for each in libjpegs(70)[0]), libjpegs(70)[1]), 0x211111
    )
    if extension == ".jpg" and through(extension, Original(PICTURE, jpeg=own)).jpeg == own:
        return "tables, sampling"
    if extension == ".webp" and through(extension, Original(PICTURE, lossless=True)).lossless:
        return "lossless"
    return "-"


def thumbnails(extension: str) -> str:
    """Of a JPEG with an EXIF thumbnail, as an output of this format."""
    from tests.picture_files import exif_thumbnail

    plain = bytes(encode_original(".jpg", Original(PICTURE)))
    original = decode_original(exif_thumbnail(plain), Path("x.jpg"))
    data = bytes(encode_original(extension, replace(original, jpeg=None)))
    assert exif_with_thumbnail(plain)[-200:-20] not in data and b"UNEDITED" not in data
    return "left out, said"


CELLS: Final[dict[str, Callable[[str], str]]] = {
    "pixels": own_pixels,
    "depth": depth,
    "kinds": kinds,
    "transparency": alpha,
    "colour space": profile,
    "EXIF": exif,
    "XMP and mark": xmp,
    "density": density,
    "coding": coding,
    "thumbnails": thumbnails,
}


def row(format_: str) -> str:
    extension = EXTENSIONS[format_][0]
    return " | ".join(["", format_, *(cell(extension) for cell in CELLS.values()), ""]).strip()


@pytest.mark.parametrize("format_", EXTENSIONS)
def test_the_table_of_the_docs_says_what_is_kept(repository: Path, format_: str) -> None:
    if missing := missing_reader(format_):
        pytest.skip(f"nothing here reads {format_}: {missing}")
    if not is_writable(format_):
        pytest.skip(f"nothing here writes {format_}: pip install 'efgan-rt[heic]'")
    table = (repository / "docs" / "pictures.md").read_text()
    assert f"| format | {' | '.join(CELLS)} |" in table
    assert f"{row(format_)}\n" in table


def test_readers_are_there() -> None:
    """What the package itself depends on, so that the rows above are not skipped everywhere."""
    assert not missing_reader("HEIC")
    found: Any = [format_ for format_ in EXTENSIONS if is_writable(format_)]
    assert len(found) >= 7
