"""The networks as they are exported: bytes in, bytes out, everything between them inside.

A lane never waits for the host between the pictures and the edited pictures, so the conversions,
the target's arithmetic and the displayable pixels are part of the graphs. Names, types and shapes
are the contract with whoever runs an engine (`efgan_rt.families.cascade.network_specs`); a
`forward` here takes and gives tensors in the order stated there.

In a half-precision set pictures between stages are float16 and the convolutions compute in it;
action units are float32 at every boundary, and the Interpolator, a few thousand products, stays
in FP32.
"""

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from efgan_rt.action_units import MAX_INTENSITY
from efgan_rt.families.cascade import AU_ESTIMATOR, INTERPOLATOR, stage_name
from train.families.cascade.folding import FoldedStage
from train.families.cascade.motion.cascade import MotionCascade
from train.families.cascade.motion.composition import (
    MotionFields,
    MouthAtlas,
    cheek_tone,
    composed,
    enlarged,
    picture,
)
from train.families.cascade.networks.discriminators import ImageDiscriminator
from train.families.cascade.networks.efgan import EFGAN
from train.families.cascade.networks.inference import InferenceNetworks
from train.families.cascade.networks.interpolator import Interpolator
from train.pixels import to_bytes

MOVED_MOST: Final = 4.0  # pixels of the fields' grid that count as moved wholly, in `attention`


class AUEstimator(nn.Module):
    """Reads action units off pictures."""

    def __init__(
        self, reader: ImageDiscriminator, image_type: torch.dtype, *, halved: bool = False
    ) -> None:
        super().__init__()
        self.reader = reader
        self.image_type = image_type
        self.halved = halved  # it reads crops at half their size

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels uint8 (B, H, W, 3) -> action units float32 (B, K), 0 to 5."""
        image = from_bytes(pixels, torch.float32 if self.halved else self.image_type)
        if self.halved:
            image = F.avg_pool2d(image, 2).to(self.image_type)
        au = self.reader.au(image).float()
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


class ChoosingInterpolator(nn.Module):
    """The Interpolator of a cascade with motion, which chooses the mouth of a whole edit, too.

    The choice is the target's and not a stage's, so that frames of one edit show one mouth.
    """

    def __init__(self, cascade: MotionCascade) -> None:
        super().__init__()
        self.network = InterpolatorNetwork(cascade.interpolator)
        self.cascade = cascade

    def forward(
        self, source_au: Tensor, target_scale: Tensor, target_offset: Tensor, progress: Tensor
    ) -> tuple[Tensor, Tensor]:
        """As `InterpolatorNetwork`, and mouth_choice, int32 (B,)."""
        stage_au = self.network(source_au, target_scale, target_offset, progress)
        target = (target_scale * source_au + target_offset).clamp(0.0, MAX_INTENSITY)
        return stage_au, self.cascade.mouth_choice(target).to(torch.int32)


class MotionStage(nn.Module):
    """A stage of a cascade with motion: totals from those before it, and their picture."""

    atlas_pixels: Tensor
    atlas_skin: Tensor

    def __init__(self, cascade: MotionCascade, number: int, image_type: torch.dtype) -> None:
        super().__init__()
        self.stage = cascade.stage(number)
        # As what ships stores it: bytes fit into halves.
        self.register_buffer("atlas_pixels", cascade.atlas_pixels.half())
        self.register_buffer("atlas_skin", cascade.atlas_skin)
        self.eyes = cascade.config.eyes
        self.image_type = image_type
        self.first = number == 1

    def forward(
        self,
        pixels: Tensor,
        au: Tensor,
        mouth_choice: Tensor,
        image_in: Tensor | None = None,
        totals_in: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """Edits.

        Args:
            pixels: uint8 (B, H, W, 3), the original, for every stage.
            au: float32 (B, K), 0 to 5.
            mouth_choice: int32 (B,).
            image_in: (B, 3, H, W), what the stage before gave; not for the first.
            totals_in: float32 (B, 10, h, w), likewise.

        Returns:
            image_out and totals_out, for the next stage; pixels_out uint8 (B, H, W, 3) and
            attention uint8 (B, H, W), for display; fields float16 (B, h, w, 10), for the paste.
        """
        original = from_bytes(pixels, torch.float32)
        image = original.to(self.image_type) if image_in is None else image_in
        before = None if totals_in is None else MotionFields(*totals_in.split([2, 1, 3, 4], dim=1))
        totals = composed(self.stage(image, au), before)
        atlas = MouthAtlas(
            self.atlas_pixels.float(), self.atlas_skin.float(), au[0], eyes=self.eyes
        )
        made = picture(original, totals, atlas, mouth_choice.long(), cheek_tone(original))
        joined = torch.cat([totals.displacement, totals.shade, totals.mouth, totals.paint], dim=1)
        edited_share = torch.maximum(
            (totals.displacement.abs().amax(dim=1, keepdim=True) / MOVED_MOST).clamp(max=1.0),
            torch.maximum(totals.mouth[:, 2:], totals.paint[:, 3:]),
        )
        shown = enlarged(edited_share)[:, 0]
        return (
            made.to(self.image_type),
            joined,
            to_bytes(made),
            torch.round(shown * 255).to(torch.uint8),
            joined.permute(0, 2, 3, 1).to(torch.float16),
        )


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


def exported_modules(
    networks: InferenceNetworks, image_type: torch.dtype = torch.float32
) -> dict[str, nn.Module]:
    """All networks of an engine directory by name, in the order in which they run.

    Args:
        networks: the cascade and the action-unit reader, as trained or `folded`; for float16, their
            half-precision twins.
        image_type: float32 or float16, of the pictures between stages.
    """
    config = networks.cascade.config
    cascade = networks.cascade
    modules: dict[str, nn.Module] = {
        AU_ESTIMATOR: AUEstimator(networks.au_reader, image_type, halved=config.motion),
        INTERPOLATOR: ChoosingInterpolator(cascade)
        if isinstance(cascade, MotionCascade)
        else InterpolatorNetwork(cascade.interpolator),
    }
    for number, stage in enumerate(cascade.stages, start=1):
        if isinstance(cascade, MotionCascade):
            modules[stage_name(number)] = MotionStage(cascade, number, image_type)
            continue
        assert isinstance(stage, EFGAN | FoldedStage)
        first = number == 1
        modules[stage_name(number)] = FirstStage(stage, image_type) if first else LaterStage(stage)
    return modules
