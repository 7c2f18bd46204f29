"""Pairs without a fitted face: two pictures of one person in one light, a step of training on them.

Rendered faces, and people photographed with several expressions, have no displacement to learn
from. They have the picture that an edit is to be: the loss compares what totals make of the source
with it, at several sizes, so that movements of many pixels are found too.
"""

from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from train.families.cascade.motion.composition import MotionFields
from train.families.cascade.motion.networks import SkinReading

# What weighs how much: the pictures' difference, the difference of their edges, action units that
# are read, movement that is not smooth, paint where movement would do.
SEEN, EDGES, READ, ROUGH, PAINTED = 6.0, 6.0, 0.15, 0.01, 0.05
SIZES: Final = 3  # from half the crop's side on, each half of the one before
CHANGED: Final = 4.0  # a pixel that is to change by `MUCH` or more counts so many times more
MUCH: Final = 0.3


@dataclass(frozen=True)
class PictureLoss:
    """The weighed sum, and the mean absolute difference of the pictures, in [-1, 1]."""

    total: Tensor
    seen: float


def picture_loss(
    made: Tensor,
    truth: Tensor,
    source: Tensor,
    totals: MotionFields,
    skin: SkinReading,
    source_au: Tensor,
) -> PictureLoss:
    """The loss of a cascade's last totals.

    Args:
        made: (B, 3, H, W) in [-1, 1], the picture that the totals make of the source.
        truth: likewise, what it is to be.
        source: likewise.
        totals: the fields.
        skin: what the first stage read of the source.
        source_au: (B, K), 0 to 5.
    """
    made, truth, source = (F.avg_pool2d(each, 2) for each in (made, truth, source))
    first = (made - truth).abs().mean()
    seen, edges = torch.zeros(()), torch.zeros(())
    for _ in range(SIZES):
        change = (truth - source).abs().mean(dim=1, keepdim=True)
        weight = 1 + CHANGED * (F.max_pool2d(change, 3, 1, 1) / MUCH).clamp(max=1.0)
        off = made - truth
        seen = seen + ((off.abs() * weight).sum() / (3 * weight.sum()))
        down, across = off[:, :, 1:] - off[:, :, :-1], off[..., 1:] - off[..., :-1]
        edges = edges + (down.abs() * weight[:, :, 1:]).sum() / (3 * weight.sum())
        edges = edges + (across.abs() * weight[..., 1:]).sum() / (3 * weight.sum())
        made, truth, source = (F.avg_pool2d(each, 2) for each in (made, truth, source))
    moved = totals.displacement
    rough = (moved[:, :, 1:] - moved[:, :, :-1]).abs().mean()
    rough = rough + (moved[..., 1:] - moved[..., :-1]).abs().mean()
    read = (skin.units - source_au).abs().mean()
    painted = totals.paint[:, 3:].mean()
    total = (SEEN * seen + EDGES * edges) / SIZES
    total = total + READ * read + ROUGH * rough + PAINTED * painted
    return PictureLoss(total, float(first.detach()))
