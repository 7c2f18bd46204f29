"""The engine sets that a GPU is measured with, as they are prepared beforehand."""

import sys
from pathlib import Path

import pytest

import efgan_rt
from benchmarks.gpu import sets as gpu_sets
from tests.toy import toy_config


def test_every_set_that_is_made_can_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The build of the half-precision set takes minutes and ends in tests of its own; the sets for
    # speed are small ones here.
    monkeypatch.setattr(gpu_sets, "build_engines", lambda *_, **__: None)
    monkeypatch.setattr(gpu_sets, "paper_config", lambda *_: toy_config(stages=1))
    monkeypatch.setattr(sys, "argv", ["gpu.sets", str(tmp_path)])
    gpu_sets.main()
    made = sorted(tmp_path.iterdir())
    assert {"paper-fp16", "paper-fp32"} <= {folder.name for folder in made}
    for folder in (gpu_sets.SHIPPED, *made):
        efgan_rt.Editor.open(folder, crops=True).close()


@pytest.mark.parametrize("batch", [64, 128])
def test_large_batches_are_within_the_sets_that_speed_is_measured_with(batch: int) -> None:
    smallest, _, largest = gpu_sets.BATCHES
    assert smallest <= batch <= largest, f"batch {batch} cannot be measured, only up to {largest}"
