"""`efgan-rt batch`: edits a directory of pictures."""

from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from efgan_rt.cli.options import (
    EDIT_PANEL,
    ENGINES_PANEL,
    FILES_PANEL,
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
    from collections.abc import Sequence

    from efgan_rt.cascade import CascadeEngines
    from efgan_rt.expressions import Target
    from efgan_rt.pipeline.files import Plan, PlanCount
    from efgan_rt.pipeline.journal import Journal
    from efgan_rt.pipeline.outcome import Outcome
    from efgan_rt.pipeline.resume import Inspector
    from efgan_rt.pipeline.workers import BatchOptions
    from efgan_rt.reporting.latency import LatencyRecorder
    from efgan_rt.reporting.run_report import RunReport

SOME_FAILED = 3
INTERRUPTED = 130


class Format(StrEnum):
    """Formats that outputs can be written in."""

    PNG = "png"
    JPG = "jpg"
    WEBP = "webp"
    BMP = "bmp"
    TIFF = "tiff"


def batch(
    in_dir: Annotated[Path, typer.Argument(metavar="IN_DIR", help="Face crops: a folder or one.")],
    out_dir: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="Where the edits go.")],
    expression: Annotated[
        list[str] | None,
        typer.Option(
            "--expression",
            "-e",
            metavar="NAME",
            rich_help_panel=EDIT_PANEL,
            help="Such as happy; several make one folder each. `efgan-rt info` lists them.",
            show_default=False,
        ),
    ] = None,
    intensity: Annotated[
        float,
        typer.Option(
            metavar="0..2",
            rich_help_panel=EDIT_PANEL,
            help="How far towards the expression: 1 is all the way.",
        ),
    ] = 1.0,
    au: Annotated[
        str | None,
        typer.Option(
            metavar="UNITS",
            rich_help_panel=EDIT_PANEL,
            help="Action units, 0 to 5, on top: AU12=3.5 sets, AU04-=1 lowers, AU12+=1 raises.",
        ),
    ] = None,
    format_: Annotated[
        Format | None,
        typer.Option(
            "--format",
            rich_help_panel=FILES_PANEL,
            help="Format of the outputs (default: each input's own).",
            show_default=False,
        ),
    ] = None,
    quality: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, max=100, rich_help_panel=FILES_PANEL, help="Of JPEG and WebP."
        ),
    ] = 95,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            rich_help_panel=FILES_PANEL,
            help="Replace outputs that no earlier run has made, or that were changed since.",
        ),
    ] = False,
    max_pixels: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, rich_help_panel=FILES_PANEL, help="Largest picture accepted."
        ),
    ] = 200_000_000,
    contact_sheet: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png",
            rich_help_panel=FILES_PANEL,
            help="Also write one picture of inputs and edits, the first 48 rows.",
        ),
    ] = None,
    engines: EnginesOption = None,
    backend: Annotated[
        Backend, typer.Option(rich_help_panel=ENGINES_PANEL, help="What runs the networks.")
    ] = Backend.AUTO,
    precision: PrecisionOption = None,
    batch_size: BatchSizeOption = 8,
    threads: ThreadsOption = None,
    workers: WorkersOption = None,
    timeout: Annotated[
        float,
        typer.Option(
            metavar="S",
            min=0.01,
            rich_help_panel=RUN_PANEL,
            help="Give up what hangs: a picture, or a batch in the networks, for so many seconds.",
        ),
    ] = 300.0,
    fail_fast: Annotated[
        bool,
        typer.Option("--fail-fast", rich_help_panel=RUN_PANEL, help="Stop at the first failure."),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            rich_help_panel=RUN_PANEL,
            help="Check everything, list what would be made, write nothing.",
        ),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN.json",
            rich_help_panel=RUN_PANEL,
            help="Also write what became of each picture, one row each.",
        ),
    ] = None,
    json_: Annotated[
        bool,
        typer.Option("--json", rich_help_panel=RUN_PANEL, help="The result as JSON on stdout."),
    ] = False,
) -> None:
    """Edits the expression in a whole directory of face crops.

    The output tree mirrors the input tree. Pictures may have any size; of one that is not square
    the largest centred square is edited. A picture that fails is named, and the run goes on.

    **Examples**

    - `efgan-rt batch faces smiling --expression happy`
    - `efgan-rt batch faces out -e happy -e angry --intensity 0.7 --format png`
    - `efgan-rt batch faces out --au "AU12=3.5,AU04-=1"`

    **Exit status**: 0 all done, 1 the run could not be done, 2 wrong usage, 3 some
    pictures failed, 130 interrupted.
    """
    expressions = expression or []
    if not expressions and au is None:
        raise typer.BadParameter("say what to edit: --expression NAME or --au UNITS")
    if not expressions and intensity != 1:
        raise typer.BadParameter("there is no --expression for it", param_hint="--intensity")
    if len(set(expressions)) < len(expressions):
        raise typer.BadParameter("an expression is given twice", param_hint="--expression")

    from efgan_rt.cascade import CascadeEngines
    from efgan_rt.cascade_properties import read_properties
    from efgan_rt.cli.console import end_at_once, print_json, print_table, print_text, remark
    from efgan_rt.engine_sets import find_set
    from efgan_rt.errors import EfganError
    from efgan_rt.expressions import target_for
    from efgan_rt.pipeline.files import Plan
    from efgan_rt.pipeline.fingerprint import engines_fingerprint, recipe_hash
    from efgan_rt.pipeline.journal import Journal
    from efgan_rt.pipeline.resume import Inspector
    from efgan_rt.pipeline.watchdog import HangError
    from efgan_rt.pipeline.workers import BatchOptions
    from efgan_rt.reporting.contact_sheet import check_contact_sheet
    from efgan_rt.reporting.latency import LatencyRecorder, latency_table
    from efgan_rt.reporting.run_report import RunReport, check_report
    from efgan_rt.reporting.summary import summary_document, summary_lines
    from engines.base import EngineError
    from engines.manifest import read_manifest
    from engines.open import choose_backend

    engine_set = find_set(engines)
    manifest = read_manifest(engine_set.directory)
    properties = read_properties(engine_set.directory, manifest)
    choice = choose_backend(backend, manifest, precision)
    names: list[str | None] = [*expressions] or [None]
    targets = [
        target_for(
            properties.expressions, properties.au_names, expression=name, intensity=intensity, au=au
        )
        for name in names
    ]
    fingerprint = engines_fingerprint(
        engine_set.directory, backend=choice.backend, precision=choice.precision
    )
    recipes = [recipe_hash(target, fingerprint, {"quality": quality}) for target in targets]
    folders = tuple(expressions) if len(expressions) > 1 else ("",)
    plan = Plan(in_dir, out_dir, folders, f".{format_}" if format_ else None)
    if contact_sheet is not None:
        check_contact_sheet(contact_sheet, overwrite=overwrite)
    if report is not None:
        check_report(report, overwrite=overwrite)
    with ExitStack() as opened:
        journal = None
        if Journal.exists(out_dir):
            journal = opened.enter_context(Journal(out_dir, only_read=dry_run))
        count = plan.check(
            overwrite=overwrite, is_ours=journal.is_ours if journal else lambda _: False
        )
        remark(f"engines: {engine_set.directory} ({engine_set.reason})")
        if dry_run:
            _list_work(plan, Inspector(journal, recipes), count)
            return
        cascade = CascadeEngines.open(
            engine_set.directory,
            backend=backend,
            precision=precision,
            batch=batch_size,
            threads=threads,
        )
        remark(f"backend: {cascade.choice.reason}")
        # Only now, so that a command that cannot run leaves no folder behind.
        journal = journal or opened.enter_context(Journal(out_dir))
        options = BatchOptions(
            workers or default_workers(), quality, overwrite, fail_fast, max_pixels, timeout
        )
        recorder = LatencyRecorder()
        used = {
            "directory": str(engine_set.directory),
            "backend": cascade.choice.backend,
            "precision": cascade.choice.precision,
            "batch": cascade.batch,
        }
        rows = RunReport(report, {"input": str(in_dir), "output": str(out_dir)}) if report else None
        try:
            outcome = _run(
                plan, count.pictures, cascade, targets, options, recorder, journal, recipes, rows
            )
        except (EfganError, EngineError) as error:
            if rows:
                rows.finish({"stopped": str(error)})
            if isinstance(error, HangError):
                remark(f"error: {error}")
                end_at_once(1)
            raise
        latencies = recorder.summary()
        document = summary_document(
            outcome, latencies, planned=count.pictures, skipped=count.skipped, engines=used
        )
        if rows:
            rows.finish(document)
        if contact_sheet is not None:
            _write_sheet(contact_sheet, plan, expressions or ["edited"])
        if json_:
            print_json(document)
        else:
            for line in summary_lines(outcome, planned=count.pictures, skipped=count.skipped):
                print_text(line)
            if latencies:
                edits = f" x {len(targets)} edits" if len(targets) > 1 else ""
                title = f"Latency of a batch of {cascade.batch} pictures{edits}"
                print_table(latency_table(latencies, title))
        status = INTERRUPTED if outcome.interrupted else SOME_FAILED if outcome.failed else 0
        if outcome.abandoned:
            end_at_once(status)
    if status:
        raise typer.Exit(status)


