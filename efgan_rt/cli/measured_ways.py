"""The measurement of a set of engines, as `efgan-rt bench` does it: measure, print, compare.

A single way is measured in this very process, several in processes of their own (`bench_ways`).
"""

from contextlib import ExitStack, closing
from pathlib import Path
from time import perf_counter
from typing import Final

from efgan_rt.cli.bench import BenchRequest
from efgan_rt.cli.bench_ways import (
    STDOUT,
    Way,
    find_ways,
    measure_each,
    opened,
    pictures_for,
)
from efgan_rt.cli.console import print_json, print_table, print_text, remark, write_json
from efgan_rt.engine_sets import EngineSet, find_set
from efgan_rt.pipeline.run_state import BatchOptions
from efgan_rt.reporting import bench_plot
from efgan_rt.reporting.bench import WHOLE_BATCH, measure, picture_files
from efgan_rt.reporting.bench_comparison import caveats, comparison_table, ratios, read_bench
from efgan_rt.reporting.bench_result import (
    Result,
    bench_document,
    latencies_of,
    name_of,
    result_of,
    summary_table,
)
from efgan_rt.reporting.latency import latency_table
from efgan_rt.reporting.machine import process_age_s, resident_mb
from efgan_rt.reporting.probes import Limit, measure_limit
from efgan_rt.tuning import RunSettings, default_settings
from engines.base import EngineError
from engines.choice import DEVICE_BACKENDS, INT8, BackendChoice, choose_backend
from engines.directory import EngineDirectory

# Of the time for the engines, each of the machine's two limits gets so much.
LIMIT_SHARE: Final = 0.1


def run(request: BenchRequest) -> None:
    """Measures every way, prints and writes what was found.

    Raises:
        EfganError: nothing could be measured, or a file cannot be written.
        EngineError: a backend was named that does not work here.
    """
    if request.compare is not None:
        compare(*request.compare, request.json)
        return
    if request.plot is not None:
        bench_plot.check_plot(request.plot)
    if request.pictures is not None:
        picture_files(request.pictures)  # once, before a process for each way says the same
    engine_set = find_set(request.engines, request.model)
    remark(f"engines: {engine_set.directory} ({engine_set.reason})")
    ways = find_ways(request, engine_set)
    if len(ways) == 1:
        results = [_measure(request, engine_set, ways[0])]
    else:
        results = measure_each(request, engine_set, ways)
    document = bench_document(
        results,
        engines=str(engine_set.directory),
        pictures="generated" if request.pictures is None else str(request.pictures),
        seconds=request.seconds,
        warm_up_s=request.warm_up,
        threads=request.threads,
        workers=request.workers or default_settings().workers,
    )
    if request.plot is not None:
        machine = document["machine"]
        bench_plot.write_plot(
            request.plot, results, f"{machine['processor']}, cores: {machine['cores']}"
        )
        remark(f"plot: {request.plot}")
    if request.json == STDOUT:
        print_json(document)
        return
    for result in results:
        _print_result(result)
    print_table(summary_table(results))
    for result in results:
        for reason in result["unrest"]:
            remark(f"warning: {name_of(result)}: {reason}; compare ratios, not figures")
    if request.json is not None:
        write_json(request.json, document)


def _measure(request: BenchRequest, engine_set: EngineSet, way: Way) -> Result:
    """One way, in this process."""
    start_up_s = {"process and imports": process_age_s()}
    settings = RunSettings(
        way.batch, request.lanes, request.threads, request.workers or default_settings().workers
    )
    started = perf_counter()
    directory = EngineDirectory(engine_set.directory)
    choice = choose_backend(way.backend, directory, way.precision)
    opened_set = opened(directory, choice, settings)
    start_up_s["opening the engines"] = perf_counter() - started
    memory_mb = {"opened": resident_mb()}
    remark(f"measuring {opened_set.choice.reason}")
    with ExitStack() as stack:
        folder = stack.enter_context(pictures_for(request))
        lanes = [stack.enter_context(closing(opened_set.lane())) for _ in range(opened_set.lanes)]
        target = opened_set.family.any_goal(opened_set.properties)
        engines, pipeline = measure(
            lanes,
            target,
            folder,
            batch=opened_set.batch,
            crop_px=opened_set.crop_px,
            seconds=request.seconds,
            warm_up_s=request.warm_up,
            options=BatchOptions(settings.workers),
        )
    memory_mb["peak"] = resident_mb("VmHWM")  # before the limits, which have memory of their own
    start_up_s["the first batch"] = engines.first_batch_s
    counted = _multiplications(directory)
    return result_of(
        opened_set.choice,
        opened_set.batch,
        opened_set.lanes,
        engines,
        pipeline,
        multiplications=counted,
        limit=None if counted is None else _limit(opened_set.choice, request),
        memory_mb=memory_mb,
        start_up_s=start_up_s,
    )


def _multiplications(directory: EngineDirectory) -> dict[str, int] | None:
    """Of each network for one picture; None where OpenVINO, which counts them, is missing."""
    from engines.operations import multiplications

    networks = directory.manifest.networks
    try:
        return {name: multiplications(directory.model(name), networks[name]) for name in networks}
    except EngineError as missing:
        remark(f"operations not counted: {missing}")
        return None


def _limit(choice: BackendChoice, request: BenchRequest) -> Limit | None:
    # The probes are of floating point: of int8 and of a GPU they say nothing.
    if choice.backend in DEVICE_BACKENDS or choice.precision == INT8:
        return None
    return measure_limit(choice, threads=request.threads, seconds=LIMIT_SHARE * request.seconds)


def _print_result(result: Result) -> None:
    title = name_of(result)
    networks = [each for each in latencies_of(result, "engines") if each.stage != WHOLE_BATCH]
    print_table(latency_table(networks, f"{title}: engines alone"))
    pictures = result["pipeline"]["pictures"]
    print_table(
        latency_table(
            latencies_of(result, "pipeline"),
            f"{title}: directory to directory, {pictures:,} pictures",
        )
    )
    print_text(f"engines alone           {result['engines']['images_per_s']:8.1f} images/s")
    print_text(f"directory to directory  {result['pipeline']['images_per_s']:8.1f} images/s")
    print_text(f"share of the engines    {result['ratio']:8.2f}")
    if result["share_of_limit"] is not None:
        limits = ", ".join(f"{name} {speed:.0f}" for name, speed in result["limit_gflops"].items())
        print_text(
            f"share of the machine    {result['share_of_limit']:8.2f}"
            f"  ({result['gflops']:.0f} of GFLOP/s: {limits})"
        )
    for step, seconds in result["start_up_s"].items():
        if seconds is not None:
            print_text(f"{'start: ' + step:<27} {seconds:5.2f} s")
    print_text("")


def compare(before: Path, after: Path, json_file: Path | None) -> None:
    """Prints the second bench over the first.

    Raises:
        EfganError: a file is none of ours, or they have no way in common.
    """
    documents = read_bench(before), read_bench(after)
    found = ratios(*documents)
    for caveat in caveats(*documents):
        remark(f"note: {caveat}")
    document = {"before": str(before), "after": str(after), "ratios": [vars(r) for r in found]}
    if json_file == STDOUT:
        print_json(document)
        return
    print_table(comparison_table(found))
    if json_file is not None:
        write_json(json_file, document)
