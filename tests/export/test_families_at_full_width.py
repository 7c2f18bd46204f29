"""EET and ECGAN at their papers' width, random weights, through TensorRT's real compiler.

Minutes and gigabytes: only where `EFGAN_FULL_WIDTH=1` asks for it.
"""

import os
from pathlib import Path

import pytest

from engines.directory import EngineDirectory
from engines.nvidia_driver import present_gpu
from export.plans import PlanOptions, remake_plans
from tests.export.untrained import write_untrained
from train.families.ecgan.config import ECGANConfig
from train.families.eet.config import EETConfig

pytestmark = pytest.mark.skipif(
    not os.environ.get("EFGAN_FULL_WIDTH"), reason="EFGAN_FULL_WIDTH=1 runs it: it takes long"
)

UNITS = tuple(f"AU{number:02}" for number in range(1, 13))
FULL: dict[str, EETConfig | ECGANConfig] = {
    "eet": EETConfig(256, UNITS, identities=60, poses=3),
    "ecgan": ECGANConfig(256, ("angry", "happy", "neutral"), residual_blocks=9),
}


@pytest.mark.slow
@pytest.mark.tensorrt
@pytest.mark.usefixtures("loaded_tensorrt", "own_cache_folder")
@pytest.mark.skipif(present_gpu() is not None, reason="made for a machine without a GPU")
@pytest.mark.parametrize("name", list(FULL))
def test_tensorrts_real_compiler_makes_plans_of_the_full_width(tmp_path: Path, name: str) -> None:
    write_untrained(tmp_path / "onnx", name, FULL[name], half=True)
    made = remake_plans(tmp_path / "onnx", tmp_path / "planned", PlanOptions())
    directory = EngineDirectory(tmp_path / "planned")
    assert all(directory.plan(network) for network in made.networks)
