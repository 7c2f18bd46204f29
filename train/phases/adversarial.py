"""The adversarial phase: one EF-GAN against all critics (paper, supplement, section 6).

As published it is unpaired: a target's action units are another picture's, reached through the
Interpolator. Where `loss.paired` is set (ours, for paired data), source and target show one person,
part of each batch asks for the whole way, and for that part the true picture is known.
"""

import torch
from torch import Tensor

from efgan_rt.action_units import MAX_INTENSITY
from train.data.faces import Batch, FaceSet
from train.losses import (
    attention_loss,
    condition_loss,
    content_loss,
    critic_loss,
    detail_loss,
    generator_adversarial_loss,
    gradient_penalty,
    interpolation_loss,
    paired_loss,
)
from train.models.efgan import StageEdit
from train.models.transformer import crop
from train.phases.base import adam, update
from train.phases.warm_up import eyes_mouth_loss, initial_loss
from train.recipe import PhaseRecipe
from train.state import TrainingState


class AdversarialPhase:
    """Critic updates, then one generator update, as WGAN-GP asks."""

    def __init__(self, state: TrainingState, phase: PhaseRecipe, faces: FaceSet) -> None:
        self.state, self.phase, self.faces = state, phase, faces
        self.efgan = state.cascade.stage(1)
        self._penalty = 0.0  # the last one, for the log
        state.optimizers = {
            "generator": adam(state.cascade.parameters(), phase),
            "critics": adam(state.critics.parameters(), phase),
        }

    def step(self, learning_rate: float, done: float) -> dict[str, float]:
        """See `Phase.step`."""
        logged: dict[str, float] = {}
        for i in range(self.phase.critic_updates):
            number = self.state.step * self.phase.critic_updates + i
            penalise = number % self.phase.penalty_every == 0
            logged |= self._update_critics(learning_rate, penalise=penalise)
        logged |= self._update_generator(learning_rate, done)
        return logged

    def _draw(self) -> tuple[Batch, Batch, Tensor, Tensor]:
        """Source, a real batch, the wanted action units, and which samples have the real as truth.

        Without the paired term no sample has.
        """
        phase, rng = self.phase, self.state.rng
        if phase.loss.paired:
            pair = self.faces.draw_pairs(
                phase.batch, rng, phase.augmentation, unchanged_share=phase.unchanged_share
            )
            source, real = pair.source, pair.target
            whole_way = torch.rand(phase.batch, generator=rng) < 0.5
        else:
            source = self.faces.draw(phase.batch, rng, phase.augmentation)
            real = self.faces.draw(phase.batch, rng, phase.augmentation)
            whole_way = torch.zeros(phase.batch, dtype=torch.bool)
        span = 1 - phase.progress_min
        progress = phase.progress_min + span * torch.rand(phase.batch, generator=rng)
        progress = torch.where(whole_way, 1.0, progress).to(source.au.device)
        wanted = source.au + progress[:, None] * (real.au - source.au)  # the pseudo target, B K
        return source, real, wanted, whole_way.to(source.au.device)

    def _update_critics(self, learning_rate: float, *, penalise: bool) -> dict[str, float]:
        state, critics, loss_recipe = self.state, self.state.critics, self.phase.loss
        source, real, wanted, _ = self._draw()
        with torch.no_grad(), state.autocast():
            image = state.to_layout(source.image)
            interpolated = state.cascade.interpolator(source.au, wanted - source.au)
            edit = self.efgan(image, interpolated)
        reals, fakes = _critic_inputs(edit, real.image)
        with state.autocast():
            real_score, read_au = critics.final.score_and_au(real.image)
            scores = [critic_loss(real_score.float(), critics.final(fakes["final"]).float())]
            for name, critic in critics.initial().items():
                scores.append(critic_loss(critic(reals[name]).float(), critic(fakes[name]).float()))
        # Scores of action-unit vectors are cheap enough to stay in FP32.
        real_au, fake_au = real.au / MAX_INTENSITY, interpolated.float() / MAX_INTENSITY
        scores.append(critic_loss(critics.interp(real_au), critics.interp(fake_au)))
        wasserstein = torch.stack(scores).sum()
        condition = condition_loss(
            read_au, real.au / MAX_INTENSITY, loss_recipe.condition_reduction
        )
        loss = loss_recipe.adversarial * wasserstein + self._condition_weight(1.0) * condition
        penalty = loss.new_zeros(())
        if penalise:
            penalties = [
                gradient_penalty(critic, reals[name], fakes[name], state.rng)
                for name, critic in {"final": critics.final, **critics.initial()}.items()
            ]
            penalties.append(gradient_penalty(critics.interp, real_au, fake_au, state.rng))
            penalty = torch.stack(penalties).sum()
            # Fewer penalties weigh more, so that their mean strength is the recipe's.
            loss = loss + loss_recipe.gradient_penalty * self.phase.penalty_every * penalty
        update(state.optimizers["critics"], loss, learning_rate)
        if state.average:
            state.average.follow(
                state.average.au_reader, critics.final, state.recipe.ema_decay, state.step
            )
        if penalise:
            self._penalty = penalty.item()
        return {
            "wasserstein": -wasserstein.item(),
            "au_real": condition.item(),
            "penalty": self._penalty,
        }

    def _update_generator(self, learning_rate: float, done: float) -> dict[str, float]:
        state, critics, weights = self.state, self.state.critics, self.phase.loss
        source, real, wanted, whole_way = self._draw()
        critics.requires_grad_(False)
        with state.autocast():
            image = state.to_layout(source.image)
            interpolated = state.cascade.interpolator(source.au, wanted - source.au)
            edit = self.efgan(image, interpolated)
            final_score, read_au = critics.final.score_and_au(edit.final)
            scores = [generator_adversarial_loss(final_score.float())]
            _, fakes = _critic_inputs(edit, real.image)
            for name, critic in critics.initial().items():
                scores.append(generator_adversarial_loss(critic(fakes[name]).float()))
            recovered = self.efgan(edit.final, source.au).final if weights.content else None
        adversarial = torch.stack(scores).sum()
        condition = condition_loss(
            read_au, interpolated / MAX_INTENSITY, weights.condition_reduction
        )
        attention = attention_loss(
            [edit.initial.face_attention, *edit.initial.patch_attentions.values()],
            weights.attention_reduction,
        )
        au = interpolated.float() / MAX_INTENSITY
        interpolation = interpolation_loss(au, wanted / MAX_INTENSITY)
        naturalness = generator_adversarial_loss(critics.interp(au))
        loss = (
            weights.adversarial * adversarial
            + self._condition_weight(done) * condition
            + weights.attention * attention
            + weights.interpolation
            * (interpolation + weights.interpolation_adversarial * naturalness)
        )
        logged = {
            "adversarial": adversarial.item(),
            "au_fake": condition.item(),
            "attention": attention.item(),
            "interpolation": interpolation.item(),
        }
        if recovered is not None:
            content = content_loss(recovered, source.image)
            loss = loss + weights.content * content
            logged["content"] = content.item()
        if weights.paired:
            paired = initial_loss(edit, real.image, whole_way) + paired_loss(
                edit.final, real.image, whole_way
            )
            focus = eyes_mouth_loss(edit, real.image, whole_way)
            detail = detail_loss(edit.final, real.image, whole_way)
            loss = (
                loss
                + weights.paired * paired
                + weights.paired_eyes_mouth * focus
                + weights.paired_detail * detail
            )
            logged["paired"] = paired.item()
        update(state.optimizers["generator"], loss, learning_rate)
        critics.requires_grad_(True)
        if state.average:
            state.average.follow(
                state.average.cascade, state.cascade, state.recipe.ema_decay, state.step
            )
        return logged

    def _condition_weight(self, done: float) -> float:
        """Equation 4's weight, raised linearly from `condition_start` over half of the phase."""
        start = self.phase.loss.condition_start
        return self.phase.loss.condition * min(1.0, start + (1 - start) * 2 * done)


def _critic_inputs(edit: StageEdit, real: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """What each image critic compares: real pictures or patches, and the edit's."""
    reals = {"final": real, "face": real}
    fakes = {"final": edit.final.float(), "face": edit.initial.face.float()}
    for name, patch in edit.initial.patches.items():
        reals[name] = crop(real, edit.regions[name])
        fakes[name] = patch.float()
    return reals, fakes
