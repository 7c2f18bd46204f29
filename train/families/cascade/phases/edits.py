"""What a batch is asked to become, and what the stages make of it.

Every phase that trains a generator is written for S stages: one for a single EF-GAN, more for a
cascade. Each stage edits the picture that the one before it gave, and gradients flow through all of
them (paper, section 3.3: end to end).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from train.data.faces import Batch
from train.families.cascade.networks.efgan import StageEdit
from train.families.cascade.networks.transformer import crop
from train.families.cascade.state import TrainingState


@dataclass(frozen=True)
class Request:
    """A batch and what is wanted of it; the tuples have one entry a stage.

    `pseudo_au` is linear interpolation (B, K), 0 to 5, before the Interpolator makes it natural.
    `truths` (B, 3, H, W) are the true pictures of what was asked, and `truth_weights` (B,) say how
    much each one counts; None where there is none. The last stage's is `real`, which is a morph
    where `is_part`: then the batch asks for part of the way.
    """

    source: Batch
    real: Batch
    pseudo_au: tuple[Tensor, ...]
    truths: tuple[Tensor | None, ...]
    truth_weights: tuple[Tensor | None, ...]
    is_part: bool = False


@dataclass(frozen=True)
class StageStep:
    """One stage's part of a request: what it was given, what was asked of it, what it made."""

    image: Tensor  # (B, 3, H, W) as the stage got it
    image_au: Tensor  # (B, K), 0 to 5: what that picture was meant to show
    pseudo_au: Tensor
    au: Tensor  # (B, K), 0 to 5: what was asked for
    edit: StageEdit
    truth: Tensor | None
    truth_weight: Tensor | None

    def detached(self) -> "StageStep":
        """The same without its history, for the critics."""
        initial = self.edit.initial
        patches = {name: patch.detach() for name, patch in initial.patches.items()}
        still = replace(initial, face=initial.face.detach(), patches=patches)
        return replace(self, edit=replace(self.edit, final=self.edit.final.detach(), initial=still))


def natural_au(state: TrainingState, request: Request) -> list[Tensor]:
    """What the Interpolator makes of each stage's pseudo target, (B, K) each, 0 to 5."""
    source = request.source.au
    with state.autocast():
        return [state.cascade.interpolator(source, au - source) for au in request.pseudo_au]


def run_stages(
    state: TrainingState, request: Request, stage_au: Sequence[Tensor]
) -> list[StageStep]:
    """Runs the stages after one another, each towards its entry of `stage_au`."""
    steps: list[StageStep] = []
    image, image_au = state.to_layout(request.source.image), request.source.au
    with state.autocast():
        for i, au in enumerate(stage_au):
            edit = state.cascade.stage(i + 1)(image, au)
            truth, weight = request.truths[i], request.truth_weights[i]
            asked = request.pseudo_au[i]
            steps.append(StageStep(image, image_au, asked, au, edit, truth, weight))
            image, image_au = edit.final, au.detach()
    return steps


def critic_inputs(steps: Sequence[StageStep]) -> dict[str, Tensor]:
    """What the image critics see of the edits, by critic: (S B, 3, h, w), stage after stage."""
    edits = [step.edit for step in steps]
    inputs = {
        "final": torch.cat([edit.final.float() for edit in edits]),
        "face": torch.cat([edit.initial.face.float() for edit in edits]),
    }
    for name in edits[0].regions:
        inputs[name] = torch.cat([edit.initial.patches[name].float() for edit in edits])
    return inputs


def real_inputs(steps: Sequence[StageStep], real: Tensor) -> dict[str, Tensor]:
    """What the image critics see of real pictures, by critic: (B, 3, h, w)."""
    patches = {name: crop(real, box) for name, box in steps[0].edit.regions.items()}
    return {"final": real, "face": real, **patches}
