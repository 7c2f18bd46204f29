"""EET's networks: every layer of the paper's Table I."""

from collections.abc import Iterator
from functools import cache
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from train.families.eet.config import EETConfig
from train.families.eet.networks import AURelatedEncoder, PReLU, UpRes, all_networks
from train.layers import InstanceNorm

UNITS = tuple(f"AU{number:02}" for number in range(1, 13))
PAPER = EETConfig(256, UNITS, identities=60, poses=3)
OURS = EETConfig(128, UNITS, identities=60, poses=3)
TOY = EETConfig(32, UNITS[:3], width=2, identities=4, poses=3)


@cache
def meta(config: EETConfig) -> nn.ModuleDict:
    with torch.device("meta"):
        return all_networks(config)


def layers(network: nn.Module) -> Iterator[str]:
    """Its layers in the notation of Table I, UpRes as one."""
    for module in network.children():
        if isinstance(module, UpRes):
            yield f"UpRes({module.short.out_channels})"
        elif isinstance(module, nn.ConvTranspose2d):
            k, s, p, o = (
                each[0]
                for each in (
                    module.kernel_size,
                    module.stride,
                    module.padding,
                    module.output_padding,
                )
            )
            yield f"DeConv({module.out_channels},{k},{s},{p},{o})"
        elif isinstance(module, nn.Conv2d):
            k, s, p = module.kernel_size[0], module.stride[0], module.padding[0]
            yield f"Conv({module.out_channels},{k},{s},{p})"
        elif isinstance(module, nn.Linear):
            yield f"FC({module.out_features})"
        elif isinstance(module, nn.AvgPool2d):
            yield "AP"
        elif isinstance(module, InstanceNorm):
            yield "IN"
        elif isinstance(module, nn.BatchNorm2d):
            yield "BN"
        elif isinstance(module, PReLU):
            yield "PReLU"
        else:
            yield from layers(module)


def chain(*convolutions: str, norm: str = "IN") -> list[str]:
    return [each for conv in convolutions for each in (conv, norm, "PReLU")]


def down(*channels: int, kernel: int = 3) -> list[str]:
    return [f"Conv({each},{kernel},2,1)" for each in channels]


TABLE = {
    "E": [
        *chain("Conv(32,3,1,1)", "Conv(32,3,1,1)", norm="BN"),
        "AP",
        *chain("Conv(64,3,1,1)", "Conv(64,3,1,1)", norm="BN"),
        "AP",
    ],
    "C": [*chain(*down(128, 256, 512), norm="BN"), "Conv(1024,3,2,1)", "FC(60)", "FC(3)"],
    "E_f": chain(*down(128, 256, 512, 1024)),
    "E_r": [*(12 * chain(*down(128, 256, 512, 1024))), *(12 * ["FC(1)"])],
    "G": [
        *chain(*(f"UpRes({each})" for each in (1024, 512, 256, 128, 64, 32))),
        "DeConv(3,1,1,0,0)",
    ],
    "D_u": [*chain(*(f"Conv({c},3,1,1)" for c in (128, 256, 512))), "Conv(1024,3,1,1)", "FC(72)"],
    "D_d": [*chain(*(f"Conv({c},3,1,1)" for c in (128, 256, 512))), "Conv(1024,3,1,1)", "FC(60)"],
    "D_g": [
        *chain(*down(32, 64, 128, 256, 512, 1024, kernel=4)),
        "Conv(2048,4,2,0)",
        "PReLU",
        "Conv(1,1,1,0)",
    ],
}
TABLE["D_sc"] = TABLE["D_g"]


@pytest.mark.parametrize("name", TABLE)
def test_the_layers_are_those_of_table_one(name: str) -> None:
    assert list(layers(meta(PAPER)[name])) == TABLE[name]


def test_an_up_sampling_block_is_the_sum_of_two_branches() -> None:
    block = UpRes(8, 4)
    long = ["DeConv(4,3,1,1,0)", "IN", "PReLU", "DeConv(4,3,2,1,1)"]
    assert list(layers(block)) == [*long, "DeConv(4,3,2,1,1)"]
    block.eval()
    x = torch.rand(1, 8, 4, 4)
    assert torch.equal(block(x), block.long(x) + block.short(x))
    assert block(x).shape == (1, 4, 8, 8)


