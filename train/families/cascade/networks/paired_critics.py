"""Critics for paired data (ours): each judges an edit beside the truth that the edit should be.

The published critics give one score to one picture; at small batches they take very long to tell
edits from real pictures. Where a set is paired, an edit can be compared with its own truth. These
critics score every place of it (a PatchGAN), so that one picture is many lessons, and what they
look at on the way is kept for feature matching. They see the source, but not the action units:
with those as planes of the input they needed about twice the updates to tell edits from truths.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, cast

import torch
from torch import Tensor, nn

from train.data.regions import RegionBox
from train.families.cascade.networks.transformer import crop

LEAK: Final = 0.2  # not the paper's 0.01: more of what a critic finds reaches the edit
STRIDES: Final = (1, 2, 2, 1)  # pixel by pixel first: teeth and lashes are one or two pixels wide
FACE: Final = "face"  # the critic of the whole crop, for a model without regions


@dataclass(frozen=True)
class Judgement:
    """What a critic makes of a batch: scores (B, 1, h, w), and features (B, C, h, w) by layer."""

    scores: Tensor
    features: tuple[Tensor, ...]

    def split(self, count: int) -> "tuple[Judgement, Judgement]":
        """The judgements of the first `count` pictures and of the rest."""
        return (
            Judgement(self.scores[:count], tuple(f[:count] for f in self.features)),
            Judgement(self.scores[count:], tuple(f[count:] for f in self.features)),
        )


class PairedCritic(nn.Module):
    """Scores every place of a candidate, given the source; each place sees 28 x 28 pixels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        channels = [6, *(min(width << i, 4 * width) for i in range(len(STRIDES)))]
        self.layers = nn.ModuleList()
        for stride, (c_in, c_out) in zip(STRIDES, pairwise(channels), strict=True):
            conv = nn.Conv2d(c_in, c_out, 2 + stride, stride=stride, padding=1)
            nn.init.orthogonal_(conv.weight, nn.init.calculate_gain("leaky_relu", LEAK))
            if conv.bias is not None:
                nn.init.zeros_(conv.bias)
            self.layers.append(nn.Sequential(conv, nn.LeakyReLU(LEAK)))
        self.score = nn.Conv2d(channels[-1], 1, 3, padding=1, bias=False)
        nn.init.orthogonal_(self.score.weight)

    def forward(self, source: Tensor, candidate: Tensor) -> Judgement:
        """Judges candidates.

        Args:
            source: (B, 3, H, W) in [-1, 1], what was given.
            candidate: the same shape, an edit of it or its truth.
        """
        x = torch.cat([source, candidate], dim=1)  # B 3 H W twice -> B 6 H W
        # Whatever the generator's layout: these convolutions are 1.5 times as fast in this one.
        x = x.contiguous(memory_format=torch.channels_last)
        features = []
        for layer in self.layers:
            x = layer(x)
            features.append(x)
        return Judgement(self.score(x).float(), tuple(features))


class PairedCritics(nn.Module):
    """One critic for each region of the final edit, or one of the whole where there are none."""

    def __init__(self, regions: Mapping[str, RegionBox], width: int) -> None:
        super().__init__()
        self.regions = dict(regions)
        self.critics = nn.ModuleDict({name: PairedCritic(width) for name in regions or (FACE,)})

    def judge(self, source: Tensor, candidate: Tensor) -> dict[str, Judgement]:
        """Every critic's judgement of whole crops, by critic name; shapes as `PairedCritic`."""
        found = {}
        for name in self.critics:
            critic, box = cast(PairedCritic, self.critics[name]), self.regions.get(name)
            if box:
                found[name] = critic(crop(source, box), crop(candidate, box))
            else:
                found[name] = critic(source, candidate)
        return found
