"""The adversarial phase: EF-GANs against all critics (paper, supplement, section 6).

As published it is unpaired: a target's action units are another picture's, reached through the
Interpolator. Where `loss.paired` is set (ours, for paired data), source and target show one person,
part of each batch asks for the whole way, and for that part the true picture is known.

The updates here are the same for one EF-GAN and for a cascade, which differs in what it asks of its
stages (`phases.cascade`). The critics are shared by the stages (an assumption: the paper does
not say), so each learns from all of them. The Interpolator learns from equation 7 alone: a target
that could move towards what the generator happens to make would be no target.
"""

from collections.abc import Callable, Sequence
from typing import Final

import torch
from torch import Tensor

from efgan_rt.action_units import MAX_INTENSITY
from train.data.faces import FaceSet
from train.distributed import own_rows, process_count
from train.families.cascade.losses import condition_loss, critic_loss, gradient_penalty
from train.families.cascade.phases.edits import (
    Request,
    StageStep,
    critic_inputs,
    natural_au,
    real_inputs,
    run_stages,
)
from train.families.cascade.phases.objective import (
    adversarial_terms,
    attention_terms,
    condition_terms,
    content_terms,
    interpolation_terms,
    paired_terms,
)
from train.families.cascade.phases.paired_terms import (
    paired_critics_loss,
    paired_critics_optimizer,
    update_paired_critics,
)
from train.families.cascade.recipe import PhaseRecipe
from train.families.cascade.state import TrainingState
from train.phase import adam, update

Ask = Callable[[TrainingState, PhaseRecipe, FaceSet], Request]
WHOLE_WAY: Final = 0.5  # share of a paired batch that asks for progress 1, where the truth is known


class AdversarialPhase:
    """Critic updates, then one generator update, as WGAN-GP asks."""

    def __init__(
        self, state: TrainingState, phase: PhaseRecipe, faces: FaceSet, ask: Ask | None = None
    ) -> None:
        """Makes the optimisers; `ask` draws what is wanted of a batch (None: of one EF-GAN)."""
        self.state, self.phase, self.faces = state, phase, faces
        self.ask = ask or ask_one_stage
        self._penalty = 0.0  # the last one, for the log
        state.optimizers = {
            "generator": adam(state.cascade.parameters(), phase),
            "critics": adam(state.critics.parameters(), phase),
        }
        self.paired_critics = bool(phase.loss.paired_adversarial or phase.loss.feature_matching)
        if self.paired_critics:
            state.optimizers["paired_critics"] = paired_critics_optimizer(state, phase)

    def step(self, learning_rate: float, done: float) -> dict[str, float]:
        """See `Phase.step`."""
        state, phase = self.state, self.phase
        logged: dict[str, float] = {}
        request = self.ask(state, phase, self.faces)
        for i in range(phase.critic_updates):
            if i:
                request = self.ask(state, phase, self.faces)
            shared = phase.share_edits and i == phase.critic_updates - 1
            stage_au = natural_au(state, request)
            with torch.set_grad_enabled(shared):
                steps = run_stages(state, request, [au.detach() for au in stage_au])
            number = state.step * phase.critic_updates + i
            penalise = number % phase.penalty_every == 0
            logged |= self._update_critics(
                [step.detached() for step in steps], request, learning_rate, penalise=penalise
            )
        if not phase.share_edits:
            request = self.ask(state, phase, self.faces)
            stage_au = natural_au(state, request)
            steps = run_stages(state, request, [au.detach() for au in stage_au])
        logged |= self._update_generator(steps, stage_au, request, learning_rate, done)
        return logged

    def _update_critics(
        self,
        steps: Sequence[StageStep],
        request: Request,
        learning_rate: float,
        *,
        penalise: bool,
    ) -> dict[str, float]:
        """Means over the stages: a common factor of the critics' losses means nothing to Adam."""
        state, critics, weights = self.state, self.state.critics, self.phase.loss
        real = request.real
        real_au = real.au / MAX_INTENSITY
        fake_au = torch.cat([step.au.float() for step in steps]).detach() / MAX_INTENSITY
        # Scores of action-unit vectors are cheap enough to stay in FP32.
        interp_score = critic_loss(critics.interp(real_au), critics.interp(fake_au))
        wasserstein = real_au.new_zeros(())
        if weights.adversarial:
            reals, fakes = real_inputs(steps, real.image), critic_inputs(steps)
            with state.autocast():
                real_score, read_au = critics.final.score_and_au(real.image)
                scores = [critic_loss(real_score.float(), critics.final(fakes["final"]).float())]
                for name, critic in critics.initial().items():
                    scores.append(
                        critic_loss(critic(reals[name]).float(), critic(fakes[name]).float())
                    )
            wasserstein = torch.stack(scores).sum()
        else:
            with state.autocast():
                read_au = critics.final.au(real.image)
        condition = condition_loss(read_au, real_au, weights.condition_reduction)
        loss = (
            weights.adversarial * wasserstein
            + interp_score
            + condition_weight(self.phase, 1.0) * condition
        )
        if penalise:
            rng, which = state.rng, self._stage_of_each_sample(len(steps), len(real_au))
            penalties = [gradient_penalty(critics.interp, real_au, _chosen(fake_au, which), rng)]
            if weights.adversarial:
                for name, critic in {"final": critics.final, **critics.initial()}.items():
                    fake = _chosen(fakes[name], which)
                    penalties.append(gradient_penalty(critic, reals[name], fake, rng))
            penalty = torch.stack(penalties).sum()
            self._penalty = penalty.item()
            # Fewer penalties weigh more, so that their mean strength is the recipe's.
            loss = loss + weights.gradient_penalty * self.phase.penalty_every * penalty
        update(state.optimizers["critics"], loss, learning_rate)
        state.average_reader()
        return {
            "wasserstein": -wasserstein.item(),
            "wasserstein_au": -interp_score.item(),
            "au_real": condition.item(),
            "penalty": self._penalty,
        }

    def _stage_of_each_sample(self, stages: int, count: int) -> Tensor | None:
        """Which stage's edit is mixed with the real picture in the gradient penalty; None: the one.

        One stage a sample, drawn anew: on average the mean over the stages, at a third of its cost.
        """
        if stages == 1:
            return None
        whole = count * process_count()
        drawn = torch.randint(stages, (whole,), generator=self.state.rng)
        return drawn[own_rows(whole)]

    def _update_generator(
        self,
        steps: Sequence[StageStep],
        stage_au: Sequence[Tensor],
        request: Request,
        learning_rate: float,
        done: float,
    ) -> dict[str, float]:
        state, critics, weights = self.state, self.state.critics, self.phase.loss
        critics.requires_grad_(False)
        with state.autocast():
            conditions = condition_terms(critics, steps, weights)
            adversarial = (
                adversarial_terms(critics, steps)
                if weights.adversarial
                else request.source.au.new_zeros(())
            )
        attention = attention_terms(steps, weights)
        distance, interpolation = interpolation_terms(
            critics.interp, stage_au, request.pseudo_au, weights
        )
        condition = torch.stack(conditions).sum()
        loss = (
            weights.adversarial * adversarial
            + condition_weight(self.phase, done) * condition
            + weights.attention * attention
            + weights.interpolation * interpolation
        )
        count = len(steps)
        logged = {
            "adversarial": adversarial.item() / count,
            "au_fake": condition.item() / count,
            "attention": attention.item() / count,
            "interpolation": distance.item() / count,
        }
        if count > 1:
            logged |= {f"au_fake_{i}": term.item() for i, term in enumerate(conditions, start=1)}
        if weights.content and state.step % self.phase.content_every == 0:
            content = content_terms(state, steps)
            loss = loss + weights.content * self.phase.content_every * content
            logged["content"] = content.item() / count
        if weights.paired:
            paired, figures = paired_terms(steps, weights)
            loss = loss + paired
            logged |= figures
        if self.paired_critics:
            # The last stage's edits all have a truth: `PhaseRecipe` holds that.
            pictures = (request.source.image, steps[-1].edit.final.float(), request.real.image)
            optimizer = state.optimizers["paired_critics"]
            logged |= update_paired_critics(state, self.phase, optimizer, *pictures, learning_rate)
            verdict, parts = paired_critics_loss(state, self.phase, *pictures)
            loss = loss + verdict
            logged |= parts
        update(state.optimizers["generator"], loss, learning_rate)
        critics.requires_grad_(True)
        state.average_cascade()
        return logged


