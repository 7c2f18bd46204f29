"""The cascade with motion: stages that move a face, their mouths, and what chooses one of those."""

from typing import Final, cast

import torch
from torch import Tensor, nn

from efgan_rt.faces.mouths import EYE_ROWS
from train.families.cascade.motion.composition import (
    MotionFields,
    MouthAtlas,
    cheek_tone,
    composed,
    picture,
)
from train.families.cascade.motion.networks import MotionEFGAN
from train.families.cascade.networks.config import ModelConfig
from train.families.cascade.networks.interpolator import Interpolator
from train.portraits.mouths import COLUMNS, ROWS

# What makes a mouth suit: how near its gap is to the target's, in lengths from eye to eye, not much
# below it, and how near its smile is, in intensities.
WIDER: Final = 1.1
GAP_UNIT: Final = 0.1
TOO_SMALL: Final = 0.8
TOO_SMALL_COST: Final = 0.5
SMILE_UNIT: Final = 8.0


class MotionCascade(nn.Module):
    """Edits in S steps; stage k makes k/S of the way from source to target in totals."""

    atlas_pixels: Tensor
    atlas_skin: Tensor
    atlas_gap: Tensor
    atlas_smile: Tensor
    gap_of_units: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.stages = nn.ModuleList(
            MotionEFGAN(
                config.crop_px,
                config.regions,
                config.au_count,
                config.motion_widths,
                config.motion_slope,
            )
            for _ in range(config.stages)
        )
        self.interpolator = Interpolator(config.au_count, config.interpolator_width)
        count = config.mouths
        rows = ROWS + 2 * EYE_ROWS * config.eyes
        self.register_buffer("atlas_pixels", torch.zeros(count, 3, rows, COLUMNS))
        self.register_buffer("atlas_skin", torch.full((count, 3), 0.5))
        self.register_buffer("atlas_gap", torch.zeros(count))
        self.register_buffer("atlas_smile", torch.zeros(count))
        self.register_buffer("gap_of_units", torch.zeros(config.au_count))

    def stage(self, number: int) -> MotionEFGAN:
        """The EF-GAN of a stage; stages count from 1."""
        return cast(MotionEFGAN, self.stages[number - 1])

    @property
    def atlas(self) -> MouthAtlas:
        """The mouths."""
        return MouthAtlas(self.atlas_pixels, self.atlas_skin, self.atlas_gap, eyes=self.config.eyes)

    def mouth_choice(self, target_au: Tensor) -> Tensor:
        """Which mouth suits a target: (B, K), 0 to 5 -> int64 (B,)."""
        gap = (target_au @ self.gap_of_units.to(target_au.dtype)).clamp(min=0)[:, None]  # B 1
        smile_unit = self.config.au_names.index("AU12") if "AU12" in self.config.au_names else 0
        smile = target_au[:, smile_unit, None]
        own = self.atlas_gap.to(gap.dtype)[None]  # 1 M
        cost = (own - WIDER * gap).abs() / GAP_UNIT
        cost = cost + TOO_SMALL_COST * (own < TOO_SMALL * gap).to(gap.dtype)
        cost = cost + (self.atlas_smile.to(gap.dtype)[None] - smile).abs() / SMILE_UNIT
        return cost.argmin(dim=1)

    def stage_au(self, source_au: Tensor, target_au: Tensor) -> list[Tensor]:
        """The action units that each stage aims at: S tensors (B, K), 0 to 5."""
        residual = target_au - source_au
        count = len(self.stages)
        return [self.interpolator(source_au, residual * (k / count)) for k in range(1, count + 1)]

    def forward(
        self, image: Tensor, source_au: Tensor, target_au: Tensor
    ) -> tuple[list[Tensor], list[MotionFields]]:
        """The picture (B, 3, H, W) and the totals after each stage.

        Args:
            image: (B, 3, H, W) in [-1, 1].
            source_au: (B, K) of `image`, 0 to 5.
            target_au: (B, K), 0 to 5.
        """
        choice, tone = self.mouth_choice(target_au), cheek_tone(image)
        totals: MotionFields | None = None
        found: list[MotionFields] = []
        pictures: list[Tensor] = []
        for stage, au in zip(self.stages, self.stage_au(source_au, target_au), strict=True):
            totals = composed(stage(pictures[-1] if pictures else image, au), totals)
            found.append(totals)
            pictures.append(picture(image, totals, self.atlas, choice, tone))
        return pictures, found
