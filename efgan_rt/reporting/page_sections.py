"""What the page says without its script: the counts, the failures, the latency and the run.

Each function gives HTML of `page/sections.html`, which escapes everything that it is given.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from efgan_rt.pipeline.stages import MEASURE, VIEW
from efgan_rt.reporting.latency import WAIT_PREFIX, Timeline
from efgan_rt.reporting.page_template import asset, shown

COLOURS: Final = 8  # of stages; a ninth begins again
WAITS: Final = 4
WIDTH: Final = 1000.0  # of a plot, in its own units
COUNTS: Final = (
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
)
ALWAYS: Final = ("pictures", "written")


def tiles(summary: Mapping[str, Any]) -> str:
    """The figures at the top."""
    return _section(
        "tiles",
        [
            (summary[key], label, kind)
            for key, label, kind in COUNTS
            if key in summary and (summary[key] or key in ALWAYS)
        ],
    )


def failures(summary: Mapping[str, Any], failed: int) -> str:
    """The kinds of failures with their counts, and the first of them one by one; "" if none.

    Args:
        summary: of the run.
        failed: edits in the list of pictures that failed.
    """
    stopped = summary.get("stopped")
    if not failed and stopped is None:
        return ""
    kinds, named = summary.get("reasons", {}), summary.get("failures", ())
    return _section("failures", stopped, kinds, named, failed)


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
    cost = sum(each["mean_ms"] for each in work if each["stage"] in (MEASURE, VIEW))
    return _section(
        "latency",
        [
            (name, _bars(part, colour, longest_ms))
            for name, part in (("work", work), ("waiting", waits))
            if part
        ],
        longest_ms,
        batch,
        cost,
        f"{cost / work_ms:.0%}" if work_ms else "",
        _course(work, timeline, colour),
        timeline,
        max((each["n"] for each in work), default=0),
        [_row(each, colour, work_ms) for each in stages],
    )


def run(groups: Iterable[tuple[str, Iterable[tuple[str, object]]]]) -> str:
    """What was run and on what: titled lists of names and values; empty values are left out."""
    return _section("run", groups)


def _bars(
    stages: Sequence[Mapping[str, Any]], colour: Mapping[str, str], longest_ms: float
) -> list[tuple[str, ...]]:
    left = 0.0
    bars: list[tuple[str, ...]] = []
    for each in stages:
        name, width = each["stage"], each["mean_ms"] / longest_ms * WIDTH
        ms = f"{each['mean_ms']:.2f}"
        bars.append((colour[name], f"{left:.2f}", f"{width:.2f}", name, ms))
        left += width
    return bars


def _course(
    stages: Sequence[Mapping[str, Any]], timeline: Timeline, colour: Mapping[str, str]
) -> dict[str, Any] | None:
    """The work of the batches one after another, as stacked columns; None for a few batches."""
    names = [each["stage"] for each in stages]
    columns = min((len(timeline.means_ms.get(name, ())) for name in names), default=0)
    if columns < 4:
        return None
    tallest = max(sum(timeline.means_ms[name][at] for name in names) for at in range(columns))
    width = WIDTH / columns
    bars = []
    for at in range(columns):
        top = 100.0
        for name in names:
            height = timeline.means_ms[name][at] / tallest * 100
            top -= height
            places = (at * width, top, width, height)
            bars.append((colour[name], *(f"{place:.2f}" for place in places)))
    return {"tallest": tallest, "bars": bars}


def _row(
    each: Mapping[str, Any], colour: Mapping[str, str], work_ms: float
) -> tuple[str, str, tuple[str, ...]]:
    is_wait = each["stage"].startswith(WAIT_PREFIX)
    share = "" if is_wait or not work_ms else f"{each['mean_ms'] / work_ms:.0%}"
    cells = [f"{each[key]:.2f}" for key in ("p50_ms", "p90_ms", "p99_ms", "mean_ms")]
    return colour[each["stage"]], each["stage"], (*cells, share, _number(each["n"]))


def _section(name: str, *given: Any) -> str:
    return str(getattr(_sections(), name)(*given)).strip()


@cache
def _sections() -> Any:
    from jinja2 import Environment

    environment = Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: value if hasattr(value, "__html__") else shown(value),
    )
    environment.filters |= {"number": _number, "listed": _listed}
    return environment.from_string(asset("sections.html")).module


def _listed(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {each}" for key, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _number(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
