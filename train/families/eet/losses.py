"""The losses of EET, equations 2 to 5 and 7 to 10 of the paper; 8 and 10 in the form that the paper
computes them in, with squares (section III-C). Each is a mean over the pictures of a batch.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from train.families.eet.config import LEVELS


def unit_classes(au: Tensor) -> Tensor:
    """Equation 1: intensities (B, m), 0 to 5, to the nearest whole one, (B, m)."""
    return torch.floor(au + 0.5).clamp(0, LEVELS).long()


def unit_discrimination_loss(found: Tensor, au: Tensor) -> Tensor:
    """Equation 2: D_u (B, m(l + 1)) says 1 at each unit's intensity and 0 elsewhere."""
    wanted = F.one_hot(unit_classes(au), LEVELS + 1).flatten(1)
    return (found.float() - wanted).square().mean()


def unit_confusion_loss(found: Tensor) -> Tensor:
    """Equation 3: D_u (B, m(l + 1)) says 1 / (l + 1) of each."""
    return (found.float() - 1 / (LEVELS + 1)).square().mean()


def identity_discrimination_loss(found: Tensor, identity: Tensor) -> Tensor:
    """Equation 4, first line: D_d (B, n) says 1 for the identity (B,) and 0 for others."""
    return (found.float() - F.one_hot(identity, found.shape[1])).square().mean()


def identity_confusion_loss(found: Tensor) -> Tensor:
    """Equation 4, second line: D_d (B, n) says 1 / n of each."""
    return (found.float() - 1 / found.shape[1]).square().mean()


def occurrence_weights(au: Tensor) -> Tensor:
    """The weights of equation 5 from the intensities of a training set, (N, m) -> (m,), sum 1.

    A unit occurs where it is above (l - 1) / 2. One that never occurs would weigh without bound; it
    counts as one that occurs once (ours).
    """
    share = (au > (LEVELS - 1) / 2).float().mean(dim=0).clamp(min=1 / len(au))
    return (1 / share) / (1 / share).sum()


def unit_loss(read: Tensor, au: Tensor, weights: Tensor) -> Tensor:
    """Equation 5: normalised readings (B, m), 0 to 1, against intensities (B, m), 0 to 5."""
    return (weights * (au - read.float() * LEVELS).square()).sum(dim=1).mean()


def attribute_loss(
    identity: Tensor, pose: Tensor, true_identity: Tensor, true_pose: Tensor, pose_weight: float
) -> Tensor:
    """Equation 7: logits (B, n) and (B, v) against classes (B,) each."""
    loss = F.cross_entropy(identity.float(), true_identity)
    if pose_weight:
        loss = loss + pose_weight * F.cross_entropy(pose.float(), true_pose)
    return loss


def verdict_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Equations 8 and 10 for the discriminator: 1 for what is real, 0 for what is not.

    For D_sc the self-reconstructions are real, for D_g the photographs.
    """
    return (real.float() - 1).square().mean() + fake.float().square().mean()


def deception_loss(fake: Tensor) -> Tensor:
    """Equations 8 and 10 for the encoders and the generator: 1 for what they made."""
    return (fake.float() - 1).square().mean()


def reconstruction_loss(itself: Tensor, crossed: Tensor, image: Tensor) -> Tensor:
    """Equation 9: the self-reconstruction and the one by way of both swaps, against the picture.

    The norm as a mean over channels and pixels, as its weight of 40 wants it (ours).
    """
    return (itself.float() - image).abs().mean() + (crossed.float() - image).abs().mean()
