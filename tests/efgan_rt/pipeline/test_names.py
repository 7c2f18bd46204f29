"""Names of outputs where upper and lower case are one, and where Windows has names of its own."""

from pathlib import Path

import pytest

from efgan_rt.errors import EfganError
from efgan_rt.pipeline.files import Plan
from efgan_rt.pipeline.names import is_case_blind, one_name, refuse_windows_names
from efgan_rt.shots import stills


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def refusal(plan: Plan) -> str:
    with pytest.raises(EfganError) as error:
        plan.check(overwrite=False)
    return str(error.value)


@pytest.fixture
def case_blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """An output folder as on Windows, macOS or a stick."""
    monkeypatch.setattr("efgan_rt.pipeline.files.is_case_blind", lambda _: True)


def test_a_folder_is_asked_by_what_is_in_it_or_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "here" / "1" / "Name.jpg")
    assert not is_case_blind(tmp_path / "here" / "1" / "not" / "yet")
    real = Path.exists

    def exists(path: Path, **how: bool) -> bool:
        return real(path.with_name("Name.jpg") if path.name == "nAME.JPG" else path, **how)

    monkeypatch.setattr(Path, "exists", exists)
    monkeypatch.setattr(Path, "samefile", lambda *_: True)
    assert is_case_blind(tmp_path / "here" / "1" / "not" / "yet")


def test_names_are_one_without_case_and_with_accents_spelt_either_way() -> None:
    assert one_name("Zo\u00eb.JPG") == one_name("zoe\u0308.jpg")
    assert one_name("a.jpg") != one_name("b.jpg")


@pytest.mark.usefixtures("case_blind")
def test_pictures_that_would_overwrite_each_other_by_case_are_refused(tmp_path: Path) -> None:
    touch(tmp_path / "in" / "IMG_1.jpg", tmp_path / "in" / "img_1.JPG")
    assert refusal(Plan(tmp_path / "in", tmp_path / "out", stills(""))) == (
        f"{tmp_path}/in/IMG_1.jpg and {tmp_path}/in/img_1.JPG would both be written to "
        f"{tmp_path}/out/img_1.JPG; rename one, or leave --format out"
    )


@pytest.mark.usefixtures("case_blind")
def test_folders_that_would_become_one_are_refused(tmp_path: Path) -> None:
    touch(tmp_path / "in" / "Ann" / "1.jpg", tmp_path / "in" / "ann" / "2.jpg")
    assert refusal(Plan(tmp_path / "in", tmp_path / "out", stills(""))) == (
        f"{tmp_path}/in/Ann and {tmp_path}/in/ann would be one folder below {tmp_path}/out, which "
        "does not tell upper case from lower; rename one"
    )


def test_where_case_counts_they_are_two(tmp_path: Path) -> None:
    touch(tmp_path / "in" / "A" / "IMG_1.jpg", tmp_path / "in" / "a" / "img_1.JPG")
    assert Plan(tmp_path / "in", tmp_path / "out", stills("")).check(overwrite=False).pictures == 2


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("aux.jpg", "'aux.jpg' is the name of a device"),
        ("COM1.happy.png", "'COM1.happy.png' is the name of a device"),
        ("nul /1.jpg", "'nul ' is the name of a device"),
        ("Ann /1.jpg", "'Ann ' ends with a space or a dot, which Windows drops"),
        ("Ann./1.jpg", "'Ann.' ends with a space or a dot, which Windows drops"),
        ("10:30.jpg", "'10:30.jpg' has a character that Windows has no names with"),
        ("a\tb.jpg", "'a\tb.jpg' has a character that Windows has no names with"),
    ],
)
def test_names_that_windows_cannot_have_are_refused_there(name: str, why: str) -> None:
    output = Path("out") / name
    refuse_windows_names(output, Path("out"), "linux")
    with pytest.raises(EfganError) as error:
        refuse_windows_names(output, Path("out"), "win32")
    assert str(error.value) == f"{output}: {why}; rename the picture or the expression"


def test_usual_names_pass_on_windows() -> None:
    for name in ("conny.jpg", "Ann/1 (2).jpg", "com10.png", "a.b.c.webp", "Zo\u00eb.heic.jpg"):
        refuse_windows_names(Path("out") / name, Path("out"), "win32")
