"""The cascade: S EF-GANs with weights of their own and one Interpolator (paper, section 3.2)."""

from typing import cast

from torch import Tensor, nn

from train.families.cascade.networks.config import ModelConfig
from train.families.cascade.networks.efgan import EFGAN, StageEdit
from train.families.cascade.networks.interpolator import Interpolator


class CascadeEFGAN(nn.Module):
    """Edits in S small steps; stage k aims at k/S of the way from source to target."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.stages = nn.ModuleList(EFGAN(config) for _ in range(config.stages))
        self.interpolator = Interpolator(config.au_count, config.interpolator_width)

    def stage(self, number: int) -> EFGAN:
        """The EF-GAN of a stage; stages count from 1."""
        return cast(EFGAN, self.stages[number - 1])

    def stage_au(self, source_au: Tensor, target_au: Tensor) -> list[Tensor]:
        """The action units that each stage aims at: S tensors (B, K), 0 to 5."""
        residual = target_au - source_au
        count = len(self.stages)
        return [self.interpolator(source_au, residual * (k / count)) for k in range(1, count + 1)]

    def forward(self, image: Tensor, source_au: Tensor, target_au: Tensor) -> list[StageEdit]:
        """The edits of all stages, the last one being the result.

        Args:
            image: (B, 3, H, W) in [-1, 1].
            source_au: (B, K) of `image`, 0 to 5.
            target_au: (B, K), 0 to 5.
        """
        edits: list[StageEdit] = []
        for stage, au in zip(self.stages, self.stage_au(source_au, target_au), strict=True):
            edits.append(stage(image, au))
            image = edits[-1].final
        return edits
