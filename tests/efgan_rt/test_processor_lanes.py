"""Several lanes on a processor: how many, and that they give what one gives."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from efgan_rt.editing import OpenedSet, busy_lanes
from efgan_rt.expressions import target_places
from efgan_rt.pictures.original import Picture
from tests.toy_engines import AU_NAMES, CROP_PX

BATCH = 2


@pytest.mark.parametrize(
    ("backend", "threads", "lanes"),
    [
        *(("openvino", 1, 1), ("openvino", 2, 1), ("openvino", 3, 1), ("openvino", 4, 2)),
        *(("openvino", 16, 4), ("openvino", 64, 4), ("onnxruntime", 16, 1), ("tensorrt", 1, 2)),
    ],
)
def test_lanes_follow_from_threads(backend: str, threads: int, lanes: int) -> None:
    assert busy_lanes(backend, threads) == lanes


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_lanes_at_the_same_time_give_what_one_lane_gives(toy_engines: Path, backend: str) -> None:
    random = np.random.default_rng(0)
    works = random.integers(0, 256, (3, BATCH, CROP_PX, CROP_PX, 3), dtype=np.uint8)
    au = np.ones((BATCH, len(AU_NAMES)), np.float32)

    def edits(lanes: int) -> list[Picture]:
        cascade = OpenedSet.open(
            toy_engines, backend=backend, precision="fp32", batch=BATCH, threads=lanes, lanes=lanes
        )
        assert cascade.lanes == lanes

        def run(work: Picture) -> Picture:
            lane = cascade.lane()
            for _ in range(10):
                edited = lane.run(work, target_places(au, au))
            return edited.pixels.copy()

        with ThreadPoolExecutor(lanes) as pool:
            return list(pool.map(run, works))

    for found, expected in zip(edits(3), edits(1), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_who_asks_for_no_lanes_gets_one_with_all_threads(toy_engines: Path) -> None:
    cascade = OpenedSet.open(toy_engines, backend="openvino", precision="fp32", threads=8)
    assert cascade.lanes == 1
