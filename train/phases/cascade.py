"""Phase two: the cascade, end to end (paper, section 3.3 and supplement, section 8).

Every stage is one EF-GAN with the weights of phase one's. Stage k of S is asked for k/S of the way
from source to target, made natural by the Interpolator, which all stages share; each has the whole
loss of an EF-GAN, with equal weights, and gradients flow through all of them.

Where `loss.paired` is set (ours), the last stage's truth is the target picture. The stages before
it have none: a set holds no pictures of the way there, and a blend of source and target would teach
the overlapping artefacts that the cascade is there to avoid. Their only truth is the source itself,
where no change is asked.
"""

import torch
from torch import Tensor

from efgan_rt.errors import EfganError
from train.data.faces import FaceSet
from train.phases.adversarial import AdversarialPhase
from train.phases.edits import Request
from train.recipe import PhaseRecipe
from train.state import TrainingState


def cascade_phase(state: TrainingState, phase: PhaseRecipe, faces: FaceSet) -> AdversarialPhase:
    """The adversarial phase over all stages.

    Raises:
        EfganError: there is one stage only.
    """
    if len(state.cascade.stages) < 2:
        raise EfganError(
            "phase cascade: the model has 1 stage, expected more; set `stages = 3` in the phase"
        )
    return AdversarialPhase(state, phase, faces, ask_all_stages)


def ask_all_stages(state: TrainingState, phase: PhaseRecipe, faces: FaceSet) -> Request:
    """What the stages are asked for: equal parts of the way, the last one for all of it."""
    count = len(state.cascade.stages)
    truths: tuple[Tensor | None, ...] = (None,) * count
    if phase.loss.paired or phase.kind in ("warm_up", "paired_adversarial"):
        pair = faces.draw_pairs(
            phase.batch, state.rng, phase.augmentation, unchanged_share=phase.unchanged_share
        )
        source, real = pair.source, pair.target
        unchanged = (source.rows == real.rows).to(source.au)  # (B,)
        truths = (*[unchanged] * (count - 1), torch.ones_like(unchanged))
    else:
        source = faces.draw(phase.batch, state.rng, phase.augmentation)
        real = faces.draw(phase.batch, state.rng, phase.augmentation)
    residual = real.au - source.au
    pseudo_au = tuple(source.au + residual * (k / count) for k in range(1, count + 1))
    return Request(source, real, pseudo_au, truths)
