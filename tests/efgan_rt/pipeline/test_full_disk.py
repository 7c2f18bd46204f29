"""A real disk that is full, then is not; and one that cannot be written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from efgan_rt.pipeline.journal import FOLDER
from tests.mounting import mount

Cli = Callable[..., Any]


@pytest.fixture
def batch(cli: Cli, faces: Path, toy_engines: Path) -> Cli:
    """`batch(out)` edits 44 pictures."""
    for path in list(faces.rglob("*.png")):
        for number in range(3):
            path.with_name(f"{path.stem}-{number}.png").write_bytes(path.read_bytes())

    def run(out: Path) -> Any:
        engines = ("--engines", toy_engines, "--backend", "onnxruntime", "--batch-size", 4)
        return cli("batch", faces, out, "-e", "happy", *engines)

    return run


def contents(out: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file() and FOLDER not in path.parts
    }


def test_on_a_full_disk_a_run_stops_and_with_room_the_same_command_completes_it(
    batch: Cli, small_disk: Path, tmp_path: Path
) -> None:
    result = batch(small_disk / "out")
    assert result.status == 1
    errors = [line for line in result.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "No space left on device" in errors[0] or "disk is full" in errors[0]
    assert errors[0].endswith("and run the same command again: what is done stays done")
    assert "Traceback" not in result.err
    assert batch(tmp_path / "right").status == 0
    right, found = contents(tmp_path / "right"), contents(small_disk / "out")
    assert 0 < len(found) < len(right) == 44
    assert found == {name: right[name] for name in found}

    mount("-o", "remount,size=16m", str(small_disk))
    result = batch(small_disk / "out")
    assert result.status == 0
    assert f"{len(found)} were already done" in result.out
    assert contents(small_disk / "out") == right
    assert list((small_disk / "out" / FOLDER / "parts").iterdir()) == []


def test_a_read_only_disk_is_named(batch: Cli, small_disk: Path) -> None:
    mount("-o", "remount,ro,size=400k", str(small_disk))
    result = batch(small_disk / "out")
    assert result.status == 1
    assert result.err.endswith(
        f"error: {small_disk}/out/.efgan-rt: cannot be written: Read-only file system; "
        "expected an output folder that can be\n"
    )


def test_a_disk_that_has_become_read_only_keeps_what_is_done(batch: Cli, small_disk: Path) -> None:
    mount("-o", "remount,size=16m", str(small_disk))
    assert batch(small_disk / "out").status == 0
    before = contents(small_disk / "out")
    mount("-o", "remount,ro,size=16m", str(small_disk))
    result = batch(small_disk / "out")
    assert result.status == 1
    assert "/out/.efgan-rt: cannot be written: Read-only file system; expected" in result.err
    assert contents(small_disk / "out") == before
