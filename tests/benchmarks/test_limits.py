"""Where a cluster's run gives out: a taste of each measurement, and the simulation's sense."""

from pathlib import Path

import pytest

from benchmarks.limits import (
    A_GPU_PER_S,
    ADDED_S,
    Costs,
    by_itself,
    coordinator_rate,
    journal_rate,
    listing,
    publishing_rate,
    simulate,
)


def test_records_and_names_and_pictures_are_counted(tmp_path: Path) -> None:
    assert journal_rate(1000, tmp_path / "journal").n == 1000
    assert publishing_rate(600, tmp_path / "names", 0.0).n == 600
    assert coordinator_rate(300, tmp_path / "run", 0.0).n == 300


def test_slow_file_calls_are_waited_for_side_by_side(tmp_path: Path) -> None:
    rate = publishing_rate(1000, tmp_path, ADDED_S)
    # One after the other, a link and an unlink each take at least the added time.
    assert rate.seconds < 1000 * 2 * ADDED_S / 2


def test_a_made_up_folder_is_walked_in_a_process_of_its_own() -> None:
    walked = listing(4000, 2, check=True)
    assert (walked["files"], walked["folders"]) == (4000, 2)
    assert walked["walk"]["peak_mb"] < 50 and walked["check and plan"]["n"] == 4000


def test_a_made_up_buckets_folder_is_walked_in_a_process_of_its_own() -> None:
    walked = by_itself("--walk-bucket", 4000)
    assert walked["files"] == 4000
    assert 0 < walked["walk of a bucket"]["peak_mb"] < 50


def test_a_few_gpus_are_all_busy_and_too_many_wait_for_the_coordinator() -> None:
    # A metadata server and a storage that never give out.
    costs = Costs(coordinator_s=1e-4, metadata_per_s=1e12, storage_bytes_per_s=1e18)
    one, many = simulate(1, costs, 10.0), simulate(64, costs, 10.0)
    assert one["pictures_per_s"] == pytest.approx(A_GPU_PER_S, rel=0.02)
    assert one["busy"]["gpus"] > 0.98
    assert many["pictures_per_s"] == pytest.approx(1e4, rel=0.02)
    assert many["busy"]["coordinator"] > 0.98
    assert many["busy"]["gpus"] == pytest.approx(1e4 / (64 * A_GPU_PER_S), abs=0.01)


def test_a_slow_metadata_server_is_what_gives_out() -> None:
    found = simulate(8, Costs(1e-6, file_calls=10, metadata_per_s=50_000), 10.0)
    assert found["pictures_per_s"] == pytest.approx(5000, rel=0.03)
    assert found["busy"]["files"] > 0.98
