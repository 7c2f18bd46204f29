"""The paired warm-up (ours): the generator learns from the same person's real pictures, no critic.

Only for data that are paired, as RaFD and the rendered set are: several expressions of one person,
all else alike. It gives plainly readable expressions before the first adversarial step.

Over several stages it is a cheap start of a cascade. The last stage has the truth; those before it
have morphs or none (see `phases.cascade`), and where `loss.stage_condition` is set they
answer to the action-unit head as it stands, so that the work is shared out.
"""

import torch

from train.data.faces import FaceSet
from train.families.cascade.phases.cascade import ask_all_stages
from train.families.cascade.phases.edits import natural_au, run_stages
from train.families.cascade.phases.objective import condition_terms, without_critics
from train.families.cascade.recipe import PhaseRecipe
from train.families.cascade.state import TrainingState
from train.phase import adam, update


class WarmUpPhase:
    """Mean absolute difference to the truth, on the initial edits and on the final one."""

    def __init__(self, state: TrainingState, phase: PhaseRecipe, faces: FaceSet) -> None:
        self.state, self.phase, self.faces = state, phase, faces
        state.optimizers = {"generator": adam(state.cascade.parameters(), phase)}

    def step(self, learning_rate: float, done: float) -> dict[str, float]:
        """See `Phase.step`."""
        state, weights = self.state, self.phase.loss
        request = ask_all_stages(state, self.phase, self.faces)
        stage_au = natural_au(state, request)
        # The true action units steer the last stage; the Interpolator learns beside it.
        steering = [*(au.detach() for au in stage_au[:-1]), request.real.au]
        steps = run_stages(state, request, steering)
        loss, logged = without_critics(state, steps, stage_au, request, weights)
        if weights.stage_condition and len(steps) > 1:
            state.critics.requires_grad_(False)
            with state.autocast():
                conditions = condition_terms(state.critics, steps[:-1], weights)
            state.critics.requires_grad_(True)
            loss = loss + weights.stage_condition * torch.stack(conditions).sum()
            logged |= {f"au_fake_{i}": term.item() for i, term in enumerate(conditions, start=1)}
        update(state.optimizers["generator"], loss, learning_rate)
        state.average_cascade()
        return logged
