"""What `efgan-rt bench` found, for machines and for people.

A result is plain values as soon as it is measured, because most come from processes of their own.
A way is a backend, its precision and a batch size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from efgan_rt.reporting.bench import SEED, WHOLE_BATCH, EnginesResult, PipelineResult
from efgan_rt.reporting.latency import SAMPLE_SEED, StageLatency
from efgan_rt.reporting.machine import machine_facts
from efgan_rt.reporting.probes import Limit
from engines.choice import BackendChoice

if TYPE_CHECKING:
    from rich.table import Table

Result = dict[str, Any]


def result_of(
    choice: BackendChoice,
    batch: int,
    lanes: int,
    engines: EnginesResult,
    pipeline: PipelineResult,
    *,
    multiplications: Mapping[str, int] | None,
    limit: Limit | None,
    memory_mb: Mapping[str, float | None],
    start_up_s: Mapping[str, float | None],
) -> Result:
    """One way's figures as plain values.

    Args:
        choice: backend and precision.
        batch: pictures in a run.
        lanes: batches in flight.
        engines: the engines alone.
        pipeline: directory to directory.
        multiplications: of each network for one picture; None where nobody can count them.
        limit: what the processor does at best; None on a GPU.
        memory_mb: of the process, at named moments.
        start_up_s: from the process's start to the first edited batch, in steps.

    Returns:
        Among the figures `ratio`, pictures a second of the pipeline over those of the engines
        alone; `share_of_limit`, the networks' operations a second over the machine's; `unrest`, why
        the figures are not to be trusted.
    """
    gflops = share = None
    if multiplications is not None:
        gflops = 2 * sum(multiplications.values()) * engines.images_per_s / 1e9
    if limit is not None and gflops is not None:
        share = gflops / limit.best
    return {
        "backend": choice.backend,
        "precision": choice.precision,
        "reason": choice.reason,
        "batch": batch,
        "lanes": lanes,
        "engines": asdict(engines),
        "pipeline": asdict(pipeline),
        "ratio": pipeline.images_per_s / engines.images_per_s,
        "multiplications": None if multiplications is None else dict(multiplications),
        "gflops": gflops,
        "limit_gflops": None if limit is None else limit.gflops,
        "share_of_limit": share,
        "memory_mb": dict(memory_mb),
        "start_up_s": dict(start_up_s),
        "unrest": engines.unrest(),
    }


def bench_document(results: Sequence[Result], **about: Any) -> dict[str, Any]:
    """All figures as plain values, with the machine, the seeds and what `about` adds."""
    seeds = {"generated_pictures": SEED, "latency_sample": SAMPLE_SEED}
    return {"machine": machine_facts(), **about, "seeds": seeds, "results": list(results)}


def name_of(result: Result) -> str:
    """A way's name: `openvino bf16, batch 8`."""
    return f"{result['backend']} {result['precision']}, batch {result['batch']}"


def latencies_of(result: Result, part: str) -> list[StageLatency]:
    """The latencies of a result's `engines` or `pipeline`."""
    rows = result["engines"]["networks"] if part == "engines" else result["pipeline"]["stages"]
    return [StageLatency(**row) for row in rows]


def summary_table(results: Sequence[Result]) -> "Table":
    """A table for people: a row a way.

    Times are of a whole batch, pictures a second of the engines alone and from files to files;
    `limit` is the share of what the processor does at best, `MB` the process's peak, `start s` the
    time from its start to the first edited batch.
    """
    from rich.table import Table

    table = Table(title="Every way beside the others", title_justify="left")
    table.add_column("way")
    numbers = ("p50 ms", "p99 ms", "engines /s", "files /s", "ratio", "limit", "MB", "start s")
    for heading in numbers:
        table.add_column(heading, justify="right")
    for result in results:
        whole = next(r for r in latencies_of(result, "engines") if r.stage == WHOLE_BATCH)
        steps = [seconds for seconds in result["start_up_s"].values() if seconds is not None]
        table.add_row(
            name_of(result),
            *(f"{ms:.1f}" for ms in (whole.p50_ms, whole.p99_ms)),
            *(f"{result[part]['images_per_s']:.1f}" for part in ("engines", "pipeline")),
            f"{result['ratio']:.2f}",
            _shown(result["share_of_limit"], "{:.0%}"),
            _shown(result["memory_mb"]["peak"], "{:.0f}"),
            f"{sum(steps):.2f}",
        )
    return table


def _shown(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
