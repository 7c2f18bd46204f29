"""How far totals are from their truth: every field by itself, weighed where it matters."""

from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from train.families.cascade.motion.composition import MotionFields, enlarged, warp
from train.families.cascade.motion.networks import SkinReading
from train.families.cascade.motion.pairs_set import PairBatch, Truth

# Weights of a pixel: anywhere, on the face, around the mouth, around the eyes.
ANYWHERE, ON_FACE, AT_MOUTH, AT_EYES = 0.25, 0.75, 4.0, 2.0
INSIDE = 3.0  # a mouth's inside is few pixels among many of the lips around it
LEAST_ALPHA = 1e-3
AT_BROWS: Final = 2.0  # and on the forehead, added
BROWS_END: Final = -0.2  # of `skin_places`' way down: above it is what AU01, AU02 and AU04 move
MOVED, FOUND, READ, MASKED, PLACED, PAINTED = 0.4, 12.0, 0.15, 2.0, 6.0, 0.3
# What the movement makes of the picture: half a pixel where lips meet leaves a line of teeth.
SEEN: Final = 3.0
# Errors of movement above this count by their squares. An absolute error learns the median of what
# may become of a pixel: the cautious middle of a movement that is not quite certain.
MOVED_KNEE: Final = 4.0


@dataclass(frozen=True)
class MotionLoss:
    """The weighed sum, and the figures of the log."""

    total: Tensor
    figures: dict[str, float]


def motion_loss(
    totals: MotionFields, skin: SkinReading, truth: Truth, batch: PairBatch
) -> MotionLoss:
    """The loss of a stage's totals.

    Args:
        totals: what the stages so far give.
        skin: what the last of them read.
        truth: what they are to give.
        batch: for the weights.
    """
    weight = ANYWHERE + ON_FACE * batch.face + AT_MOUTH * batch.around_mouth
    weight = weight + AT_EYES * batch.around_eyes
    weight = weight + AT_BROWS * truth.known * (truth.skin[:, 1:] < BROWS_END)
    error = (totals.displacement - truth.displacement).abs()
    moved = (_of_both_powers(error, MOVED_KNEE) * weight).sum() / (2 * weight.sum())
    seen = _seen(totals.displacement, truth, batch.image, weight)
    off_skin = (skin.places - truth.skin).abs() * truth.known
    found = (off_skin * weight).sum() / (2 * (truth.known * weight).sum() + 20)
    read = (skin.units - truth.own_au).abs().mean()
    alpha = totals.mouth[:, 2:].clamp(1e-5, 1 - 1e-5)
    around = torch.maximum(batch.around_mouth, batch.around_eyes)
    near = (0.2 + 3 * F.max_pool2d(around, 9, 1, 4)) * (1 + INSIDE * truth.mouth)
    masked = F.binary_cross_entropy(alpha, truth.mouth, weight=near, reduction="sum") / near.sum()
    # Divided by alpha within the graph, so that places pull at no alpha.
    inner = totals.mouth[:, :2] / totals.mouth[:, 2:].clamp(min=LEAST_ALPHA)
    places = (inner - truth.place).abs() * truth.mouth
    placed = places.sum() / (2 * truth.mouth.sum() + 20)
    painted = totals.paint[:, 3:].mean()
    total = MOVED * moved + SEEN * seen + FOUND * found + READ * read
    total = total + MASKED * masked + PLACED * placed + PAINTED * painted
    with torch.no_grad():
        on = (truth.displacement.norm(dim=1, keepdim=True) > 0.25) & (batch.face > 0)
        off = error.norm(dim=1, keepdim=True)
        still = truth.displacement.norm(dim=1, keepdim=True)
        inside = (alpha > 0.5).float()
        both, either = (inside * truth.mouth).sum(), torch.maximum(inside, truth.mouth).sum()
        figures = {
            "moved": float(off[on].sum()),
            "still": float(still[on].sum()),
            "seen": float(seen),
            "skin": float(found),
            "units": float(read),
            "both": float(both),
            "either": float(either),
            "place": float(placed),
            "loss": float(total),
        }
    return MotionLoss(total, figures)


def _seen(displacement: Tensor, truth: Truth, image: Tensor, weight: Tensor) -> Tensor:
    """How much what is moved looks other than it is to, but where a mouth is drawn; in [0, 2]."""
    factor = image.shape[2] // displacement.shape[2]
    made, wanted = (
        warp(image, enlarged(each, factor) * factor) for each in (displacement, truth.displacement)
    )
    weight = enlarged(weight * (1 - truth.mouth), factor)
    return ((made - wanted).abs() * weight).sum() / (3 * weight.sum()).clamp(min=1.0)


def _of_both_powers(error: Tensor, knee: float) -> Tensor:
    """The error and its square, equal at the knee."""
    return error + error.square() / knee
