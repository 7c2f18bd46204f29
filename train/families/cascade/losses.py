"""The losses of equations 1 to 8, each under its equation (paper, supplement, section 6).

Misprints as read here: equations 3 and 7 are WGAN-GP, without the logarithm; the generator's term
of equation 7 is over interpolated action units. Action units enter every loss divided by 5.
Pictures are (B, 3, H, W) in [-1, 1]; every loss is a scalar to be minimised.
"""

from collections.abc import Callable, Iterable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from train.distributed import uniform

Reduction = Literal["mean", "sum"]
NormOrMean = Literal["norm", "mean"]


def critic_loss(real_score: Tensor, fake_score: Tensor) -> Tensor:
    """Equation 3, the critic's side without the penalty: real scores up, fake scores down."""
    return fake_score.mean() - real_score.mean()


def generator_adversarial_loss(fake_score: Tensor) -> Tensor:
    """Equation 3, the generator's side."""
    return -fake_score.mean()


def gradient_penalty(
    critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, rng: torch.Generator
) -> Tensor:
    """Equation 3, last term: the critic's slope between real and fake samples is to be 1.

    Args:
        critic: scores (B,) of a batch.
        real: a batch; the first dimension is B.
        fake: a batch of the same shape.
        rng: draws the mixing weight of each sample.

    Source: Gulrajani et al. 2017, with the weight (10) applied by the caller.
    """
    weight_shape = (len(real),) + (1,) * (real.dim() - 1)
    weight = uniform(len(real), rng).reshape(weight_shape).to(real.device)
    mixed = (weight * real + (1 - weight) * fake).detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
    excess: Tensor = slope.flatten(1).norm(dim=1) - 1
    return (excess**2).mean()


def condition_loss(read_au: Tensor, wanted_au: Tensor, reduction: Reduction) -> Tensor:
    """Equation 4: squared error of action units (B, K), both divided by 5.

    The equation does not say whether the squared norm is a sum or a mean over the K units, and its
    weight of 3000 means nothing until one is chosen; hence the switch.
    """
    squared = (read_au.float() - wanted_au.float()) ** 2
    return squared.sum(dim=1).mean() if reduction == "sum" else squared.mean()


def content_loss(recovered: Tensor, original: Tensor) -> Tensor:
    """Equation 5: mean absolute difference after editing there and back."""
    return (recovered - original).abs().mean()


def attention_loss(attentions: Iterable[Tensor], reduction: NormOrMean) -> Tensor:
    """Equation 6, over the attentions (B, 1, h, w) of all branches: sparse ones are better.

    `norm` is the Euclidean norm of each map as printed, averaged over the batch; `mean` the mean.
    """
    maps = [a.float() for a in attentions]
    if reduction == "norm":
        return torch.stack([a.flatten(1).norm(dim=1).mean() for a in maps]).sum()
    return torch.stack([a.mean() for a in maps]).sum()


def interpolation_loss(interpolated: Tensor, pseudo_target: Tensor) -> Tensor:
    """Equation 7, first term: the norm of the distance to linear interpolation, (B, K) over 5."""
    distance: Tensor = (interpolated - pseudo_target).norm(dim=1)
    return distance.mean()


def paired_loss(edit: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean absolute difference to the same person's real picture (ours, for paired data).

    Args:
        edit: (B, 3, h, w).
        truth: the same shape.
        weight: (B,), how much each sample counts, 0 where it has no truth; None is 1 for all. The
            mean is over the whole batch, so that it is the same however the batch is shared out.
    """
    difference = (edit - truth).abs().flatten(1).mean(dim=1)
    return difference.mean() if weight is None else (difference * weight).mean()


def detail_loss(edit: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
    """The paired loss of the differences between neighbouring pixels (ours): edges and texture.

    A blurred edge costs little in the paired loss and its full height here.
    """
    across = paired_loss(edit.diff(dim=3), truth.diff(dim=3), weight)
    down = paired_loss(edit.diff(dim=2), truth.diff(dim=2), weight)
    return across + down


def relativistic_loss(better: Tensor, worse: Tensor) -> Tensor:
    """Scores of `better` are to be above those of `worse`, place by place (ours, for paired data).

    With (truth, edit) it is the critic's side, with (edit, truth) the generator's. Each edit is
    compared with its own truth, so a critic cannot win by knowing faces, only by knowing faults.

    Args:
        better: scores of any shape, not bounded.
        worse: the same shape.

    Source: Jolicoeur-Martineau 2018, the paired form, with the logistic loss.
    """
    return F.softplus(worse - better).mean()


def feature_matching_loss(edit: Iterable[Tensor], truth: Iterable[Tensor]) -> Tensor:
    """Distance of a critic's features, by the truth's own size, averaged over its layers (ours).

    Divided by the truth's mean absolute feature, so that a critic whose features grow does not
    pull harder; picture by picture, so that a picture's loss does not depend on its batch, which
    several processes share out.

    Args:
        edit: features by layer, (B, C, h, w) each.
        truth: the same shapes; nothing flows back into them.

    Source: Wang et al. 2018 (pix2pixHD).
    """
    layers = []
    for found, wanted in zip(edit, truth, strict=True):
        wanted = wanted.detach().float()
        distance = (found.float() - wanted).abs().flatten(1).mean(1)  # B
        layers.append((distance / (wanted.abs().flatten(1).mean(1) + 1e-6)).mean())
    return torch.stack(layers).mean()


def zero_centred_penalty(scores: Iterable[Tensor], picture: Tensor) -> Tensor:
    """Squared slope of critics' scores at true pictures, to be small (ours; "R1").

    Without it a critic grows ever steeper, and with it what it asks of the generator.

    Args:
        scores: of `picture` by critic, (B, 1, h, w) each; averaged over places before the slope.
        picture: (B, 3, H, W), a leaf that requires a gradient.

    Source: Mescheder et al. 2018.
    """
    mean_scores = torch.stack([s.flatten(1).mean(dim=1) for s in scores])
    (slope,) = torch.autograd.grad(mean_scores.sum(), picture, create_graph=True)
    penalty: Tensor = slope.flatten(1).square().sum(dim=1).mean()
    return penalty
