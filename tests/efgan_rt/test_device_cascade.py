"""A cascade opened on a GPU: its lanes, its memory, and its edits, on the device of the tests."""

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from efgan_rt import editing
from efgan_rt.cli.options import Backend
from efgan_rt.editing import OpenedSet
from efgan_rt.expressions import target_places
from engines.base import EngineError
from engines.choice import BACKENDS, DEVICE_BACKENDS, BackendChoice
from engines.device_lane import DeviceLane
from engines.directory import EngineDirectory
from engines.host_lane import HostLane
from engines.open import open_device_engine
from tests.engines.fake_cuda import FakeCuda
from tests.engines.host_engine import HostEngine
from tests.toy_engines import AU_NAMES, CROP_PX, write_toy_engines

BATCH = 4
COUNT = 6  # a full batch and a part of one


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("engines")
    write_toy_engines(folder)
    return folder


@pytest.fixture(params=[True, False], ids=["graphs", "no-graphs"])
def cuda(request: pytest.FixtureRequest) -> FakeCuda:
    return FakeCuda(graphs=request.param)


@pytest.fixture
def on_device(monkeypatch: pytest.MonkeyPatch, directory: Path, cuda: FakeCuda) -> list[str]:
    """A GPU whose TensorRT is ONNX Runtime on the processor; gives what the lanes say."""

    def open_host_engine(
        folder: EngineDirectory, network: str, choice: BackendChoice, **options: Any
    ) -> Any:
        assert choice.backend == "tensorrt" and options["cuda"] is cuda
        entry = folder.manifest.network(network)
        model = folder.model(network)
        return HostEngine(model, entry, batch=options["batch"], cuda=cuda)

    choice = BackendChoice("tensorrt", "fp32", "TensorRT, as asked for")
    monkeypatch.setattr(editing, "choose_backend", lambda *_: choice)
    monkeypatch.setattr(editing, "open_cuda", lambda: cuda)
    monkeypatch.setattr(editing, "open_device_engine", open_host_engine)
    return []


def pictures() -> dict[str, Any]:
    random = np.random.default_rng(0)
    return {
        "pixels": random.integers(0, 256, (COUNT, CROP_PX, CROP_PX, 3), dtype=np.uint8),
        "goal": target_places(
            np.ones(len(AU_NAMES), np.float32),
            random.uniform(0, 4, (COUNT, len(AU_NAMES))).astype(np.float32),
        ),
    }


def open_on_processor(directory: Path) -> OpenedSet:
    return OpenedSet.open(directory, backend="onnxruntime", batch=BATCH, threads=1)


def test_on_a_gpu_two_lanes_keep_the_device_busy(directory: Path, on_device: list[str]) -> None:
    opened = OpenedSet.open(directory, batch=BATCH)
    assert (opened.lanes, opened.choice.backend) == (2, "tensorrt")
    with closing(opened.lane()) as lane:
        assert isinstance(lane._lane, DeviceLane)


def test_on_a_processor_one_lane_is_enough(directory: Path) -> None:
    opened = open_on_processor(directory)
    assert opened.lanes == 1
    with closing(opened.lane()) as lane:
        assert isinstance(lane._lane, HostLane)


def test_edits_and_estimates_are_the_processors_and_leave_no_memory_taken(
    directory: Path, cuda: FakeCuda, request: pytest.FixtureRequest
) -> None:
    expected = open_on_processor(directory)
    edited, estimate = expected.edit(**pictures()), expected.estimate(pictures()["pixels"])
    request.getfixturevalue("on_device")
    opened = OpenedSet.open(directory, batch=BATCH)
    before = cuda.free_bytes()
    found = opened.edit(**pictures())
    for name in ("pixels", "source_au", "stage_au", "attention"):
        np.testing.assert_array_equal(getattr(found, name), getattr(edited, name), err_msg=name)
    np.testing.assert_array_equal(opened.estimate(pictures()["pixels"]), estimate)
    assert cuda.free_bytes() == before


def test_what_lanes_fall_back_from_is_said_once_whatever_their_number(
    directory: Path, on_device: list[str], cuda: FakeCuda
) -> None:
    opened = OpenedSet.open(directory, batch=BATCH, say=on_device.append)
    for _ in range(2):
        opened.edit(**pictures())
    assert len(on_device) == (0 if cuda.captured else 1)


def test_a_batch_beyond_the_range_is_one_sentence_on_a_gpu_too(
    directory: Path, on_device: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(editing, "open_device_engine", open_device_engine)
    with pytest.raises(EngineError, match="batch 9 is outside 1 to 8, which the engines were made"):
        OpenedSet.open(directory, batch=9)


def test_the_command_line_knows_every_backend() -> None:
    assert {each.value for each in Backend} == {"auto", *BACKENDS}
    assert set(DEVICE_BACKENDS) < set(BACKENDS)
