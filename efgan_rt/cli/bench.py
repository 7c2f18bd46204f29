"""`efgan-rt bench`: what the engines and the pipeline do on this machine."""

from contextlib import ExitStack, closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from efgan_rt.cli.options import (
    ENGINES_PANEL,
    RUN_PANEL,
    Backend,
    BatchSizeOption,
    EnginesOption,
    PrecisionOption,
    ThreadsOption,
    WorkersOption,
    default_workers,
)

if TYPE_CHECKING:
    from efgan_rt.cascade import CascadeEngines
    from efgan_rt.expressions import Target
    from efgan_rt.reporting.bench import BenchResult


def bench(
    backend: Annotated[
        list[Backend] | None,
        typer.Option(
            rich_help_panel=ENGINES_PANEL,
            help="Measure this one; several are compared (default: auto).",
            show_default=False,
        ),
    ] = None,
    engines: EnginesOption = None,
    precision: PrecisionOption = None,
    batch_size: BatchSizeOption = 8,
    threads: ThreadsOption = None,
    pictures: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            rich_help_panel=RUN_PANEL,
            help="Face crops to measure with (default: generated noise).",
            show_default=False,
        ),
    ] = None,
    seconds: Annotated[
        float,
        typer.Option(
            metavar="S",
            min=0.01,
            rich_help_panel=RUN_PANEL,
            help="For the engines alone, and again for the pipeline.",
        ),
    ] = 10.0,
    workers: WorkersOption = None,
    json_: Annotated[
        Path | None,
        typer.Option(
            "--json",
            metavar="FILE",
            rich_help_panel=RUN_PANEL,
            help="Also write all figures there; - is stdout, instead of the tables.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Measures latency per network and per stage, and pictures a second.

    First the engines alone, then a run from directory to directory, with the ratio of the two.

    **Examples**

    - `efgan-rt bench`
    - `efgan-rt bench --backend openvino --backend onnxruntime --pictures faces --json bench.json`
    """
    from efgan_rt.cascade import CascadeEngines
    from efgan_rt.cli.console import print_json, remark, write_json
    from efgan_rt.engine_sets import find_set
    from efgan_rt.pipeline.workers import BatchOptions
    from efgan_rt.reporting.bench import (
        BenchResult,
        bench_document,
        generated_pictures,
        measure,
    )

    engine_set = find_set(engines)
    remark(f"engines: {engine_set.directory} ({engine_set.reason})")
    options = BatchOptions(workers or default_workers())
    results = []
    for each in dict.fromkeys(backend or [Backend.AUTO]):
        cascade = CascadeEngines.open(
            engine_set.directory,
            backend=each,
            precision=precision,
            batch=batch_size,
            threads=threads,
        )
        remark(f"measuring {cascade.choice.reason}")
        with ExitStack() as stack:
            given = generated_pictures() if pictures is None else nullcontext(pictures)
            folder = stack.enter_context(given)
            lanes = [stack.enter_context(closing(cascade.lane())) for _ in range(cascade.lanes)]
            alone, pipeline = measure(
                lanes,
                _any_target(cascade),
                folder,
                batch=cascade.batch,
                crop_px=cascade.crop_px,
                seconds=seconds,
                options=options,
            )
        results.append(
            BenchResult(
                cascade.choice.backend,
                cascade.choice.precision,
                cascade.choice.reason,
                cascade.batch,
                alone,
                pipeline,
                pipeline.images_per_s / alone.images_per_s,
            )
        )
    document = bench_document(
        results,
        engines=str(engine_set.directory),
        pictures="generated" if pictures is None else str(pictures),
        threads=threads,
        workers=options.workers,
    )
    if json_ == Path("-"):
        print_json(document)
        return
    for result in results:
        _print_result(result)
    if json_ is not None:
        write_json(json_, document)


def _any_target(cascade: "CascadeEngines") -> "Target":
    """The first expression at full intensity; which one makes no difference to the speed."""
    from efgan_rt.expressions import target_for

    first = next(iter(cascade.expressions), None)
    return target_for(cascade.expressions, cascade.au_names, expression=first, au=None)


def _print_result(result: "BenchResult") -> None:
    from efgan_rt.cli.console import print_table, print_text
    from efgan_rt.reporting.bench import WHOLE_BATCH
    from efgan_rt.reporting.latency import latency_table

    title = f"{result.backend} {result.precision}, batch {result.batch}"
    networks = [each for each in result.engines.networks if each.stage != WHOLE_BATCH]
    print_table(latency_table(networks, f"{title}: engines alone"))
    print_table(
        latency_table(
            result.pipeline.stages,
            f"{title}: directory to directory, {result.pipeline.pictures:,} pictures",
        )
    )
    print_text(f"engines alone           {result.engines.images_per_s:8.1f} images/s")
    print_text(f"directory to directory  {result.pipeline.images_per_s:8.1f} images/s")
    print_text(f"share of the engines    {result.ratio:8.2f}")
    print_text("")
