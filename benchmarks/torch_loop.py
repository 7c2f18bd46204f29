"""PyTorch as people use it who have nothing else: the opponent on a GPU.

The networks are called one after the other, one batch at a time, and nothing overlaps but what
PyTorch overlaps by itself. It is given what its users know to give it: pinned memory for uploads,
and whatever `TorchForm` says of precision, memory layout and compiling.
"""

import time
from collections.abc import Mapping
from typing import Any, Unpack

import torch
from torch import Tensor

from efgan_rt.families.cascade import AU_ESTIMATOR
from efgan_rt.families.family import PIXELS
from efgan_rt.lane import SOURCE_AU, Edited, RunOptions, even_progress
from engines.arrays import Array, Bytes, FloatArray
from export.networks import ExportedNetwork


class TorchLoop:
    """Copies a batch up, calls the networks in their program's order, copies it back.

    A `BatchEditor`.
    """

    def __init__(
        self, networks: Mapping[str, ExportedNetwork], stages: int, batch: int, device: str
    ) -> None:
        self._networks = networks
        self._device = device
        self._progress = even_progress(stages, batch)

    @torch.inference_mode()
    def run(self, pixels: Bytes, goal: Mapping[str, Array], **more: Unpack[RunOptions]) -> Edited:
        """See `efgan_rt.lane.BatchEditor.run`; the arrays are the caller's own."""
        assert not more.get("stages"), "speed is measured of whole edits"
        clock = _Clock(self._device)
        progress, known = more.get("progress"), more.get("known") or {}
        progress = self._progress if progress is None else progress
        given = {PIXELS: pixels, **goal, "progress": progress, **known}
        places: dict[str, Any] = {place: self._up(array) for place, array in given.items()}
        clock.lap("upload")
        step = None
        for name, network in self._networks.items():
            step = network.step
            if set(step.outputs.values()) <= given.keys():
                continue  # what it would read is known
            inputs = step.gathered(places)
            found = network.module(*(inputs[spec.name] for spec in network.inputs))
            made = found if isinstance(found, tuple) else (found,)
            for spec, tensor in zip(network.outputs, made, strict=True):
                places[step.outputs[spec.name]] = tensor
            clock.lap(name)
        assert step is not None, "a program has steps"
        last = {tensor: places[place] for tensor, place in step.outputs.items()}
        read = [last["pixels_out"], places[SOURCE_AU], places["stage_au"], last["attention"]]
        down = [each.cpu().numpy() for each in read]
        clock.lap("download")
        return Edited(down[0], {SOURCE_AU: down[1]}, down[2], down[3], clock.seconds())

    @property
    def reader(self) -> str:
        """See `efgan_rt.lane.BatchEditor.reader`."""
        return AU_ESTIMATOR

    @torch.inference_mode()
    def estimate(self, pixels: Bytes) -> FloatArray:
        """See `efgan_rt.lane.BatchEditor.estimate`; the array is the caller's own."""
        reader = self._networks[self.reader].module
        read: FloatArray = reader(self._up(pixels)).cpu().numpy()
        return read

    def _up(self, array: Any) -> Tensor:
        tensor = torch.from_numpy(array)
        if self._device == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self._device, non_blocking=True)


class _Clock:
    """Times between laps: by events on a GPU, else by the clock."""

    def __init__(self, device: str) -> None:
        self._cuda = device == "cuda"
        self._laps = [("start", self._now())]

    def lap(self, name: str) -> None:
        """Ends the lap of that name."""
        self._laps.append((name, self._now()))

    def _now(self) -> Any:
        if not self._cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def seconds(self) -> dict[str, float]:
        """Each lap's time; waits for the last."""
        if self._cuda:
            self._laps[-1][1].synchronize()
        found = {}
        for (_, before), (name, after) in zip(self._laps, self._laps[1:], strict=False):
            found[name] = before.elapsed_time(after) / 1e3 if self._cuda else after - before
        return found
