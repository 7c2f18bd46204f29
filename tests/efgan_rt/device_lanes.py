"""Lanes on a device that fails on every hazard, with real networks, and batches for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from efgan_rt.editing import device_lane
from efgan_rt.expressions import target_places
from efgan_rt.families.cascade import CASCADE
from efgan_rt.families.registry import read_properties
from efgan_rt.lane import Edited, Lane
from engines.arrays import Array
from engines.base import EngineError
from engines.device_lane import DeviceLane
from engines.directory import EngineDirectory
from engines.manifest import Manifest, read_manifest
from tests.engines.fake_cuda import FakeCuda
from tests.engines.host_engine import HostEngine
from tests.toy_engines import AU_NAMES, CROP_PX

BATCH = 4
STAGES = 3
UNITS = len(AU_NAMES)
NETWORKS = ("au_estimator", "interpolator", "stage_1", "stage_2", "stage_3")


@dataclass(frozen=True)
class Job:
    """A full batch."""

    pixels: Array
    scale: Array
    offset: Array
    source_au: Array


def job(seed: int = 0) -> Job:
    random = np.random.default_rng(seed)
    return Job(
        random.integers(0, 256, (BATCH, CROP_PX, CROP_PX, 3), dtype=np.uint8),
        random.uniform(0, 1, (BATCH, UNITS)).astype(np.float32),
        random.uniform(0, 4, (BATCH, UNITS)).astype(np.float32),
        random.uniform(0, 5, (BATCH, UNITS)).astype(np.float32),
    )


def open_engines(directory: Path, cuda: FakeCuda, **options: Any) -> dict[str, HostEngine]:
    manifest: Manifest = read_manifest(directory)
    return {
        name: HostEngine(
            (directory / entry.file).read_bytes(), entry, batch=BATCH, cuda=cuda, **options
        )
        for name, entry in manifest.networks.items()
    }


def open_lane(directory: Path, cuda: FakeCuda, **options: Any) -> Lane:
    engines = open_engines(directory, cuda)
    return device_lane(
        cuda, engines, CASCADE, read_properties(EngineDirectory(directory)), BATCH, **options
    )


def inner(lane: Lane) -> DeviceLane:
    """The lane of engines in it."""
    assert isinstance(lane._lane, DeviceLane)
    return lane._lane


def arrays_of(edited: Edited) -> dict[str, Array]:
    """Copies, so that the next run changes nothing."""
    names = ("pixels", "source_au", "stage_au", "attention")
    return {name: np.array(getattr(edited, name).copy()) for name in names}


def assert_same(left: Mapping[str, Array], right: Mapping[str, Array]) -> None:
    for name in left:
        np.testing.assert_array_equal(left[name], right[name], err_msg=name)


def run_job(lane: Lane, work: Job) -> dict[str, Array]:
    return arrays_of(lane.run(work.pixels, target_places(work.scale, work.offset)))


def failing_lane(directory: Path, cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch) -> Lane:
    """Stage 2 refuses its second run."""
    lane = open_lane(directory, cuda, graphs=False)
    launch = inner(lane)._launches["stage_2"]
    enqueue, runs = launch.enqueue, iter(range(100))

    def fail_once() -> None:
        if next(runs) == 1:
            raise EngineError("stage_2: TensorRT gives no run: the reason")
        enqueue()

    monkeypatch.setattr(launch, "enqueue", fail_once)
    return lane
