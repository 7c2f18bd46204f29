"""A family of one convolution, which tints a picture: what CONTRIBUTING says of adding a family.

`TINT` is its file in `efgan_rt/families/`, `TRAINED_TINT` its folder in `train/families/`, and
`registered` puts both into their registries, as an entry there would.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from efgan_rt.expressions import prototype_of
from efgan_rt.families import registry
from efgan_rt.families.family import (
    EXPRESSION,
    INTENSITY,
    PIXELS,
    Family,
    Given,
    Goal,
    ReadPicture,
    Wiring,
    Wish,
)
from efgan_rt.families.properties import (
    Properties,
    Specs,
    check_networks,
    common_properties,
    named_vectors,
)
from engines.arrays import FloatArray
from engines.base import TensorSpec
from engines.directory import EngineDirectory
from engines.program import Program, Step
from train.checkpoint import Checkpoint
from train.data.faces import FaceSet
from train.families import registry as training
from train.families.family import Phase, Pixels, TrainedFamily
from train.phase import adam, update
from train.pixels import to_bytes, to_unit_range
from train.recipe import Recipe

NAMES = ("happy", "angry")  # what it can be asked for, in the order of its vectors


# efgan_rt/families/tint.py


def specs(properties: Properties) -> Specs:
    side = properties.crop_px
    pixels = TensorSpec(PIXELS, "uint8", ("B", side, side, 3))
    wanted = TensorSpec("wanted", "float32", ("B", len(NAMES)))
    return {"paint": ((pixels, wanted), (replace(pixels, name="pixels_out"),))}


def wiring(properties: Properties) -> Wiring:
    step = Step("paint", {PIXELS: PIXELS, "wanted": "wanted"}, {"pixels_out": "pixels_out"})
    return Wiring(Program((step,)), pictures=(("paint", "pixels_out"),))


def read(directory: EngineDirectory) -> Properties:
    properties = common_properties(directory)
    check_networks(directory, specs(properties))
    return replace(properties, expressions=named_vectors(directory, "expressions", len(NAMES)))


def goal(
    properties: Properties, wish: Wish, read_picture: ReadPicture, say: Callable[[str], None]
) -> Goal:
    towards = wish.towards
    if wish.expression is not None:
        towards = prototype_of(properties.expressions, wish.expression)
    assert towards is not None, "nothing else is accepted"
    return Given({"wanted": np.asarray(wish.intensity * towards, np.float32)})


def any_goal(properties: Properties) -> Goal:
    return Given({"wanted": np.ones(len(NAMES), np.float32)})


TINT = Family(
    "tint",
    "one convolution",
    frozenset({EXPRESSION, INTENSITY}),
    read,
    specs,
    wiring,
    goal,
    any_goal,
)


# train/families/tint/


@dataclass(frozen=True)
class Model:
    kernel: int = 3


@dataclass(frozen=True)
class Fit:
    kind: str = "fit"
    steps: int = 1
    batch: int = 2
    learning_rate: float = 1e-2
    betas: tuple[float, float] = (0.5, 0.999)
    flat_share: float = 0.5

    def step_count(self, pictures: int) -> int:
        return self.steps


@dataclass(frozen=True)
class Config:
    crop_px: int
    kernel: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Paint(nn.Module):
    """Pixels and what is wanted, each as planes, through one convolution; what it adds."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.conv = nn.Conv2d(3 + len(NAMES), 3, config.kernel, padding=config.kernel // 2)
        nn.init.zeros_(self.conv.weight)

    def forward(self, image: Tensor, wanted: Tensor) -> Tensor:
        planes = wanted[:, :, None, None].expand(-1, -1, *image.shape[2:])
        added: Tensor = self.conv(torch.cat([image, planes.to(image.dtype)], dim=1))
        return image + added


class Exported(nn.Module):
    """Bytes in, bytes out."""

    def __init__(self, paint: Paint, image_type: torch.dtype) -> None:
        super().__init__()
        self.paint = paint
        self.image_type = image_type

    def forward(self, pixels: Tensor, wanted: Tensor) -> Tensor:
        image = pixels.float().permute(0, 3, 1, 2) / 127.5 - 1
        made: Tensor = self.paint(image.to(self.image_type), wanted)
        return to_bytes(made)


@dataclass
class Trained:
    paint: Paint
    family: str = "tint"

    def properties(self) -> Properties:
        return Properties(self.paint.config.crop_px)

    def parts(self) -> dict[str, nn.Module]:
        return {"paint": self.paint}


