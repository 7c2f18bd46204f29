"""The documentation's two figures: what stands where, from a checkpoint and from engines."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.stages import expression_rows, parse_arguments, run, spread, stage_rows
from efgan_rt.errors import EfganError
from tests.benchmarks.test_ablation import toy_checkpoint
from tests.toy import toy_checkpoint as small_checkpoint
from tests.toy_people import read_people, write_people
from train.evaluation.editors import CheckpointEditor
from train.evaluation.sheet import HEADING_PX, NAME_PX


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture set of three unseen people and a model of two stages."""
    root = tmp_path_factory.mktemp("stages")
    (root / "data").mkdir()
    write_people(root / "data", ["id200", "id201", "id202"])
    toy_checkpoint(root / "two.pt", 2)
    return root


def test_people_are_taken_evenly_from_the_first_to_the_last() -> None:
    people = [f"id{n}" for n in range(200, 240)]
    assert spread(people, 2) == ["id200", "id239"]
    assert len(set(spread(people, 8))) == 8
    assert spread(people[:3], 8) == people[:3]


def test_a_grid_row_is_the_neutral_picture_and_its_eight_edits(folder: Path) -> None:
    faces = read_people(folder / "data")
    rows = expression_rows(CheckpointEditor(folder / "two.pt"), faces)
    assert [name for name, _ in rows] == ["id200", "id201", "id202"]
    assert all(len(crops) == 9 for _, crops in rows)
    neutral = faces.table.expressions.index("neutral")
    np.testing.assert_array_equal(rows[0][1][0], faces.pixels[neutral].numpy())


def test_a_strip_row_ends_with_the_edit_and_the_truth(folder: Path) -> None:
    faces, editor = read_people(folder / "data"), CheckpointEditor(folder / "two.pt")
    rows = stage_rows(editor, faces)
    assert [name for name, _ in rows] == ["happy"] * 3 + ["surprised"] * 3
    table = faces.table
    row_of = {k: i for i, k in enumerate(zip(table.identities, table.expressions, strict=True))}
    given, truth = (faces.pixels[row_of["id200", e]].numpy() for e in ("angry", "happy"))
    first = rows[0][1]
    assert len(first) == 4
    np.testing.assert_array_equal(first[0], given)
    np.testing.assert_array_equal(first[3], truth)
    edit = editor.edit(given[None], editor.expressions["happy"][None])[0].astype(int)
    # A batch of one may round another way than a batch of three; the stages lie further apart.
    assert np.abs(first[2] - edit).max() <= 1 < np.abs(first[1] - edit).max()


def test_both_sheets_are_written(folder: Path, tmp_path: Path) -> None:
    written = run(
        parse_arguments(
            [f"--checkpoint={folder / 'two.pt'}", f"--data={folder / 'data'}", f"--out={tmp_path}"]
        )
    )
    assert [path.name for path in written] == ["expressions.png", "stages.png"]
    shapes = [picture.shape for path in written if (picture := cv2.imread(str(path))) is not None]
    assert shapes == [
        (HEADING_PX + 3 * 128, NAME_PX + 9 * 128, 3),
        (HEADING_PX + 4 * 128, NAME_PX + 4 * 128, 3),
    ]


def test_a_model_without_an_expression_is_refused(folder: Path, tmp_path: Path) -> None:
    editor = CheckpointEditor(small_checkpoint(tmp_path / "three.pt"))
    with pytest.raises(EfganError, match=r"^the model has no expression surprised; it has angry"):
        stage_rows(editor, read_people(folder / "data"))
