"""EET's networks as they are exported: pixels in, features between, pixels out.

Features are float32 between networks whatever the arithmetic inside, so that what one run reads in
a reference is the same for every set.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.fusion import fuse_conv_bn_eval

from efgan_rt.action_units import MAX_INTENSITY
from efgan_rt.families.eet import EET, EXPRESSION_ENCODER, FACE_ENCODER, FEATURE_PX, GENERATOR
from efgan_rt.families.properties import Properties
from train.families.eet.config import EETConfig
from train.families.eet.networks import (
    AUFreeEncoder,
    AURelatedEncoder,
    FeatureEncoder,
    Generator,
)
from train.pixels import to_bytes, to_unit_range

INFERENCE: Final = ("E", "E_r", "E_f", "G")


@dataclass
class EETNetworks:
    """What an edit needs, as trained or folded."""

    config: EETConfig
    modules: dict[str, nn.Module]
    family: str = EET.name

    def properties(self) -> Properties:
        """See `train.families.family.Networks.properties`."""
        return Properties(
            self.config.crop_px,
            au_names=self.config.au_names,
            own={"feature_channels": self.config.feature_channels},
        )

    def parts(self) -> Mapping[str, nn.Module]:
        """By symbol."""
        return self.modules


def empty_networks(config: EETConfig) -> EETNetworks:
    """Networks for a checkpoint's weights, which have no spectral norms left."""
    modules: dict[str, nn.Module] = {
        "E": FeatureEncoder(config),
        "E_r": AURelatedEncoder(config),
        "E_f": AUFreeEncoder(config),
        "G": Generator(config),
    }
    for module in modules.values():
        for layer in list(module.modules()):
            if parametrize.is_parametrized(layer, "weight"):
                parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    return EETNetworks(config, {name: module.eval() for name, module in modules.items()})


def folded(networks: EETNetworks) -> EETNetworks:
    """The same with E's batch norms in the convolutions before them."""
    copied = copy.deepcopy(networks)
    encoder = copied.modules["E"]
    for block in encoder.children():
        if isinstance(block, nn.Sequential):
            conv, norm = block[0], block[1]
            assert isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
            block[0], block[1] = fuse_conv_bn_eval(conv, norm), nn.Identity()
    return copied


class ExpressionEncoder(nn.Module):
    """E and E_r."""

    def __init__(self, encoder: nn.Module, related: nn.Module, image_type: torch.dtype) -> None:
        super().__init__()
        self.encoder, self.related, self.image_type = encoder, related, image_type

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 (B, H, W, 3) -> float32 (B, F, 4, 4) and action units (B, m), 0 to 5."""
        feature, read = self.related(self.encoder(to_unit_range(pixels).to(self.image_type)))
        return feature.float(), read * MAX_INTENSITY


class FaceEncoder(nn.Module):
    """E and E_f."""

    def __init__(self, encoder: nn.Module, free: nn.Module, image_type: torch.dtype) -> None:
        super().__init__()
        self.encoder, self.free, self.image_type = encoder, free, image_type

    def forward(self, pixels: Tensor) -> Tensor:
        """uint8 (B, H, W, 3) -> float32 (B, F, 4, 4)."""
        feature: Tensor = self.free(self.encoder(to_unit_range(pixels).to(self.image_type)))
        return feature.float()


class FaceGenerator(nn.Module):
    """G, on the way from a face's own AU-related feature to the lent one."""

    def __init__(self, generator: nn.Module, channels: int, image_type: torch.dtype) -> None:
        super().__init__()
        self.generator, self.channels, self.image_type = generator, channels, image_type

    def forward(
        self, related: Tensor, free: Tensor, lent: Tensor, share: Tensor, progress: Tensor
    ) -> Tensor:
        """Features float32 (B, F, 4, 4), lent (B, 16F), shares (B, 1) -> uint8 (B, H, W, 3)."""
        other = lent.reshape(-1, self.channels, FEATURE_PX, FEATURE_PX)
        way = (share * progress)[:, :, None, None]
        mixed = related + way * (other - related)
        made = self.generator(mixed.to(self.image_type), free.to(self.image_type))
        return to_bytes(made)


def exported_modules(
    networks: EETNetworks, image_type: torch.dtype = torch.float32
) -> dict[str, nn.Module]:
    """The three networks of an engine set."""
    parts, channels = networks.modules, networks.config.feature_channels
    return {
        EXPRESSION_ENCODER: ExpressionEncoder(parts["E"], parts["E_r"], image_type),
        FACE_ENCODER: FaceEncoder(parts["E"], parts["E_f"], image_type),
        GENERATOR: FaceGenerator(parts["G"], channels, image_type),
    }
