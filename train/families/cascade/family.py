"""The cascade, as `train` and `build-engines` see it."""

from collections.abc import Callable
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy.typing as npt
import torch

from efgan_rt.faces.mouths import Mouths
from efgan_rt.families.cascade import CASCADE, MOUTHS_FILE
from engines.arrays import FloatArray
from train.checkpoint import Checkpoint
from train.data.faces import FaceSet
from train.families.cascade.exported import exported_modules
from train.families.cascade.folding import folded
from train.families.cascade.grid import write_grid
from train.families.cascade.networks.config import ModelConfig
from train.families.cascade.networks.inference import empty_networks
from train.families.cascade.phases.adversarial import AdversarialPhase
from train.families.cascade.phases.au_head import AUHeadPhase
from train.families.cascade.phases.cascade import cascade_phase
from train.families.cascade.phases.paired_adversarial import PairedAdversarialPhase
from train.families.cascade.phases.warm_up import WarmUpPhase
from train.families.cascade.predecessor import take_over, take_over_au_head
from train.families.cascade.probe import probe_for
from train.families.cascade.recipe import ModelRecipe, PhaseRecipe
from train.families.cascade.state import TrainingState
from train.families.family import Phase, Pixels, TrainedFamily
from train.recipe import Recipe

PHASES: Final[dict[str, Callable[[TrainingState, PhaseRecipe, FaceSet], Phase]]] = {
    "au_head": AUHeadPhase,
    "warm_up": WarmUpPhase,
    "adversarial": AdversarialPhase,
    "cascade": cascade_phase,
    "paired_adversarial": PairedAdversarialPhase,
}


def start(
    recipe: Recipe, faces: FaceSet, device: torch.device, checkpoint: Checkpoint | None
) -> TrainingState:
    """Fresh networks, with the regions that the weights to come have learnt."""
    regions = checkpoint.config.regions if checkpoint else None
    return TrainingState.start(recipe, faces, device, regions)


def begin(state: TrainingState, phase: PhaseRecipe, faces: FaceSet) -> Phase:
    """A phase, once the stages that it asks for are there."""
    state.set_stages(phase.stages or len(state.cascade.stages))
    return PHASES[phase.kind](state, phase, faces)


def draw(
    state: TrainingState, faces: FaceSet, expressions: dict[str, FloatArray], path: Path
) -> None:
    """A grid of what every stage makes, with the averaged weights where there are any."""
    write_grid(state.average.cascade if state.average else state.cascade, faces, expressions, path)


def probe(faces: Pixels, checkpoint: Checkpoint) -> dict[str, npt.NDArray[Any]]:
    """The edits on which parity is measured, by place."""
    config: ModelConfig = checkpoint.config
    return probe_for(faces, config.stages, config.au_count, checkpoint.expressions).places


def properties(config: ModelConfig) -> dict[str, Any]:
    """What an engine set says of a cascade's config."""
    return {
        "stages": config.stages,
        "crop_px": config.crop_px,
        "au_names": list(config.au_names),
        "regions": {name: asdict(box) for name, box in config.regions.items()},
    }


def mouths(checkpoint: Checkpoint) -> tuple[str, bytes, dict[str, Any]] | None:
    """A motion model's atlas as a picture, and what stands beside it."""
    if not checkpoint.config.motion:
        return None
    weights = checkpoint.weights
    pixels = (weights["cascade.atlas_pixels"].float() * 255).round().clamp(0, 255)
    atlas = Mouths(
        pixels.permute(0, 2, 3, 1).to(torch.uint8).numpy(),
        weights["cascade.atlas_skin"].float().numpy(),
        checkpoint.config.eyes,
    )
    return MOUTHS_FILE, atlas.as_png(), {"motion": True, "mouths": atlas.to_dict()}


TRAINED_CASCADE: Final = TrainedFamily(
    family=CASCADE,
    recipes=resources.files("train") / "families" / "cascade" / "recipes",
    model=ModelRecipe,
    phase=PhaseRecipe,
    config=ModelConfig.from_dict,
    empty=empty_networks,
    start=start,
    begin=begin,
    draw=draw,
    exported=exported_modules,
    probe=probe,
    properties=properties,
    vector=lambda config: int(config.au_count),
    take_over=take_over,
    take_over_reader=take_over_au_head,
    folded=folded,
    data=mouths,
)
