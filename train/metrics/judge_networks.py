"""The networks that judge edits, none shaped like anything that the edits are made with.

A judge that shared the critic's architecture would share its blind spots: textures that please a
critic's action-unit head would please such a judge too. So the expression classifier is a small
residual network, the intensity reader a plain one that pools by maximum, and the identity embedder
the classifier's shape without its end; all use batch norm, ReLU and dropout, none of which occurs
in the critics (stride-2 4 x 4 convolutions, LeakyReLU). The features of FID are of the same kind.
Batch norm in NCHW with bf16 was the fastest of six ways tried on one core (AMD EPYC with
AVX512-BF16, 2026-11: 1.5 ms a picture and training step).
"""

from functools import partial

import torch
from torch import Tensor, nn


def _convolution(
    c_in: int, c_out: int, side: int, *, stride: int = 1, padding: int
) -> list[nn.Module]:
    """A convolution, normalised, and what of it is above 0."""
    convolution = nn.Conv2d(c_in, c_out, side, stride, padding, bias=False)
    return [convolution, nn.BatchNorm2d(c_out), nn.ReLU(inplace=True)]


class _Residual(nn.Module):
    """Two 3x3 convolutions beside a strided 1x1; halves height and width."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_convolution(c_in, c_out, 3, stride=2, padding=1),
            nn.Conv2d(c_out, c_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(c_out),
        )
        self.skip = nn.Sequential(
            nn.Conv2d(c_in, c_out, 1, stride=2, bias=False), nn.BatchNorm2d(c_out)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.skip(x))


def _start(width: int) -> list[nn.Module]:
    return _convolution(3, width, 5, stride=2, padding=2)


def _blocks(width: int) -> list[nn.Module]:
    return [_Residual(c_in * width, 2 * c_in * width) for c_in in (1, 2, 4)]


class ExpressionClassifier(nn.Module):
    """Names the expression of a face crop: 0.3 M parameters at width 16."""

    def __init__(self, classes: int, width: int = 16) -> None:
        super().__init__()
        self.body = nn.Sequential(*_start(width), *_blocks(width), nn.AdaptiveAvgPool2d(4))
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(8 * width * 16, classes))

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, 128, 128) in [-1, 1] -> one logit for each expression (B, classes)."""
        result: Tensor = self.head(self.body(image))
        return result


class IdentityEmbedder(nn.Module):
    """Says who a face crop shows, as a direction: 0.4 M parameters at width 16.

    The last map is kept at 4 x 4 places instead of being averaged, since the shape of a face is
    where its parts are.
    """

    def __init__(self, dimensions: int = 64, width: int = 16) -> None:
        super().__init__()
        self.dimensions = dimensions
        self.body = nn.Sequential(*_start(width), *_blocks(width), nn.AdaptiveAvgPool2d(4))
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(8 * width * 16, dimensions, bias=False),
            nn.BatchNorm1d(dimensions),
        )

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, 64, 64) in [-1, 1] -> directions (B, D), not scaled to length 1."""
        result: Tensor = self.head(self.body(image))
        return result


class IntensityReader(nn.Module):
    """Reads action-unit intensities off a face crop: 1.2 M parameters at width 16."""

    def __init__(self, au_count: int, width: int = 16) -> None:
        super().__init__()

        conv, w = partial(_convolution, side=3, padding=1), width
        self.body = nn.Sequential(
            *_convolution(3, w, 6, stride=2, padding=2),
            *conv(w, 2 * w),
            nn.MaxPool2d(2),
            *conv(2 * w, 2 * w),
            *conv(2 * w, 4 * w),
            nn.MaxPool2d(2),
            *conv(4 * w, 4 * w),
            *conv(4 * w, 8 * w),
            nn.MaxPool2d(2),
        )
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(0.1),
            nn.Linear(8 * w * 64, 8 * w, bias=False),
            nn.BatchNorm1d(8 * w),
            nn.ReLU(inplace=True),
            nn.Linear(8 * w, au_count),
        )

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, 128, 128) in [-1, 1] -> intensities (B, K) divided by 5, not clipped."""
        result: Tensor = self.head(self.body(image))
        return result


class FeatureNetwork(nn.Module):
    """Features of a face crop, for the distance between sets of pictures: 0.3 M parameters.

    The means of the maps of three residual blocks, 2 + 4 + 8 widths of them: early maps see
    texture, late ones parts of faces.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.dimensions = 14 * width
        self.start = nn.Sequential(*_start(width))
        self.blocks = nn.ModuleList(_blocks(width))

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, 128, 128) in [-1, 1] -> (B, 14 widths)."""
        x = self.start(image)
        means = []
        for block in self.blocks:
            x = block(x)
            means.append(x.mean(dim=(2, 3)))
        return torch.cat(means, dim=1)
