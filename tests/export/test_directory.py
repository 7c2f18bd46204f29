"""Putting engines in place without losing anything."""

import json
from pathlib import Path

import pytest

from efgan_rt.errors import EfganError
from export.directory import check_replaceable, put_in_place, staging_folder


def write_engines(folder: Path, content: str) -> None:
    folder.mkdir(exist_ok=True)
    networks = {"stage_1": {"file": "stage_1.onnx"}}
    manifest = {"format": "efgan-rt engines 0", "networks": networks}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "stage_1.onnx").write_text(content)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "engines"


def test_a_finished_folder_takes_its_place(out: Path) -> None:
    with staging_folder(out) as folder:
        write_engines(folder, "new")
        assert not out.exists()
        put_in_place(folder, out)
    assert (out / "stage_1.onnx").read_text() == "new"
    assert [path.name for path in out.parent.iterdir()] == ["engines"]


def test_engines_of_any_version_are_replaced(out: Path) -> None:
    write_engines(out, "old")
    with staging_folder(out) as folder:
        write_engines(folder, "new")
        put_in_place(folder, out)
    assert (out / "stage_1.onnx").read_text() == "new"
    assert [path.name for path in out.parent.iterdir()] == ["engines"]


def test_an_empty_directory_is_filled(out: Path) -> None:
    out.mkdir()
    with staging_folder(out) as folder:
        write_engines(folder, "new")
        put_in_place(folder, out)
    assert (out / "stage_1.onnx").read_text() == "new"


def test_a_failure_leaves_the_old_engines_and_nothing_else(out: Path) -> None:
    write_engines(out, "old")
    with pytest.raises(RuntimeError), staging_folder(out) as folder:
        write_engines(folder, "new")
        raise RuntimeError
    assert (out / "stage_1.onnx").read_text() == "old"
    assert [path.name for path in out.parent.iterdir()] == ["engines"]


def test_a_directory_of_other_files_is_refused(out: Path) -> None:
    out.mkdir()
    (out / "holiday.jpg").write_text("")
    with pytest.raises(EfganError, match=r"engines: holds holiday\.jpg, which no engines of"):
        check_replaceable(out)


def test_engines_with_another_file_beside_them_are_refused(out: Path) -> None:
    write_engines(out, "old")
    (out / "notes.txt").write_text("mine")
    with pytest.raises(EfganError, match=r"holds notes\.txt"):
        check_replaceable(out)


def test_plans_are_engines_and_are_replaced_with_them(out: Path) -> None:
    out.mkdir()
    networks = {"stage_1": {"file": "stage_1.onnx", "plan": {"file": "stage_1.plan"}}}
    manifest = {"format": "efgan-rt engines 1", "networks": networks}
    (out / "manifest.json").write_text(json.dumps(manifest))
    (out / "stage_1.plan").write_text("")
    check_replaceable(out)
    (out / "stage_2.plan").write_text("")
    with pytest.raises(EfganError, match=r"holds stage_2\.plan, which no engines of"):
        check_replaceable(out)


def test_int8_files_are_engines_and_are_replaced_with_them(out: Path) -> None:
    out.mkdir()
    files = {key: {"file": f"stage_1.{key}"} for key in ("graph", "weights")}
    networks = {"stage_1": {"file": "stage_1.onnx", "int8": files}}
    manifest = {"format": "efgan-rt engines 1", "networks": networks}
    (out / "manifest.json").write_text(json.dumps(manifest))
    (out / "stage_1.graph").write_text("")
    (out / "stage_1.weights").write_text("")
    check_replaceable(out)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1, "networks": {}}'])
def test_a_manifest_of_another_program_protects_its_directory(out: Path, text: str) -> None:
    out.mkdir()
    (out / "manifest.json").write_text(text)
    with pytest.raises(EfganError, match=r"holds manifest\.json"):
        check_replaceable(out)


def test_a_file_in_the_way_is_refused(out: Path) -> None:
    out.write_text("")
    with pytest.raises(EfganError, match="found a file, expected an engine directory or nothing"):
        check_replaceable(out)


def test_a_file_that_came_meanwhile_is_not_lost(out: Path) -> None:
    write_engines(out, "old")
    with staging_folder(out) as folder:
        write_engines(folder, "new")
        (out / "notes.txt").write_text("mine")
        with pytest.raises(EfganError, match=r"holds notes\.txt"):
            put_in_place(folder, out)
    assert (out / "notes.txt").read_text() == "mine"
