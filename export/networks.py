"""The networks as they are exported: bytes in, bytes out, everything between them inside.

A lane never waits for the host between the pictures and the edited pictures, so the conversions,
the target's arithmetic and the displayable pixels are part of the graphs. Names, types and shapes
are the contract with whoever runs an engine (`efgan_rt.cascade_properties.network_specs`); a
`forward` here takes and gives tensors in the order stated there.

In a half-precision set pictures between stages are float16 and the convolutions compute in it;
action units are float32 at every boundary, and the Interpolator, a few thousand products, stays
in FP32.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from efgan_rt.action_units import MAX_INTENSITY
from efgan_rt.cascade_properties import (
    AU_ESTIMATOR,
    INTERPOLATOR,
    CascadeProperties,
    network_specs,
    stage_name,
)
from engines.base import TensorSpec
from export.folding import FoldedStage
from train.models.cascade import to_bytes
from train.models.checkpoint import InferenceNetworks
from train.models.discriminators import ImageDiscriminator
from train.models.efgan import EFGAN
from train.models.interpolator import Interpolator


class AUEstimator(nn.Module):
    """Reads action units off pictures."""

    def __init__(self, reader: ImageDiscriminator, image_type: torch.dtype) -> None:
        super().__init__()
        self.reader = reader
        self.image_type = image_type

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels uint8 (B, H, W, 3) -> action units float32 (B, K), 0 to 5."""
        au = self.reader.au(from_bytes(pixels, self.image_type)).float()
        return (au * MAX_INTENSITY).clamp(0.0, MAX_INTENSITY)


class InterpolatorNetwork(nn.Module):
    """The target's arithmetic, then the Interpolator for all stages at once."""

    def __init__(self, interpolator: Interpolator) -> None:
        super().__init__()
        self.interpolator = interpolator

    def forward(
        self, source_au: Tensor, target_scale: Tensor, target_offset: Tensor, progress: Tensor
    ) -> Tensor:
        """What each stage aims at.

        Args:
            source_au: float32 (B, K), 0 to 5.
            target_scale: float32 (B, K); the target is scale x source + offset, clipped to 0..5.
            target_offset: float32 (B, K).
            progress: float32 (B, S), how far stage k goes from source (0) to target (1).

        Returns:
            float32 (S, B, K), 0 to 5; stage-major, so that a stage reads one contiguous slice.
        """
        target = (target_scale * source_au + target_offset).clamp(0.0, MAX_INTENSITY)
        residual = progress.T[:, :, None] * (target - source_au)  # S B K
        source = source_au.expand_as(residual)
        stage_au: Tensor = self.interpolator(source.flatten(0, 1), residual.flatten(0, 1))
        return stage_au.view(progress.shape[1], -1, stage_au.shape[1])  # S*B K -> S B K


class FirstStage(nn.Module):
    """The cascade's first EF-GAN, which takes pictures as bytes."""

    def __init__(self, stage: EFGAN | FoldedStage, image_type: torch.dtype) -> None:
        super().__init__()
        self.stage = stage
        self.image_type = image_type

    def forward(self, pixels: Tensor, au: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Pixels uint8 (B, H, W, 3), au float32 (B, K) -> as `edited`."""
        return edited(self.stage, from_bytes(pixels, self.image_type), au)


class LaterStage(nn.Module):
    """An EF-GAN that edits what the stage before it gave."""

    def __init__(self, stage: EFGAN | FoldedStage) -> None:
        super().__init__()
        self.stage = stage

    def forward(self, image_in: Tensor, au: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Image_in (B, 3, H, W) float32 or float16, au float32 (B, K) -> as `edited`."""
        return edited(self.stage, image_in, au)


def from_bytes(pixels: Tensor, image_type: torch.dtype) -> Tensor:
    """Bytes (B, H, W, 3) to a network's picture (B, 3, H, W) in [-1, 1].

    Cast before the transposition: TensorRT refuses to transpose uint8.
    """
    return (pixels.float().permute(0, 3, 1, 2) / 127.5 - 1).to(image_type)


def edited(stage: EFGAN | FoldedStage, image: Tensor, au: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What a stage gives.

    Returns:
        image_out (B, 3, H, W) of the input's type, for the next stage; pixels_out uint8
        (B, H, W, 3), for display; attention uint8 (B, H, W), 255 = edited.
    """
    if isinstance(stage, FoldedStage):
        final, attention = stage(image, au)
    else:
        edit = stage(image, au)
        final, attention = edit.final, stage.attention(edit.initial)
    mask = attention.float()[:, 0]  # B 1 H W -> B H W
    return final, to_bytes(final), torch.round(mask * 255).to(torch.uint8)


@dataclass(frozen=True)
class ExportedNetwork:
    """A network of an engine directory, with what it takes and gives."""

    name: str
    module: nn.Module
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def exported_networks(
    networks: InferenceNetworks, image_type: torch.dtype = torch.float32
) -> Mapping[str, ExportedNetwork]:
    """All networks of an engine directory by name, in the order in which they run.

    Args:
        networks: the cascade and the action-unit reader, as trained or `folded`; for float16, their
            half-precision twins.
        image_type: float32 or float16, of the pictures between stages.
    """
    config = networks.cascade.config
    specs = network_specs(
        CascadeProperties(
            stages=config.stages,
            crop_px=config.crop_px,
            au_names=config.au_names,
            expressions={},
            image_dtype=str(image_type).removeprefix("torch."),
        )
    )
    modules: dict[str, nn.Module] = {
        AU_ESTIMATOR: AUEstimator(networks.au_reader, image_type),
        INTERPOLATOR: InterpolatorNetwork(networks.cascade.interpolator),
    }
    for number, stage in enumerate(networks.cascade.stages, start=1):
        assert isinstance(stage, EFGAN | FoldedStage)
        first = number == 1
        modules[stage_name(number)] = FirstStage(stage, image_type) if first else LaterStage(stage)
    return {name: ExportedNetwork(name, modules[name], *specs[name]) for name in specs}
