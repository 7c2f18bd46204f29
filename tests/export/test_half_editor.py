"""A checkpoint in half arithmetic edits as FP32 does, but for the rounding."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from export.calibration import bundled_faces
from export.graphs import CONVOLUTIONS
from export.half_editor import TITLE, HalfEditor
from export.to_half import fast_half_convolutions, half_twin
from tests.toy import REGIONS, toy_checkpoint
from train.evaluation.editors import CheckpointEditor
from train.evaluation.towards import edit_towards
from train.families.registry import load_checkpoint


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("half")
    return toy_checkpoint(folder / "toy.pt", stages=2, regions={"mouth": REGIONS["mouth"]})


def test_edits_are_those_of_fp32_but_for_the_rounding(checkpoint: Path) -> None:
    faces, wanted = bundled_faces()[:3], ["happy", "angry", "neutral"]
    exact = edit_towards(CheckpointEditor(checkpoint), faces, wanted)
    half = edit_towards(HalfEditor(checkpoint, batch=2), faces, wanted)
    error = half.astype(float) - exact
    # The bar of a build for half precision.
    assert 10 * np.log10(255**2 / max((error**2).mean(), 1e-9)) >= 45
    assert (half != faces).any()


def test_the_arithmetic_is_that_of_half_numbers(checkpoint: Path) -> None:
    networks = half_twin(load_checkpoint(checkpoint).build())
    seen = []
    with fast_half_convolutions(networks), torch.inference_mode():
        for layer in networks.au_reader.modules():
            if type(layer).__name__.removesuffix("2d") == CONVOLUTIONS[0]:
                layer.register_forward_hook(lambda *given: seen.append(given[2].dtype))
        networks.au_reader.au(torch.zeros(1, 3, 128, 128, dtype=torch.float16))
    assert set(seen) == {torch.float16}


def test_action_units_are_read_as_in_fp32(checkpoint: Path) -> None:
    exact, half = (
        each(checkpoint).au(bundled_faces()[:3]) for each in (CheckpointEditor, HalfEditor)
    )
    assert half.dtype == np.float32
    np.testing.assert_allclose(half, exact, atol=0.02)  # of 5


def test_it_says_what_it_is(checkpoint: Path) -> None:
    editor = HalfEditor(checkpoint)
    assert (editor.title, editor.backend, editor.precision) == (TITLE, "torch", "fp16")
    sha256 = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert editor.origin["checkpoint_sha256"] == sha256
