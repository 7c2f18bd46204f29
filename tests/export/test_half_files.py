"""Half precision made of an engine directory in FP32, without its checkpoint or PyTorch."""

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from efgan_rt.editing import OpenedSet
from efgan_rt.engine_sets import shipped_set
from efgan_rt.errors import EfganError
from efgan_rt.expressions import target_places
from engines.directory import EngineDirectory
from engines.manifest import NetworkEntry, read_manifest
from export.graphs import CONVOLUTIONS, check_precision, tensor_types, to_file_bytes
from export.half_files import remake_half
from export.half_graph import PEAK, to_half, with_visible_rounding
from export.parity import psnr_db, run_file
from tests.built_engines import Built

Faces = npt.NDArray[np.uint8]

# What a user has who installed the extra for the GPU and nothing else.
WITHOUT_TORCH = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "onnxscript", "onnx_ir", "safetensors"):
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)

sys.meta_path.insert(0, Missing())
sys.argv = ["efgan-rt", *sys.argv[1:]]
from efgan_rt.cli.app import command
command()
"""


def without_torch(*arguments: object) -> "subprocess.CompletedProcess[str]":
    """Runs a command where PyTorch cannot be imported."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_engines_that_come_along_become_half_without_torch(tmp_path: Path) -> None:
    shipped, out = shipped_set(), tmp_path / "half"
    assert shipped is not None
    options = ("--precision", "fp16", "--backend", "onnx", "--batch", "1:64:128", "--out", out)
    made = without_torch("build-engines", shipped, *options)
    assert made.returncode == 0, made.stderr
    assert "stage_1: " in made.stderr and "pixels_out_psnr_db_against_fp32" in made.stdout
    manifest = read_manifest(out)
    assert (manifest.precision, manifest.weights) == ("fp16", "fp16")
    assert manifest.properties["parity"]["faces"] == 8
    assert manifest.properties["parity"]["margin_to_65504"] > 4
    stage = manifest.network("stage_1")
    assert stage.batch == (1, 64, 128)
    assert stage.parity["pixels_out_psnr_db_against_fp32"] >= 45
    assert stage.bytes < 0.6 * 2 * (shipped / "efgan.safetensors").stat().st_size
    # What has no network in half is the very file; a stage samples its grids in FP32.
    directory = EngineDirectory(out)
    assert directory.model("interpolator") == EngineDirectory(shipped).model("interpolator")
    model = onnx.load_from_string(directory.model("stage_1"))
    types = tensor_types(model)
    for node in model.graph.node:
        if node.op_type in ("GridSample", "Gemm", "Tanh", "Sigmoid"):
            assert {types[name] for name in node.input} == {TensorProto.FLOAT}


def both(fp32: Path, half: Path, faces: Faces) -> tuple[Any, Any]:
    """The same edit by either set, in ONNX Runtime."""
    edits = []
    for path in (fp32, half):
        opened = OpenedSet.open(path, backend="onnxruntime", batch=1)
        goal = np.full((1, len(opened.au_names)), 2.0, np.float32)
        edits.append(opened.edit(faces[:1], target_places(np.zeros_like(goal), goal)))
    return edits[0], edits[1]


def test_stages_hand_half_pictures_on_and_edit_alike(
    fp32_engines: Built, fp16_engines: Built, faces: Faces, tmp_path: Path
) -> None:
    lines: list[str] = []
    made = remake_half(
        fp32_engines.directory, tmp_path / "half", faces=faces, progress=lines.append
    )
    assert [line.partition(":")[0] for line in lines[1:]] == list(made.networks)
    for name, entry in made.networks.items():
        by_torch = fp16_engines.manifest.network(name)
        assert _types(entry) == _types(by_torch)
        model = onnx.load_from_string(EngineDirectory(tmp_path / "half").model(name))
        check_precision(model, half=name != "interpolator")
    exact, half = both(fp32_engines.directory, tmp_path / "half", faces)
    error = exact.pixels.astype(np.float64) - half.pixels
    print(f"max {np.abs(error).max():.0f}, mean {np.abs(error).mean():.3f} levels")
    assert psnr_db(error) >= 45  # the bar of any half set
    assert error.any()  # it is another arithmetic


