"""The adversarial phase for paired data (ours): edits against critics that know the truth.

It takes the place of the published adversarial phase where every edit asked for has a true picture:
the warm-up's losses keep the edit near it, the paired critics take the blur out.
"""

from efgan_rt.action_units import MAX_INTENSITY
from train.data.faces import FaceSet
from train.losses import (
    attention_loss,
    condition_loss,
    detail_loss,
    interpolation_loss,
    paired_loss,
)
from train.phases.base import adam, update
from train.phases.paired_terms import (
    paired_critics_loss,
    paired_critics_optimizer,
    update_paired_critics,
)
from train.phases.warm_up import eyes_mouth_loss, initial_loss
from train.recipe import PhaseRecipe
from train.state import TrainingState


class PairedAdversarialPhase:
    """One edit a step: the critics learn from it first, then the generator from the critics."""

    def __init__(self, state: TrainingState, phase: PhaseRecipe, faces: FaceSet) -> None:
        self.state, self.phase, self.faces = state, phase, faces
        self.efgan = state.cascade.stage(1)
        state.optimizers = {
            "generator": adam(state.cascade.parameters(), phase),
            "paired_critics": paired_critics_optimizer(state, phase),
        }

    def step(self, learning_rate: float, done: float) -> dict[str, float]:
        """See `Phase.step`."""
        state, phase, weights = self.state, self.phase, self.phase.loss
        pair = self.faces.draw_pairs(
            phase.batch, state.rng, phase.augmentation, unchanged_share=phase.unchanged_share
        )
        source, truth = state.to_layout(pair.source.image), pair.target.image
        with state.autocast():
            wanted = state.cascade.interpolator(pair.source.au, pair.target.au - pair.source.au)
            # The Interpolator learns from action units alone: pictures would teach it tricks.
            edit = self.efgan(source, wanted.detach())
        final = edit.final.float()
        optimizer = state.optimizers["paired_critics"]
        logged = update_paired_critics(state, phase, optimizer, source, final, truth, learning_rate)
        verdict, parts = paired_critics_loss(state, phase, source, final, truth)
        logged |= parts
        paired = initial_loss(edit, truth) + paired_loss(final, truth)
        focus, detail = eyes_mouth_loss(edit, truth), detail_loss(final, truth)
        attention = attention_loss(
            [edit.initial.face_attention, *edit.initial.patch_attentions.values()],
            weights.attention_reduction,
        )
        target_au = pair.target.au / MAX_INTENSITY
        interpolation = interpolation_loss(wanted.float() / MAX_INTENSITY, target_au)
        loss = (
            verdict
            + weights.paired * paired
            + weights.paired_eyes_mouth * focus
            + weights.paired_detail * detail
            + weights.attention * attention
            + weights.interpolation * interpolation
        )
        if weights.condition:
            state.critics.final.requires_grad_(False)
            with state.autocast():
                read_au = state.critics.final.au(final)
            state.critics.final.requires_grad_(True)
            condition = condition_loss(read_au, target_au, weights.condition_reduction)
            loss = loss + weights.condition * condition
            logged["au_fake"] = condition.item()
        update(state.optimizers["generator"], loss, learning_rate)
        if state.average:
            state.average.follow(
                state.average.cascade, state.cascade, state.recipe.ema_decay, state.step
            )
        return logged | {
            "paired": paired.item(),
            "final": paired_loss(final.detach(), truth).item(),
            "detail": detail.item(),
            "attention": attention.item(),
        }