def _list_work(plan: "Plan", inspector: "Inspector", count: "PlanCount") -> None:
    """What a run would do, one line an output."""
    from collections import Counter

    from efgan_rt.cli.console import print_text, remark
    from efgan_rt.pipeline.resume import Need

    needs: Counter[Need] = Counter()
    for job in plan.jobs():
        work = inspector.inspect(job)
        needs.update(work.needs)
        for need, output in zip(work.needs, job.outputs, strict=True):
            print_text(f"{need}: {job.source} -> {output}")
    outputs = ", ".join(f"{needs[need]:,} {need}" for need in Need if needs[need])
    remark(
        f"{count.pictures:,} pictures, {count.skipped:,} other files; outputs: {outputs}; "
        "nothing was written"
    )


def _run(
    plan: "Plan",
    pictures: int,
    cascade: "CascadeEngines",
    targets: "Sequence[Target]",
    options: "BatchOptions",
    recorder: "LatencyRecorder",
    journal: "Journal",
    recipes: "Sequence[bytes]",
    report: "RunReport | None",
) -> "Outcome":
    """Runs the pipeline under a progress bar; failures are named as they happen."""
    from efgan_rt.cli.console import picture_progress, printable
    from efgan_rt.pipeline.batch import run_batch
    from efgan_rt.pipeline.outcome import Failure, PictureResult

    with picture_progress() as progress:
        bar = progress.add_task("editing", total=pictures)

        def name(failure: Failure) -> None:
            text = printable(f"failed: {failure.reason}")
            progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

        def note(result: PictureResult) -> None:
            if report:
                report.add(result)

        return run_batch(
            plan.jobs(),
            [cascade.lane()],
            targets,
            batch=cascade.batch,
            journal=journal,
            recipes=recipes,
            crop_px=cascade.crop_px,
            options=options,
            recorder=recorder,
            on_failure=name,
            on_picture=note,
            on_progress=lambda done, _: progress.update(bar, completed=done),
        )


def _write_sheet(path: Path, plan: "Plan", edits: list[str]) -> None:
    from efgan_rt.cli.console import remark
    from efgan_rt.reporting.contact_sheet import SheetRow, write_contact_sheet

    rows = (SheetRow(job.source.stem, (job.source, *job.outputs)) for job in plan.jobs())
    shown = write_contact_sheet(path, ["input", *edits], rows)
    remark(f"contact sheet: {path} ({shown} rows)")
