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

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from efgan_rt.action_units import FloatArray
from efgan_rt.cascade_properties import AU_ESTIMATOR, INTERPOLATOR, stage_name
from efgan_rt.edited import even_progress
from efgan_rt.pictures.crop import resized
from export.folding import folded
from export.networks import exported_networks
from export.to_half import fast_half_convolutions, half_twin
from train.models.checkpoint import load_checkpoint

Bytes = npt.NDArray[np.uint8]

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
        self._twin = half_twin(folded(checkpoint.build()))
        networks = exported_networks(self._twin, torch.float16)
        self._networks: Mapping[str, nn.Module] = {n: each.module for n, each in networks.items()}
        self._takes = {n: [spec.name for spec in each.inputs] for n, each in networks.items()}
        self._gives = {n: [spec.name for spec in each.outputs] for n, each in networks.items()}
        self._stages = checkpoint.config.stages
        self._crop_px = checkpoint.config.crop_px
        self._batch = batch
        self.au_names: tuple[str, ...] = tuple(checkpoint.config.au_names)
        self.expressions: Mapping[str, FloatArray] = checkpoint.expressions
        self.origin: Mapping[str, Any] = {
            "weights": "fp16",
            "checkpoint_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "training": checkpoint.training,
        }

    @torch.inference_mode()
    def edit(self, pixels: Bytes, target_au: FloatArray) -> Bytes:
        """Edits uint8 RGB (n, 128, 128, 3) towards float32 (n, K), 0 to 5."""
        parts = []
        side = pixels.shape[1]
        pixels = resized(pixels, self._crop_px)
        with fast_half_convolutions(self._twin):
            for start in range(0, len(pixels), self._batch):
                rows = slice(start, start + self._batch)
                given, target = (torch.from_numpy(each[rows]) for each in (pixels, target_au))
                parts.append(self._edited(given, target))
        return resized(np.concatenate(parts), side)

    def _edited(self, pixels: Tensor, target: Tensor) -> Bytes:
        source = self._networks[AU_ESTIMATOR](pixels)
        progress = torch.from_numpy(even_progress(self._stages, len(pixels)))
        asked = (source, torch.zeros_like(target), target, progress)
        asked_for = self._networks[INTERPOLATOR](*asked)
        if isinstance(asked_for, Tensor):
            asked_for = (asked_for,)
        known = {"pixels": pixels, **dict(zip(self._gives[INTERPOLATOR], asked_for, strict=True))}
        for number in range(1, self._stages + 1):
            name = stage_name(number)
            known["au"] = known["stage_au"][number - 1]
            made = self._networks[name](*(known[each] for each in self._takes[name]))
            known |= {
                f"{each.removesuffix('_out')}_in": tensor
                for each, tensor in zip(self._gives[name], made, strict=True)
                if each in ("image_out", "totals_out")
            }
            shown = made[self._gives[name].index("pixels_out")]
        return shown.numpy()  # type: ignore[no-any-return]

    @torch.inference_mode()
    def au(self, pixels: Bytes) -> FloatArray:
        """The model's own reading of crops, float32 (n, K), 0 to 5."""
        pixels = resized(pixels, self._crop_px)
        with fast_half_convolutions(self._twin):
            parts = [
                self._networks[AU_ESTIMATOR](torch.from_numpy(pixels[start : start + self._batch]))
                for start in range(0, len(pixels), self._batch)
            ]
        found: FloatArray = torch.cat(parts).numpy()
        return found
