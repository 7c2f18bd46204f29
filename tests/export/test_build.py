"""From a checkpoint to an engine directory."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from efgan_rt.errors import EfganError
from efgan_rt.families.registry import read_properties
from engines.directory import EngineDirectory
from engines.manifest import read_manifest
from export.build import build_engines
from tests.built_engines import Built
from tests.toy import REGIONS, toy_checkpoint, toy_expressions
from train.checkpoint import save_pt
from train.families.registry import load_checkpoint

Faces = npt.NDArray[np.uint8]
BASELINE: dict[str, Any] = {"regions": {}, "stages": 1}


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_what_is_built_opens_as_a_cascade(fp32_engines: Built) -> None:
    manifest = read_manifest(fp32_engines.directory)
    assert manifest == fp32_engines.manifest
    assert list(manifest.networks) == ["au_estimator", "interpolator", "stage_1", "stage_2"]
    for entry in manifest.networks.values():
        EngineDirectory(fp32_engines.directory).content(entry.stored)
    properties = read_properties(EngineDirectory(fp32_engines.directory, manifest))
    assert properties.stages == 2
    assert np.array_equal(properties.expressions["happy"], toy_expressions()["happy"])


def test_the_manifest_says_what_was_built_from_what(fp32_engines: Built) -> None:
    manifest = fp32_engines.manifest
    assert (manifest.precision, manifest.weights) == ("fp32", "fp32")
    sha256 = hashlib.sha256(fp32_engines.checkpoint.read_bytes()).hexdigest()
    assert manifest.properties["checkpoint_sha256"] == sha256
    assert manifest.properties["training"] == {"data": "random weights", "step": 0}
    mouth = manifest.properties["regions"]["mouth"]
    assert mouth == {
        "top": REGIONS["mouth"].top,
        "left": REGIONS["mouth"].left,
        "height": 40,
        "width": 60,
    }
    assert {"torch", "onnx", "onnxscript", "onnxruntime"} == set(manifest.properties["made_with"])
    assert {entry.batch for entry in manifest.networks.values()} == {(1, 8, 32)}


def test_every_network_carries_its_parity(fp32_engines: Built) -> None:
    parity = {name: entry.parity for name, entry in fp32_engines.manifest.networks.items()}
    assert parity["au_estimator"]["au_max_abs"] <= 5e-4
    assert parity["interpolator"]["stage_au_max_abs"] <= 5e-4
    for stage in ("stage_1", "stage_2"):
        assert parity[stage]["image_out_max_abs"] <= 1e-4
        assert parity[stage]["pixels_out_max_abs"] <= 1
        assert parity[stage]["peak_activation"] > 1
    assert fp32_engines.manifest.properties["parity"] == {"faces": 3}


def test_a_half_set_says_what_half_precision_costs(fp16_engines: Built) -> None:
    assert (fp16_engines.manifest.precision, fp16_engines.manifest.weights) == ("fp16", "fp16")
    parity = fp16_engines.manifest.networks["stage_2"].parity
    assert 45 <= parity["pixels_out_psnr_db_against_fp32"] < 90
    assert fp16_engines.manifest.networks["stage_1"].batch == (1, 4, 4)


def test_progress_has_a_line_for_each_network(fp32_engines: Built) -> None:
    heads = [line.partition(":")[0] for line in fp32_engines.progress]
    assert heads == ["reference", "au_estimator", "interpolator", "stage_1", "stage_2"]


def copy_files(source: Path, destination: Path) -> None:
    destination.mkdir(parents=True)
    for name, content in files_in(source).items():
        (destination / name).write_bytes(content)


def test_a_safetensors_baseline_with_half_weights_replaces_other_engines(
    tmp_path: Path, faces: Faces, fp32_engines: Built
) -> None:
    checkpoint = toy_checkpoint(tmp_path / "toy.safetensors", **BASELINE)
    out = tmp_path / "made" / "engines"
    copy_files(fp32_engines.directory, out)
    manifest = build_engines(checkpoint, out, weights="fp16", batch=(2, 2, 2), faces=faces)
    assert read_manifest(out) == manifest
    assert (manifest.precision, manifest.weights) == ("fp32", "fp16")
    # The checkpoint holds halves already, so storing halves loses nothing.
    assert manifest.networks["stage_1"].parity["pixels_out_psnr_db_against_fp32"] == 99.0
    assert set(files_in(out)) == {
        "manifest.json",
        "au_estimator.onnx",
        "interpolator.onnx",
        "stage_1.onnx",
    }
    assert [path.name for path in out.parent.iterdir()] == ["engines"]


def broken_checkpoint(path: Path, name: str, factor: float) -> Path:
    """A toy baseline of which one weight is multiplied."""
    checkpoint = load_checkpoint(toy_checkpoint(path, **BASELINE))
    weights = checkpoint.weights | {name: checkpoint.weights[name] * factor}
    save_pt(replace(checkpoint, weights=weights), path)
    return path


STEM = "cascade.stages.0.transformer.face.body.0.0.weight"


def test_weights_that_are_not_numbers_are_refused_and_nothing_is_left(
    tmp_path: Path, faces: Faces
) -> None:
    checkpoint = broken_checkpoint(tmp_path / "nan.pt", STEM, float("nan"))
    with pytest.raises(EfganError, match=r"stage_1: image_out is not finite .* diverged"):
        build_engines(checkpoint, tmp_path / "engines", faces=faces)
    assert [path.name for path in tmp_path.iterdir()] == ["nan.pt"]


def test_activations_near_the_end_of_half_are_refused(tmp_path: Path, faces: Faces) -> None:
    # The instance norm behind the layer hides it from FP32; ONNX Runtime's CPU would hide it too.
    checkpoint = broken_checkpoint(tmp_path / "large.pt", STEM, 2e4)
    with pytest.raises(
        EfganError, match=r"stage_1: .*peak_activation is .*at most 16376"
    ) as caught:
        build_engines(checkpoint, tmp_path / "engines", precision="fp16", faces=faces)
    assert "build with --precision fp32" in str(caught.value)


def test_a_failed_build_leaves_the_engines_that_were_there(
    tmp_path: Path, faces: Faces, fp32_engines: Built
) -> None:
    out = tmp_path / "engines"
    copy_files(fp32_engines.directory, out)
    checkpoint = broken_checkpoint(tmp_path / "nan.pt", STEM, float("nan"))
    with pytest.raises(EfganError):
        build_engines(checkpoint, out, faces=faces)
    assert files_in(out) == files_in(fp32_engines.directory)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "int8"}, "precision: found 'int8', expected fp32 or fp16"),
        ({"weights": "bf16"}, "weights: found 'bf16', expected fp32 or fp16"),
        ({"precision": "fp16", "weights": "fp32"}, "leave weights out, or take precision fp32"),
        ({"batch": (1, 8, 4)}, "batch: found 1:8:4, expected MIN:OPT:MAX in rising order from 1"),
        ({"batch": (0, 8, 8)}, "batch: found 0:8:8"),
    ],
)
def test_wrong_options_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(EfganError, match=message):
        build_engines(tmp_path / "absent.pt", tmp_path / "engines", **options)


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(EfganError, match=r"absent\.pt: no such checkpoint"):
        build_engines(tmp_path / "absent.pt", tmp_path / "engines")


def test_a_directory_of_other_files_is_refused_before_any_work(tmp_path: Path) -> None:
    out = tmp_path / "pictures"
    out.mkdir()
    (out / "face.jpg").write_text("")
    with pytest.raises(EfganError, match=r"holds face\.jpg"):
        build_engines(tmp_path / "absent.pt", out)


def test_parity_figures_in_the_file_are_finite_json(fp16_engines: Built) -> None:
    text = (fp16_engines.directory / "manifest.json").read_text()
    assert "NaN" not in text and "Infinity" not in text
    assert json.loads(text)["format"] == "efgan-rt engines 1"


def test_the_toy_checkpoint_has_no_idle_parameters(tmp_path: Path) -> None:
    """A layer of zeros would agree with anything."""
    weights = load_checkpoint(toy_checkpoint(tmp_path / "toy.pt")).weights
    assert [name for name, value in weights.items() if not torch.count_nonzero(value)] == []
