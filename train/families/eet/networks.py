"""The networks of EET, every layer as Table I of the paper has it.

Shapes are those of 256 x 256; w is 32. At another size the features are 4 x 4 all the same, so E_f,
E_r, G and the image discriminators have a block fewer for each halving (ours; the deepest is left
out, so at 128 x 128 the features have 512 channels).

Not stated there, hence ours: a PReLU has one slope, an instance norm scales and shifts, a layer
before a norm has no bias, weights start as PyTorch's do.
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from train.families.eet.config import DEEPEST_PX, LEVELS, EETConfig
from train.layers import Conv, InstanceNorm


class PReLU(nn.Module):
    """x where it is above 0, else a learnt share of it, 0.25 at the start; any type of `x`."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((1,), 0.25))

    def forward(self, x: Tensor) -> Tensor:
        """Shape and type kept."""
        weight = self.weight.to(x.dtype)
        if torch.compiler.is_exporting():  # one PRelu node
            return F.prelu(x, weight)
        # The same; PyTorch's own kernel takes up to twice the time on processors.
        return F.relu(x) - weight * F.relu(-x)


def pooled(x: Tensor) -> Tensor:
    """Global average pooling in FP32: (B, C, H, W) -> (B, C)."""
    return x.float().mean(dim=(2, 3))


def normed(layer: Conv) -> nn.Sequential:
    """A convolution with spectral norm, instance norm, PReLU."""
    return nn.Sequential(
        parametrizations.spectral_norm(layer), InstanceNorm(layer.out_channels), PReLU()
    )


def batch_normed(layer: nn.Conv2d) -> nn.Sequential:
    """A convolution, batch norm, PReLU."""
    return nn.Sequential(layer, nn.BatchNorm2d(layer.out_channels), PReLU())


def halving(c_in: int, c_out: int) -> nn.Conv2d:
    """Conv(c_out, 3, 2, 1)."""
    return nn.Conv2d(c_in, c_out, 3, stride=2, padding=1, bias=False)


class FeatureEncoder(nn.Sequential):
    """E: pictures (B, 3, H, W) in [-1, 1] -> facial features (B, 2w, H/4, W/4)."""

    def __init__(self, config: EETConfig) -> None:
        w = config.width

        def block(c_in: int, c_out: int) -> nn.Sequential:
            return batch_normed(nn.Conv2d(c_in, c_out, 3, padding=1, bias=False))

        super().__init__(
            block(3, w),
            block(w, w),
            nn.AvgPool2d(2),
            block(w, 2 * w),
            block(2 * w, 2 * w),
            nn.AvgPool2d(2),
        )


class AttributeConstraint(nn.Module):
    """C: facial features (B, 2w, H/4, W/4) -> identity (B, n) and pose (B, v), before softmax."""

    def __init__(self, config: EETConfig) -> None:
        super().__init__()
        w = config.width
        self.body = nn.Sequential(
            batch_normed(halving(2 * w, 4 * w)),
            batch_normed(halving(4 * w, 8 * w)),
            batch_normed(halving(8 * w, 16 * w)),
            nn.Conv2d(16 * w, 32 * w, 3, stride=2, padding=1),
        )
        self.identity = nn.Linear(32 * w, config.identities)
        self.pose = nn.Linear(32 * w, config.poses)

    def forward(self, feature: Tensor) -> tuple[Tensor, Tensor]:
        """Logits."""
        found = pooled(self.body(feature))
        return self.identity(found), self.pose(found)


