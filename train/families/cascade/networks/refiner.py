"""The Refiner: fuses what the branches give into one picture (paper, section 3.1)."""

import torch
from torch import Tensor, nn

from train.families.cascade.networks.config import ModelConfig
from train.families.cascade.networks.transformer import InitialEdit, stitch
from train.layers import encoder_decoder, orthogonal


class Refiner(nn.Module):
    """Six channels in (the stitched patches and the global edit), one picture out.

    As published its output is the picture. With `residual_refiner` (ours) its output is added to
    the global edit with the stitch laid over it, so that it need not first learn to copy: in trials
    a plain head gave blurred faces with a checkerboard after 300 steps.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.regions = config.regions
        self.residual = config.residual_refiner
        self.body = encoder_decoder(
            6, config.width, config.residual_blocks, spectral_norm=config.spectral_norm
        )
        self.head = orthogonal(
            nn.Conv2d(config.width, 3, 7, padding=3, bias=False), spectral_norm=False
        )
        if self.residual:
            nn.init.zeros_(self.head.weight)  # starts by handing on what it is given

    def forward(self, initial: InitialEdit) -> Tensor:
        """The final edit, (B, 3, H, W): in [-1, 1] as published, a little beyond if residual."""
        stitched = stitch(initial.patches, self.regions, torch.zeros_like(initial.face))
        inputs = torch.cat([stitched, initial.face], dim=1)  # B 6 H W
        refined = torch.tanh(self.head(self.body(inputs)))
        if not self.residual:
            return refined
        return stitch(initial.patches, self.regions, initial.face) + refined