def ask_one_stage(state: TrainingState, phase: PhaseRecipe, faces: FaceSet) -> Request:
    """What a single EF-GAN is asked for: some part of the way, drawn from `progress_min` to 1."""
    rng, mine = state.rng, own_rows(phase.batch)
    whole_way = torch.zeros(phase.batch, dtype=torch.bool)
    if phase.loss.paired:
        pair = faces.draw_pairs(
            phase.batch, rng, phase.augmentation, unchanged_share=phase.unchanged_share
        )
        source, real = pair.source, pair.target
        whole_way = torch.rand(phase.batch, generator=rng) < WHOLE_WAY
    else:
        source = faces.draw(phase.batch, rng, phase.augmentation)
        real = faces.draw(phase.batch, rng, phase.augmentation)
    progress = phase.progress_min + (1 - phase.progress_min) * torch.rand(
        phase.batch, generator=rng
    )
    progress = torch.where(whole_way, 1.0, progress)[mine].to(source.au.device)
    pseudo_au = source.au + progress[:, None] * (real.au - source.au)
    # The mean over the samples that have a truth, as weights of the mean over the whole batch.
    weight = whole_way * (phase.batch / max(1, int(whole_way.sum())))
    if not phase.loss.paired:
        return Request(source, real, (pseudo_au,), (None,), (None,))
    return Request(source, real, (pseudo_au,), (real.image,), (weight[mine].to(source.au.device),))


def condition_weight(phase: PhaseRecipe, done: float) -> float:
    """Equation 4's weight, raised linearly from `condition_start` over half of the phase."""
    start = phase.loss.condition_start
    return phase.loss.condition * min(1.0, start + (1 - start) * 2 * done)


def _chosen(fakes: Tensor, which: Tensor | None) -> Tensor:
    """One stage's entry for each sample, of (S B, ...), stage after stage."""
    if which is None:
        return fakes
    rows = torch.arange(len(which))
    return fakes[(which * len(which) + rows).to(fakes.device)]
