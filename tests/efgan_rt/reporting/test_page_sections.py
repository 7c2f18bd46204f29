"""What the page says without its script: counts, failures, latency and the run."""

import re
from dataclasses import asdict

import pytest

from efgan_rt.pipeline.stages import MEASURE, VIEW
from efgan_rt.reporting.latency import LatencyRecorder, Timeline
from efgan_rt.reporting.page_sections import failures, latency, run, tiles


def test_tiles_show_the_counts_that_are_not_zero() -> None:
    text = tiles({"pictures": 12000, "written": 0, "failed": 2, "made_again": 0, "seconds": 3.21})
    found = re.findall(r'<div class="(\w*)"><dt>([\w ]+)</dt><dd>([\d.,]+)</dd></div>', text)
    assert found == [
        ("", "pictures", "12,000"),
        ("", "files written", "0"),
        ("bad", "failed", "2"),
        ("", "seconds", "3.2"),
    ]


def test_no_failure_has_no_section() -> None:
    assert failures({"failed": 0, "reasons": {}}, 0) == ""


def test_failures_are_grouped_by_reason_and_named() -> None:
    summary = {"reasons": {"<empty>": 3}, "failures": [{"reason": "a.png: <empty>"}]}
    text = failures(summary, 3)
    assert '<td>3</td><td class="long">&lt;empty&gt;</td>' in text
    assert "<li>a.png: &lt;empty&gt;</li>" in text
    assert '<button type="button" data-outcome="failed">' in text


@pytest.fixture
def recorder() -> LatencyRecorder:
    recorder = LatencyRecorder()
    for _ in range(10):
        for stage, seconds in (
            ("decode", 0.01),
            ("wait for a slot", 0.02),
            ("stage_1", 0.06),
            (MEASURE, 0.02),
            (VIEW, 0.01),
        ):
            recorder.add(stage, seconds)
    return recorder


def test_the_stages_are_stacked_in_the_share_that_they_took(recorder: LatencyRecorder) -> None:
    text = latency([asdict(each) for each in recorder.summary()], recorder.timeline(), 8)
    (work, waits) = re.findall(r'<svg role="img".*?</svg>', text)
    bars = re.findall(r'x="([\d.]+)" width="([\d.]+)" height="10"><title>([^:]+):', work)
    assert bars == [
        ("0.00", "100.00", "decode"),
        ("100.00", "600.00", "stage_1"),
        ("700.00", "200.00", "measure the edits"),
        ("900.00", "100.00", "pictures for the page"),
    ]
    assert 'width="200.00" height="10"><title>wait for a slot: 20.00 ms' in waits


def test_the_cost_of_the_page_itself_is_said(recorder: LatencyRecorder) -> None:
    text = latency([asdict(each) for each in recorder.summary()], recorder.timeline(), 8)
    assert "This page itself took 30.0 ms of it (30%)" in text


def test_the_course_over_the_run_has_a_column_for_each_batch(recorder: LatencyRecorder) -> None:
    text = latency([asdict(each) for each in recorder.summary()], recorder.timeline(), 8)
    (course,) = re.findall(r'<svg class="over".*?</svg>', text)
    assert course.count("<rect") == 10 * 4
    assert "<span>batch 10</span>" in text


def test_a_run_without_batches_has_no_plot() -> None:
    assert latency([], Timeline(1, {}), 8) == (
        "<p>No picture went through the networks in this run.</p>"
    )


def test_what_was_run_is_escaped_and_what_is_empty_left_out() -> None:
    text = run([("Asked for", [("command", "x <y>"), ("au", None), ("stages", [1, 2])])])
    assert "<dt>command</dt><dd><code>x &lt;y&gt;</code></dd>" in text
    assert "<dt>stages</dt><dd>1, 2</dd>" in text
    assert "<dt>au</dt>" not in text
