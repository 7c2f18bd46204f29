"""The network that finds covers: a small encoder and decoder on a face of 64 pixels.

Plain convolutions of few channels, which processors do quickest; the deepest of its four levels
sees the whole face. What it says is half as fine as what it sees.
"""

from typing import Final

import torch
from torch import nn

SIDE: Final = 64
SAID: Final = SIDE // 2  # side of what it says
WIDTHS: Final = (12, 16, 24, 32)


def layer(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """A convolution, batch normalisation, ReLU; the export makes one convolution of it."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


class CoverNetwork(nn.Module):
    """From a face to what covers it.

    Its input is float32 (B, 3, 64, 64), RGB from 0 to 255; its output (B, 1, 32, 32), the logit of
    "covered".
    """

    def __init__(self) -> None:
        super().__init__()
        inputs = 3
        self.down = nn.ModuleList()
        for width in WIDTHS:
            self.down.append(nn.Sequential(layer(inputs, width, 2), layer(width, width)))
            inputs = width
        self.deep = nn.Sequential(layer(inputs, inputs), layer(inputs, inputs))
        self.up = nn.ModuleList()
        for beside in reversed(WIDTHS[:-1]):
            self.up.append(layer(inputs + beside, beside))
            inputs = beside
        self.leave = nn.Conv2d(inputs, 1, 1)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Logits of "covered"."""
        level = pixels / 127.5 - 1
        levels = []
        for down in self.down:
            level = down(level)
            levels.append(level)
        level = self.deep(level)  # B, 32, 4, 4
        for up, beside in zip(self.up, reversed(levels[:-1]), strict=True):
            larger = nn.functional.interpolate(level, scale_factor=2.0, mode="nearest")
            level = up(torch.cat([larger, beside], dim=1))
        logits: torch.Tensor = self.leave(level)
        return logits
