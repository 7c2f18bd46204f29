"""What the page says without its script: the counts, the failures, the latency and the run.

Each function gives HTML in which everything that comes from outside is escaped.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from efgan_rt.pipeline.stages import MEASURE, VIEW
from efgan_rt.reporting.latency import WAIT_PREFIX, Timeline
from efgan_rt.reporting.page_template import as_text

COLOURS: Final = 8  # of stages; a ninth begins again
WAITS: Final = 4
WIDTH: Final = 1000.0  # of a plot, in its own units


def tiles(summary: Mapping[str, Any]) -> str:
    """The figures at the top."""
    counts = [
        ("pictures", "pictures", ""),
        ("written", "files written", ""),
        ("made_again", "made again", ""),
        ("faces", "faces in photographs", ""),
        ("already_done", "already done", ""),
        ("copied_without_face", "copied, no face", ""),
        ("left_as_they_are", "left as they are", ""),
        ("skipped_without_face", "skipped, no face", ""),
        ("failed", "failed", "bad"),
        ("files_per_s", "files a second", ""),
        ("seconds", "seconds", ""),
    ]
    always = ("pictures", "written")
    found = [
        (summary[key], label, kind)
        for key, label, kind in counts
        if key in summary and (summary[key] or key in always)
    ]
    return "".join(
        f'<div class="{kind}"><dt>{label}</dt><dd>{_number(value)}</dd></div>'
        for value, label, kind in found
    )


def failures(summary: Mapping[str, Any], failed: int) -> str:
    """The kinds of failures with their counts, and the first of them one by one; "" if none.

    Args:
        summary: of the run.
        failed: edits in the list of pictures that failed.
    """
    stopped = ""
    if "stopped" in summary:
        stopped = f'<p class="note reason">The run stopped: {as_text(summary["stopped"])}</p>'
    if not failed:
        heading = '<h2 id="failures-title">Failures</h2>'
        return (
            f'<section id="failures" aria-labelledby="failures-title">{heading}{stopped}</section>'
            if stopped
            else ""
        )
    kinds = "".join(
        f'<tr><td>{_number(count)}</td><td class="long">{as_text(kind)}</td></tr>'
        for kind, count in summary.get("reasons", {}).items()
    )
    table = (
        '<div class="scroll"><table class="figures"><thead><tr><th scope="col">pictures</th>'
        f'<th scope="col">reason</th></tr></thead><tbody>{kinds}</tbody></table></div>'
        if kinds
        else ""
    )
    named = "".join(f"<li>{as_text(each['reason'])}</li>" for each in summary.get("failures", ()))
    first = f"<details><summary>The first, one by one</summary><ul>{named}</ul></details>"
    return (
        '<section id="failures" aria-labelledby="failures-title">'
        f'<h2 id="failures-title">Failures</h2>{stopped}{table}'
        '<p><button type="button" data-outcome="failed">'
        f"Show what failed</button></p>{first if named else ''}</section>"
    )


def latency(stages: Sequence[Mapping[str, Any]], timeline: Timeline, batch: int | None) -> str:
    """The time of each stage: stacked bars, its course over the run, and the figures.

    Args:
        stages: `StageLatency` as plain values.
        timeline: of the same run.
        batch: pictures in a batch.
    """
    if not stages:
        return "<p>No picture went through the networks in this run.</p>"
    work = [each for each in stages if not each["stage"].startswith(WAIT_PREFIX)]
    waits = [each for each in stages if each["stage"].startswith(WAIT_PREFIX)]
    colour = {each["stage"]: f"s{number % COLOURS + 1}" for number, each in enumerate(work)}
    colour |= {each["stage"]: f"w{number % WAITS + 1}" for number, each in enumerate(waits)}
    work_ms = sum(each["mean_ms"] for each in work)
    longest_ms = max(work_ms, sum(each["mean_ms"] for each in waits))
    lanes = "".join(
        f'<div class="lane"><span>{name}</span>{_bar(name, part, colour, longest_ms)}</div>'
        for name, part in (("work", work), ("waiting", waits))
        if part
    )
    pictures = f" of {batch} pictures" if batch else ""
    cost = sum(each["mean_ms"] for each in work if each["stage"] in (MEASURE, VIEW))
    asked = (
        f" This page itself took {cost:.1f} ms of it ({cost / work_ms:.0%}): reading the action "
        "units of the edits, and its small pictures."
        if cost and work_ms
        else ""
    )
    return (
        '<figure class="plot"><figcaption>Mean time of a batch'
        f"{pictures}, stage by stage. Stages overlap, so the bars say where the work is, not how "
        f"long the run took.{asked}</figcaption>{lanes}"
        f'<div class="axis"><span>0</span><span>{longest_ms:.0f} ms</span></div></figure>'
        f"{_course(work, timeline, colour)}{_figures(stages, colour, work_ms)}"
    )


def run(groups: Iterable[tuple[str, Iterable[tuple[str, object]]]]) -> str:
    """What was run and on what: titled lists of names and values; empty values are left out."""
    lists = (
        f'<div><h3>{as_text(title)}</h3><dl class="run">'
        + "".join(
            f"<dt>{as_text(name)}</dt><dd>{_value(name, value)}</dd>"
            for name, value in pairs
            if value not in (None, "", [], {})
        )
        + "</dl></div>"
        for title, pairs in groups
    )
    return f'<div class="groups">{"".join(lists)}</div>'


def _bar(
    name: str, stages: Sequence[Mapping[str, Any]], colour: Mapping[str, str], longest_ms: float
) -> str:
    left = 0.0
    rects = []
    for each in stages:
        width = each["mean_ms"] / longest_ms * WIDTH
        title = f"<title>{as_text(each['stage'])}: {each['mean_ms']:.2f} ms</title>"
        rects.append(
            f'<rect class="{colour[each["stage"]]}" x="{left:.2f}" width="{width:.2f}" '
            f'height="10">{title}</rect>'
        )
        left += width
    return (
        f'<svg role="img" aria-label="{name}, stage by stage; the figures are in the table" '
        f'viewBox="0 0 {WIDTH:.0f} 10" preserveAspectRatio="none">{"".join(rects)}</svg>'
    )


def _course(
    stages: Sequence[Mapping[str, Any]], timeline: Timeline, colour: Mapping[str, str]
) -> str:
    """The work of the batches one after another, as stacked columns; "" for a few batches."""
    columns = min((len(timeline.means_ms.get(each["stage"], ())) for each in stages), default=0)
    if columns < 4:
        return ""
    heights = [
        [timeline.means_ms[each["stage"]][number] for each in stages] for number in range(columns)
    ]
    tallest = max(map(sum, heights))
    width = WIDTH / columns
    rects = []
    for number, column in enumerate(heights):
        top = 100.0
        for each, ms in zip(stages, column, strict=True):
            height = ms / tallest * 100
            top -= height
            rects.append(
                f'<rect class="{colour[each["stage"]]}" x="{number * width:.2f}" y="{top:.2f}" '
                f'width="{width:.2f}" height="{height:.2f}"/>'
            )
    batches = max(each["n"] for each in stages)
    return (
        '<figure class="plot"><figcaption>The same work over the run, from the first batch to the '
        f"last; the tallest column is {tallest:.0f} ms, each the mean of {timeline.batches} "
        f"{'batch' if timeline.batches == 1 else 'batches'}.</figcaption>"
        '<svg class="over" role="img" aria-label="work of the batches over the run" '
        f'viewBox="0 0 {WIDTH:.0f} 100" preserveAspectRatio="none">{"".join(rects)}</svg>'
        f'<div class="axis"><span>batch 1</span><span>batch {batches:,}</span></div></figure>'
    )


def _figures(stages: Sequence[Mapping[str, Any]], colour: Mapping[str, str], work_ms: float) -> str:
    heads = "".join(
        f'<th scope="col">{each}</th>'
        for each in ("p50 ms", "p90 ms", "p99 ms", "mean ms", "share of work", "batches")
    )
    rows = []
    for each in stages:
        is_wait = each["stage"].startswith(WAIT_PREFIX)
        share = "" if is_wait or not work_ms else f"{each['mean_ms'] / work_ms:.0%}"
        cells = [f"{each[key]:.2f}" for key in ("p50_ms", "p90_ms", "p99_ms", "mean_ms")]
        values = "".join(f"<td>{cell}</td>" for cell in (*cells, share, _number(each["n"])))
        swatch = f'<span class="swatch {colour[each["stage"]]}"></span>'
        rows.append(f'<tr><th scope="row">{swatch}{as_text(each["stage"])}</th>{values}</tr>')
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Latency of every stage">'
        f'<table class="figures"><thead><tr><th scope="col">stage</th>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _value(name: str, value: object) -> str:
    if isinstance(value, Mapping):
        return as_text(", ".join(f"{key} {each}" for key, each in value.items()))
    if isinstance(value, list | tuple):
        return as_text(", ".join(map(str, value)))
    text = as_text(value)
    return f"<code>{text}</code>" if name in ("command", "directory", "input", "output") else text


def _number(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else as_text(value)