def counted(network: nn.Module) -> int:
    return sum(each.numel() for each in network.parameters())


def test_the_parameters_are_as_many_as_the_layers_say() -> None:
    # E by hand: convolutions without bias, batch norms of two a channel, four slopes.
    e = 9 * (3 * 32 + 32 * 32 + 32 * 64 + 64 * 64) + 2 * (32 + 32 + 64 + 64) + 4
    # E_f by hand: four convolutions without bias, instance norms, four slopes.
    channels = (64, 128, 256, 512, 1024)
    products = sum(a * b for a, b in pairwise(channels))
    e_f = 9 * products + 2 * sum(channels[1:]) + 4
    found = {name: counted(network) for name, network in meta(PAPER).items()}
    assert found["E"] == e == 65_764
    assert found["E_f"] == e_f == 6_270_724
    assert found["E_r"] == 12 * (e_f + 1024 + 1)
    assert found == {
        "E": 65_764,
        "C": 6_334_274,
        "E_f": 6_270_724,
        "E_r": 75_260_988,
        "G": 62_907_375,
        "D_u": 7_449_419,
        "D_d": 7_437_119,
        "D_sc": 44_737_992,
        "D_g": 44_737_992,
    }


def test_at_128_pixels_five_networks_have_a_block_fewer_and_features_are_4_by_4() -> None:
    paper, ours = meta(PAPER), meta(OURS)
    convolutions = {
        name: sum(each.startswith(("Conv", "UpRes")) for each in layers(network))
        for name, network in paper.items()
    }
    fewer = {"E_f": 1, "E_r": 12, "G": 1, "D_sc": 1, "D_g": 1}
    for name, network in ours.items():
        found = sum(each.startswith(("Conv", "UpRes")) for each in layers(network))
        assert found == convolutions[name] - fewer.get(name, 0), name
    assert counted(ours["E_f"]) == 1_550_083
    assert counted(ours["G"]) == 15_717_357
    assert (PAPER.feature_channels, OURS.feature_channels) == (1024, 512)


@pytest.mark.parametrize("config", [PAPER, OURS, TOY], ids=["256", "128", "toy"])
def test_shapes(config: EETConfig) -> None:
    nets, side, features = meta(config), config.crop_px, config.feature_channels
    for network in nets.values():
        network.eval()
    image = torch.empty(2, 3, side, side, device="meta")
    feature = nets["E"](image)
    assert feature.shape == (2, 2 * config.width, side // 4, side // 4)
    related, read = nets["E_r"](feature)
    free = nets["E_f"](feature)
    assert related.shape == free.shape == (2, features, 4, 4)
    assert read.shape == (2, len(config.au_names))
    assert nets["G"](related, free).shape == image.shape
    assert nets["D_u"](free).shape == (2, 6 * len(config.au_names))
    assert nets["D_d"](related).shape == (2, config.identities)
    assert [each.shape[1] for each in nets["C"](feature)] == [config.identities, config.poses]
    assert nets["D_g"](image).shape == nets["D_sc"](image).shape == (2, 1, 1, 1)


def test_every_convolution_but_those_of_e_and_c_has_spectral_norm() -> None:
    for name, network in meta(TOY).items():
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                assert parametrize.is_parametrized(layer) == (name not in ("E", "C")), name


def test_the_related_feature_is_the_mean_of_the_units_own() -> None:
    encoder = AURelatedEncoder(TOY).eval()
    feature = torch.rand(2, 4, 8, 8)
    related, read = encoder(feature)
    own = torch.stack([branch(feature) for branch in encoder.branches])
    torch.testing.assert_close(related, own.mean(0))
    top = encoder.tops[1](own[1].mean((2, 3)))
    torch.testing.assert_close(read[:, 1:2], torch.sigmoid(top))


def test_eet_single_has_one_branch_for_all_units() -> None:
    encoder = AURelatedEncoder(EETConfig(32, UNITS[:3], width=2, single=True))
    assert len(encoder.branches) == 1
    assert encoder(torch.rand(2, 4, 8, 8))[1].shape == (2, 3)
