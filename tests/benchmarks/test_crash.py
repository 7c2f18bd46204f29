"""A few of the kills of `benchmarks/crash.py`, with toy networks."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.crash import crash
from efgan_rt.pictures.write import write_picture
from tests.toy_engines import write_toy_engines


@pytest.mark.slow
def test_a_run_that_is_killed_loses_nothing_and_redoes_only_what_was_in_flight(
    tmp_path: Path,
) -> None:
    engines = tmp_path / "engines"
    engines.mkdir()
    write_toy_engines(engines)
    random = np.random.default_rng(0)
    sources = [tmp_path / f"{number}.png" for number in range(8)]
    for path in sources:
        write_picture(path, random.integers(0, 256, (128, 128, 3), np.uint8))
    options = ["--expression", "happy", "--engines", str(engines), "--backend", "onnxruntime"]
    result = crash(sources, pictures=300, kills=4, seed=1, options=[*options, "--batch-size", "4"])
    assert result.kills == 4
    assert result.is_clean, result
    workers = 8  # at most; each may hold one picture beside those in the ring's four slots
    assert result.most_in_flight_at_a_kill <= 4 * 4 + workers
