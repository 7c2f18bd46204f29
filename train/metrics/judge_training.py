"""Trains the judges on real crops of the training people, and on nothing else.

No edit, no loss and no test person takes part: a judge that had helped to make the edits, or had
seen the faces, would praise them. The changes made to a crop while training (colour, position,
mirror, a light blur or a second JPEG compression) keep a judge from reading compression or a
slightly soft edit as an expression. Nothing is chosen by looking at the test people: the number of
epochs is fixed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from efgan_rt.action_units import MAX_INTENSITY
from engines.arrays import Bytes
from train.data.faces import FaceSet
from train.metrics.judge_networks import ExpressionClassifier, IntensityReader
from train.metrics.people import EXPRESSIONS
from train.pixels import to_unit_range

Progress = Callable[[str], None]
Rows = npt.NDArray[np.intp]
T = TypeVar("T")


@dataclass(frozen=True)
class JudgeRecipe:
    """How long and how fast a judge learns."""

    epochs: int
    learning_rate: float
    batch: int = 32
    seed: int = 20261120
    weight_decay: float = 0.02


CLASSIFIER_RECIPE = JudgeRecipe(epochs=40, learning_rate=2e-3)
READER_RECIPE = JudgeRecipe(epochs=20, learning_rate=2e-3)


def train_classifier(
    faces: FaceSet,
    recipe: JudgeRecipe = CLASSIFIER_RECIPE,
    say: Progress = lambda _: None,
    expressions: Sequence[str] = EXPRESSIONS,
) -> ExpressionClassifier:
    """Trains on the pictures that are labelled with a named expression.

    Args:
        faces: training people only; `mixed` pictures are left out.
        recipe: epochs, rate, seed.
        say: told a line after each epoch.
        expressions: what it tells apart.
    """
    rows = [i for i, name in enumerate(faces.table.expressions) if name in expressions]
    names = [faces.table.expressions[i] for i in rows]
    return classifier_of(faces.pixels[rows].numpy(), names, recipe, say, expressions)


def classifier_of(
    pixels: Bytes,
    names: Sequence[str],
    recipe: JudgeRecipe,
    say: Progress = lambda _: None,
    expressions: Sequence[str] = EXPRESSIONS,
) -> ExpressionClassifier:
    """Trains on any pictures.

    Args:
        pixels: uint8 RGB (n, 128, 128, 3).
        names: the expression of each, one of `expressions`.
        recipe: epochs, rate, seed.
        say: told a line after each epoch.
        expressions: what it tells apart.
    """
    targets = torch.tensor([expressions.index(name) for name in names])
    # The mirror image of a one-sided smile is not what the set calls contemptuous.
    may_flip = np.array([name != "contemptuous" for name in names])

    def loss(output: Tensor, wanted: Tensor) -> Tensor:
        return F.cross_entropy(output, wanted, label_smoothing=0.05)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network = ExpressionClassifier(len(expressions))
        fit_to_changed(network, pixels, targets, may_flip, loss, recipe, say)
    return network


def train_reader(
    faces: FaceSet, recipe: JudgeRecipe = READER_RECIPE, say: Progress = lambda _: None
) -> IntensityReader:
    """Trains on every picture, the mixed ones included.

    Args:
        faces: training people only.
        recipe: epochs, rate, seed.
        say: told a line after each epoch.
    """
    targets = faces.au / MAX_INTENSITY
    # Rare units would otherwise hardly count; an absolute error would settle on their median, 0.
    spread = targets.std(dim=0)
    spread = torch.where(spread > 0, spread, 1.0)  # a unit that never varies weighs nothing extra

    def loss(output: Tensor, wanted: Tensor) -> Tensor:
        return ((output - wanted) / spread).square().mean()

    # A label is the mean of both sides of a face, so a mirror image has the same.
    may_flip = np.ones(len(targets), dtype=bool)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network = IntensityReader(targets.shape[1])
        fit_to_changed(network, faces.pixels.numpy(), targets, may_flip, loss, recipe, say)
    return network


def fit(
    network: nn.Module,
    count: int,
    draw: Callable[[Rows, np.random.Generator], tuple[Bytes, T]],
    loss: Callable[[Any, T], Tensor],
    recipe: JudgeRecipe,
    say: Progress,
) -> None:
    """Fits `network`, and leaves it in evaluation mode.

    Args:
        network: takes pictures (B, 3, H, W) in [-1, 1].
        count: of the pictures that there are.
        draw: gives the pictures of some rows as they are to be seen, uint8 RGB (B, H, W, 3), and
            what they show.
        loss: of what the network gives, against what they show.
        recipe: epochs, rate, seed.
        say: told a line after each epoch.
    """
    rng = np.random.default_rng(recipe.seed)
    optimiser = torch.optim.AdamW(
        network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    batch = min(recipe.batch, count)
    steps = recipe.epochs * (count // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, steps)
    network.train()
    for epoch in range(1, recipe.epochs + 1):
        order = rng.permutation(count)
        total = 0.0
        batches = range(0, len(order) - batch + 1, batch)
        for start in batches:
            crops, wanted = draw(order[start : start + batch], rng)
            with torch.autocast("cpu", torch.bfloat16):
                output = network(to_unit_range(torch.from_numpy(crops)))
            value = loss(output, wanted)
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
            schedule.step()
            total += value.item()
        say(f"epoch {epoch}/{recipe.epochs}: loss {total / len(batches):.4f}")
    network.eval()


def fit_to_changed(
    network: nn.Module,
    pixels: Bytes,
    targets: Tensor,
    may_flip: npt.NDArray[np.bool_],
    loss: Callable[[Tensor, Tensor], Tensor],
    recipe: JudgeRecipe,
    say: Progress,
) -> None:
    """`fit` to pixels (N, H, W, 3), `changed` whenever seen, and their targets (N, ...)."""

    def draw(rows: Rows, rng: np.random.Generator) -> tuple[Bytes, Tensor]:
        crops = [changed(pixels[i], rng, flip=bool(may_flip[i])) for i in rows]
        return np.stack(crops), targets[rows]

    def against(output: Tensor, wanted: Tensor) -> Tensor:
        return loss(output.float(), wanted)

    fit(network, len(pixels), draw, against, recipe, say)


def changed(crop: Bytes, rng: np.random.Generator, *, flip: bool) -> Bytes:
    """A crop as another camera and another file might have kept it, of the same shape.

    Colour gains of up to 15 %, brighter or darker by up to 12 levels, moved by up to 4 pixels,
    mirrored half of the time where `flip` allows it; then, in a third of the cases each, blurred by
    0.4 to 1.0 pixels, compressed as a JPEG of quality 60 to 95, or neither.
    """
    height, width = crop.shape[:2]
    gain = rng.uniform(0.85, 1.15, 3).astype(np.float32)
    lit = np.clip(crop * gain + np.float32(rng.uniform(-12, 12)), 0, 255)
    dy, dx = rng.integers(-4, 5, 2)
    padded = cv2.copyMakeBorder(np.rint(lit).astype(np.uint8), 4, 4, 4, 4, cv2.BORDER_REPLICATE)
    moved = padded[4 + dy : 4 + dy + height, 4 + dx : 4 + dx + width]
    if flip and rng.random() < 0.5:
        moved = moved[:, ::-1]
    moved = np.ascontiguousarray(moved)
    kind = rng.integers(3)
    if kind == 0:
        moved = cv2.GaussianBlur(moved, (0, 0), rng.uniform(0.4, 1.0))
    elif kind == 1:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 96))]
        _, file = cv2.imencode(".jpg", cv2.cvtColor(moved, cv2.COLOR_RGB2BGR), quality)
        decoded = cv2.imdecode(file, cv2.IMREAD_COLOR_RGB)
        assert decoded is not None, "what was just encoded can be decoded"
        moved = decoded
    result: Bytes = moved.astype(np.uint8, copy=False)
    return result
