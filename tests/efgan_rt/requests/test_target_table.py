"""`--from-csv`: a target for each picture."""

from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from efgan_rt.errors import EfganError
from efgan_rt.expressions import Target, target_for, target_towards
from efgan_rt.families.cascade import CASCADE
from efgan_rt.families.eet import EET
from efgan_rt.families.family import Goal, Wish
from efgan_rt.families.properties import Properties
from efgan_rt.requests.edits import EditOptions, Edits
from efgan_rt.requests.target_table import TargetTable, read_target_table
from engines.arrays import FloatArray

AU_NAMES = ("AU01", "AU12", "AU45")
EXPRESSIONS = {
    "happy": np.array([0, 4.5, 0], np.float32),
    "blink": np.array([0, 0, 5], np.float32),
}
LENT = {"smile.jpg": np.array([1, 3, 0], np.float32)}


def goal_of(wish: Wish) -> Goal:
    properties = Properties(128, au_names=AU_NAMES, expressions=EXPRESSIONS)
    return CASCADE.goal(properties, wish, lambda path, _: LENT[path.name], lambda _: None)


def read(tmp_path: Path, text: str, intensity: float = 1.0) -> TargetTable:
    path = tmp_path / "targets.csv"
    path.write_text(text)
    return read_target_table(path, goal_of, AU_NAMES, intensity=intensity)


def asked(expression: str | None = None, intensity: float = 1.0, au: str | None = None) -> Target:
    return target_for(EXPRESSIONS, AU_NAMES, expression=expression, intensity=intensity, au=au)


def assert_same(found: Goal | None, wanted: Target) -> None:
    assert isinstance(found, Target)
    np.testing.assert_array_equal(found.scale, wanted.scale)
    np.testing.assert_array_equal(found.offset, wanted.offset)


def test_each_row_asks_what_the_options_would(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        "file,expression,intensity,AU12,AU01_r,AU45+,notes\n"
        "a.jpg,happy,,,,,yes\n"
        "b/c.jpg,blink,0.5,,,,\n"
        "d.png,,,3.5,1,,\n"
        "e.png,happy,2,,,-1.5,\n",
    )
    of = {name: table.of(PurePosixPath(name)) for name in table.targets}
    assert list(of) == ["a.jpg", "b/c.jpg", "d.png", "e.png"]
    assert_same(of["a.jpg"], asked("happy"))
    assert_same(of["b/c.jpg"], asked("blink", 0.5))
    assert_same(of["d.png"], asked(au="AU12=3.5,AU01=1"))
    assert_same(of["e.png"], asked("happy", 2, "AU45-=1.5"))
    assert table.of(PurePosixPath("c.jpg")) is None
    assert table.remarks == ()


def test_a_row_may_refer_to_a_face_beside_the_table(tmp_path: Path) -> None:
    (tmp_path / "smile.jpg").touch()
    table = read(tmp_path, "file,reference,intensity,AU12\na.jpg,smile.jpg,0.5,\nb.jpg,,,2\n")
    lent = target_towards(LENT["smile.jpg"], len(AU_NAMES), intensity=0.5)
    assert_same(table.of(PurePosixPath("a.jpg")), lent)
    assert_same(table.of(PurePosixPath("b.jpg")), asked(au="AU12=2"))
    assert table.labels["a.jpg"] == "smile.jpg 0.5"


def test_a_reference_that_is_not_there_or_beside_an_expression_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EfganError, match=r"row 0: reference is 'none.jpg', and there is no such"):
        read(tmp_path, "file,reference\na.jpg,none.jpg\n")
    with pytest.raises(EfganError, match=r"row 0: expression and reference are both given"):
        read(tmp_path, "file,expression,reference\na.jpg,happy,none.jpg\n")


