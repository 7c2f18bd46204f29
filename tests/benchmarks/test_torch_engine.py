"""PyTorch in an engine's place, with the processor in the GPU's."""

import numpy as np
import pytest

from benchmarks.gpu.parity import edited_pixels, measured, reference_of, torch_engines
from benchmarks.host_cuda import HostCuda
from benchmarks.torch_engine import TorchForm, torch_networks
from benchmarks.torch_loop import TorchLoop
from efgan_rt.expressions import target_places
from tests.toy import REGIONS, toy_checkpoint
from train.checkpoint import Checkpoint
from train.families.registry import load_checkpoint


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    path = tmp_path_factory.mktemp("toy") / "toy.pt"
    return load_checkpoint(toy_checkpoint(path, regions={"mouth": REGIONS["mouth"]}))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_lane_of_pytorch_engines_edits_as_pytorch_does(
    checkpoint: Checkpoint, precision: str
) -> None:
    reference, cuda = reference_of(checkpoint, 2), HostCuda()
    form = TorchForm(precision, channels_last=precision == "bf16")
    engines = torch_engines(checkpoint, form, "cpu", 2, cuda)
    found = measured(cuda, engines, reference, precision)
    print(found["figures"])
    # Two stages of random weights amplify what bf16 rounds, as trained ones do not: the whole
    # cascade has no bar here, each network has.
    whole = "whole cascade" if precision == "bf16" else "nothing"
    assert [each for each in found["missed"] if not each.startswith(whole)] == []
    rounded = found["figures"]["stage_1"]["image_out_max_abs"]
    assert rounded > 1e-4 if precision == "bf16" else rounded <= 1e-4


def test_a_figure_beyond_its_bar_is_named(checkpoint: Checkpoint) -> None:
    reference, cuda = reference_of(checkpoint, 2), HostCuda()
    engines = torch_engines(checkpoint, TorchForm("bf16"), "cpu", 2, cuda)
    missed = measured(cuda, engines, reference, "fp32")["missed"]
    assert any(m.startswith("stage_1: image_out_max_abs is ") for m in missed)
    assert any(m.endswith("expected at most 0.0001") for m in missed)


def test_the_loop_gives_what_the_lane_gives(checkpoint: Checkpoint) -> None:
    reference, form = reference_of(checkpoint, 2), TorchForm()
    networks = torch_networks(checkpoint.build(), form, "cpu")
    probe = reference.probe
    loop = TorchLoop(networks, reference.properties.stages, 2, "cpu")
    looped = loop.run(probe.pixels, target_places(probe.target_scale, probe.target_offset))
    engines = torch_engines(checkpoint, form, "cpu", 2, HostCuda())
    assert np.array_equal(looped.pixels, edited_pixels(HostCuda(), engines, reference))
    assert list(looped.seconds) == ["upload", *networks, "download"]
