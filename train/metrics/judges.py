"""The judges in use: named expressions and action-unit intensities, read off finished pictures.

They judge bytes, as a person who looks at the written file would. They are trained once for a
picture set and kept beside other build products (`train.metrics.judge_shelf`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from efgan_rt.action_units import AU_NAMES, MAX_INTENSITY
from engines.arrays import Bytes, FloatArray
from train.data.faces import FaceSet
from train.metrics.judge_networks import ExpressionClassifier, IntensityReader
from train.metrics.judge_shelf import JudgeShelf
from train.metrics.judge_training import (
    CLASSIFIER_RECIPE,
    READER_RECIPE,
    JudgeRecipe,
    train_classifier,
    train_reader,
)
from train.metrics.people import EXPRESSIONS
from train.metrics.vgg_score import softmax
from train.pixels import to_unit_range

BATCH: Final = 64  # pictures judged at once; bounds memory, changes no result


@dataclass(frozen=True)
class Judges:
    """Two trained networks; neither takes part in any loss."""

    classifier: ExpressionClassifier
    reader: IntensityReader
    expressions: tuple[str, ...] = EXPRESSIONS
    au_names: tuple[str, ...] = AU_NAMES

    def name(self, pixels: Bytes) -> list[str]:
        """The expression of each crop, pixels uint8 RGB (n, 128, 128, 3)."""
        return self.named(self.probabilities(pixels))

    def probabilities(self, pixels: Bytes) -> FloatArray:
        """How probable each expression is, float32 (n, E), of crops uint8 RGB (n, 128, 128, 3)."""
        return softmax(run_judge(self.classifier, pixels))

    def named(self, probabilities: FloatArray) -> list[str]:
        """The most probable expression of each row (n, E)."""
        return [self.expressions[i] for i in probabilities.argmax(axis=1)]

    def au(self, pixels: Bytes) -> FloatArray:
        """Intensities float32 (n, K), 0 to 5, of crops uint8 RGB (n, 128, 128, 3)."""
        intensities = run_judge(self.reader, pixels) * np.float32(MAX_INTENSITY)
        clipped: FloatArray = np.clip(intensities, 0, MAX_INTENSITY).astype(np.float32)
        return clipped


def load_or_train_judges(
    shelf: JudgeShelf,
    *,
    classifier_recipe: JudgeRecipe = CLASSIFIER_RECIPE,
    reader_recipe: JudgeRecipe = READER_RECIPE,
    expressions: Sequence[str] = EXPRESSIONS,
) -> Judges:
    """The judges of a picture set, trained now (some minutes on one core) unless they are kept.

    The reader reads the action units of the shelf's table; what is raised, see `JudgeShelf.fill`.
    """
    names = shelf.table.au_names
    classifier = shelf.fill(
        ExpressionClassifier(len(expressions)),
        "expression.pt",
        classifier_recipe,
        expressions,
        partial(train_classifier, expressions=expressions),
    )
    reader = shelf.fill(IntensityReader(len(names)), "au.pt", reader_recipe, names, train_reader)
    return Judges(classifier, reader, tuple(expressions), names)


@dataclass(frozen=True)
class Reliability:
    """What the judges get right on real crops: the ceiling of what they can say of edits.

    `accuracy` is "R", by expression and over all; `au_error` is the mean absolute error by action
    unit over every picture, `au_error_active` over those where the unit's label is above 1 (most
    labels are 0, which flatters the first), both on the 0 to 5 scale.
    """

    accuracy: float
    accuracy_by_expression: dict[str, float]
    au_error: dict[str, float]
    au_error_active: dict[str, float]
    named_pictures: int
    pictures: int


def reliability(judges: Judges, faces: FaceSet) -> Reliability:
    """Measures the judges on real crops, of people they have not seen."""
    pixels = faces.pixels.numpy()
    truth = np.array(faces.table.expressions)
    named = np.isin(truth, judges.expressions)
    right = np.array(judges.name(pixels[named])) == truth[named]
    error = np.abs(judges.au(pixels) - faces.table.au)
    active = faces.table.au > 1
    return Reliability(
        float(right.mean()),
        {e: float(right[truth[named] == e].mean()) for e in judges.expressions},
        _by_unit(judges.au_names, [error[:, k] for k in range(error.shape[1])]),
        _by_unit(judges.au_names, [error[active[:, k], k] for k in range(error.shape[1])]),
        int(named.sum()),
        len(pixels),
    )


def _by_unit(names: Sequence[str], errors: Sequence[npt.NDArray[np.floating]]) -> dict[str, float]:
    return {n: float(e.mean()) for n, e in zip(names, errors, strict=True) if len(e)}


@torch.inference_mode()
def run_judge(network: nn.Module, pixels: Bytes) -> FloatArray:
    """A judge's outputs (n, ...) for crops uint8 RGB (n, 128, 128, 3)."""
    parts = [
        network(to_unit_range(torch.from_numpy(np.ascontiguousarray(pixels[i : i + BATCH]))))
        for i in range(0, len(pixels), BATCH)
    ]
    result: FloatArray = torch.cat(parts).numpy()
    return result
