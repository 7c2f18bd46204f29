"""EET, as `train` and `build-engines` see it."""

from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from efgan_rt.errors import EfganError
from efgan_rt.families.eet import EET
from efgan_rt.families.family import PIXELS
from engines.arrays import FloatArray
from train.checkpoint import Checkpoint
from train.data.faces import FaceSet
from train.families.eet.config import EETConfig
from train.families.eet.exported import (
    INFERENCE,
    EETNetworks,
    empty_networks,
    exported_modules,
    folded,
)
from train.families.eet.labels import POSES, identity_classes
from train.families.eet.networks import all_networks
from train.families.eet.phases import PHASES
from train.families.eet.recipe import EETModel, EETPhase
from train.families.family import Phase, Pixels, TrainedFamily
from train.families.network_training import NetworkTraining, refuse_averages
from train.families.sheet import write_sheet
from train.pixels import to_bytes, to_unit_range
from train.recipe import Recipe

SHOWN: Final = 4  # pairs of a sample picture


def start(
    recipe: Recipe, faces: FaceSet, device: torch.device, checkpoint: Checkpoint | None
) -> NetworkTraining:
    """Fresh networks, as many classes as the set has people."""
    refuse_averages(recipe)
    if not faces.table.au_names:
        raise EfganError("EET learns from action units, and the label table has none")
    identities = int(identity_classes(faces.table).max()) + 1
    if identities < 2:
        raise EfganError("EET learns to tell people apart, and the set has one; expected several")
    config = EETConfig(
        faces.crop_px,
        tuple(faces.table.au_names),
        recipe.model.width,
        recipe.model.single,
        identities,
        POSES,
    )
    torch.manual_seed(recipe.seed)
    trained = all_networks(config).to(device)
    rng = torch.Generator().manual_seed(recipe.seed)
    return NetworkTraining(
        EET.name, recipe, config, device, trained, INFERENCE, faces, named={}, rng=rng
    )


def begin(state: NetworkTraining, phase: EETPhase, faces: FaceSet) -> Phase:
    """Stage 1 or 2."""
    return PHASES[phase.kind](state, phase, faces)


@torch.no_grad()
def draw(
    state: NetworkTraining, faces: FaceSet, expressions: dict[str, FloatArray], path: Path
) -> None:
    """Pairs of unlike people: each picture, what it lends its expression to, and the edit."""
    nets = state.trained
    count = len(faces.table)
    rows = [number * count // SHOWN for number in range(SHOWN)]
    pixels = faces.pixels[rows]
    modes = {name: network.training for name, network in nets.items()}
    nets.eval()
    feature = nets["E"](to_unit_range(pixels))
    related, free = nets["E_r"](feature)[0], nets["E_f"](feature)
    columns = [pixels, pixels.roll(1, 0)]
    columns += [to_bytes(nets["G"](each, free)) for each in (related, related.roll(1, 0))]
    for name, training in modes.items():
        nets[name].train(training)
    shown = [each.cpu().numpy() for each in columns]
    write_sheet(list(zip(*shown, strict=True)), path)


def probe(faces: Pixels, checkpoint: Checkpoint) -> dict[str, npt.NDArray[Any]]:
    """Each face with the expression of the next one, on all of the way and on half of it."""
    networks: EETNetworks = checkpoint.build()
    encoder = exported_modules(networks)["expression_encoder"]
    with torch.inference_mode():
        lent = encoder(torch.from_numpy(faces))[0].roll(1, 0).flatten(1).numpy()
    halves = np.where(np.arange(len(faces)) % 2, 0.5, 1.0).astype(np.float32)[:, None]
    return {PIXELS: faces, "lent": lent, "share": np.ones_like(halves), "progress": halves}


def properties(config: EETConfig) -> dict[str, Any]:
    """What an engine set says of a config."""
    return {
        "crop_px": config.crop_px,
        "au_names": list(config.au_names),
        "feature_channels": config.feature_channels,
    }


TRAINED_EET: Final = TrainedFamily(
    family=EET,
    recipes=resources.files("train") / "families" / "eet" / "recipes",
    model=EETModel,
    phase=EETPhase,
    config=EETConfig.from_dict,
    empty=empty_networks,
    start=start,
    begin=begin,
    draw=draw,
    exported=exported_modules,
    probe=probe,
    properties=properties,
    vector=lambda config: 0,
    folded=folded,
)
