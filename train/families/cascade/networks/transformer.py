"""The Expression Transformer: one global branch and one for each region (paper, section 3.1)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.data.regions import REGION_SIZES, RegionBox
from train.families.cascade.networks.branch import Branch
from train.families.cascade.networks.config import ModelConfig


@dataclass(frozen=True)
class InitialEdit:
    """What the branches give; the regions' entries are keyed by region name.

    Shapes: `face` (B, 3, H, W), `patches` (B, 3, h, w) each; attentions the same with one channel.
    """

    face: Tensor
    patches: dict[str, Tensor]
    face_attention: Tensor
    patch_attentions: dict[str, Tensor]


class ExpressionTransformer(nn.Module):
    """The branches share their architecture, not their weights."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()

        def branch() -> Branch:
            return Branch(
                config.au_count,
                config.width,
                config.residual_blocks,
                spectral_norm=config.spectral_norm,
            )

        self.regions = config.regions
        self.face = branch()
        self.patches = nn.ModuleDict({name: branch() for name in config.regions})

    def forward(self, image: Tensor, au: Tensor) -> InitialEdit:
        """Edits the whole picture and each region's patch of it.

        Args:
            image: (B, 3, H, W) in [-1, 1].
            au: (B, K), already divided by 5.
        """
        face, face_attention = self.face(image, au)
        patches, attentions = {}, {}
        for name, box in self.regions.items():
            patches[name], attentions[name] = self.patches[name](crop(image, box), au)
        return InitialEdit(face, patches, face_attention, attentions)


def crop(image: Tensor, box: RegionBox) -> Tensor:
    """The region's patch of a batch of pictures, (B, C, H, W) -> (B, C, h, w)."""
    return image[:, :, box.rows, box.columns].contiguous()


def stitch(patches: dict[str, Tensor], regions: dict[str, RegionBox], ground: Tensor) -> Tensor:
    """Lays the patches over a ground: eyes, then nose, then mouth on top where they overlap.

    Args:
        patches: (B, C, h, w) by region name.
        regions: where each patch lies.
        ground: (B, C, H, W) or broadcastable to it, seen outside the patches.

    Returns:
        (B, C, H, W). The order is ours: the paper does not state one.
    """
    height, width = ground.shape[2:]
    canvas = ground
    for name in (name for name in REGION_SIZES if name in patches):
        box = regions[name]
        below, right = height - box.top - box.height, width - box.left - box.width
        padded = F.pad(patches[name], (box.left, right, box.top, below))
        covered = torch.zeros(1, 1, height, width, dtype=torch.bool, device=ground.device)
        covered[:, :, box.rows, box.columns] = True
        canvas = torch.where(covered, padded, canvas)
    return canvas
