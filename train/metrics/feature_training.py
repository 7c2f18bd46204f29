"""The local features: what a small network sees in faces, and in what goes wrong with them.

FID asks whether edits look like real pictures, so the features have to notice how pictures fail.
The network learns three things of each training crop, which is spoilt in three of four cases: who
it is, its action units, and how strongly it was spoilt and in which way: blurred, made noisy,
compressed, laid over another picture of the person (the "overlapping artifacts" of Cascade EF-GAN),
or crossed by the checkerboard that transposed convolutions leave. Its features are the means of its
three residual blocks' maps, 224 in all: the early ones see texture, the late ones faces.

It is trained on training people's real crops, like the judges, and kept beside them.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from efgan_rt.action_units import MAX_INTENSITY
from engines.arrays import Bytes, FloatArray
from train.data.faces import FaceSet
from train.metrics.judge_networks import FeatureNetwork
from train.metrics.judge_shelf import JudgeShelf
from train.metrics.judge_training import JudgeRecipe, Progress, Rows, fit
from train.metrics.judges import run_judge

FEATURES_RECIPE: Final = JudgeRecipe(epochs=6, learning_rate=2e-3)
FAULTS: Final = ("blur", "noise", "compression", "overlap", "checkerboard")
SPOILT_SHARE: Final = 0.75


class LocalFeatures:
    """The extractor that `load_or_train_features` gives."""

    name = "local"

    def __init__(self, network: FeatureNetwork) -> None:
        self._network = network

    def extract(self, pixels: Bytes) -> FloatArray:
        """Features float32 (n, 224) of crops uint8 RGB (n, 128, 128, 3)."""
        return run_judge(self._network, pixels)


class _Heads(nn.Module):
    """The network with what it is trained to say; the heads are thrown away afterwards."""

    def __init__(self, features: FeatureNetwork, people: int, au_count: int) -> None:
        super().__init__()
        self.features = features
        self.people = nn.Linear(features.dimensions, people)
        self.au = nn.Linear(features.dimensions, au_count)
        self.faults = nn.Linear(features.dimensions, len(FAULTS))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        found = self.features(image)
        return self.people(found), self.au(found), self.faults(found)


def train_features(
    faces: FaceSet, recipe: JudgeRecipe = FEATURES_RECIPE, say: Progress = lambda _: None
) -> FeatureNetwork:
    """Trains on every picture.

    Args:
        faces: training people only.
        recipe: epochs, rate, seed.
        say: told a line after each epoch.
    """
    who = faces.table.identities
    people = sorted(set(who))
    persons = torch.tensor([people.index(name) for name in who])
    own_rows = {name: [i for i, each in enumerate(who) if each == name] for name in people}
    pixels = faces.pixels.numpy()

    def draw(rows: Rows, rng: np.random.Generator) -> tuple[Bytes, tuple[Tensor, Tensor, Tensor]]:
        crops, strengths = [], np.zeros((len(rows), len(FAULTS)), np.float32)
        for n, i in enumerate(rows):
            crop, others = pixels[i], own_rows[who[i]]
            if rng.random() < SPOILT_SHARE:
                fault, strength = int(rng.integers(len(FAULTS))), float(rng.random())
                other = pixels[others[int(rng.integers(len(others)))]]
                crop = spoilt(crop, FAULTS[fault], strength, other, rng)
                strengths[n, fault] = strength
            crops.append(crop)
        felt = torch.from_numpy(strengths)
        return np.stack(crops), (persons[rows], faces.au[rows] / MAX_INTENSITY, felt)

    def loss(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
        named, read, felt = (each.float() for each in found)
        return (
            F.cross_entropy(named, wanted[0])
            + 10 * F.mse_loss(read, wanted[1])
            + 10 * F.mse_loss(felt, wanted[2])
        )

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network = FeatureNetwork()
        whole = _Heads(network, len(people), faces.au.shape[1])
        fit(whole, len(pixels), draw, loss, recipe, say)
    return network


def spoilt(
    crop: Bytes, fault: str, strength: float, other: Bytes, rng: np.random.Generator
) -> Bytes:
    """A crop with one of `FAULTS`.

    Args:
        crop: uint8 RGB (H, H, 3).
        fault: which.
        strength: 0, hardly to be seen, to 1.
        other: another picture of the person, for the overlap.
        rng: of the noise and of the place of a checkerboard.
    """
    values = crop.astype(np.float32)
    makers: dict[str, Callable[[], npt.NDArray[Any]]] = {
        "blur": lambda: cv2.GaussianBlur(values, (0, 0), 0.3 + 1.7 * strength),
        "noise": lambda: values + rng.normal(0, 2 + 18 * strength, values.shape),
        "compression": lambda: _compressed(crop, round(80 - 65 * strength)),
        "overlap": lambda: values + (0.1 + 0.4 * strength) * (other.astype(np.float32) - values),
        "checkerboard": lambda: values + _checkerboard(values, 2 + 14 * strength, rng),
    }
    result: Bytes = np.clip(np.rint(makers[fault]()), 0, 255).astype(np.uint8)
    return result


def load_or_train_features(
    shelf: JudgeShelf, recipe: JudgeRecipe = FEATURES_RECIPE
) -> LocalFeatures:
    """The local features of a picture set, trained now unless kept; see `JudgeShelf.fill`."""
    outputs = ["features", *FAULTS]
    return LocalFeatures(
        shelf.fill(FeatureNetwork(), "features.pt", recipe, outputs, train_features)
    )


def _compressed(crop: Bytes, quality: int) -> npt.NDArray[Any]:
    flag = [cv2.IMWRITE_JPEG_QUALITY, quality]
    _, file = cv2.imencode(".jpg", cv2.cvtColor(crop, cv2.COLOR_RGB2BGR), flag)
    decoded = cv2.imdecode(file, cv2.IMREAD_COLOR_RGB)
    assert decoded is not None, "what was just encoded can be decoded"
    return decoded.astype(np.float32)


def _checkerboard(
    values: npt.NDArray[np.float32], levels: float, rng: np.random.Generator
) -> npt.NDArray[np.floating]:
    """Squares of one pixel, up and down by so many levels, in a random half of the picture."""
    height, width = values.shape[:2]
    y, x = np.mgrid[:height, :width]
    side = np.cos(angle := rng.uniform(0, 2 * np.pi)) * (x - width / 2) + np.sin(angle) * (
        y - height / 2
    )
    board = np.where((x + y) % 2 == 0, levels, -levels) * (side > 0)
    return np.asarray(board[..., None], dtype=np.float32)
