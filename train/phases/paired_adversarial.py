"""The adversarial phase for paired data (ours): edits against critics that know the truth.

It takes the place of the published adversarial phase where every edit asked for has a true picture:
the warm-up's losses keep the edit near it, the paired critics take the blur out. Over several
stages it is the last one's edit that has the truth, and with `morphed_truth` every stage's (see
`train.phases.cascade`); the critics judge one stage a step. The stages before the last answer to
the action-unit head where `loss.stage_condition` is set.
"""

from collections.abc import Sequence

import torch

from train.data.faces import FaceSet
from train.phases.base import adam, update
from train.phases.cascade import ask_all_stages
from train.phases.edits import StageStep, natural_au, run_stages
from train.phases.objective import (
    attention_terms,
    condition_terms,
    interpolation_terms,
    paired_terms,
)
from train.phases.paired_terms import (
    paired_critics_loss,
    paired_critics_optimizer,
    update_paired_critics,
)
from train.recipe import PhaseRecipe
from train.state import TrainingState


class PairedAdversarialPhase:
    """One edit a step: the critics learn from it first, then the generator from the critics."""

    def __init__(self, state: TrainingState, phase: PhaseRecipe, faces: FaceSet) -> None:
        self.state, self.phase, self.faces = state, phase, faces
        state.optimizers = {
            "generator": adam(state.cascade.parameters(), phase),
            "paired_critics": paired_critics_optimizer(state, phase),
        }

    def step(self, learning_rate: float, done: float) -> dict[str, float]:
        """See `Phase.step`."""
        state, phase, weights = self.state, self.phase, self.phase.loss
        request = ask_all_stages(state, phase, self.faces)
        source = state.to_layout(request.source.image)
        stage_au = natural_au(state, request)
        # The Interpolator learns from action units alone: pictures would teach it tricks.
        steps = run_stages(state, request, [au.detach() for au in stage_au])
        judged = self._judged(steps)
        edit, truth = judged.edit.final.float(), judged.truth
        assert truth is not None
        optimizer = state.optimizers["paired_critics"]
        logged = update_paired_critics(state, phase, optimizer, source, edit, truth, learning_rate)
        verdict, parts = paired_critics_loss(state, phase, source, edit, truth)
        paired, figures = paired_terms(steps, weights)
        attention = attention_terms(steps, weights)
        distance, _ = interpolation_terms(
            state.critics.interp, stage_au, request.pseudo_au, weights
        )
        loss = verdict + paired + weights.attention * attention + weights.interpolation * distance
        logged |= {**parts, **figures, "attention": attention.item() / len(steps)}
        if weights.condition or (weights.stage_condition and len(steps) > 1):
            state.critics.final.requires_grad_(False)
            with state.autocast():
                *before, last = condition_terms(state.critics, steps, weights)
            state.critics.final.requires_grad_(True)
            loss = loss + weights.condition * last
            for number, term in enumerate(before, start=1):
                loss = loss + weights.stage_condition * term
                logged[f"au_fake_{number}"] = term.item()
            logged["au_fake"] = last.item()
        update(state.optimizers["generator"], loss, learning_rate)
        if state.average:
            state.average.follow(
                state.average.cascade, state.cascade, state.recipe.ema_decay, state.step
            )
        return logged

    def _judged(self, steps: Sequence[StageStep]) -> StageStep:
        """The stage whose edit the critics see in this step: in half of them the last one."""
        last = len(steps) - 1
        if not self.phase.morphed_truth or last == 0:
            return steps[-1]
        drawn = int(torch.randint(2 * last, (), generator=self.state.rng))
        return steps[min(drawn, last)]
