"""The judges in use: named expressions and action-unit intensities, read off finished pictures.

They judge bytes, as a person who looks at the written file would. They are trained once for a
picture set and kept beside other build products; a kept file is used only while it was made from
the same labels by the same recipe, so that a number never comes from a stale judge.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from efgan_rt.action_units import AU_NAMES, MAX_INTENSITY, FloatArray
from train.data.faces import FaceSet
from train.data.labels import read_labels
from train.metrics.judge_networks import ExpressionClassifier, IntensityReader
from train.metrics.judge_training import (
    CLASSIFIER_RECIPE,
    READER_RECIPE,
    Bytes,
    JudgeRecipe,
    Progress,
    train_classifier,
    train_reader,
)
from train.metrics.people import EXPRESSIONS, is_training
from train.models.cascade import to_unit_range

FORMAT: Final = "efgan-rt judge 1"  # the number rises when the way of training changes
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
        best = run_judge(self.classifier, pixels).argmax(axis=1)
        return [self.expressions[i] for i in best]

    def au(self, pixels: Bytes) -> FloatArray:
        """Intensities float32 (n, K), 0 to 5, of crops uint8 RGB (n, 128, 128, 3)."""
        intensities = run_judge(self.reader, pixels) * np.float32(MAX_INTENSITY)
        clipped: FloatArray = np.clip(intensities, 0, MAX_INTENSITY).astype(np.float32)
        return clipped


def load_or_train_judges(
    data_dir: Path,
    cache_dir: Path,
    *,
    classifier_recipe: JudgeRecipe = CLASSIFIER_RECIPE,
    reader_recipe: JudgeRecipe = READER_RECIPE,
    say: Progress = lambda _: None,
) -> Judges:
    """The judges of a picture set, trained now (some minutes on one core) unless they are kept.

    Args:
        data_dir: holds `labels.csv` and `images/`.
        cache_dir: where `expression.pt` and `au.pt` are kept; made if missing.
        classifier_recipe: the expression classifier's epochs, rate and seed.
        reader_recipe: the intensity reader's.
        say: told what is being trained and why, line by line.

    Raises:
        EfganError: the picture set cannot be read.
    """
    labels = data_dir / "labels.csv"
    table = read_labels(labels)
    label_hash = hashlib.sha256(labels.read_bytes()).hexdigest()
    classifier = ExpressionClassifier(len(EXPRESSIONS))
    reader = IntensityReader(len(AU_NAMES))
    faces: FaceSet | None = None
    for network, recipe, path, outputs in (
        (classifier, classifier_recipe, cache_dir / "expression.pt", EXPRESSIONS),
        (reader, reader_recipe, cache_dir / "au.pt", AU_NAMES),
    ):
        origin = {"labels": label_hash, "recipe": asdict(recipe), "outputs": list(outputs)}
        if load_kept(network, path, origin):
            continue
        say(f"{path}: no judge made from these labels by this recipe, training one")
        faces = faces or FaceSet(data_dir / "images", table.where(is_training))
        if isinstance(network, ExpressionClassifier):
            trained: nn.Module = train_classifier(faces, recipe, say)
        else:
            trained = train_reader(faces, recipe, say)
        network.load_state_dict(trained.state_dict())
        keep(network, path, origin)
    return Judges(classifier.eval(), reader.eval())


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


def load_kept(network: nn.Module, path: Path, origin: dict[str, Any]) -> bool:
    """Fills `network` from a kept file; False where there is none of this origin.

    Args:
        network: of the shape that was kept.
        path: the file.
        origin: what the judge depends on: hash of the labels, recipe, outputs.
    """
    if not path.is_file():
        return False
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content["format"] != FORMAT or content["origin"] != origin:
            return False
        network.load_state_dict(content["weights"])
    except Exception:  # whatever is wrong with a kept file, training anew mends it
        return False
    return True


def keep(network: nn.Module, path: Path, origin: dict[str, Any]) -> None:
    """Writes a trained judge with its origin, for `load_kept`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    torch.save({"format": FORMAT, "origin": origin, "weights": network.state_dict()}, temporary)
    temporary.replace(path)
