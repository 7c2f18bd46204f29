"""Where the time of a start goes: the parts add up, and imports are counted by package."""

import os
import time
from pathlib import Path

import pytest

from benchmarks.kit import spread
from benchmarks.startup import (
    CODECS,
    END,
    NETWORKS,
    PARTS,
    Command,
    imports_by_package,
    parts_of,
)
from benchmarks.startup_clocks import PIPELINE, Clocks
from tests.toy_engines import write_toy_engines


def test_a_part_is_without_the_parts_inside_it() -> None:
    clocks = Clocks()
    with clocks.part("outer"):
        time.sleep(0.02)
        with clocks.part("inner"):
            time.sleep(0.05)
        assert clocks.around("inner", max)(3, 4) == 4
    assert clocks.seconds["inner"] >= 0.05
    assert 0.02 <= clocks.seconds["outer"] < clocks.seconds["inner"]


def test_the_pipeline_is_divided_by_its_stages() -> None:
    stages = {"decode": 2.0, "wait for a slot": 50.0, "stage_1": 30.0, "encode": 3.0}
    document = {"latency": [{"stage": n, "mean_ms": ms, "n": 1} for n, ms in stages.items()]}
    parts = parts_of(document, {"parts": {PIPELINE: 0.1}, "ended": 7.0}, 7.25)
    assert list(parts) == list(PARTS)
    assert (parts[NETWORKS], parts[CODECS], parts[END]) == (30.0, 5.0, 250.0)
    assert parts[PIPELINE] == pytest.approx(65.0)


def test_imports_are_summed_by_package() -> None:
    said = """import time: self [us] | cumulative | imported package
import time:       500 |        500 |   numpy.core
import time:      1500 |       2000 | numpy
import time:       250 |        250 | json.decoder
engines: somewhere
"""
    assert imports_by_package(said) == {"numpy": 2.0, "the standard library": 0.25}


def test_a_spread_is_median_lowest_and_highest() -> None:
    assert spread([3.0, 1.0, 2.0]) == {"median": 2.0, "lowest": 1.0, "highest": 3.0}


@pytest.mark.slow
def test_the_parts_of_a_real_run_add_up_to_it(tmp_path: Path) -> None:
    (tmp_path / "engines").mkdir()
    write_toy_engines(tmp_path / "engines")
    options = ("--engines", str(tmp_path / "engines"), "--backend", "onnxruntime", "--crops")
    command = Command(tmp_path, options)
    started = time.monotonic()
    parts = command.timed()
    whole = 1e3 * (time.monotonic() - started)
    assert all(ms >= -1 for ms in parts.values()), parts
    # What is not in a part is the making of the process here.
    assert 0.7 * whole < sum(parts.values()) <= whole
    assert os.environ.get("XDG_CACHE_HOME") != str(tmp_path / "cache")
