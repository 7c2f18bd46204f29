"""ECGAN, as `train` and `build-engines` see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from efgan_rt.errors import EfganError
from efgan_rt.families.ecgan import ECGAN, EXPRESS, NEUTRAL, NEUTRALISE, one_hots
from efgan_rt.families.family import PIXELS
from efgan_rt.families.properties import Properties
from engines.arrays import FloatArray
from train.checkpoint import Checkpoint
from train.data.faces import FaceSet
from train.families.ecgan.config import ECGANConfig
from train.families.ecgan.context import PUBLISHED_WIDTH, ContextNetwork, load_published
from train.families.ecgan.networks import Generator, all_networks
from train.families.ecgan.phases import GENERATORS, PHASES
from train.families.ecgan.pool import PicturePool
from train.families.ecgan.recipe import ECGANModel, ECGANPhase
from train.families.family import Phase, Pixels, TrainedFamily
from train.families.network_training import NetworkTraining, refuse_averages
from train.families.sheet import write_sheet
from train.pixels import to_bytes, to_unit_range
from train.recipe import Recipe

SHOWN: Final = 4  # people of a sample picture
UNNAMED: Final = ("mixed", "")


@dataclass
class ECGANNetworks:
    """What an edit needs."""

    config: ECGANConfig
    modules: dict[str, nn.Module]
    family: str = ECGAN.name

    def properties(self) -> Properties:
        """See `train.families.family.Networks.properties`."""
        return Properties(self.config.crop_px, expressions=one_hots(self.config.expressions))

    def parts(self) -> Mapping[str, nn.Module]:
        """By symbol."""
        return self.modules


def empty_networks(config: ECGANConfig) -> ECGANNetworks:
    """Networks for a checkpoint's weights."""
    return ECGANNetworks(config, {name: Generator(config).eval() for name in GENERATORS})


class Neutralise(nn.Module):
    """G_YX; its vector is always that of neutral."""

    wanted: Tensor

    def __init__(self, generator: nn.Module, place: int, count: int, image_type: torch.dtype):
        super().__init__()
        self.generator, self.image_type = generator, image_type
        wanted = torch.zeros(1, count)
        wanted[0, place] = 1
        self.register_buffer("wanted", wanted)

    def forward(self, pixels: Tensor) -> Tensor:
        """uint8 (B, H, W, 3) -> the neutral face (B, 3, H, W) in [-1, 1]."""
        wanted = self.wanted.expand(pixels.shape[0], -1)
        made: Tensor = self.generator(to_unit_range(pixels).to(self.image_type), wanted)
        return made


class Express(nn.Module):
    """G_XY; asked for neutral, it passes on what it is given."""

    def __init__(self, generator: nn.Module, place: int, image_type: torch.dtype) -> None:
        super().__init__()
        self.generator, self.place, self.image_type = generator, place, image_type

    def forward(self, image_in: Tensor, wanted: Tensor) -> Tensor:
        """A neutral face (B, 3, H, W) and vectors (B, e) -> uint8 (B, H, W, 3)."""
        made = self.generator(image_in, wanted).float()
        stays = wanted[:, self.place, None, None, None]
        return to_bytes(stays * image_in.float() + (1 - stays) * made)


def exported_modules(
    networks: ECGANNetworks, image_type: torch.dtype = torch.float32
) -> dict[str, nn.Module]:
    """The two networks of an engine set."""
    names, parts = networks.config.expressions, networks.modules
    place = names.index(NEUTRAL)
    return {
        NEUTRALISE: Neutralise(parts["G_YX"], place, len(names), image_type),
        EXPRESS: Express(parts["G_XY"], place, image_type),
    }


def start(
    recipe: Recipe, faces: FaceSet, device: torch.device, checkpoint: Checkpoint | None
) -> NetworkTraining:
    """Fresh networks, with a place of the vector for each of the set's expressions."""
    refuse_averages(recipe)
    model = recipe.model
    named = {e for e in faces.table.expressions if e not in UNNAMED}
    names = recipe.data.expressions or tuple(sorted(named))
    if NEUTRAL not in named or not named - {NEUTRAL}:
        raise EfganError(
            f"ECGAN learns between neutral faces and others; the set shows "
            f"{' '.join(sorted(named)) or 'no named expression'}"
        )
    absent = [each for each in names if each not in named]
    if absent:
        raise EfganError(f"no picture of the set shows {' '.join(absent)}; see data.expressions")
    config = ECGANConfig(
        faces.crop_px, names, model.width, model.residual_blocks, model.conditional_critics
    )
    torch.manual_seed(recipe.seed)
    trained = all_networks(config)
    width = PUBLISHED_WIDTH if model.context_weights else model.context_width
    context = ContextNetwork(width, len(names), len(set(faces.table.identities)))
    if model.context_weights:
        load_published(context, Path(model.context_weights))
    trained["context"] = context.eval().requires_grad_(False)
    rng = torch.Generator().manual_seed(recipe.seed)
    return NetworkTraining(
        ECGAN.name,
        recipe,
        config,
        device,
        trained.to(device),
        GENERATORS,
        faces,
        one_hots(names),
        rng,
        {"pool_D_X": PicturePool(), "pool_D_Y": PicturePool()},
    )


def begin(state: NetworkTraining, phase: ECGANPhase, faces: FaceSet) -> Phase:
    """The context network's phase or the training itself."""
    return PHASES[phase.kind](state, phase, faces)


@torch.no_grad()
def draw(
    state: NetworkTraining, faces: FaceSet, expressions: dict[str, FloatArray], path: Path
) -> None:
    """Some people as they are, neutral, and with every expression."""
    modules = exported_modules(
        ECGANNetworks(state.config, {name: state.trained[name] for name in GENERATORS})
    )
    modules = {name: module.to(state.device) for name, module in modules.items()}
    count = len(faces.table)
    pixels = faces.pixels[[number * count // SHOWN for number in range(SHOWN)]]
    neutral = modules[NEUTRALISE](pixels)
    columns = [pixels]
    for vector in state.named.values():
        wanted = torch.from_numpy(vector).to(state.device).expand(len(pixels), -1)
        columns.append(modules[EXPRESS](neutral, wanted))
    shown = [each.cpu().numpy() for each in columns]
    write_sheet(list(zip(*shown, strict=True)), path)


def probe(faces: Pixels, checkpoint: Checkpoint) -> dict[str, npt.NDArray[Any]]:
    """The faces, each with the next expression."""
    names = checkpoint.config.expressions
    wanted = np.eye(len(names), dtype=np.float32)[np.arange(len(faces)) % len(names)]
    return {PIXELS: faces, "wanted": wanted}


TRAINED_ECGAN: Final = TrainedFamily(
    family=ECGAN,
    recipes=resources.files("train") / "families" / "ecgan" / "recipes",
    model=ECGANModel,
    phase=ECGANPhase,
    config=ECGANConfig.from_dict,
    empty=empty_networks,
    start=start,
    begin=begin,
    draw=draw,
    exported=exported_modules,
    probe=probe,
    properties=lambda config: {"crop_px": config.crop_px},
    vector=lambda config: len(config.expressions),
)
