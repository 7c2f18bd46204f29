"""A family's program in PyTorch: what engines will do, before there are any."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from efgan_rt.errors import EfganError
from efgan_rt.families.family import PIXELS
from efgan_rt.lane import even_progress
from engines.arrays import Bytes, FloatArray
from train.families.family import TrainedFamily


class TorchProgram:
    """The exported modules of some networks, run one after the other."""

    def __init__(
        self, family: TrainedFamily, networks: Any, image_type: torch.dtype, batch: int
    ) -> None:
        """Takes networks as trained, folded, or as a half-precision twin.

        Args:
            family: of the networks.
            networks: as `TrainedFamily.exported` takes them.
            image_type: of pictures between networks.
            batch: pictures of a run.
        """
        dtype = str(image_type).removeprefix("torch.")
        self._properties = replace(networks.properties(), image_dtype=dtype)
        self._wiring = family.family.wiring(self._properties)
        self._specs = family.family.specs(self._properties)
        self._modules = family.exported(networks, image_type)
        self._batch = batch

    def edited(self, pixels: Bytes, goal: Mapping[str, FloatArray]) -> list[Bytes]:
        """What every stage makes of crops, the last one being the edit, uint8 (n, H, W, 3) each.

        Args:
            pixels: uint8 (n, H, W, 3).
            goal: by place, a row a picture.
        """
        given = {PIXELS: pixels, **goal}
        if self._wiring.progress is not None:
            given[self._wiring.progress] = even_progress(self._properties.stages, len(pixels))
        return self._run(given, self._wiring.pictures)

    def units(self, pixels: Bytes) -> FloatArray:
        """The action units of crops, float32 (n, K).

        Raises:
            EfganError: the family reads none.
        """
        if self._wiring.units is None:
            raise EfganError("models of this family read no action units")
        found: FloatArray = self._run({PIXELS: pixels}, (self._wiring.units,))[0]
        return found

    @torch.inference_mode()
    def _run(self, given: Mapping[str, Any], wanted: tuple[tuple[str, str], ...]) -> list[Any]:
        steps = self._wiring.program.needed(given, wanted)
        parts: dict[tuple[str, str], list[Any]] = {each: [] for each in wanted}
        for start in range(0, len(given[PIXELS]), self._batch):
            rows = slice(start, start + self._batch)
            places: dict[str, Any] = {
                place: torch.from_numpy(np.ascontiguousarray(array[rows]))
                for place, array in given.items()
            }
            for step in steps:
                takes, gives = self._specs[step.network]
                inputs = step.gathered(places)
                module = self._modules[step.network].eval()
                made = module(*(inputs[spec.name] for spec in takes))
                tensors = made if isinstance(made, tuple) else (made,)
                for spec, tensor in zip(gives, tensors, strict=True):
                    places[step.outputs[spec.name]] = tensor
                    if (step.network, spec.name) in parts:
                        parts[step.network, spec.name].append(tensor.numpy())
        return [np.concatenate(parts[each]) for each in wanted]
