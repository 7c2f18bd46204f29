"""The notebook of examples/ runs, cell by cell, as whoever opens it would run it."""

import ast
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from efgan_rt.pictures.mark import is_marked
from efgan_rt.pictures.read import read_original

NOTEBOOKS = ("first_edit.ipynb",)


def run_cell(source: str, names: dict[str, Any]) -> Any:
    """Runs a cell; gives what a notebook would show of it, its last expression."""
    body = ast.parse(source)
    last = None
    if isinstance(body.body[-1], ast.Expr):
        last = ast.Expression(body.body.pop().value)  # type: ignore[attr-defined]
    exec(compile(body, "cell", "exec"), names)
    return None if last is None else eval(compile(last, "cell", "eval"), names)


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_from_top_to_bottom(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    examples = repository / "examples"
    shutil.copytree(examples / "photographs", tmp_path / "photographs")
    monkeypatch.chdir(tmp_path)
    notebook = json.loads((examples / name).read_text())
    assert notebook["nbformat"] == 4
    names: dict[str, Any] = {}
    shown = [
        run_cell("".join(cell["source"]), names)
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]
    pictures = [each for each in shown if hasattr(each, "width")]
    assert len(pictures) == 4 and all(each.width > 200 for each in pictures)
    assert is_marked(read_original(tmp_path / "astronaut-surprised.jpg").metadata)


def test_every_notebook_is_run_and_holds_no_output(repository: Path) -> None:
    found = sorted(path.name for path in (repository / "examples").glob("*.ipynb"))
    assert found == sorted(NOTEBOOKS)
    for name in found:
        cells = json.loads((repository / "examples" / name).read_text())["cells"]
        assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
