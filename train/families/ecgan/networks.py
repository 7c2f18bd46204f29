"""The networks of ECGAN: CycleGAN's, with the expression's vector at a bottleneck.

The text says that the vector "is concatenated with the image embedding vector at the bottleneck
which is a fully connected layer", and gives no layers but CycleGAN's. Ours, therefore: between the
two halves of a generator's residual blocks the features' means become an embedding, the vector is
put behind it, and a fully connected layer makes planes of both, which go on beside the features. A
vector as constant planes would be lost in the next instance norm.
"""

import torch
from torch import Tensor, nn

from train.families.ecgan.config import ECGANConfig
from train.layers import Conv, InstanceNorm


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with reflected edges, added to the input (R of CycleGAN)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.ReflectionPad2d(1),
            *normed(nn.Conv2d(channels, channels, 3, bias=False)),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=False),
            InstanceNorm(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Shape kept."""
        change: Tensor = self.body(x)
        return x + change


class Bottleneck(nn.Module):
    """The vector, by way of a fully connected layer, beside the features."""

    def __init__(self, channels: int, side: int, expressions: int) -> None:
        super().__init__()
        self.side, self.planes = side, max(1, channels // 32)
        self.embed = nn.Linear(channels, channels)
        self.spread = nn.Linear(channels + expressions, self.planes * side * side)
        self.join = nn.Conv2d(channels + self.planes, channels, 1, bias=False)

    def forward(self, features: Tensor, wanted: Tensor) -> Tensor:
        """Features (B, C, h, w) and vectors (B, e) -> (B, C, h, w)."""
        embedding = torch.relu(self.embed(features.float().mean(dim=(2, 3))))
        spread = self.spread(torch.cat([embedding, wanted], dim=1))
        planes = spread.reshape(-1, self.planes, self.side, self.side).to(features.dtype)
        joined: Tensor = self.join(torch.cat([features, planes], dim=1))
        return joined


class Generator(nn.Module):
    """G_XY and G_YX: c7s1-w, d2w, d4w, residual blocks about the bottleneck, u2w, uw, c7s1-3."""

    def __init__(self, config: ECGANConfig) -> None:
        super().__init__()
        w = config.width
        first = config.residual_blocks // 2
        self.down = nn.Sequential(
            nn.ReflectionPad2d(3),
            *normed(nn.Conv2d(3, w, 7, bias=False)),
            *normed(nn.Conv2d(w, 2 * w, 3, stride=2, padding=1, bias=False)),
            *normed(nn.Conv2d(2 * w, 4 * w, 3, stride=2, padding=1, bias=False)),
            *(ResidualBlock(4 * w) for _ in range(first)),
        )
        self.bottleneck = Bottleneck(4 * w, config.crop_px // 4, len(config.expressions))
        self.up = nn.Sequential(
            *(ResidualBlock(4 * w) for _ in range(config.residual_blocks - first)),
            *normed(_doubling(4 * w, 2 * w)),
            *normed(_doubling(2 * w, w)),
            nn.ReflectionPad2d(3),
            nn.Conv2d(w, 3, 7),
        )

    def forward(self, image: Tensor, wanted: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) in [-1, 1] and one-hot vectors (B, e) -> pictures likewise."""
        return torch.tanh(self.up(self.bottleneck(self.down(image), wanted)))


def _doubling(c_in: int, c_out: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(c_in, c_out, 3, stride=2, padding=1, output_padding=1, bias=False)


def normed(layer: Conv) -> list[nn.Module]:
    """A layer, instance norm, ReLU."""
    return [layer, InstanceNorm(layer.out_channels), nn.ReLU()]


class Discriminator(nn.Module):
    """D_X and D_Y: CycleGAN's 70 x 70 patches, C64-C128-C256-C512; verdicts (B, 1, h, w).

    With `conditional_critics` the vector comes as planes beside the picture.
    """

    def __init__(self, config: ECGANConfig) -> None:
        super().__init__()
        w = config.width
        self.conditional = config.conditional_critics
        ins = 3 + (len(config.expressions) if self.conditional else 0)
        body: list[nn.Module] = [nn.Conv2d(ins, w, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for c_in, c_out, stride in ((w, 2 * w, 2), (2 * w, 4 * w, 2), (4 * w, 8 * w, 1)):
            conv = nn.Conv2d(c_in, c_out, 4, stride=stride, padding=1, bias=False)
            body += [conv, InstanceNorm(c_out), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*body, nn.Conv2d(8 * w, 1, 4, padding=1))

    def forward(self, image: Tensor, shown: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) and the vectors (B, e) of what they show or were asked for."""
        if self.conditional:
            planes = shown[:, :, None, None].expand(-1, -1, *image.shape[2:])
            image = torch.cat([image, planes.to(image.dtype)], dim=1)
        verdict: Tensor = self.body(image)
        return verdict


def all_networks(config: ECGANConfig) -> nn.ModuleDict:
    """Every network of a training but the context loss's, weights as CycleGAN starts them."""
    nets = nn.ModuleDict(
        {
            "G_XY": Generator(config),
            "G_YX": Generator(config),
            "D_X": Discriminator(config),
            "D_Y": Discriminator(config),
        }
    )
    for layer in nets.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, 0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return nets
