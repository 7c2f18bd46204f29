"""Convolutions as the paper normalises and initialises them (section 8): orthogonal weights,
spectral norm on every layer but the outputs, instance norm without running statistics.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

Conv = nn.Conv2d | nn.ConvTranspose2d


class InstanceNorm(nn.Module):
    """Affine instance norm; statistics in FP32 whatever the input, so that half precision is safe.

    Never tracks running statistics: a network that did would export differently from how it runs.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalises each channel of each picture; shape and type of `x` are kept."""
        if torch.compiler.is_exporting():  # one InstanceNormalization node, cast in, cast out
            return F.instance_norm(
                x.float(), weight=self.weight.float(), bias=self.bias.float()
            ).to(x.dtype)
        if x.dtype == torch.float16:
            return self._normalise(x.float()).to(x.dtype)
        return self._normalise(x)

    def _normalise(self, x: Tensor) -> Tensor:
        # A group norm with one channel a group is an instance norm, and PyTorch's CPU kernel for
        # it is several times faster in bf16 (backward at 16 x 128 x 128: 0.8 ms against 7 to 17).
        return F.group_norm(x, x.shape[1], self.weight.to(x.dtype), self.bias.to(x.dtype))


def orthogonal(layer: Conv, *, spectral_norm: bool) -> Conv:
    """Initialises a layer as the paper does, in place, and returns it."""
    nn.init.orthogonal_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    if spectral_norm:
        parametrizations.spectral_norm(layer)
    return layer


def normalised(layer: Conv, *, spectral_norm: bool, relu: bool = True) -> nn.Sequential:
    """Convolution, instance norm and, unless it closes a residual block, ReLU."""
    parts: list[nn.Module] = [
        orthogonal(layer, spectral_norm=spectral_norm),
        InstanceNorm(layer.out_channels),
    ]
    if relu:
        parts.append(nn.ReLU(inplace=True))
    return nn.Sequential(*parts)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions whose result is added to the input; the second has no ReLU."""

    def __init__(self, channels: int, *, spectral_norm: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(
            normalised(
                nn.Conv2d(channels, channels, 3, padding=1, bias=False),
                spectral_norm=spectral_norm,
            ),
            normalised(
                nn.Conv2d(channels, channels, 3, padding=1, bias=False),
                spectral_norm=spectral_norm,
                relu=False,
            ),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Shape kept."""
        change: Tensor = self.body(x)
        return x + change


def encoder_decoder(
    in_channels: int, width: int, residual_blocks: int, *, spectral_norm: bool
) -> nn.Sequential:
    """What a branch and the Refiner share, all but the output layer.

    Source: the paper's section 7 in words; the numbers are GANimation's generator (an assumption).
    (B, in_channels, H, W) -> (B, width, H, W); H and W divisible by 4.
    """
    w = width

    def down(c_in: int, c_out: int) -> nn.Sequential:
        conv = nn.Conv2d(c_in, c_out, 4, stride=2, padding=1, bias=False)
        return normalised(conv, spectral_norm=spectral_norm)

    def up(c_in: int, c_out: int) -> nn.Sequential:
        conv = nn.ConvTranspose2d(c_in, c_out, 4, stride=2, padding=1, bias=False)
        return normalised(conv, spectral_norm=spectral_norm)

    stem = nn.Conv2d(in_channels, w, 7, padding=3, bias=False)
    return nn.Sequential(
        normalised(stem, spectral_norm=spectral_norm),
        down(w, 2 * w),
        down(2 * w, 4 * w),
        *(ResidualBlock(4 * w, spectral_norm=spectral_norm) for _ in range(residual_blocks)),
        up(4 * w, 2 * w),
        up(2 * w, w),
    )
