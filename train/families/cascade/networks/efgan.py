"""EF-GAN: Expression Transformer and Refiner, one stage of the cascade (paper, section 3.1)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from efgan_rt.action_units import MAX_INTENSITY
from train.data.regions import RegionBox
from train.families.cascade.networks.config import ModelConfig
from train.families.cascade.networks.refiner import Refiner
from train.families.cascade.networks.transformer import ExpressionTransformer, InitialEdit, stitch


@dataclass(frozen=True)
class StageEdit:
    """A stage's final picture (B, 3, H, W) and the initial edits that the losses need."""

    final: Tensor
    initial: InitialEdit
    regions: dict[str, RegionBox]


class EFGAN(nn.Module):
    """Edits a picture towards action units in one step."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.regions = config.regions
        self.transformer = ExpressionTransformer(config)
        self.refiner = Refiner(config)

    def forward(self, image: Tensor, au: Tensor) -> StageEdit:
        """Edits.

        Args:
            image: (B, 3, H, W) in [-1, 1].
            au: (B, K), 0 to 5.
        """
        initial = self.transformer(image, au / MAX_INTENSITY)
        return StageEdit(self.refiner(initial), initial, self.regions)

    def attention(self, initial: InitialEdit) -> Tensor:
        """Where the branches edit: the larger of the global and the stitched local attention.

        Returns:
            (B, 1, H, W) in [0, 1], for reports and tests.
        """
        ground = torch.zeros_like(initial.face_attention)
        local = stitch(initial.patch_attentions, self.regions, ground)
        return torch.maximum(initial.face_attention, local)
