"""What phases of every family share: the rate, the optimiser, the update."""

from collections.abc import Iterable
from typing import Protocol

import torch
from torch import nn

from train.distributed import average_gradients
from train.families.family import PhasePlan


class AdamPlan(Protocol):
    """What the optimiser reads of a phase."""

    @property
    def learning_rate(self) -> float:
        """At the start."""
        ...

    @property
    def betas(self) -> tuple[float, float]:
        """Adam's."""
        ...


def learning_rate_at(phase: PhasePlan, step: int, steps: int) -> float:
    """Flat for `flat_share` of the phase, then linear to 0 (supplement, section 8)."""
    flat = phase.flat_share * steps
    if step < flat:
        return phase.learning_rate
    return phase.learning_rate * max(0.0, (steps - step) / max(1.0, steps - flat))


def adam(parameters: Iterable[nn.Parameter], phase: AdamPlan) -> torch.optim.Adam:
    """The paper's optimiser, fused: one pass over all parameters."""
    return torch.optim.Adam(parameters, phase.learning_rate, betas=phase.betas, fused=True)


def update(optimizer: torch.optim.Optimizer, loss: torch.Tensor, learning_rate: float) -> None:
    """One optimiser step of `loss`, averaged over the processes that train together.

    Raises:
        FloatingPointError: the loss or a gradient is not finite; nothing was updated.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    mean_loss = average_gradients(parameters, loss)
    if not torch.isfinite(mean_loss):
        raise FloatingPointError(f"the loss is {mean_loss.item()}")
    norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    if not torch.isfinite(norm):
        raise FloatingPointError(f"the loss is {mean_loss.item():.4g}, its gradient {norm.item()}")
    optimizer.step()
