"""PyTorch as people use it who have nothing else: the opponent on a GPU.

The networks are called one after the other, one batch at a time, and nothing overlaps but what
PyTorch overlaps by itself. It is given what its users know to give it: pinned memory for uploads,
and whatever `TorchForm` says of precision, memory layout and compiling.
"""

import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from efgan_rt.action_units import FloatArray
from efgan_rt.families.cascade import AU_ESTIMATOR, INTERPOLATOR, stage_name
from efgan_rt.lane import SOURCE_AU, ByteArray, Edited, even_progress
from engines.base import Array
from export.networks import ExportedNetwork


class TorchLoop:
    """Copies a batch up, calls the networks, copies it back; a `BatchEditor`."""

    def __init__(
        self, networks: Mapping[str, ExportedNetwork], stages: int, batch: int, device: str
    ) -> None:
        self._networks = {name: network.module for name, network in networks.items()}
        self._stages = stages
        self._device = device
        self._progress = even_progress(stages, batch)

    @torch.inference_mode()
    def run(
        self,
        pixels: ByteArray,
        goal: Mapping[str, Array],
        *,
        known: Mapping[str, Array] | None = None,
        progress: FloatArray | None = None,
        stages: bool = False,
    ) -> Edited:
        """See `efgan_rt.lane.BatchEditor.run`; the arrays are the caller's own."""
        assert not stages, "speed is measured of whole edits"
        clock = _Clock(self._device)
        progress = self._progress if progress is None else progress
        source_au = (known or {}).get(SOURCE_AU)
        asked = (goal["target_scale"], goal["target_offset"])
        up = [self._up(each) for each in (pixels, *asked, progress)]
        picture, source = up[0], None if source_au is None else self._up(source_au)
        clock.lap("upload")
        if source is None:
            source = self._networks[AU_ESTIMATOR](picture)
            clock.lap(AU_ESTIMATOR)
        stage_au = self._networks[INTERPOLATOR](source, *up[1:])
        clock.lap(INTERPOLATOR)
        image = picture
        for number in range(1, self._stages + 1):
            image, edited, attention = self._networks[stage_name(number)](
                image, stage_au[number - 1]
            )
            clock.lap(stage_name(number))
        down = [each.cpu().numpy() for each in (edited, source, stage_au, attention)]
        clock.lap("download")
        return Edited(down[0], {SOURCE_AU: down[1]}, down[2], down[3], clock.seconds())

    @torch.inference_mode()
    def estimate(self, pixels: ByteArray) -> FloatArray:
        """See `efgan_rt.lane.BatchEditor.estimate`; the array is the caller's own."""
        read: FloatArray = self._networks[AU_ESTIMATOR](self._up(pixels)).cpu().numpy()
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
