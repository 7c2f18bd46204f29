"""A checkpoint as an fp16 engine set computes, in PyTorch: for judging what half precision costs.

No backend on processors computes in half: ONNX Runtime's kernels take a half graph and compute it
in FP32. So edits in half are made here by the very networks that a build exports, with the weights
and every convolution's inputs and results rounded to float16, sums in FP32 as on a GPU, and
instance norms in FP32: the arithmetic by which a build proves an fp16 set.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch

from efgan_rt.pictures.crop import resized
from engines.arrays import Bytes, FloatArray
from export.to_half import fast_half_convolutions, half_twin
from train.evaluation.editors import goals
from train.families.registry import load_checkpoint, trained_family
from train.torch_program import TorchProgram

TITLE: Final = "FP16 (PyTorch, half arithmetic)"
BATCH: Final = 16


class HalfEditor:
    """Edits crops in half arithmetic; a `train.evaluation.editors.Editor`."""

    title = TITLE
    backend = "torch"
    precision = "fp16"

    def __init__(self, path: Path, batch: int = BATCH) -> None:
        """Loads a `.pt` or `.safetensors`.

        Raises:
            EfganError: the file is no checkpoint of this project.
        """
        checkpoint = load_checkpoint(path)
        family = trained_family(checkpoint.family)
        self._twin = half_twin(family.folded(checkpoint.build()))
        self._program = TorchProgram(family, self._twin, torch.float16, batch)
        self._properties = self._twin.properties()
        self._family = family.family
        self.au_names: tuple[str, ...] = self._properties.au_names
        self.expressions: Mapping[str, FloatArray] = checkpoint.expressions
        self.origin: Mapping[str, Any] = {
            "weights": "fp16",
            "checkpoint_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "training": checkpoint.training,
        }

    def edit(self, pixels: Bytes, target_au: FloatArray) -> Bytes:
        """Edits uint8 RGB (n, 128, 128, 3) towards float32 (n, K), 0 to 5."""
        side = pixels.shape[1]
        given = resized(pixels, self._properties.crop_px)
        goal = goals(self._family, self._properties, target_au)
        with fast_half_convolutions(self._twin):
            return resized(self._program.edited(given, goal)[-1], side)

    def au(self, pixels: Bytes) -> FloatArray:
        """The model's own reading of crops, float32 (n, K), 0 to 5."""
        with fast_half_convolutions(self._twin):
            return self._program.units(resized(pixels, self._properties.crop_px))
