"""The paired warm-up (ours): the generator learns from the same person's real pictures, no critic.

Only for data that are paired, as RaFD and the rendered set are: several expressions of one person,
all else alike. It gives plainly readable expressions before the first adversarial step.
"""

import torch

from efgan_rt.action_units import MAX_INTENSITY
from train.data.faces import FaceSet
from train.losses import attention_loss, detail_loss, interpolation_loss, paired_loss
from train.models.efgan import StageEdit
from train.models.transformer import crop
from train.phases.base import adam, update
from train.recipe import PhaseRecipe
from train.state import TrainingState


class WarmUpPhase:
    """Mean absolute difference to the truth, on the initial edits and on the final one."""

    def __init__(self, state: TrainingState, phase: PhaseRecipe, faces: FaceSet) -> None:
        self.state, self.phase, self.faces = state, phase, faces
        state.optimizers = {"generator": adam(state.cascade.parameters(), phase)}

    def step(self, learning_rate: float, done: float) -> dict[str, float]:
        """See `Phase.step`."""
        state, phase, weights = self.state, self.phase, self.phase.loss
        pair = self.faces.draw_pairs(
            phase.batch, state.rng, phase.augmentation, unchanged_share=phase.unchanged_share
        )
        image, truth = state.to_layout(pair.source.image), pair.target.image
        with state.autocast():
            # The true action units steer the generator here; the Interpolator learns beside it.
            edit: StageEdit = state.cascade.stage(1)(image, pair.target.au)
            interpolated = state.cascade.interpolator(
                pair.source.au, pair.target.au - pair.source.au
            )
        paired = initial_loss(edit, truth) + paired_loss(edit.final, truth)
        focus, detail = eyes_mouth_loss(edit, truth), detail_loss(edit.final, truth)
        attention = attention_loss(
            [edit.initial.face_attention, *edit.initial.patch_attentions.values()],
            weights.attention_reduction,
        )
        interpolation = interpolation_loss(
            interpolated.float() / MAX_INTENSITY, pair.target.au / MAX_INTENSITY
        )
        loss = (
            weights.paired * paired
            + weights.paired_eyes_mouth * focus
            + weights.paired_detail * detail
            + weights.attention * attention
            + weights.interpolation * interpolation
        )
        update(state.optimizers["generator"], loss, learning_rate)
        if state.average:
            state.average.follow(
                state.average.cascade, state.cascade, state.recipe.ema_decay, state.step
            )
        final = paired_loss(edit.final.detach(), truth).item()
        return {"paired": paired.item(), "final": final, "attention": attention.item()}


def initial_loss(
    edit: StageEdit, truth: torch.Tensor, chosen: torch.Tensor | None = None
) -> torch.Tensor:
    """The paired loss summed over the global edit and every patch."""
    losses = [paired_loss(edit.initial.face, truth, chosen)]
    for name, patch in edit.initial.patches.items():
        losses.append(paired_loss(patch, crop(truth, edit.regions[name]), chosen))
    return torch.stack(losses).sum()


def eyes_mouth_loss(
    edit: StageEdit, truth: torch.Tensor, chosen: torch.Tensor | None = None
) -> torch.Tensor:
    """The paired loss of the final edit again, over the eye and mouth patches."""
    losses = [
        paired_loss(crop(edit.final, box), crop(truth, box), chosen)
        for name, box in edit.regions.items()
        if name in ("eyes", "mouth")
    ]
    return torch.stack(losses).sum() if losses else truth.new_zeros(())
