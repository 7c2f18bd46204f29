"""The adversarial phase for paired data (ours): edits against critics that know the truth.

It takes the place of the published adversarial phase where every edit asked for has a true picture:
the warm-up's losses keep the edit near it, the paired critics take the blur out. Over several
stages it is the last one's edit that has the truth, and with `morphed_truth` every stage's (see
`phases.cascade`). The critics judge the last stage alone, and only steps that ask for all of
the way: a morph is softer than a picture, and critics that met morphs as truths could not tell
edits from truths any more (right in 0.50 of places after 600 updates; without, in 0.8 to 0.9). The
stages before the last answer to the action-unit head where `loss.stage_condition` is set.
"""

from train.data.faces import FaceSet
from train.families.cascade.phases.cascade import ask_all_stages
from train.families.cascade.phases.edits import natural_au, run_stages
from train.families.cascade.phases.objective import condition_terms, without_critics
from train.families.cascade.phases.paired_terms import (
    paired_critics_loss,
    paired_critics_optimizer,
    update_paired_critics,
)
from train.families.cascade.recipe import PhaseRecipe
from train.families.cascade.state import TrainingState
from train.phase import adam, update


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
        loss, logged = without_critics(state, steps, stage_au, request, weights)
        if not request.is_part:
            pictures = (source, steps[-1].edit.final.float(), request.real.image)
            optimizer = state.optimizers["paired_critics"]
            logged |= update_paired_critics(state, phase, optimizer, *pictures, learning_rate)
            verdict, figures = paired_critics_loss(state, phase, *pictures)
            loss = loss + verdict
            logged |= figures
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
        state.average_cascade()
        return logged
