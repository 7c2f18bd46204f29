"""Lanes on a GPU: what several of them at once, and one after another, must not change."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from benchmarks.gpu.parity import Engines, Reference, directory_engines, torch_engines
from benchmarks.gpu.plateau import plateau
from benchmarks.torch_engine import TorchForm, full_fp32
from efgan_rt.editing import device_lane
from efgan_rt.expressions import target_places
from efgan_rt.families.cascade import CASCADE
from efgan_rt.families.registry import read_properties
from efgan_rt.lane import Lane
from engines.arrays import Bytes
from engines.cuda_memory import Cuda
from engines.device_lane import DOWNLOAD, UPLOAD
from engines.directory import EngineDirectory
from train.checkpoint import Checkpoint

pytestmark = pytest.mark.gpu
BATCH = 4


@pytest.fixture(params=["onnxruntime", "torch"])
def engines(
    request: pytest.FixtureRequest, cuda: Cuda, sets: dict[str, Path], checkpoint: Checkpoint
) -> Iterator[Engines]:
    """Every network, in ONNX Runtime and in PyTorch."""
    request.getfixturevalue("onnxruntime_cuda" if request.param == "onnxruntime" else "torch_cuda")
    with full_fp32():
        if request.param == "onnxruntime":
            yield directory_engines(sets["fp32"], "onnxruntime-cuda", BATCH, cuda)
        else:
            yield torch_engines(checkpoint, TorchForm(), "cuda", BATCH, cuda)


@pytest.fixture
def new_lane(cuda: Cuda, engines: Engines, sets: dict[str, Path]) -> Iterator[Callable[[], Lane]]:
    """`new_lane()`; all are closed at the end."""
    properties = read_properties(EngineDirectory(sets["fp32"]))
    with ExitStack() as stack:

        def opened() -> Lane:
            lane = device_lane(cuda, engines, CASCADE, properties, BATCH)
            stack.callback(lane.close)
            return lane

        yield opened


def edit(lane: Lane, pixels: Bytes, happy: float) -> Bytes:
    """The faces with every unit at one value."""
    units = 17
    scale, offset = (np.full((BATCH, units), value, np.float32) for value in (0.0, happy))
    return lane.run(pixels, target_places(scale, offset)).pixels.copy()


def levels(left: Bytes, right: Bytes) -> int:
    """How far two pictures are apart. 1 is allowed: a transposed convolution may add up in any
    order on a GPU, and a value on the edge rounds either way; a race makes garbage.
    """
    return int(np.abs(left.astype(int) - right).max())


def test_lanes_side_by_side_give_what_each_gives_alone(
    new_lane: Callable[[], Lane], reference: Reference
) -> None:
    pixels, aims = reference.probe.pixels, [0.5, 1.5, 2.5]
    lanes = [new_lane() for _ in aims]
    alone = [edit(lane, pixels, aim) for lane, aim in zip(lanes, aims, strict=True)]
    assert levels(alone[0], alone[2]) > 10

    def many(lane: Lane, aim: float) -> list[Bytes]:
        return [edit(lane, pixels, aim) for _ in range(20)]

    with ThreadPoolExecutor(len(lanes)) as pool:
        together = list(pool.map(many, lanes, aims))
    for expected, found in zip(alone, together, strict=True):
        assert max(levels(expected, each) for each in found) <= 1


def test_a_picture_comes_out_the_same_whatever_its_neighbours(
    new_lane: Callable[[], Lane], reference: Reference
) -> None:
    lane, pixels = new_lane(), reference.probe.pixels
    among_others = edit(lane, pixels, 2.0)[0]
    among_itself = edit(lane, np.repeat(pixels[:1], BATCH, axis=0), 2.0)[0]
    assert levels(among_others, among_itself) <= 1


def test_every_network_has_a_time_and_all_together_fit_into_the_batch(
    new_lane: Callable[[], Lane], reference: Reference, engines: Engines
) -> None:
    lane, probe = new_lane(), reference.probe
    for _ in range(3):
        seconds = lane.run(
            probe.pixels, target_places(probe.target_scale, probe.target_offset)
        ).seconds
    assert list(seconds) == [UPLOAD, *engines, DOWNLOAD]
    assert all(0 < each < 1 for each in seconds.values())


def test_memory_of_host_and_device_is_flat_over_many_batches(
    cuda: Cuda, new_lane: Callable[[], Lane], repository: Path
) -> None:
    sources = sorted((repository / "examples" / "faces").glob("*.jpg"))
    found = plateau([new_lane(), new_lane()], cuda, sources, 800, BATCH)
    print(found)
    assert found["written"] == 800 and found["failed"] == 0
    # The allocator's own pace on the host; on the device nothing may be taken once all has run.
    assert found["resident_growth_mb"] < 32
    assert found["device_growth_mb"] < 1
