"""The third judge: who is it, read off a finished picture as a direction.

It is trained on the real crops of the training people under every expression, the `mixed` pictures
with their other lights and backgrounds included, and on no edit. So pictures of one person point
the same way whatever the expression, and what an edit keeps of its input by doing nothing, the
background, counts for little. Training is a classification of the training people by cosine with a
margin (CosFace: Wang et al., CVPR 2018, equation 4); their weights are thrown away afterwards,
since the people who are judged are others. It looks at crops of 64 x 64, means of 2 x 2 pixels:
who somebody is shows at half the resolution and a fourth of the cost, and the grain of a crop does
not show.

An embedder from elsewhere (a recognition network of real faces, as ONNX) can take its place:
whatever fulfils `Embedder` can be measured with.
"""

from dataclasses import dataclass
from typing import Final, Protocol

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.arrays import Bytes, FloatArray
from train.data.faces import FaceSet
from train.metrics.judge_networks import IdentityEmbedder
from train.metrics.judge_shelf import JudgeShelf
from train.metrics.judge_training import JudgeRecipe, Progress, fit_to_changed
from train.metrics.judges import run_judge

EMBEDDER_RECIPE: Final = JudgeRecipe(epochs=14, learning_rate=2e-3)
SIDE_PX: Final = 64
SCALE: Final = 16.0  # of the cosines before the softmax; CosFace's 64 is for thousands of people
MARGIN: Final = 0.2  # by how much the right person's cosine must lead


class Embedder(Protocol):
    """Says who crops show."""

    def embed(self, pixels: Bytes) -> FloatArray:
        """Directions float32 (n, D), each of length 1, of crops uint8 RGB (n, H, W, 3)."""


@dataclass(frozen=True)
class TrainedEmbedder:
    """The embedder that `load_or_train_embedder` gives."""

    network: IdentityEmbedder

    def embed(self, pixels: Bytes) -> FloatArray:
        """See `Embedder.embed`."""
        directions = run_judge(self.network, reduced(pixels))
        lengths = np.linalg.norm(directions, axis=1, keepdims=True)
        result: FloatArray = directions / np.maximum(lengths, 1e-12)
        return result


class _ByCosine(nn.Module):
    """Compares an embedding with one direction for each training person."""

    def __init__(self, embedder: IdentityEmbedder, people: int) -> None:
        super().__init__()
        self.embedder = embedder
        self.directions = nn.Parameter(torch.randn(people, embedder.dimensions))

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, 64, 64) in [-1, 1] -> cosines (B, people)."""
        found = F.normalize(self.embedder(image).float())
        return F.linear(found, F.normalize(self.directions))


def train_embedder(
    faces: FaceSet, recipe: JudgeRecipe = EMBEDDER_RECIPE, say: Progress = lambda _: None
) -> IdentityEmbedder:
    """Trains on every picture.

    Args:
        faces: training people only.
        recipe: epochs, rate, seed.
        say: told a line after each epoch.
    """
    people = sorted(set(faces.table.identities))
    targets = torch.tensor([people.index(who) for who in faces.table.identities])

    def loss(cosines: Tensor, wanted: Tensor) -> Tensor:
        lead = F.one_hot(wanted, len(people)) * MARGIN
        return F.cross_entropy(SCALE * (cosines - lead), wanted)

    may_flip = np.ones(len(targets), dtype=bool)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        embedder = IdentityEmbedder()
        network = _ByCosine(embedder, len(people))
        pixels = reduced(faces.pixels.numpy())
        fit_to_changed(network, pixels, targets, may_flip, loss, recipe, say)
    return embedder


def reduced(pixels: Bytes) -> Bytes:
    """Crops uint8 RGB (n, H, W, 3) at the size that the embedder looks at, (n, 64, 64, 3)."""
    size = (SIDE_PX, SIDE_PX)
    return np.stack(
        [cv2.resize(crop, size, interpolation=cv2.INTER_AREA) for crop in pixels]
    ).astype(np.uint8, copy=False)


def load_or_train_embedder(
    shelf: JudgeShelf, recipe: JudgeRecipe = EMBEDDER_RECIPE
) -> TrainedEmbedder:
    """The embedder of a picture set, trained now unless it is kept; see `JudgeShelf.fill`."""
    outputs = ["identity", SCALE, MARGIN]
    return TrainedEmbedder(
        shelf.fill(IdentityEmbedder(), "identity.pt", recipe, outputs, train_embedder)
    )
