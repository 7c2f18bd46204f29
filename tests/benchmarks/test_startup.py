"""What a start costs: the run's own work beside it, and imports counted by package."""

from pathlib import Path

import pytest

from benchmarks.kit import spread
from benchmarks.readme_tables import startup
from benchmarks.startup import imports_by_package, measure, work_of
from efgan_rt.reporting.machine import machine_facts
from tests.toy_engines import write_toy_engines


def test_work_is_networks_and_codecs_without_waiting() -> None:
    stages = {"decode": 2.0, "wait for a slot": 50.0, "stage_1": 30.0, "encode": 3.0}
    document = {"latency": [{"stage": n, "mean_ms": ms, "n": 1} for n, ms in stages.items()]}
    assert list(work_of(document).values()) == [30.0, 5.0]


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
def test_a_real_start_is_measured(tmp_path: Path) -> None:
    write_toy_engines(tmp_path)
    options = ("--engines", str(tmp_path), "--backend", "onnxruntime", "--crops")
    found = measure(1, options)
    assert 0 < sum(found["work_ms"].values()) < found["wall_ms"]["median"]
    assert found["imports_ms"].keys() >= {"efgan_rt", "numpy", "the standard library"}
    assert "One picture, from the command to its end" in startup(
        found | {"machine": machine_facts()}
    )
