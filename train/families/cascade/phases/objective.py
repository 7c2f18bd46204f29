"""The terms that phases have in common, over the stages of a request.

"In Cascade EF-GAN, the total loss is the sum of the loss of each EF-GAN with equal weights" (paper,
section 3.3): every function here sums over the stages. What the log gets is the mean over them, so
that a cascade's figures compare with those of a single EF-GAN.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from efgan_rt.action_units import MAX_INTENSITY
from train.families.cascade.losses import (
    attention_loss,
    condition_loss,
    content_loss,
    detail_loss,
    generator_adversarial_loss,
    interpolation_loss,
    paired_loss,
)
from train.families.cascade.networks.discriminators import AUDiscriminator, Discriminators
from train.families.cascade.networks.efgan import StageEdit
from train.families.cascade.networks.transformer import crop
from train.families.cascade.phases.edits import Request, StageStep, critic_inputs
from train.families.cascade.recipe import LossRecipe
from train.families.cascade.state import TrainingState


def adversarial_terms(critics: Discriminators, steps: Sequence[StageStep]) -> Tensor:
    """Equation 3, the generator's side: all image critics, all stages. Call it inside autocast."""
    fakes = critic_inputs(steps)
    named = {"final": critics.final, **critics.initial()}
    scores = [generator_adversarial_loss(c(fakes[name]).float()) for name, c in named.items()]
    return len(steps) * torch.stack(scores).sum()


def condition_terms(
    critics: Discriminators, steps: Sequence[StageStep], loss: LossRecipe
) -> list[Tensor]:
    """Equation 4, its second term, for each stage. Call it inside autocast."""
    read = critics.final.au(torch.cat([step.edit.final for step in steps]))
    wanted = [step.au.detach() / MAX_INTENSITY for step in steps]
    return [
        condition_loss(part, au, loss.condition_reduction)
        for part, au in zip(read.chunk(len(steps)), wanted, strict=True)
    ]


def content_terms(state: TrainingState, steps: Sequence[StageStep]) -> Tensor:
    """Equation 5: each stage edits its own result back to what it was given.

    A stage is asked for its own small step back, as it was for the step there. What it was given
    counts as given: no gradient asks the stage before to make pictures that are easy to get back.
    """
    losses = []
    for number, step in enumerate(steps, start=1):
        with state.autocast():
            back = state.cascade.stage(number)(step.edit.final, step.image_au)
        losses.append(content_loss(back.final, step.image.detach()))
    return torch.stack(losses).sum()


def attention_terms(steps: Sequence[StageStep], loss: LossRecipe) -> Tensor:
    """Equation 6: all branches, all stages."""
    losses = []
    for step in steps:
        initial = step.edit.initial
        maps = [initial.face_attention, *initial.patch_attentions.values()]
        losses.append(attention_loss(maps, loss.attention_reduction))
    return torch.stack(losses).sum()


def interpolation_terms(
    critic: AUDiscriminator,
    stage_au: Sequence[Tensor],
    pseudo_au: Sequence[Tensor],
    loss: LossRecipe,
) -> tuple[Tensor, Tensor]:
    """Equation 7, all stages: the distance, and the whole with the AU critic's verdict."""
    au = torch.cat([each.float() for each in stage_au]) / MAX_INTENSITY
    wanted = torch.cat(list(pseudo_au)) / MAX_INTENSITY
    distance = len(stage_au) * interpolation_loss(au, wanted)
    if not loss.interpolation_adversarial:
        return distance, distance
    verdict = len(stage_au) * generator_adversarial_loss(critic(au))
    return distance, distance + loss.interpolation_adversarial * verdict


def paired_terms(steps: Sequence[StageStep], loss: LossRecipe) -> tuple[Tensor, dict[str, float]]:
    """The paired losses (ours) of the stages that have a truth, weighed; and the log's figures."""
    last = steps[-1]
    assert last.truth is not None, "paired losses are for requests whose last stage has a truth"
    total, paired = last.truth.new_zeros(()), last.truth.new_zeros(())
    for step in steps:
        edit, truth, weight = step.edit, step.truth, step.truth_weight
        if truth is None:
            continue
        distance = initial_loss(edit, truth, weight) + paired_loss(edit.final, truth, weight)
        paired = paired + distance
        total = total + loss.paired * distance
        if loss.paired_eyes_mouth:
            total = total + loss.paired_eyes_mouth * eyes_mouth_loss(edit, truth, weight)
        if loss.paired_detail:
            total = total + loss.paired_detail * detail_loss(edit.final, truth, weight)
    final = paired_loss(last.edit.final.detach(), last.truth, last.truth_weight)
    return total, {"paired": paired.item(), "final": final.item()}


def without_critics(
    state: TrainingState,
    steps: Sequence[StageStep],
    stage_au: Sequence[Tensor],
    request: Request,
    loss: LossRecipe,
) -> tuple[Tensor, dict[str, float]]:
    """What a paired phase asks of its edits before any critic, weighed; and the log's figures."""
    paired, logged = paired_terms(steps, loss)
    attention = attention_terms(steps, loss)
    distance, _ = interpolation_terms(state.critics.interp, stage_au, request.pseudo_au, loss)
    logged["attention"] = attention.item() / len(steps)
    return paired + loss.attention * attention + loss.interpolation * distance, logged


def initial_loss(edit: StageEdit, truth: Tensor, weight: Tensor | None = None) -> Tensor:
    """The paired loss summed over the global edit and every patch."""
    losses = [paired_loss(edit.initial.face, truth, weight)]
    for name, patch in edit.initial.patches.items():
        losses.append(paired_loss(patch, crop(truth, edit.regions[name]), weight))
    return torch.stack(losses).sum()


def eyes_mouth_loss(edit: StageEdit, truth: Tensor, weight: Tensor | None = None) -> Tensor:
    """The paired loss of the final edit again, over the eye and mouth patches."""
    losses = [
        paired_loss(crop(edit.final, box), crop(truth, box), weight)
        for name, box in edit.regions.items()
        if name in ("eyes", "mouth")
    ]
    return torch.stack(losses).sum() if losses else truth.new_zeros(())
