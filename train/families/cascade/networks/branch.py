"""A branch of the Expression Transformer: paper, section 3.1, equation 1."""

import torch
from torch import Tensor, nn

from train.layers import encoder_decoder, orthogonal


class Branch(nn.Module):
    """Edits a picture, or a patch of it, where its attention says so."""

    def __init__(
        self, au_count: int, width: int, residual_blocks: int, *, spectral_norm: bool
    ) -> None:
        super().__init__()
        self.body = encoder_decoder(
            3 + au_count, width, residual_blocks, spectral_norm=spectral_norm
        )
        # The colour head (3 channels) and the attention head (1) read the same features, so one
        # convolution computes both.
        self.heads = orthogonal(nn.Conv2d(width, 4, 7, padding=3, bias=False), spectral_norm=False)

    def forward(self, image: Tensor, au: Tensor) -> tuple[Tensor, Tensor]:
        """Edits `image` towards `au`.

        Args:
            image: (B, 3, H, W) in [-1, 1].
            au: (B, K), already divided by 5.

        Returns:
            The edit (B, 3, H, W) in [-1, 1] and the attention (B, 1, H, W) in [0, 1], 1 = edit.
        """
        planes = au[:, :, None, None].expand(-1, -1, *image.shape[2:]).to(image.dtype)
        heads = self.heads(self.body(torch.cat([image, planes], dim=1)))  # B 3+K H W -> B 4 H W
        colour, attention = torch.tanh(heads[:, :3]), torch.sigmoid(heads[:, 3:])
        return attention * colour + (1 - attention) * image, attention
