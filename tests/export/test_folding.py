"""Folded stages: less work, the same pictures."""

import copy

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from export.networks import exported_networks, run_in_torch
from export.parity import differences
from tests.toy import REGIONS, toy_config, toy_expressions, toy_networks
from train.families.cascade.folding import FoldedHead, FoldedStem, folded, places, rim_of
from train.families.cascade.networks.inference import InferenceNetworks
from train.families.cascade.probe import probe_for

Faces = npt.NDArray[np.uint8]


@pytest.mark.parametrize(
    "changes",
    [{}, {"regions": {}}, {"regions": {"mouth": REGIONS["mouth"]}}, {"residual_refiner": True}],
    ids=["all regions", "no region", "one region", "residual Refiner"],
)
def test_a_folded_cascade_gives_the_trained_ones_pictures(
    changes: dict[str, object], faces: Faces
) -> None:
    networks = toy_networks(toy_config(**changes))
    probe = probe_for(faces, 2, 17, toy_expressions())
    trained = run_in_torch(exported_networks(networks), probe.places)
    found = run_in_torch(exported_networks(folded(networks)), probe.places)
    for name in ("stage_1", "stage_2"):
        figures = differences(found[name].outputs, trained[name].outputs)
        error = np.abs(found[name].outputs["image_out"] - trained[name].outputs["image_out"])
        print(f"{name}: max {error.max():.2g}, mean {error.mean():.2g}")
        assert figures["image_out_max_abs"] < 1e-4  # only the order of additions differs
        assert figures["pixels_out_max_abs"] <= 1
        assert figures["attention_max_abs"] <= 1


@pytest.mark.parametrize(("height", "width"), [(40, 92), (8, 7), (128, 128)])
def test_a_stem_differs_from_its_convolution_by_one_number_a_channel(
    height: int, width: int
) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(3 + 17, 8, 7, padding=3, bias=False)
    image, au = torch.randn(2, 3, height, width), torch.rand(2, 17)
    planes = au[:, :, None, None].expand(-1, -1, height, width)
    with torch.inference_mode():
        difference = conv(torch.cat([image, planes], 1)) - FoldedStem(conv, height, width)(
            image, au
        )
    spread = difference.amax((2, 3)) - difference.amin((2, 3))
    print(f"largest spread {spread.max():.2g}")
    assert spread.max() < 1e-5
    assert difference.abs().max() > 0.1


def test_the_rim_is_zero_where_every_tap_lies_inside() -> None:
    rim = rim_of(torch.randn(4, 17, 7, 7)).view(17, 4, 7, 7)
    assert torch.equal(rim[:, :, 3, 3], torch.zeros(17, 4))
    assert (rim[:, :, 0, 0].abs() > 0).all()


def test_places_rise_to_the_middle_and_on_to_the_far_edge() -> None:
    assert places(10, 7).tolist() == [0, 1, 2, 3, 3, 3, 3, 4, 5, 6]
    assert places(7, 7).tolist() == [0, 1, 2, 3, 4, 5, 6]
    with pytest.raises(AssertionError, match="as large as the kernel"):
        places(6, 7)


@pytest.mark.parametrize("channels", [3, 4])
def test_a_head_in_blocks_gives_its_convolutions_values(channels: int) -> None:
    torch.manual_seed(0)
    head = nn.Conv2d(8, channels, 7, padding=3, bias=False)
    features = torch.randn(2, 8, 12, 20)
    with torch.inference_mode():
        difference = FoldedHead(head)(features) - head(features)
    print(f"max {difference.abs().max():.2g}, mean {difference.abs().mean():.2g}")
    assert difference.abs().max() < 1e-5


def test_folding_leaves_the_given_networks_alone(faces: Faces) -> None:
    networks = toy_networks(toy_config())
    before = copy.deepcopy(networks.cascade.state_dict())
    twin = folded(networks)
    for parameter in twin.cascade.parameters():
        parameter.data.zero_()
    after = networks.cascade.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_folded_stage_multiplies_less() -> None:
    networks = toy_networks(toy_config())
    assert multiplications(folded(networks)) < 0.75 * multiplications(networks)


def multiplications(networks: InferenceNetworks) -> int:
    """Of the first stage's convolutions, for one picture; 16 output channels cost as much as 1."""
    counted = 0

    def count(layer: nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal counted
        if isinstance(layer, nn.Conv2d):
            taps = layer.in_channels * layer.kernel_size[0] * layer.kernel_size[1]
            counted += taps * -(-layer.out_channels // 16) * 16 * output[0, 0].numel()

    stage = networks.cascade.stages[0]
    hooks = [layer.register_forward_hook(count) for layer in stage.modules()]
    with torch.inference_mode():
        stage(torch.zeros(1, 3, 128, 128), torch.zeros(1, 17))
    for hook in hooks:
        hook.remove()
    return counted
