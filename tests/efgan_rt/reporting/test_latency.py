"""Latency in bounded memory, and its table."""

import io

import pytest
from rich.console import Console

from efgan_rt.reporting.latency import (
    LatencyRecorder,
    StageLatency,
    latency_table,
    nearest_rank,
)


def test_percentiles_are_nearest_rank() -> None:
    ordered = [10.0, 20.0, 30.0, 40.0]
    assert [nearest_rank(ordered, percent) for percent in (1, 25, 50, 51, 99, 100)] == [
        10,
        10,
        20,
        30,
        40,
        40,
    ]


def test_few_measurements_are_summed_up_exactly() -> None:
    recorder = LatencyRecorder()
    for hundredths in (3, 1, 2, 4):
        recorder.add("stage_1", hundredths / 100)
    (found,) = recorder.summary()
    assert found.mean_ms == pytest.approx(25)
    assert (found.n, found.p50_ms, found.p90_ms, found.p99_ms) == (4, 20, 40, 40)


def test_many_measurements_take_no_more_memory_and_stay_close() -> None:
    recorder = LatencyRecorder(sample_size=500)
    for number in range(20_000):
        recorder.add("stage_1", number / 1000)
    (found,) = recorder.summary()
    assert found.n == 20_000
    assert found.mean_ms == pytest.approx(9999.5)
    assert found.p50_ms == pytest.approx(10_000, rel=0.1)
    assert found.p90_ms == pytest.approx(18_000, rel=0.05)
    assert len(recorder._stages["stage_1"]._sample) == 500


def test_stages_stay_in_the_order_they_came() -> None:
    recorder = LatencyRecorder()
    for stage in ("decode", "au_estimator", "encode", "decode"):
        recorder.add(stage, 0.001)
    assert [each.stage for each in recorder.summary()] == ["decode", "au_estimator", "encode"]


def test_the_table_gives_waits_no_share_of_the_work() -> None:
    latencies = [
        StageLatency("decode", 2, 25, 25, 25, 25),
        StageLatency("wait for the networks", 2, 900, 900, 900, 900),
        StageLatency("stage_1", 2, 75, 75, 75, 75),
    ]
    page = io.StringIO()
    Console(file=page, width=100).print(latency_table(latencies, "Latency"))
    decode, wait, stage = (line for line in page.getvalue().splitlines() if "│" in line)
    assert "25%" in decode
    assert "%" not in wait
    assert "900.00" in wait
    assert "75%" in stage


def test_the_timeline_keeps_every_batch_while_they_are_few() -> None:
    recorder = LatencyRecorder()
    for number in range(120):
        recorder.add("encode", number / 1000)
    timeline = recorder.timeline()
    assert timeline.batches == 1
    assert timeline.means_ms["encode"] == pytest.approx(range(120))


def test_a_long_timeline_has_means_of_batches_in_a_row() -> None:
    recorder = LatencyRecorder()
    for number in range(601):
        recorder.add("encode", number / 1000)
    timeline = recorder.timeline()
    assert timeline.batches == 8
    means = timeline.means_ms["encode"]
    assert len(means) == 76
    assert means[0] == pytest.approx(3.5)
    assert means[-1] == pytest.approx(600)  # of a single batch
