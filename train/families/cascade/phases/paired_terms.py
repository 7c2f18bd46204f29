"""The paired critics' part of a step (ours), for every phase whose edits have a true picture.

A phase makes edits, calls `update_paired_critics` with them, and adds `paired_critics_loss` of the
same edits to its generator's loss. Only samples with a truth may be handed over.
"""

import torch
from torch import Tensor

from efgan_rt.errors import EfganError
from train.families.cascade.losses import (
    feature_matching_loss,
    relativistic_loss,
    zero_centred_penalty,
)
from train.families.cascade.networks.paired_critics import PairedCritics
from train.families.cascade.recipe import PhaseRecipe
from train.families.cascade.state import TrainingState
from train.phase import update


def paired_critics_of(state: TrainingState) -> PairedCritics:
    """The training's paired critics.

    Raises:
        EfganError: the recipe's model has none.
    """
    if state.paired_critics is None:
        raise EfganError(
            "a phase weighs paired_adversarial or feature_matching, but the model has no paired "
            "critics: set model.paired_critic_width above 0 (16 to 32 is enough for patches)"
        )
    return state.paired_critics


def paired_critics_optimizer(state: TrainingState, phase: PhaseRecipe) -> torch.optim.Adam:
    """Adam with the phase's `critic_betas` over the paired critics."""
    parameters = paired_critics_of(state).parameters()
    return torch.optim.Adam(parameters, phase.learning_rate, betas=phase.critic_betas, fused=True)


def update_paired_critics(
    state: TrainingState,
    phase: PhaseRecipe,
    optimizer: torch.optim.Optimizer,
    source: Tensor,
    edit: Tensor,
    truth: Tensor,
    learning_rate: float,
) -> dict[str, float]:
    """One update of the paired critics.

    Args:
        state: `state.step` decides whether this step is penalised.
        phase: its `penalty_every`, `critic_learning_rate` and the penalty's weight.
        optimizer: over the paired critics.
        source: (B, 3, H, W) in [-1, 1], what was edited.
        edit: the same shape; nothing flows back into it.
        truth: the same shape, what the edit should be.
        learning_rate: the generator's in this step; the critics' falls alike.

    Returns:
        For the log: `critic`, the loss (0.69 a critic when it guesses), `critic_right`, the share
        of places whose truth scores higher (0.5 when it guesses), and `critic_penalty`.
    """
    critics, count = paired_critics_of(state), len(source)
    with state.autocast():
        judged = critics.judge(torch.cat([source, source]), torch.cat([truth, edit.detach()]))
    losses, right = [], []
    for judgement in judged.values():
        true, false = judgement.split(count)
        losses.append(relativistic_loss(true.scores, false.scores))
        right.append((true.scores > false.scores).float().mean())
    loss = torch.stack(losses).sum()
    logged = {"critic": loss.item(), "critic_right": torch.stack(right).mean().item()}
    weight = phase.loss.zero_centred_penalty
    if weight and state.step % phase.penalty_every == 0:
        # In FP32: slopes of slopes are too fine for BF16.
        picture = truth.detach().clone().requires_grad_()
        scores = [j.scores for j in critics.judge(source, picture).values()]
        penalty = zero_centred_penalty(scores, picture)
        # Fewer penalties weigh more, so that their mean strength is the recipe's.
        loss = loss + weight * phase.penalty_every * penalty
        logged["critic_penalty"] = penalty.item()
    if phase.critic_learning_rate:
        learning_rate *= phase.critic_learning_rate / phase.learning_rate
    update(optimizer, loss, learning_rate)
    return logged


def paired_critics_loss(
    state: TrainingState, phase: PhaseRecipe, source: Tensor, edit: Tensor, truth: Tensor
) -> tuple[Tensor, dict[str, float]]:
    """What the critics say of edits, weighed as the phase says; arguments as above.

    Gradients flow into `edit`, and none into the critics' weights.

    Returns:
        A scalar for the generator's loss, and for the log its parts before weighing, each summed
        over the critics: `edit_against_truth` and `features`.
    """
    critics = paired_critics_of(state)
    critics.requires_grad_(False)
    with state.autocast():
        with torch.no_grad():
            truths = critics.judge(source, truth)
        edits = critics.judge(source, edit)
    adversarial, features = [], []
    for name, judgement in edits.items():
        factor = phase.loss.paired_adversarial_by_region.get(name, 1.0)
        adversarial.append(factor * relativistic_loss(judgement.scores, truths[name].scores))
        features.append(feature_matching_loss(judgement.features, truths[name].features))
    critics.requires_grad_(True)
    verdict, distance = torch.stack(adversarial).sum(), torch.stack(features).sum()
    loss = phase.loss.paired_adversarial * verdict + phase.loss.feature_matching * distance
    return loss, {"edit_against_truth": verdict.item(), "features": distance.item()}
