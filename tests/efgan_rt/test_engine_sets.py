"""Which engine directory a command uses."""

from pathlib import Path

import pytest

from efgan_rt import engine_sets
from efgan_rt.engine_sets import current_set, find_set, make_current, own_set
from efgan_rt.errors import EfganError


def make_set(directory: Path) -> Path:
    directory.mkdir(parents=True)
    (directory / "manifest.json").touch()
    return directory


@pytest.fixture(autouse=True)
def no_shipped_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_sets, "shipped_set", lambda: None)


def test_a_named_set_wins_over_the_current_one(tmp_path: Path) -> None:
    make_current(make_set(own_set("mine")))
    named = make_set(tmp_path / "named")
    assert find_set(named).directory == named


def test_the_current_set_wins_over_the_shipped_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = make_set(tmp_path / "shipped")
    monkeypatch.setattr(engine_sets, "shipped_set", lambda: shipped)
    assert find_set(None).directory == shipped
    assert "shipped" in find_set(None).reason
    mine = make_set(own_set("mine"))
    assert find_set(None).directory == shipped
    make_current(mine)
    assert find_set(None).directory == mine


def test_the_set_made_current_last_is_the_current_one() -> None:
    for name in ("first", "second"):
        make_current(make_set(own_set(name)))
    assert current_set() == own_set("second")
    assert [path.name for path in own_set("").iterdir() if path.name.startswith(".")] == []


def test_a_current_set_that_was_removed_is_told(own_data_folder: Path) -> None:
    make_current(make_set(own_set("mine")))
    (own_set("mine") / "manifest.json").unlink()
    with pytest.raises(EfganError) as caught:
        find_set(None)
    assert str(caught.value) == (
        f"{own_data_folder}/efgan-rt/engines/current names 'mine', which is no engine directory; "
        "build one with efgan-rt build-engines CKPT.pt, or remove that file"
    )


def test_a_current_file_cannot_point_outside_its_folder(tmp_path: Path) -> None:
    make_set(tmp_path / "elsewhere")
    make_current(make_set(own_set("mine")))
    (own_set("current")).write_text(str(tmp_path / "elsewhere"))
    with pytest.raises(EfganError, match="which is no engine directory"):
        current_set()


def test_a_named_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EfganError) as caught:
        find_set(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: no engine directory, for it has no manifest.json; "
        f"make it with efgan-rt build-engines CKPT.pt --out {tmp_path}"
    )


def test_no_set_at_all_is_told() -> None:
    with pytest.raises(EfganError, match=r"^no engines: none were built and this copy ships none"):
        find_set(None)
