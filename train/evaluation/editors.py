"""What makes the edits that are measured: engines as users run them, or a checkpoint in PyTorch.

Both find the source's action units with the model's own estimator, as `efgan-rt batch` does, so
that what is measured is what a user gets who has nothing but pictures.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import torch

from efgan_rt.editing import DEFAULT_BATCH, OpenedSet
from efgan_rt.families.family import Family, Wish
from efgan_rt.families.properties import Properties
from efgan_rt.pictures.crop import resized
from engines.arrays import Bytes, FloatArray
from train.families.registry import load_checkpoint, trained_family
from train.torch_program import TorchProgram

JUDGED_PX: Final = 128  # the judges' networks take crops of that side


class Editor(Protocol):
    """Edits crops towards absolute action units."""

    @property
    def backend(self) -> str:
        """What runs the networks."""

    @property
    def precision(self) -> str:
        """In which arithmetic."""

    @property
    def expressions(self) -> Mapping[str, FloatArray]:
        """The model's expressions: name -> action units (K,), 0 to 5."""

    @property
    def au_names(self) -> tuple[str, ...]:
        """The model's K action units."""

    @property
    def origin(self) -> Mapping[str, Any]:
        """Which weights these are and how they were trained, plain values."""

    def edit(self, pixels: Bytes, target_au: FloatArray) -> Bytes:
        """Edits uint8 RGB (n, 128, 128, 3) towards float32 (n, K), 0 to 5."""

    def au(self, pixels: Bytes) -> FloatArray:
        """The model's own reading of crops, float32 (n, K), 0 to 5."""


def goals(family: Family, properties: Properties, vectors: FloatArray) -> dict[str, FloatArray]:
    """Edits wholly towards vectors as the named expressions' are, by place, a row a picture."""

    def no_picture(path: Path, output: tuple[str, str]) -> FloatArray:
        raise AssertionError("no reference is asked for")

    rows = [
        family.goal(properties, Wish(towards=each), no_picture, lambda _: None).places
        for each in vectors
    ]
    return {place: np.stack([row[place] for row in rows]) for place in rows[0]}


class CheckpointEditor:
    """A training's checkpoint, run in PyTorch: for looking before anything is exported."""

    backend = "torch"
    precision = "fp32"

    def __init__(self, path: Path, batch: int = 16) -> None:
        """Loads a `.pt` or `.safetensors`.

        Raises:
            EfganError: the file is no checkpoint of this project.
        """
        checkpoint = load_checkpoint(path)
        family = trained_family(checkpoint.family)
        networks = checkpoint.build()
        self._program = TorchProgram(family, networks, torch.float32, batch)
        properties = networks.properties()
        self._properties = replace(properties, expressions=checkpoint.expressions)
        self._family = family.family
        self.stage_count = properties.stages
        self.au_names: tuple[str, ...] = properties.au_names
        self.expressions: Mapping[str, FloatArray] = checkpoint.expressions
        self.origin: Mapping[str, Any] = {"file": path.name, "training": checkpoint.training}

    def edit(self, pixels: Bytes, target_au: FloatArray) -> Bytes:
        """See `Editor.edit`."""
        return self.stages(pixels, target_au)[-1]

    def stages(self, pixels: Bytes, target_au: FloatArray) -> list[Bytes]:
        """What every stage makes, the last one being the edit: S times uint8 (n, 128, 128, 3)."""
        given = resized(pixels, self._properties.crop_px)
        made = self._program.edited(given, goals(self._family, self._properties, target_au))
        return [resized(each, JUDGED_PX) for each in made]

    def au(self, pixels: Bytes) -> FloatArray:
        """See `Editor.au`."""
        return self._program.units(resized(pixels, self._properties.crop_px))


class EngineEditor:
    """An engine directory, run as `efgan-rt batch` runs it."""

    def __init__(
        self,
        directory: Path,
        *,
        backend: str,
        precision: str | None,
        threads: int | None,
        batch: int = DEFAULT_BATCH,
    ) -> None:
        """Opens the engines.

        Raises:
            EngineError: the directory or the backend cannot be used.
        """
        self._engines = OpenedSet.open(
            directory, backend=backend, precision=precision, threads=threads, batch=batch
        )
        choice = self._engines.choice
        self.backend = choice.backend
        self.precision = choice.precision
        self.expressions: Mapping[str, FloatArray] = self._engines.expressions
        self.au_names: tuple[str, ...] = self._engines.au_names
        graphs = self._engines.manifest.precision
        rounded = graphs != self.precision and self.precision == "fp32"
        self.title: str = f"{self.backend} {self.precision}{f', {graphs} graphs' * rounded}"
        """What to call it: half-precision graphs stay such where the arithmetic is wider."""
        properties = self._engines.manifest.properties
        self.origin: Mapping[str, Any] = {
            "weights": self._engines.manifest.weights,
            "checkpoint_sha256": properties.get("checkpoint_sha256"),
            "training": properties.get("training"),
        }

    def edit(self, pixels: Bytes, target_au: FloatArray) -> Bytes:
        """See `Editor.edit`."""
        given = resized(pixels, self._engines.crop_px)
        goal = goals(self._engines.family, self._engines.properties, target_au)
        edited = self._engines.edit(given, goal).pixels
        return resized(edited, JUDGED_PX)

    def au(self, pixels: Bytes) -> FloatArray:
        """See `Editor.au`."""
        return self._engines.estimate(resized(pixels, self._engines.crop_px))
