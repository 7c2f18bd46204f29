"""The picture that shows a run."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from efgan_rt.errors import EfganError
from efgan_rt.pictures.original import Picture
from efgan_rt.pictures.read import read_picture
from efgan_rt.pictures.write import write_picture
from efgan_rt.reporting.contact_sheet import (
    MAX_ROWS,
    MISSING,
    SheetRow,
    check_contact_sheet,
    write_contact_sheet,
)


def colour(value: int) -> Picture:
    return np.full((128, 128, 3), value, np.uint8)


@pytest.fixture
def row(tmp_path: Path) -> SheetRow:
    """Input of grey level 10, edits of 20 and 30."""
    paths = tuple(tmp_path / f"{value}.png" for value in (10, 20, 30))
    for path in paths:
        write_picture(path, colour(int(path.stem)))
    return SheetRow("ann", paths)


def cells(sheet: Picture, rows: int, columns: int) -> list[list[int]]:
    """The colour of each cell's middle, counted from the sheet's lower right corner."""
    height, width = sheet.shape[:2]
    return [
        [int(sheet[height - r * 132 + 60, width - c * 132 + 60, 0]) for c in range(columns, 0, -1)]
        for r in range(rows, 0, -1)
    ]


def test_rows_are_people_and_columns_are_edits(tmp_path: Path, row: SheetRow) -> None:
    other = SheetRow("bob", tuple(reversed(row.pictures)))
    sheet = tmp_path / "new" / "sheet.png"
    shown = write_contact_sheet(sheet, ["input", "happy", "angry"], [row, other])
    assert shown == 2
    assert cells(read_picture(sheet), 2, 3) == [[10, 20, 30], [30, 20, 10]]


def test_the_faces_of_a_photograph_are_rows_cut_out_alike(tmp_path: Path) -> None:
    files = []
    for value in (100, 150):
        picture = np.full((400, 900, 3), value, np.uint8)
        picture[50:150, 100:200] = 10
        picture[200:280, 600:680] = value + 50
        files.append(tmp_path / f"{value}.png")
        write_picture(files[-1], picture)
    before = [file.read_bytes() for file in files]
    rows = [
        SheetRow("left", tuple(files), (100, 50, 100, 100)),
        SheetRow("right", tuple(files), (600, 200, 80, 80)),
        SheetRow("at the edge", tuple(files), (0, 0, 40, 40)),
    ]
    write_contact_sheet(tmp_path / "sheet.png", ["input", "happy"], rows)
    sheet = read_picture(tmp_path / "sheet.png")
    assert cells(sheet, 3, 2) == [[10, 10], [150, 200], [100, 150]]
    corner = sheet[sheet.shape[0] - 3 * 132 + 2, sheet.shape[1] - 2 * 132 + 2]
    assert corner.tolist() == [100, 100, 100]  # around the face there is some of the picture
    assert [file.read_bytes() for file in files] == before


def test_a_missing_edit_leaves_a_grey_cell(tmp_path: Path, row: SheetRow) -> None:
    row.pictures[1].unlink()
    write_contact_sheet(tmp_path / "sheet.png", ["input", "happy", "angry"], [row])
    assert cells(read_picture(tmp_path / "sheet.png"), 1, 3) == [[10, MISSING, 30]]


def test_a_long_run_shows_its_first_rows(tmp_path: Path, row: SheetRow) -> None:
    one = SheetRow("ann", row.pictures[:1])
    sheet = tmp_path / "sheet.png"
    assert write_contact_sheet(sheet, ["input"], [one] * 100, cell_px=16) == MAX_ROWS


def test_headings_and_labels_are_drawn(tmp_path: Path, row: SheetRow) -> None:
    sheet = tmp_path / "sheet.png"
    write_contact_sheet(sheet, ["input", "happy", "angry"], [row])
    picture = read_picture(sheet)
    assert picture[:26].min() < 100
    assert picture[26:, :30].min() < 100


@pytest.mark.parametrize("existing", [False, True])
def test_a_sheet_is_refused_before_any_work(
    tmp_path: Path, existing: bool, make_picture: Callable[..., Picture]
) -> None:
    path = tmp_path / ("sheet.png" if existing else "sheet.pdf")
    if existing:
        write_picture(path, make_picture())
    wanted = "is there already and is no contact sheet" if existing else r"must end in \.png"
    with pytest.raises(EfganError, match=wanted):
        check_contact_sheet(path, overwrite=False)


def test_a_sheet_of_an_earlier_run_may_be_made_again(
    tmp_path: Path, make_picture: Callable[..., Picture]
) -> None:
    write_picture(tmp_path / "a.png", make_picture())
    sheet = tmp_path / "sheet.png"
    write_contact_sheet(sheet, ["input"], [SheetRow("a", (tmp_path / "a.png",))])
    check_contact_sheet(sheet, overwrite=False)
