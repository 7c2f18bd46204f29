"""The edit of a folder, as `efgan-rt batch` does it: check, list or edit, report.

Everything that can be refused is refused before the output folder is touched. The journal is opened
early where an earlier run has left one, for it says which files are ours; where there is none it is
made last, so that a command that cannot run leaves no folder behind.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from efgan_rt.choices import JpegCodec, NoFace
from efgan_rt.cli import batch_report
from efgan_rt.cli.batch import BatchRequest
from efgan_rt.cli.batch_listing import list_work, warn_if_bmp
from efgan_rt.cli.batch_report import Report
from efgan_rt.cli.batch_sheet import Sheet
from efgan_rt.cli.batch_units import known_units, read_reference
from efgan_rt.cli.console import (
    INTERRUPTED,
    SOME_FAILED,
    bar_progress,
    end_at_once,
    json_progress,
    print_json,
    print_table,
    print_text,
    remark,
)
from efgan_rt.cli.options import Progress
from efgan_rt.editing import OpenedSet, busy_lanes
from efgan_rt.engine_sets import compiled_folder, find_set
from efgan_rt.errors import EfganError
from efgan_rt.families.family import KNOWN_UNITS
from efgan_rt.families.properties import Properties
from efgan_rt.families.registry import family_of
from efgan_rt.pipeline.batch import run_batch
from efgan_rt.pipeline.faces import FaceFinding
from efgan_rt.pipeline.files import PictureJob, Plan, PlanCount, unlisted_reason
from efgan_rt.pipeline.fingerprint import engines_fingerprint
from efgan_rt.pipeline.journal import Journal
from efgan_rt.pipeline.outcome import Failure, Outcome, PictureResult
from efgan_rt.pipeline.publish import Publisher
from efgan_rt.pipeline.resume import Inspector
from efgan_rt.pipeline.run_state import Desk
from efgan_rt.pipeline.watchdog import HangError
from efgan_rt.probed import choose_for_run, note_beginning
from efgan_rt.remote.ahead import fetched_ahead
from efgan_rt.remote.journal import RemoteJournal
from efgan_rt.remote.places import (
    early_journal,
    open_journal,
    publisher_of,
    refuse_together,
    tree_of,
)
from efgan_rt.reporting.contact_sheet import check_contact_sheet
from efgan_rt.reporting.latency import LatencyRecorder, latency_table
from efgan_rt.reporting.summary import summary_document, summary_lines
from efgan_rt.requests.edits import Edits
from efgan_rt.requests.faces import Faces, open_faces
from efgan_rt.requests.outputs import Outputs
from efgan_rt.shards.coordinator import Coordinator, shard_size
from efgan_rt.shards.processes import ProcessExecutor
from efgan_rt.shards.shard import Executor
from efgan_rt.shards.spread import spread_of
from efgan_rt.shards.worker import WorkerSetup
from efgan_rt.tuning import settings_for
from engines.base import EngineError
from engines.directory import EngineDirectory


def run(request: BatchRequest) -> int:
    """Does what was asked; the exit status.

    Raises:
        EfganError: the run cannot be done.
        EngineError: the engines cannot be used.
    """
    exclude = tuple(request.exclude or ())
    tree = tree_of(request.in_dir, exclude)
    refuse_together(
        request.out_dir,
        {
            "--processes": request.processes is not None,
            "--gpus": request.gpus is not None,
            "--ray": request.ray is not None,
            "--sidecars": request.sidecars,
            "--keep-times": request.keep_times,
            "--no-links": request.no_links,
            "--report PAGE.html": batch_report.is_page(request.report),
        },
        is_source_remote=tree is not None,
    )
    if request.ray is not None:  # nodes have working folders of their own
        request = replace(
            request,
            in_dir=request.in_dir.absolute(),
            out_dir=request.out_dir.absolute(),
            engines=request.engines and request.engines.absolute(),
        )
    engine_set = find_set(request.engines, request.model)
    directory = EngineDirectory(engine_set.directory)
    family = family_of(directory)
    family.refuse((*request.edit.asked, *((KNOWN_UNITS,) if request.aus else ())))
    properties = family.read(directory)
    choice = choose_for_run(
        request.backend,
        directory,
        request.precision,
        batch=request.batch_size,
        threads=request.threads,
        output=request.out_dir,
    )
    fingerprint = engines_fingerprint(
        engine_set.directory, backend=choice.backend, precision=choice.precision
    )

    settings = settings_for(directory, choice, request.wishes, remark)
    spread = spread_of(request.processes, request.gpus, choice, settings, request.wishes)
    settings = spread.settings

    @cache
    def opened_set() -> OpenedSet:
        return OpenedSet.open(
            directory,
            choice=choice,
            batch=settings.batch,
            threads=settings.threads,
            lanes=settings.lanes or busy_lanes(choice.backend, settings.threads),
            cache_dir=compiled_folder(),
            say=remark,
        )

    faces = open_faces(request.face_options, properties)
    edits = Edits(
        request.edit,
        family,
        properties,
        lambda path, output: read_reference(path, output, faces, opened_set()),
        remark,
    )
    outputs = edits.outputs
    plan = Plan(
        request.in_dir,
        request.out_dir,
        outputs.products,
        request.edit.kind.extension,
        edits.choice,
        exclude,
        request.no_links,
        tree,
    )
    # The format is in the output's name. Other options change nothing that is written.
    codec = request.jpeg_codec
    written_with = {
        "quality": request.quality,
        "mark": not request.no_mark,
        # Only where it is asked for, so that what earlier versions made stays done.
        **({"keep_times": True} if request.keep_times else {}),
        **({} if codec is JpegCodec.LIBJPEG else {"jpeg_codec": codec.value}),
        **faces.recipe,
    }
    overwrite = request.overwrite
    if request.contact_sheet is not None:
        batch_report.refuse_as_input(
            request.contact_sheet, request.in_dir, request.out_dir, "sheet"
        )
        if request.edit.kind.is_animated:
            raise EfganError("--contact-sheet shows pictures, and animations are made here")
        check_contact_sheet(request.contact_sheet, overwrite=overwrite)
    if request.report is not None:
        if batch_report.is_page(request.report):
            batch_report.refuse_as_input(request.report, request.in_dir, request.out_dir, "page")
        batch_report.check(request.report, overwrite=overwrite)
    with ExitStack() as opened:
        journal = early_journal(request.out_dir, only_read=request.dry_run)
        if journal is not None:
            opened.enter_context(journal)
        count = plan.check(
            overwrite=overwrite,
            is_ours=journal.is_ours if journal else lambda _: False,
            is_there=journal.is_there if journal else os.path.lexists,
        )
        edits.say_unused(count.unwanted, remark)
        unlisted: dict[Path, str] = {}

        def note_unlisted(folder: Path, fault: str) -> None:
            if folder not in unlisted:
                unlisted[folder] = fault
                remark(f"failed: {unlisted_reason(folder, fault)}")

        for folder, fault in count.unlisted:
            note_unlisted(folder, fault)
        known = known_units(request.aus, properties, plan)
        jobs = edits.jobs(plan.jobs(note_unlisted), plan.below, fingerprint, written_with, known)
        remark(f"engines: {engine_set.directory} ({engine_set.reason})")
        for sentence in faces.remarks:
            remark(sentence)
        if request.dry_run:
            list_work(jobs, journal, faces.finding, count)
            return SOME_FAILED if unlisted else 0
        if not request.no_mark:
            jobs = warn_if_bmp(jobs, remark)
        is_here = not spread.is_several and request.ray is None
        if is_here:
            opened_set()
        remark(f"backend: {choice.reason}")
        if spread.is_several:
            remark(f"processes: {spread}")
        request = replace(request, workers=settings.workers)
        if journal is None or journal.only_read:
            journal = open_journal(request.out_dir)
            opened.enter_context(journal)
        note_beginning(request.out_dir, directory, choice)
        if journal.unlocked:
            remark(f"note: {journal.unlocked}")
        used = {
            "directory": str(engine_set.directory),
            "backend": choice.backend,
            "precision": choice.precision,
            "batch": settings.batch,
            **({"processes": spread.processes} if spread.is_several else {}),
        }
        recorder = LatencyRecorder()
        sheet = None
        if request.contact_sheet is not None:
            sheet = Sheet(request.contact_sheet, plan, outputs.labels)
        report = _open_report(
            request, edits, plan, faces, properties, choice.reason, used, recorder
        )
        desk = Desk(
            Inspector(journal, takes_copies=faces.finding.no_face is NoFace.COPY),
            publisher_of(journal, overwrite=overwrite),
        )
        if tree is not None:
            jobs = fetched_ahead(jobs, partial(_is_done, journal, desk))
        run_jobs = partial(_run_here, jobs, opened_set, faces.finding, desk=desk, outputs=outputs)
        if not is_here:
            assert isinstance(journal, Journal), "spread with a remote folder is refused"
            shared = request.options.memory_bytes // spread.processes
            setup = WorkerSetup(
                engine_set.directory,
                choice,
                settings.batch,
                settings.threads,
                settings.lanes,
                request.face_options,
                outputs.shots,
                outputs.products,
                replace(request.options, memory_bytes=shared),
                batch_report.is_page(request.report),
                request.out_dir,
            )
            executor: Executor = (
                ProcessExecutor(setup, journal.parts, size=spread.processes, gpus=spread.gpus)
                if request.ray is None
                else _on_ray(request.ray, setup, journal.parts, request.in_dir, opened)
            )
            run_jobs = partial(
                _run_spread, jobs, setup, executor, count.pictures, faces.finding, journal=journal
            )
        try:
            outcome = _edit(request, count, recorder, report, sheet, run_jobs)
        except (EfganError, EngineError) as error:
            if report:
                report.finish({"stopped": str(error)})
            if isinstance(error, HangError):
                remark(f"error: {error}")
                end_at_once(1)
            raise
        count = replace(count, unlisted=tuple(unlisted.items()))
        document = _tell(request, outcome, count, len(outputs.shots), used, recorder)
        if report:
            report.finish(document)
        if sheet:
            sheet.write()
        some_failed = outcome.failed or unlisted
        status = INTERRUPTED if outcome.interrupted else SOME_FAILED if some_failed else 0
        if outcome.abandoned:
            end_at_once(status)
    return status


def _open_report(
    request: BatchRequest,
    edits: Edits,
    plan: Plan,
    faces: Faces,
    properties: Properties,
    chosen_because: str,
    used: Mapping[str, Any],
    recorder: LatencyRecorder,
) -> Report | None:
    if request.report is None:
        return None
    about = {
        "input": str(request.in_dir),
        "output": str(request.out_dir),
        **request.edit.about,
        **faces.about,
    }
    if request.aus is not None:
        about["aus"] = str(request.aus)
    return batch_report.open_report(
        request.report,
        about,
        source=request.in_dir,
        targets=edits.outputs.labels,
        properties=properties,
        chosen_because=chosen_because,
        used=used,
        recorder=recorder,
        edit_of=lambda path: edits.label_of(plan.below(path)),
        left_alone=plan.left_alone,
    )


def _edit(
    request: BatchRequest,
    count: PlanCount,
    recorder: LatencyRecorder,
    report: Report | None,
    sheet: Sheet | None,
    run_jobs: Callable[..., Outcome],
) -> Outcome:
    """Runs the pipeline under a progress bar; failures are named as they happen."""
    as_json = request.progress is Progress.JSON
    with json_progress(count.pictures) if as_json else bar_progress(count.pictures) as told:

        def name(failure: Failure) -> None:
            told.say(f"failed: {failure.reason}")

        def note(result: PictureResult) -> None:
            for each in (report, sheet):
                if each:
                    each.add(result)

        return run_jobs(
            request,
            recorder=recorder,
            on_failure=name,
            on_picture=note,
            on_progress=told.progress,
        )


def _run_here(
    jobs: Iterator[PictureJob],
    opened: Callable[[], OpenedSet],
    finding: FaceFinding,
    request: BatchRequest,
    *,
    desk: Desk,
    outputs: Outputs,
    **listeners: Any,
) -> Outcome:
    """Edits the jobs in this process."""
    opened_set = opened()
    return run_batch(
        jobs,
        [opened_set.lane() for _ in range(opened_set.lanes)],
        outputs.shots,
        outputs.products,
        batch=opened_set.batch,
        desk=desk,
        stages=opened_set.stages,
        crop_px=opened_set.crop_px,
        faces=finding,
        options=request.options,
        views=batch_report.is_page(request.report),
        move=opened_set.move,
        canvases=opened_set.canvases,
        **listeners,
    )


def _is_done(journal: Journal | RemoteJournal, desk: Desk, job: PictureJob) -> bool:
    """Whether a picture needs nothing, found out without a request where no output is there."""
    is_begun = any(journal.present(output) is not None for output in job.outputs)
    return is_begun and desk.inspector.inspect(job).is_done


def _on_ray(
    address: str, setup: WorkerSetup, parts: Path, in_dir: Path, opened: ExitStack
) -> Executor:
    """Joins the cluster for the rest of the run."""
    from efgan_rt.shards.ray_cluster import RayExecutor, joined, tokens

    opened.enter_context(joined(address))
    written = opened.enter_context(tokens((in_dir, parts)))
    executor = RayExecutor(setup, parts, written)
    remark(f"ray: {executor}")
    return executor


def _run_spread(
    jobs: Iterator[PictureJob],
    setup: WorkerSetup,
    executor: Executor,
    pictures: int,
    finding: FaceFinding,
    request: BatchRequest,
    *,
    journal: Journal,
    **listeners: Any,
) -> Outcome:
    """Edits the jobs by workers in processes of their own."""
    coordinator = Coordinator(
        executor,
        Inspector(journal, takes_copies=finding.no_face is NoFace.COPY),
        Publisher(journal, overwrite=request.options.overwrite),
        request.options,
        size=shard_size(pictures, max(1, executor.size), setup.batch),
        everything=setup.views,
        say=remark,
        **listeners,
    )
    return coordinator.run(jobs)


def _tell(
    request: BatchRequest,
    outcome: Outcome,
    count: PlanCount,
    shots: int,
    used: Mapping[str, Any],
    recorder: LatencyRecorder,
) -> dict[str, Any]:
    """Prints the result; gives it as plain values."""
    latencies = recorder.summary()
    document = summary_document(outcome, latencies, count=count, engines=used)
    if request.json:
        print_json(document)
        return document
    for line in summary_lines(outcome, count):
        print_text(line)
    if latencies:
        edits = f" x {shots} edits" if shots > 1 else ""
        title = f"Latency of a batch of {used['batch']} pictures{edits}"
        print_table(latency_table(latencies, title))
    return document
