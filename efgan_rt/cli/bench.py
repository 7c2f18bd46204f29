"""`efgan-rt bench`: what the engines and the pipeline do on this machine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from efgan_rt.cli.options import (
    Arithmetic,
    Backend,
    EnginesOption,
    LanesOption,
    ModelOption,
    ThreadsOption,
    WorkersOption,
    engines_option,
    panel,
    run_option,
)

result_option = panel("The result")


@dataclass(frozen=True)
class BenchRequest:
    """Measures latency per network and per stage, and pictures a second.

    Each backend, precision and batch size has a process of its own. First the engines alone, then
    a run from directory to directory, with the ratio of the two, and how much of what this
    processor does at best the networks reach.

    **Examples**

    - `efgan-rt bench`
    - `efgan-rt bench --batch-size 1 --batch-size 8 --pictures faces --json a.json --plot a.png`
    - `efgan-rt bench --backend openvino --backend onnxruntime --precision fp32`
    - `efgan-rt bench --compare a.json b.json`
    - `efgan-rt bench --tune`
    """

    backend: Annotated[
        list[Backend] | None,
        engines_option(help="Measure this one; may be repeated (default: all that work here)."),
    ] = None
    precision: Annotated[
        list[Arithmetic] | None,
        engines_option(
            help="Only this arithmetic; may be repeated (default: all that the backend has)."
        ),
    ] = None
    engines: EnginesOption = None
    model: ModelOption = None
    batch_size: Annotated[
        list[int] | None,
        engines_option(
            "--batch-size",
            metavar="N",
            min=1,
            help="Pictures that go through the networks together; may be repeated (default: 8).",
        ),
    ] = None
    threads: ThreadsOption = None
    lanes: LanesOption = None
    pictures: Annotated[
        Path | None,
        run_option(metavar="DIR", help="Face crops to measure with (default: generated noise)."),
    ] = None
    seconds: Annotated[
        float,
        run_option(
            metavar="S", min=0.01, help="For the engines alone, and again for the pipeline."
        ),
    ] = 10.0
    warm_up: Annotated[
        float,
        run_option(
            metavar="S", min=0.0, help="Run each lane for so long first, and at least three times."
        ),
    ] = 0.5
    workers: WorkersOption = None
    tune: Annotated[
        bool,
        run_option(
            "--tune",
            help="Find the best batch, lanes, threads and workers, and keep them for `batch`.",
        ),
    ] = False
    json: Annotated[
        Path | None,
        result_option(
            "--json",
            metavar="FILE",
            help="Also write all figures there; - is stdout, instead of the tables.",
        ),
    ] = None
    plot: Annotated[
        Path | None,
        result_option(metavar="FILE.png", help="Also draw the stages, the backends side by side."),
    ] = None
    compare: Annotated[
        tuple[Path, Path] | None,
        result_option(
            metavar="A.json B.json", help="Measure nothing: print what B did over what A did."
        ),
    ] = None

    @property
    def done_by(self) -> str:
        """What does it."""
        return f"efgan_rt.cli.{'bench_tune' if self.tune and not self.compare else 'measured_ways'}"

    def __post_init__(self) -> None:
        """Refuses what does not go together."""
        asked = self.threads or self.lanes or self.batch_size or self.workers
        if self.compare is None and self.tune and (self.plot is not None or asked):
            raise typer.BadParameter(
                "it looks for batch, lanes, threads and workers itself, and draws nothing",
                param_hint="--tune",
            )
