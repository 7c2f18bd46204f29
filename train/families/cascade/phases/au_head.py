"""The action-unit head trained on real pictures, before a generator sees it (ours).

A head that has learnt nothing, weighed as the paper weighs it, teaches the generator tricks: in a
trial it painted textures that pleased the head instead of moving the mouth.
"""

from efgan_rt.action_units import MAX_INTENSITY
from train.data.faces import FaceSet
from train.families.cascade.losses import condition_loss
from train.families.cascade.recipe import PhaseRecipe
from train.families.cascade.state import TrainingState
from train.phase import adam, update


class AUHeadPhase:
    """Equation 4's first term alone: regression of action units on real pictures."""

    def __init__(self, state: TrainingState, phase: PhaseRecipe, faces: FaceSet) -> None:
        self.state, self.phase, self.faces = state, phase, faces
        state.optimizers = {"au_head": adam(state.critics.final.parameters(), phase)}

    def step(self, learning_rate: float, done: float) -> dict[str, float]:
        """See `Phase.step`."""
        state = self.state
        batch = self.faces.draw(self.phase.batch, state.rng, self.phase.augmentation)
        with state.autocast():
            read = state.critics.final.au(state.to_layout(batch.image))
        loss = condition_loss(read, batch.au / MAX_INTENSITY, "mean")
        update(state.optimizers["au_head"], loss, learning_rate)
        state.average_reader()
        return {"au_real": loss.item()}
