"""What makes the edits that are measured: engines as users run them, or a checkpoint in PyTorch.

Both find the source's action units with the model's own estimator, as `efgan-rt batch` does, so
that what is measured is what a user gets who has nothing but pictures.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from efgan_rt.action_units import MAX_INTENSITY, FloatArray
from efgan_rt.cascade import DEFAULT_BATCH, CascadeEngines
from efgan_rt.pictures.crop import resized
from train.models.cascade import to_bytes, to_unit_range
from train.models.checkpoint import InferenceNetworks, load_checkpoint
from train.motion.cascade import MotionCascade

Bytes = npt.NDArray[np.uint8]

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
        self._networks: InferenceNetworks = checkpoint.build()
        self._batch = batch
        self.stage_count = checkpoint.config.stages
        self.au_names: tuple[str, ...] = tuple(checkpoint.config.au_names)
        self.expressions: Mapping[str, FloatArray] = checkpoint.expressions
        self.origin: Mapping[str, Any] = {"file": path.name, "training": checkpoint.training}

    def edit(self, pixels: Bytes, target_au: FloatArray) -> Bytes:
        """See `Editor.edit`."""
        return self.stages(pixels, target_au)[-1]

    @torch.inference_mode()
    def stages(self, pixels: Bytes, target_au: FloatArray) -> list[Bytes]:
        """What every stage makes, the last one being the edit: S times uint8 (n, 128, 128, 3)."""
        parts = []
        cascade = self._networks.cascade
        pixels = resized(pixels, cascade.config.crop_px)
        for i in range(0, len(pixels), self._batch):
            image = to_unit_range(torch.from_numpy(pixels[i : i + self._batch]))
            target = torch.from_numpy(target_au[i : i + self._batch])
            source = self._read(image)
            if isinstance(cascade, MotionCascade):
                made = cascade(image, source, target)[0]
            else:
                made = [edit.final for edit in cascade(image, source, target)]
            parts.append([to_bytes(each) for each in made])
        stages = [torch.cat(stage).numpy() for stage in zip(*parts, strict=True)]
        return [resized(each, JUDGED_PX) for each in stages]

    def _read(self, image: torch.Tensor) -> torch.Tensor:
        """The action units of crops, (B, 3, H, W) in [-1, 1] -> (B, K), 0 to 5."""
        if self._networks.cascade.config.motion:
            image = F.avg_pool2d(image, 2)
        return self._networks.au_reader.au(image).mul(MAX_INTENSITY).clamp(0, MAX_INTENSITY)

    @torch.inference_mode()
    def au(self, pixels: Bytes) -> FloatArray:
        """See `Editor.au`."""
        pixels = resized(pixels, self._networks.cascade.config.crop_px)
        parts = [
            self._read(to_unit_range(torch.from_numpy(pixels[i : i + self._batch])))
            for i in range(0, len(pixels), self._batch)
        ]
        result: FloatArray = torch.cat(parts).numpy()
        return result


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
        self._engines = CascadeEngines.open(
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
        edited = self._engines.edit(given, np.zeros_like(target_au), target_au).pixels
        return resized(edited, JUDGED_PX)

    def au(self, pixels: Bytes) -> FloatArray:
        """See `Editor.au`."""
        return self._engines.estimate(resized(pixels, self._engines.crop_px))
