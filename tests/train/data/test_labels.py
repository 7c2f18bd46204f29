"""The label table: columns by name, and a clear sentence for what is wrong."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from efgan_rt.action_units import AU_NAMES
from efgan_rt.errors import EfganError
from efgan_rt.labels.csv_table import read_csv
from train.data.labels import LabelTable, read_labels
from train.data.regions import REGION_SIZES

POINTS = ["eyes_x", "eyes_y", "nose_x", "nose_y", "mouth_x", "mouth_y"]
COLUMNS = ["file", "identity", "expression", *(f"{n}_r" for n in AU_NAMES), *POINTS]


def write_table(path: Path, columns: list[str], rows: list[dict[str, str]], comma: str) -> Path:
    lines = [comma.join(columns)]
    lines += [comma.join(row.get(c, "1.0") for c in columns) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


def row(name: str, **values: str) -> dict[str, str]:
    return {"file": f"{name}.jpg", "identity": name, "expression": "happy"} | values


def test_columns_are_found_by_name_whatever_their_order(tmp_path: Path) -> None:
    path = write_table(
        tmp_path / "t.csv", COLUMNS[::-1], [row("a", AU12_r="4.5", mouth_y="99")], ", "
    )
    table = read_labels(path)
    assert table.files == ("a.jpg",)
    assert table.au[0, AU_NAMES.index("AU12")] == 4.5
    assert table.points["mouth"][0].tolist() == [1.0, 99.0]


def test_prototypes_are_means_and_mixed_is_no_expression(tmp_path: Path) -> None:
    rows = [row("a", AU12_r="2"), row("b", AU12_r="4"), row("c", expression="mixed", AU12_r="5")]
    prototypes = read_labels(write_table(tmp_path / "t.csv", COLUMNS, rows, ",")).prototypes()
    assert list(prototypes) == ["happy"]
    assert prototypes["happy"][AU_NAMES.index("AU12")] == 3.0
    assert prototypes["happy"].dtype == np.float32


def test_a_prototype_that_no_picture_has_is_named(tmp_path: Path) -> None:
    table = read_labels(write_table(tmp_path / "t.csv", COLUMNS, [row("a")], ","))
    with pytest.raises(EfganError, match="no picture is labelled 'bored'; the table has happy"):
        table.prototypes(["bored"])


def test_people_can_be_left_out(tmp_path: Path) -> None:
    table = read_labels(write_table(tmp_path / "t.csv", COLUMNS, [row("a"), row("b")], ","))
    kept = table.where(lambda who: who != "a")
    assert kept.identities == ("b",) and kept.au.shape == (1, 17)


@pytest.mark.parametrize(
    ("columns", "values", "message"),
    [
        ([c for c in COLUMNS if c != "AU12_r"], {}, "no column AU12_r; expected the"),
        ([c for c in COLUMNS if c != "mouth_x"], {}, "missing: mouth_x; efgan-rt prep"),
        (COLUMNS, {"AU04_r": "strong"}, "row 0: AU04_r is 'strong', expected a number"),
        (COLUMNS, {"AU04_r": "7"}, "row 0: AU04 is 7, expected OpenFace's scale from 0 to 5"),
        (COLUMNS, {"nose_x": "1e39"}, "nose_x is '1e39', expected a number"),
        (COLUMNS, {"file": "../x.jpg"}, "row 0: file is '../x.jpg', expected a path in the pict"),
        (COLUMNS, {"file": "/etc/x.jpg"}, "file is '/etc/x.jpg', expected a path in the picture"),
        (COLUMNS, {"file": "..\\\\x.jpg"}, "expected a path in the picture folder"),
        (COLUMNS, {"file": ""}, "row 0: file is '', expected a path in the picture folder"),
        (COLUMNS, {"mouth_y": "1,2"}, "row 0: expected 26 values, as the columns"),
        (COLUMNS, {"nose_x": "nan"}, "nose_x is 'nan', expected a number"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(
    tmp_path: Path, columns: list[str], values: dict[str, str], message: str
) -> None:
    path = write_table(tmp_path / "t.csv", columns, [row("a", **values)], ",")
    with pytest.raises(EfganError, match=message):
        read_labels(path)


def test_an_empty_and_a_missing_table_say_so(tmp_path: Path) -> None:
    with pytest.raises(EfganError, match="has no rows"):
        read_labels(write_table(tmp_path / "t.csv", COLUMNS, [], ","))
    with pytest.raises(EfganError, match="cannot be read"):
        read_labels(tmp_path / "none.csv")


def test_a_picture_given_for_a_table_is_told(tmp_path: Path) -> None:
    picture = tmp_path / "a.jpg"
    picture.write_bytes(b"\xff\xd8\xff\xe0")
    for read in (read_labels, read_csv):
        with pytest.raises(EfganError, match=r"cannot be read: it is no text, expected a CSV file"):
            read(picture)


def test_the_rendered_sets_own_table_is_read(synth_dir: Path) -> None:
    table = read_labels(synth_dir / "labels.csv")
    assert len(table) == 7680 and len(set(table.identities)) == 240
    prototypes = table.where(lambda who: who < "id200").prototypes()
    assert len(prototypes) == 8
    assert prototypes["happy"][AU_NAMES.index("AU12")] > 4
    assert prototypes["neutral"].max() < 0.1


def test_tables_are_joined_row_by_row() -> None:
    first, second = toy_table("a.png", "b.png"), toy_table("c.png")
    joined = LabelTable.joined([first, second])
    assert joined.files == ("a.png", "b.png", "c.png")
    assert len(joined.identities) == len(joined.expressions) == len(joined.au) == 3
    for name, points in joined.points.items():
        np.testing.assert_array_equal(points[2], second.points[name][0])


def test_a_file_in_two_tables_is_refused() -> None:
    with pytest.raises(EfganError, match=r"b\.png is in two of the label tables, expected another"):
        LabelTable.joined([toy_table("a.png", "b.png"), toy_table("b.png")])


def test_tables_of_other_units_are_not_joined() -> None:
    other = replace(toy_table("b.png"), au_names=("AU12",), au=np.zeros((1, 1), np.float32))
    with pytest.raises(EfganError, match=r"a label table has AU12, another one AU01 .*; expected"):
        LabelTable.joined([toy_table("a.png"), other])


def test_a_table_may_say_how_far_heads_are_turned(tmp_path: Path) -> None:
    rows = [row("a", yaw_deg="-40"), row("b", yaw_deg="3.5")]
    table = read_labels(write_table(tmp_path / "t.csv", [*COLUMNS, "yaw_deg"], rows, ","))
    assert table.yaw_deg is not None and table.yaw_deg.tolist() == [-40, 3.5]
    kept = table.where(lambda who: who == "b")
    assert kept.yaw_deg is not None and kept.yaw_deg.tolist() == [3.5]
    joined = LabelTable.joined([table, replace(kept, files=("c.jpg",))])
    assert joined.yaw_deg is not None and joined.yaw_deg.tolist() == [-40, 3.5, 3.5]
    assert LabelTable.joined([toy_table("a.png"), replace(kept, files=("c.jpg",))]).yaw_deg is None


def toy_table(*files: str) -> LabelTable:
    count = len(files)
    return LabelTable(
        files,
        ("someone",) * count,
        ("happy",) * count,
        np.ones((count, len(AU_NAMES)), np.float32),
        {name: np.full((count, 2), len(files[0]), np.float32) for name in REGION_SIZES},
    )