@dataclass
class State:
    recipe: Recipe
    device: torch.device
    paint: Paint
    rng: torch.Generator
    phase: int = 0
    step: int = 0
    total_steps: int = 0
    pictures_seen: int = 0
    seconds: float = 0.0
    predecessor: dict[str, Any] = field(default_factory=dict)
    optimizers: dict[str, torch.optim.Optimizer] = field(default_factory=dict)
    alignment: dict[str, Any] | None = None

    def networks(self) -> list[nn.Module]:
        return [self.paint]

    def to_checkpoint(
        self, expressions: dict[str, FloatArray], record: dict[str, Any], *, resumable: bool
    ) -> Checkpoint:
        vectors = {
            name: np.eye(len(NAMES), dtype=np.float32)[number] for number, name in enumerate(NAMES)
        }
        weights = {f"paint.{name}": value for name, value in self.paint.state_dict().items()}
        state = {"rng": self.rng.get_state()} if resumable else None
        return Checkpoint(
            self.paint.config, weights, vectors, record, self.alignment, state, "tint"
        )

    def restore(self, checkpoint: Checkpoint) -> dict[str, Any]:
        raise NotImplementedError("a training of a few steps is done again")


class FitPhase:
    """Darkens what shall look angry and lightens what shall look happy."""

    def __init__(self, state: State, phase: Fit, faces: FaceSet) -> None:
        self._state, self._phase, self._faces = state, phase, faces
        self._optimizer = state.optimizers["paint"] = adam(state.paint.parameters(), phase)

    def step(self, learning_rate: float, done: float) -> dict[str, float]:
        rng, count = self._state.rng, self._phase.batch
        rows = torch.randint(len(self._faces.pixels), (count,), generator=rng)
        image = to_unit_range(self._faces.pixels[rows])
        wanted = torch.rand((len(rows), len(NAMES)), generator=rng)
        truth = image + 0.4 * (wanted[:, :1] - wanted[:, 1:])[:, :, None, None]
        loss = (self._state.paint(image, wanted) - truth).square().mean()
        update(self._optimizer, loss, learning_rate)
        return {"loss": float(loss.item())}


def start(
    recipe: Recipe, faces: FaceSet, device: torch.device, checkpoint: Checkpoint | None
) -> State:
    torch.manual_seed(recipe.seed)
    paint = Paint(Config(faces.crop_px, recipe.model.kernel)).to(device)
    return State(recipe, device, paint, torch.Generator().manual_seed(recipe.seed))


def begin(state: State, phase: Fit, faces: FaceSet) -> Phase:
    return FitPhase(state, phase, faces)


def draw(state: State, faces: FaceSet, expressions: dict[str, FloatArray], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        made = state.paint(to_unit_range(faces.pixels[:1]), torch.ones(1, len(NAMES)))
    cv2.imwrite(str(path), to_bytes(made)[0].numpy())


def probe(faces: Pixels, checkpoint: Checkpoint) -> dict[str, np.ndarray[Any, Any]]:
    return {PIXELS: faces, "wanted": np.ones((len(faces), len(NAMES)), np.float32)}


def trained_tint(recipes: Path) -> TrainedFamily:
    return TrainedFamily(
        family=TINT,
        recipes=recipes,
        model=Model,
        phase=Fit,
        config=lambda values: Config(**values),
        empty=lambda config: Trained(Paint(config).eval()),
        start=start,
        begin=begin,
        draw=draw,
        exported=lambda networks, image_type: {"paint": Exported(networks.paint, image_type)},
        probe=probe,
        properties=lambda config: {"crop_px": config.crop_px},
        vector=lambda config: len(NAMES),
    )


RECIPE = """
name = "tint"
family = "tint"
[model]
kernel = 3
[[phases]]
kind = "fit"
steps = 150
batch = 4
learning_rate = 0.03
"""


@contextmanager
def registered(folder: Path) -> Iterator[None]:
    """The family in both registries; its one recipe is written into a folder."""
    (folder / "tint.toml").write_text(RECIPE)
    registry.FAMILIES["tint"] = TINT
    training.FAMILIES["tint"] = trained_tint(folder)
    try:
        yield
    finally:
        del registry.FAMILIES["tint"], training.FAMILIES["tint"]


def losses(run: Path) -> list[float]:
    """Of a training's log."""
    lines = (run / "losses.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines]