def feature_blocks(config: EETConfig) -> list[nn.Module]:
    """From facial features (B, 2w, H/4, W/4) to (B, F, 4, 4): E_f, and a branch of E_r."""
    w = config.width
    count = int(math.log2(config.crop_px // 4 // DEEPEST_PX))
    widths = [2 * w, *(4 * w * 2**number for number in range(count))]
    return [normed(halving(c_in, c_out)) for c_in, c_out in pairwise(widths)]


class AUFreeEncoder(nn.Sequential):
    """E_f: facial features -> the AU-free feature (B, F, 4, 4)."""

    def __init__(self, config: EETConfig) -> None:
        super().__init__(*feature_blocks(config))


class AURelatedEncoder(nn.Module):
    """E_r: facial features -> the AU-related feature and the units' intensities.

    A branch for each unit, whose features' mean is the AU-related one (equation 6); with `single`
    one branch whose feature is it, and a layer of m outputs (section IV-B, EET-Single).
    """

    def __init__(self, config: EETConfig) -> None:
        super().__init__()
        units = len(config.au_names)
        branches, outputs = (1, units) if config.single else (units, 1)
        self.branches = nn.ModuleList(
            nn.Sequential(*feature_blocks(config)) for _ in range(branches)
        )
        self.tops = nn.ModuleList(
            nn.Linear(config.feature_channels, outputs) for _ in range(branches)
        )

    def forward(self, feature: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 2w, H/4, W/4) -> (B, F, 4, 4) and (B, m) in [0, 1]."""
        local = [branch(feature) for branch in self.branches]
        read = [top(pooled(each)) for top, each in zip(self.tops, local, strict=True)]
        related = torch.stack([each.float() for each in local]).mean(dim=0)
        return related.to(local[0].dtype), torch.sigmoid(torch.cat(read, dim=1))


class UpRes(nn.Module):
    """UpRes(x): the sum of two branches' ends, twice the side."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        norm = parametrizations.spectral_norm
        keep = nn.ConvTranspose2d(c_in, c_out, 3, stride=1, padding=1, bias=False)
        self.long = nn.Sequential(normed(keep), norm(_doubling(c_out, c_out)))
        self.short = norm(_doubling(c_in, c_out))

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) -> (B, c_out, 2H, 2W)."""
        long: Tensor = self.long(x)
        short: Tensor = self.short(x)
        return long + short


def _doubling(c_in: int, c_out: int) -> nn.ConvTranspose2d:
    """DeConv(c_out, 3, 2, 1, 1)."""
    return nn.ConvTranspose2d(c_in, c_out, 3, stride=2, padding=1, output_padding=1, bias=False)


class Generator(nn.Module):
    """G: AU-related and AU-free feature, (B, F, 4, 4) each -> a picture (B, 3, H, W) in [-1, 1]."""

    def __init__(self, config: EETConfig) -> None:
        super().__init__()
        count = int(math.log2(config.crop_px // DEEPEST_PX))
        features = config.feature_channels
        # At 256: 1024, 512, 256, 128, 64, 32; it ends at w whatever the side.
        widths = [config.width * 2**number for number in reversed(range(count))]
        ins = [2 * features, *widths[:-1]]
        blocks: list[nn.Module] = []
        for c_in, c_out in zip(ins, widths, strict=True):
            blocks += [UpRes(c_in, c_out), InstanceNorm(c_out), PReLU()]
        last = parametrizations.spectral_norm(nn.ConvTranspose2d(widths[-1], 3, 1))
        self.body = nn.Sequential(*blocks, last)

    def forward(self, related: Tensor, free: Tensor) -> Tensor:
        """The picture of `free`'s person with `related`'s expression."""
        return torch.tanh(self.body(torch.cat([related, free], dim=1)))


class FeatureDiscriminator(nn.Module):
    """D_u and D_d: a feature (B, F, 4, 4) -> (B, `outputs`), 1 for the class that it is of."""

    def __init__(self, config: EETConfig, outputs: int) -> None:
        super().__init__()
        w = config.width

        def conv(c_in: int, c_out: int) -> nn.Conv2d:
            return nn.Conv2d(c_in, c_out, 3, padding=1, bias=False)

        self.body = nn.Sequential(
            normed(conv(config.feature_channels, 4 * w)),
            normed(conv(4 * w, 8 * w)),
            normed(conv(8 * w, 16 * w)),
            parametrizations.spectral_norm(nn.Conv2d(16 * w, 32 * w, 3, padding=1)),
        )
        self.top = nn.Linear(32 * w, outputs)

    def forward(self, feature: Tensor) -> Tensor:
        """(B, outputs)."""
        found: Tensor = self.top(pooled(self.body(feature)))
        return found


class ImageDiscriminator(nn.Sequential):
    """D_sc and D_g: pictures (B, 3, H, W) -> a verdict (B, 1, 1, 1)."""

    def __init__(self, config: EETConfig) -> None:
        w = config.width
        count = int(math.log2(config.crop_px // DEEPEST_PX))
        widths = [3, *(w * 2**number for number in range(count))]
        norm = parametrizations.spectral_norm
        super().__init__(
            *(
                normed(nn.Conv2d(c_in, c_out, 4, stride=2, padding=1, bias=False))
                for c_in, c_out in pairwise(widths)
            ),
            norm(nn.Conv2d(widths[-1], 2 * widths[-1], 4, stride=2)),
            PReLU(),
            norm(nn.Conv2d(2 * widths[-1], 1, 1)),
        )


def all_networks(config: EETConfig) -> nn.ModuleDict:
    """Every network of a training, by its symbol in the paper."""
    return nn.ModuleDict(
        {
            "E": FeatureEncoder(config),
            "C": AttributeConstraint(config),
            "E_f": AUFreeEncoder(config),
            "E_r": AURelatedEncoder(config),
            "G": Generator(config),
            "D_u": FeatureDiscriminator(config, len(config.au_names) * (LEVELS + 1)),
            "D_d": FeatureDiscriminator(config, config.identities),
            "D_sc": ImageDiscriminator(config),
            "D_g": ImageDiscriminator(config),
        }
    )
