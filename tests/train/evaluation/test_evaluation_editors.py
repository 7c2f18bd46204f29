"""A checkpoint in PyTorch and the engines made from it give the same edits to be measured."""

from pathlib import Path

import numpy as np
import pytest

from efgan_rt.errors import EfganError
from export.calibration import bundled_faces
from tests.built_engines import Built
from tests.toy_engines import write_toy_engines
from train.evaluation.editors import CheckpointEditor, EngineEditor
from train.evaluation.towards import edit_towards


@pytest.fixture(scope="module")
def editors(fp32_engines: Built) -> tuple[CheckpointEditor, EngineEditor]:
    folder = fp32_engines.directory
    engines = EngineEditor(folder, backend="onnxruntime", precision=None, threads=1)
    return CheckpointEditor(fp32_engines.checkpoint, batch=2), engines


def test_both_edit_alike(editors: tuple[CheckpointEditor, EngineEditor]) -> None:
    faces, wanted = bundled_faces()[:3], ["happy", "angry", "neutral"]
    in_torch, in_engines = (edit_towards(editor, faces, wanted) for editor in editors)
    # FP32 in both, summed in another order: a value on the edge may round the other way.
    assert np.abs(in_torch.astype(int) - in_engines).max() <= 1
    assert (in_torch != faces).any()


def test_both_read_action_units_alike(editors: tuple[CheckpointEditor, EngineEditor]) -> None:
    in_torch, in_engines = (editor.au(bundled_faces()[:3]) for editor in editors)
    np.testing.assert_allclose(in_torch, in_engines, atol=5e-4)
    assert in_torch.min() >= 0 and in_torch.max() <= 5


def test_each_says_how_it_runs(editors: tuple[CheckpointEditor, EngineEditor]) -> None:
    assert editors[1].title == "onnxruntime fp32"
    assert [(e.backend, e.precision) for e in editors] == [
        ("torch", "fp32"),
        ("onnxruntime", "fp32"),
    ]
    assert len(editors[1].origin["checkpoint_sha256"]) == 64


def test_half_precision_graphs_are_named_where_the_arithmetic_is_wider(fp16_engines: Built) -> None:
    folder = fp16_engines.directory
    half = EngineEditor(folder, backend="onnxruntime", precision=None, threads=1, batch=4)
    assert half.title == "onnxruntime fp32, fp16 graphs"


def test_engines_of_another_size_are_judged_at_the_judges_size(tmp_path: Path) -> None:
    write_toy_engines(tmp_path)
    editor = EngineEditor(tmp_path, backend="onnxruntime", precision=None, threads=1)
    faces = bundled_faces()[:3]
    units = len(editor.au_names)
    assert editor.edit(faces, np.zeros((3, units), np.float32)).shape == faces.shape
    assert editor.au(faces).shape == (3, units)


def test_an_expression_that_the_model_lacks_is_named(
    editors: tuple[CheckpointEditor, EngineEditor],
) -> None:
    with pytest.raises(
        EfganError, match=r"^the model has no expression sad; it has angry happy neutral$"
    ):
        edit_towards(editors[0], bundled_faces()[:1], ["sad"])
