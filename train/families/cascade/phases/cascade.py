"""Phase two: the cascade, end to end (paper, section 3.3 and supplement, section 8).

Every stage is one EF-GAN with the weights of phase one's. Stage k of S is asked for k/S of the way
from source to target, made natural by the Interpolator, which all stages share; each has the whole
loss of an EF-GAN, with equal weights, and gradients flow through all of them.

Where `loss.paired` is set (ours), the last stage's truth is the target picture. A set holds no
pictures between two expressions, and a blend of both would teach the overlapping artefacts that the
cascade is there to avoid; with `morphed_truth` morphs stand in for them, in which places move and
do not overlap. Without it, a stage before the last has a truth only where no change is asked, and
where `early_share` has it arrive early: then the first stage learns to do nothing, and the second
smears (width 16, 2,000 steps).
"""

from typing import Final

import torch
from torch import Tensor

from efgan_rt.errors import EfganError
from train.data.faces import Batch, FaceSet
from train.data.morph import morphs
from train.distributed import own_rows
from train.families.cascade.phases.adversarial import AdversarialPhase
from train.families.cascade.phases.edits import Request
from train.families.cascade.recipe import PhaseRecipe
from train.families.cascade.state import TrainingState

LEAST_PART: Final = 0.2  # of the way, where only part of it is asked for


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
    """What the stages are asked for: equal parts of the way, the last one for all of it.

    With `early_share` (ours) part of the pairs arrive at an earlier stage, and the ones after it
    are to leave the picture as it is: so every stage meets true pictures of its own work. With
    `part_share` (ours) part of the batches ask for part of the way, and a morph is what is true.
    """
    count = len(state.cascade.stages)
    if not (phase.loss.paired or phase.kind in ("warm_up", "paired_adversarial")):
        source = faces.draw(phase.batch, state.rng, phase.augmentation)
        real = faces.draw(phase.batch, state.rng, phase.augmentation)
        residual = real.au - source.au
        pseudo_au = tuple(source.au + residual * (k / count) for k in range(1, count + 1))
        return Request(source, real, pseudo_au, (None,) * count, (None,) * count)
    pair = faces.draw_pairs(
        phase.batch, state.rng, phase.augmentation, unchanged_share=phase.unchanged_share
    )
    source, real = pair.source, pair.target
    unchanged = source.rows == real.rows  # (B,)
    mine = own_rows(phase.batch)
    arrival = arrivals(phase.batch, count, phase.early_share, state.rng)[mine]
    goal = goals(phase.batch, phase.part_share, state.rng)
    is_part = bool((goal < 1).any())  # of the whole batch: the same for every process
    goal = goal[mine]
    shares = [goal * (k / arrival).clamp(max=1) for k in range(1, count + 1)]
    residual = real.au - source.au
    pseudo = [source.au + residual * share[:, None].to(residual) for share in shares]
    morphed = morphs(source.image, real.image, shares if phase.morphed_truth else shares[-1:])
    real = Batch(morphed[-1], pseudo[-1], real.rows, real.mirrored)
    if phase.morphed_truth:
        every = torch.ones_like(goal).to(source.au)
        weights = (every,) * count
        return Request(source, real, tuple(pseudo), tuple(morphed), weights, is_part)
    known = [(unchanged | (arrival <= k)).to(source.au) for k in range(1, count + 1)]
    return Request(source, real, tuple(pseudo), (real.image,) * count, tuple(known), is_part)


def arrivals(batch: int, stages: int, early_share: float, rng: torch.Generator) -> Tensor:
    """The stage, 1 to S, by which each pair of a batch has come all of its way, (B,).

    The last one, but for `early_share` of the pairs any one before it.
    """
    last = torch.full((batch,), stages)
    if not early_share:
        return last
    early = torch.randint(1, stages, (batch,), generator=rng)
    return torch.where(torch.rand(batch, generator=rng) < early_share, early, last)


def goals(batch: int, part_share: float, rng: torch.Generator) -> Tensor:
    """How much of its way each pair of a batch is asked to go, (B,), 1 for all of it.

    All of them go all of the way, or each goes a part of its own.
    """
    if not part_share or float(torch.rand((), generator=rng)) >= part_share:
        return torch.ones(batch)
    return LEAST_PART + (1 - LEAST_PART) * torch.rand(batch, generator=rng)