def test_a_face_that_several_rows_refer_to_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "smile.jpg").touch()
    path = tmp_path / "targets.csv"
    path.write_text("file,reference,intensity\na.jpg,smile.jpg,\nb.jpg,smile.jpg,0.5\n")
    reads = []

    def read_picture(picture: Path, output: tuple[str, str]) -> FloatArray:
        reads.append((picture.name, output))
        return np.ones((2, 4, 4), np.float32)

    properties = Properties(32, au_names=AU_NAMES, own={"feature_channels": 2})
    edits = Edits(EditOptions(table=path), EET, properties, read_picture, lambda _: None)
    assert reads == [("smile.jpg", ("expression_encoder", "related"))]
    assert edits.wants(PurePosixPath("a.jpg")) and not edits.wants(PurePosixPath("c.jpg"))


def test_rows_without_an_intensity_take_the_runs(tmp_path: Path) -> None:
    table = read(tmp_path, "file,expression,intensity\na.jpg,happy,\nb.jpg,happy,1\n", 0.3)
    assert_same(table.of(PurePosixPath("a.jpg")), asked("happy", 0.3))
    assert_same(table.of(PurePosixPath("b.jpg")), asked("happy", 1))


def test_paths_are_read_as_windows_writes_them_too(tmp_path: Path) -> None:
    assert list(read(tmp_path, "file;AU12\na\\b.jpg;1\n".replace(";", ",")).targets) == ["a/b.jpg"]


def test_units_that_the_model_lacks_are_said_and_left_alone(tmp_path: Path) -> None:
    table = read(tmp_path, "file,AU12,AU04,AU28_r,AU12_c\na.jpg,1,2,3,1\n")
    assert table.remarks == (
        f"{tmp_path}/targets.csv: columns AU04 AU28_r are left alone; the model has no such units",
    )
    assert_same(table.of(PurePosixPath("a.jpg")), asked(au="AU12=1"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("AU12\n1\n", "columns missing: file"),
        ("file,notes\na.jpg,x\n", "the table asks for nothing; expected a column 'expression' or"),
        ("file,AU12\n", "the table has no rows; expected one a picture"),
        ("file,AU12,AU12_r\na.jpg,1,1\n", "columns AU12 and AU12_r are the same unit"),
        ("file,AU12\na.jpg,1\na.jpg,2\n", "row 1: a.jpg has a row already; expected one a picture"),
        ("file,AU12\n/a.jpg,1\n", "row 0: file is '/a.jpg', expected a path in the input folder"),
        ("file,AU12\n../a.jpg,1\n", "row 0: file is '../a.jpg', expected a path in the input"),
        ("file,AU12\n,1\n", "row 0: file is '', expected a path in the input folder"),
        ("file,AU12\na.jpg,6\n", "row 0: AU12 is 6, expected an intensity from 0 to 5"),
        ("file,AU12\na.jpg,-1\n", "row 0: AU12 is -1, expected an intensity from 0 to 5"),
        ("file,AU12+\na.jpg,-6\n", "row 0: AU12+ is -6, expected a change from -5 to 5"),
        ("file,AU12\na.jpg,much\n", "row 0: AU12 is 'much', expected a number"),
        ("file,AU12,AU12+\na.jpg,1,1\n", "row 0: AU12+ and its other column are both given; give"),
        ("file,expression\na.jpg,hapy\n", "row 0: the model has no expression 'hapy'; it has"),
        ("file,expression\na.jpg,\n", "row 0: asks for nothing; give an expression, a reference"),
        ("file,expression,intensity\na.jpg,happy,3\n", "row 0: intensity 3 is out of range"),
        ("file,AU12,intensity\na.jpg,1,1\n", "row 0: intensity is given without an expression"),
    ],
)
def test_a_row_that_cannot_be_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(EfganError) as error:
        read(tmp_path, text)
    assert str(error.value).startswith(f"{tmp_path}/targets.csv")
    assert message in str(error.value)


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EfganError, match="cannot be read: "):
        read_target_table(tmp_path / "none.csv", goal_of, AU_NAMES)
