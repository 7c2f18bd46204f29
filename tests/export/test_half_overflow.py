"""An overflow of float16, planted in a network: who sees it, and who does not.

ONNX Runtime's CPU kernels compute a half graph in FP32. A comparison of its outputs with PyTorch's
therefore passes a network that a GPU, which computes in half, would ruin. The gate of a build asks
PyTorch's half arithmetic and the largest activation instead.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from efgan_rt.errors import EfganError
from export.build import build_engines
from export.graphs import check_precision, to_file_bytes
from export.networks import ExportedNetwork, exported_networks, run_in_torch
from export.parity import (
    AGAINST_FP32,
    FILE_BARS_FP16,
    HALF_BARS,
    LARGEST_HALF,
    Run,
    differences,
    hold,
    rounding_figures,
    run_file,
)
from export.to_half import (
    fast_half_convolutions,
    half_twin,
    recorded_peaks,
)
from export.to_onnx import to_onnx
from tests.toy import toy_checkpoint, toy_expressions
from train.checkpoint import save_pt
from train.families.cascade.networks.inference import InferenceNetworks
from train.families.cascade.probe import probe_for
from train.families.registry import load_checkpoint

Faces = npt.NDArray[np.uint8]
STEM = "cascade.stages.0.transformer.face.body.0.0.weight"


@pytest.fixture(scope="module")
def overflowing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint whose first convolution gives more than float16 holds.

    The instance norm behind it divides that out again, so in FP32 the edit is an ordinary one. All
    weights are within float16's range.
    """
    path = toy_checkpoint(tmp_path_factory.mktemp("overflow") / "toy.pt", regions={}, stages=1)
    checkpoint = load_checkpoint(path)
    weights = checkpoint.weights | {STEM: checkpoint.weights[STEM] * 2e5}
    assert weights[STEM].abs().max() < LARGEST_HALF
    save_pt(replace(checkpoint, weights=weights), path)
    return path


@pytest.fixture(scope="module")
def trained(overflowing: Path) -> InferenceNetworks:
    networks: InferenceNetworks = load_checkpoint(overflowing).build()
    return networks


@pytest.fixture(scope="module")
def exact(trained: InferenceNetworks, faces: Faces) -> Run:
    """What the first stage takes and gives in FP32."""
    networks = exported_networks(trained)
    with recorded_peaks({"stage_1": networks["stage_1"].module}) as peaks:
        runs = run_in_torch(networks, probe_for(faces, 1, 17, toy_expressions()).places)
    assert peaks["stage_1"] > LARGEST_HALF, "nothing was planted"
    return runs["stage_1"]


@pytest.fixture(scope="module")
def half_stage(trained: InferenceNetworks) -> ExportedNetwork:
    return exported_networks(half_twin(trained), torch.float16)["stage_1"]


def test_the_gate_refuses_it_by_its_largest_activation(
    overflowing: Path, tmp_path: Path, faces: Faces
) -> None:
    with pytest.raises(EfganError) as caught:
        build_engines(overflowing, tmp_path / "engines", precision="fp16", faces=faces)
    message = str(caught.value)
    assert message.startswith("stage_1: parity failed, peak_activation is ")
    assert "expected at most 16376; no engines were written" in message
    assert message.endswith(
        "half precision does not carry these weights: build with --precision fp32"
    )
    assert list(tmp_path.iterdir()) == []


def test_half_arithmetic_alone_would_refuse_it_too(
    trained: InferenceNetworks, exact: Run, faces: Faces
) -> None:
    twin = half_twin(trained)
    probe = probe_for(faces, 1, 17, toy_expressions())
    with fast_half_convolutions(twin):
        half = run_in_torch(exported_networks(twin, torch.float16), probe.places)["stage_1"]
    figures = rounding_figures(half, exact)
    print(figures)
    with pytest.raises(EfganError, match=r"stage_1: parity failed, pixels_out_psnr_db_against_fp3"):
        hold("stage_1", figures, HALF_BARS, "")


def test_onnx_runtime_on_a_processor_passes_the_same_half_graph(
    half_stage: ExportedNetwork, exact: Run, tmp_path: Path
) -> None:
    model = to_onnx(half_stage)
    check_precision(model, half=True)
    path = tmp_path / "stage_1.onnx"
    path.write_bytes(to_file_bytes(model))
    figures = differences(run_file(path, exact.inputs), exact.outputs)
    print(figures)
    hold(
        "stage_1", figures, FILE_BARS_FP16, ""
    )  # at least 45 dB, though a GPU gives another picture
    assert figures["pixels_out_psnr_db"] >= HALF_BARS["pixels_out_psnr_db" + AGAINST_FP32].limit