def _types(entry: NetworkEntry) -> dict[str, str]:
    return {spec.name: spec.dtype for spec in (*entry.inputs, *entry.outputs)}


def test_engines_in_half_are_not_made_half_again(fp16_engines: Built, tmp_path: Path) -> None:
    with pytest.raises(EfganError, match="these engines are fp16 already, expected fp32"):
        remake_half(fp16_engines.directory, tmp_path / "half")


def chain(middle: float) -> onnx.ModelProto:
    """Two convolutions with a ReLU between them, which bring a picture of ones back to ones."""
    weights = {"first": middle, "second": 1 / middle}
    nodes = [
        helper.make_node("Conv", ["x", "first"], ["large"]),
        helper.make_node("Relu", ["large"], ["positive"]),
        helper.make_node("Conv", ["positive", "second"], ["y"]),
    ]
    constants = [
        numpy_helper.from_array(np.full((1, 1, 1, 1), value, np.float32), name)
        for name, value in weights.items()
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", 1, 4, 4]) for name in "xy"]
    graph = helper.make_graph(nodes, "chain", ends[:1], ends[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    model.ir_version = 10
    return model


def test_what_lies_between_two_convolutions_is_half_and_what_follows_the_last_is_not() -> None:
    half = to_half(chain(3.0))
    types = tensor_types(half)
    assert [node.op_type for node in half.graph.node] == ["Cast", "Conv", "Relu", "Conv", "Cast"]
    assert types["positive.half"] == TensorProto.FLOAT16
    assert types["y"] == types["x"] == TensorProto.FLOAT
    assert {each.data_type for each in half.graph.initializer} == {TensorProto.FLOAT16}
    assert sum(node.op_type in CONVOLUTIONS for node in half.graph.node) == 2


def test_an_overflow_of_half_shows_where_the_runtime_alone_hides_it() -> None:
    ones = np.ones((1, 1, 4, 4), np.float32)
    # 60,000 fits float16, and its double does not.
    half = to_half(chain(60_000.0))
    visible = to_file_bytes(with_visible_rounding(half))
    fine = run_file(visible, {"x": ones}, optimised=False)
    assert fine[PEAK] == pytest.approx(60_000, rel=1e-3)
    assert np.allclose(fine["y"], 1, rtol=0.02)  # the second weight is a subnormal half
    hidden = run_file(to_file_bytes(half), {"x": 2 * ones})
    shown = run_file(visible, {"x": 2 * ones}, optimised=False)
    assert np.isfinite(hidden["y"]).all()
    assert np.isinf(shown["y"]).all() and np.isinf(shown[PEAK])


def test_a_set_that_leaves_half_is_refused_and_nothing_is_written(
    fp32_engines: Built, faces: Faces, tmp_path: Path
) -> None:
    source = EngineDirectory(fp32_engines.directory)
    planted = tmp_path / "planted"
    planted.mkdir()
    entries = dict(source.manifest.networks)
    for name, entry in entries.items():
        model = onnx.load_from_string(source.model(name))
        if name == "stage_1":
            first = next(node for node in model.graph.node if node.op_type == "Conv")
            weight = next(each for each in model.graph.initializer if each.name == first.input[1])
            values = numpy_helper.to_array(weight) * 1e6  # the norm behind it takes it away again
            weight.CopyFrom(numpy_helper.from_array(values.astype(np.float32), weight.name))
        content = to_file_bytes(model)
        (planted / entry.file).write_bytes(content)
        entries[name] = _vouched(entry, content)
    replace(source.manifest, networks=entries).write(planted)
    with pytest.raises(
        EfganError, match=r"stage_1: parity failed, peak_activation is .*expected at "
    ):
        remake_half(planted, tmp_path / "half", faces=faces)
    assert not (tmp_path / "half").exists()


def _vouched(entry: NetworkEntry, content: bytes) -> NetworkEntry:
    return replace(entry, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
