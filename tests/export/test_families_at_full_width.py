"""EET and ECGAN at their papers' width, random weights, through TensorRT's real compiler.

Minutes and gigabytes: only where `EFGAN_FULL_WIDTH=1` asks for it.
"""

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from engines.directory import EngineDirectory
from engines.manifest import Manifest
from engines.nvidia_driver import present_gpu
from export.build import Form, network_entry, write_network
from export.networks import exported_networks
from export.plans import PlanOptions, remake_plans
from export.to_half import half_twin
from train.families.ecgan.config import ECGANConfig
from train.families.eet.config import EETConfig
from train.families.registry import trained_family

pytestmark = pytest.mark.skipif(
    not os.environ.get("EFGAN_FULL_WIDTH"), reason="EFGAN_FULL_WIDTH=1 runs it: it takes long"
)

UNITS = tuple(f"AU{number:02}" for number in range(1, 13))
FULL = {
    "eet": EETConfig(256, UNITS, identities=60, poses=3),
    "ecgan": ECGANConfig(256, ("angry", "happy", "neutral"), residual_blocks=9),
}


def write_full_width(folder: Path, name: str) -> None:
    """An engine directory in half precision, of a family's full width."""
    folder.mkdir()
    family, config = trained_family(name), FULL[name]
    form = Form("fp16", "fp16", (1, 2, 4))
    networks = exported_networks(half_twin(family.folded(family.empty(config))), torch.float16)
    entries = {
        each: network_entry(network, write_network(network, folder, form), form, {})
        for each, network in networks.items()
    }
    properties: dict[str, Any] = {**family.properties(config), "expressions": {}}
    if isinstance(config, ECGANConfig):
        count = len(config.expressions)
        properties["expressions"] = dict(
            zip(config.expressions, torch.eye(count).tolist(), strict=True)
        )
    manifest = Manifest("0", "onnx", "fp16", "fp16", entries, properties, family=name)
    manifest.write(folder)


@pytest.mark.slow
@pytest.mark.tensorrt
@pytest.mark.usefixtures("loaded_tensorrt", "own_cache_folder")
@pytest.mark.skipif(present_gpu() is not None, reason="made for a machine without a GPU")
@pytest.mark.parametrize("name", list(FULL))
def test_tensorrts_real_compiler_makes_plans_of_the_full_width(tmp_path: Path, name: str) -> None:
    write_full_width(tmp_path / "onnx", name)
    made = remake_plans(tmp_path / "onnx", tmp_path / "planned", PlanOptions())
    directory = EngineDirectory(tmp_path / "planned")
    assert all(directory.plan(network) for network in made.networks)
