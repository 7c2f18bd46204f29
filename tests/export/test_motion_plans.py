"""Networks with motion by TensorRT's real parser and compiler, without a GPU."""

from pathlib import Path
from typing import Any

import pytest

from engines.nvidia_driver import present_gpu
from export.build import build_engines
from export.plans import PlanOptions, remake_plans
from tests.motion_models import smooth_faces, write_motion_checkpoint

pytestmark = [
    pytest.mark.tensorrt,
    pytest.mark.usefixtures("loaded_tensorrt", "own_cache_folder"),
    pytest.mark.skipif(present_gpu() is not None, reason="made for a machine without a GPU"),
]


@pytest.mark.parametrize("precision", [pytest.param("fp32", marks=pytest.mark.slow), "fp16"])
def test_every_network_of_a_set_with_motion_compiles(
    precision: str, tmp_path: Path, loaded_tensorrt: Any
) -> None:
    checkpoint = write_motion_checkpoint(tmp_path / "motion.safetensors")
    built = tmp_path / "built"
    build_engines(checkpoint, built, precision=precision, batch=(1, 2, 2), faces=smooth_faces(2))
    made = remake_plans(built, tmp_path / "plans", PlanOptions())
    assert made.plans is not None
    facts = made.plans.settings["networks"]
    assert list(facts) == ["au_estimator", "interpolator", "stage_1", "stage_2"]
    for name in ("stage_1", "stage_2"):
        assert facts[name]["layers"] > 0
        outputs = {spec.name: spec.dtype for spec in made.networks[name].outputs}
        assert outputs["fields"] == "float16"
        assert outputs["pixels_out"] == "uint8"
