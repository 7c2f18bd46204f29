"""The set that `efgan-rt prepare` makes of labelled pictures: check, crop, write, report.

Everything that can be refused is refused before the output folder is touched.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from efgan_rt import __version__
from efgan_rt.action_units import AU_NAMES
from efgan_rt.cli.console import (
    INTERRUPTED,
    SOME_FAILED,
    picture_progress,
    print_table,
    print_text,
    printable,
    remark,
)
from efgan_rt.cli.options import default_workers
from efgan_rt.cli.prepare import PrepareRequest
from efgan_rt.errors import EfganError
from efgan_rt.faces.detect import Detector
from efgan_rt.faces.detector_facts import DetectorFacts
from efgan_rt.faces.detector_file import fetch_detector, open_detector
from efgan_rt.faces.template import STANDARD_POINTS, Template, read_template
from efgan_rt.labels.rows import Labels, canonical_expression
from efgan_rt.pictures.crop import CROP_PX
from efgan_rt.pipeline.files import Plan
from efgan_rt.pipeline.outcome import Failure
from efgan_rt.reporting.contact_sheet import (
    MAX_ROWS,
    SheetRow,
    check_contact_sheet,
    write_contact_sheet,
)
from efgan_rt.shots import stills
from engines.arrays import FloatArray
from train.data.formats import read_any_labels
from train.data.framing import FramingRule
from train.data.ganimation import read_id_list
from train.data.names import compiled_pattern
from train.data.prepare import (
    PreparedPicture,
    PrepareOutcome,
    SourceRule,
    Tasks,
    plan_tasks,
    prepare_pictures,
    regions_are_labelled,
)
from train.data.prepared import CROPS, refuse_finished, template_of, write_set
from train.data.weak_labels import WeakLabels

# Below what counts as a face, so that a face of low score is told from none.
SEARCH_SCORE: Final = 0.3
SHEET_COLUMNS: Final = 8


def run(request: PrepareRequest) -> int:
    """Does what was asked; the exit status.

    Raises:
        EfganError: the run cannot be done.
        EngineError: the engines of `--au-from` cannot be used.
    """
    labels = _read_labels(request)
    tasks = _plan(request, labels)
    weak = _weak_labels(request, labels)
    labelled = regions_are_labelled(tasks.tasks)
    if request.points == "labels" and not labelled:
        raise EfganError("--points labels: the labels do not place eyes, nose and mouth everywhere")
    from_labels = labelled and request.points != "detector"
    if request.fetch_detector:
        remark(fetch_detector()[1])
    detector, why = _open_detector(request)
    frame = _frame(request, detector.facts)
    has_points = detector.facts.name == "yunet"
    if not has_points and not from_labels:
        raise EfganError(
            "eyes, nose and mouth are to be placed by the detector, and the Haar cascade cannot; "
            "leave --detector out for YuNet, which comes along"
        )
    remark(f"detector: {why}")
    needs_detector = has_points or not request.crops
    if request.contact_sheet is not None:
        check_contact_sheet(request.contact_sheet, overwrite=request.overwrite)
    refuse_finished(request.folder, overwrite=request.overwrite)
    with picture_progress() as progress:
        bar = progress.add_task("preparing", total=len(tasks.tasks))

        def name(failure: Failure) -> None:
            text = printable(f"failed: {failure.source}: {failure.reason}")
            progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

        outcome = prepare_pictures(
            tasks.tasks,
            FramingRule(frame, request.crops, request.largest, from_labels, request.min_score),
            (lambda: _open_detector(request)[0]) if needs_detector else None,
            workers=request.workers or default_workers(),
            fail_fast=request.fail_fast,
            max_pixels=request.max_pixels,
            on_failure=name,
            on_progress=lambda done: progress.update(bar, completed=done),
        )
    au_names = labels.au_names if labels else ()
    au_source = labels.format if labels and au_names else "none"
    estimated: FloatArray | None = None
    finished = outcome.prepared and not outcome.interrupted
    if finished and weak is not None:
        estimated = weak.read([picture.task.output for picture in outcome.prepared])
        au_names, au_source = weak.au_names, weak.source
    template = template_of(outcome.prepared, detector.facts) if has_points else None
    if finished:
        points_source = "labels" if from_labels else f"yunet {detector.facts.sha256[:12]}"
        record = _record(request, outcome, tasks, labels, detector.facts)
        write_set(
            request.folder,
            outcome.prepared,
            au_names=au_names,
            au_source=au_source,
            points_source=points_source,
            estimated=estimated,
            template=template,
            record=record | {"au_source": au_source, "points_source": points_source},
        )
        if request.contact_sheet is not None:
            _write_crop_sheet(request.contact_sheet, outcome.prepared)
    _print_result(request.folder, outcome, tasks, au_names, au_source, template)
    if outcome.interrupted:
        return INTERRUPTED
    return SOME_FAILED if outcome.failures else 0


def _read_labels(request: PrepareRequest) -> Labels | None:
    if request.labels is None:
        return None
    labels = read_any_labels(
        request.labels,
        request.format,
        min_confidence=request.min_confidence,
        scale_probabilities=request.scale_probabilities,
    )
    remark(f"labels: {labels.format}, {len(labels.rows):,} rows")
    for text in labels.remarks:
        remark(f"  {text}")
    return labels


def _plan(request: PrepareRequest, labels: Labels | None) -> Tasks:
    if not request.pictures.is_dir():
        raise EfganError(f"{request.pictures}: no such folder; expected pictures")
    plan = Plan(request.pictures, request.folder / CROPS, stills(""), f".{request.write}")
    plan.check(overwrite=request.overwrite)
    pattern = compiled_pattern(request.name_pattern) if request.name_pattern else None
    return plan_tasks(
        list(plan.jobs()),
        request.pictures,
        request.folder / CROPS,
        labels,
        SourceRule(
            request.names,
            pattern,
            tuple(request.angle or (90,)),
            read_id_list(request.ids) if request.ids else None,
            tuple(request.people or ()),
            request.identity,
            canonical_expression(request.expression),
            request.frames,
        ),
    )


def _weak_labels(request: PrepareRequest, labels: Labels | None) -> WeakLabels | None:
    if request.au_from is None:
        return None
    if labels is not None and labels.au_names:
        raise EfganError(
            f"{request.labels} has action units, and --au-from would replace them by weaker ones; "
            "leave one of the two out"
        )
    return WeakLabels(request.au_from)


def _open_detector(request: PrepareRequest) -> tuple[Detector, str]:
    return open_detector(request.detector, min_score=min(SEARCH_SCORE, request.min_score))


def _frame(request: PrepareRequest, facts: DetectorFacts) -> FloatArray:
    """Where the detector's points shall lie in the crops."""
    if request.template is None:
        return STANDARD_POINTS
    template = read_template(request.template)
    if facts.name == "yunet" and template.detector.sha256 != facts.sha256:
        remark(
            f"{request.template} was measured with {template.detector.file} and the detector is "
            f"{facts.file}; their points may differ a little"
        )
    return template.points * (CROP_PX / template.crop_px)


def _record(
    request: PrepareRequest,
    outcome: PrepareOutcome,
    tasks: Tasks,
    labels: Labels | None,
    detector: DetectorFacts,
) -> dict[str, Any]:
    """How the set was made, as plain values."""
    return {
        "tool_version": __version__,
        "pictures": len(outcome.prepared),
        "failed": outcome.reasons,
        "left_out": tasks.left_out,
        "labels": labels.format if labels else None,
        "label_remarks": list(labels.remarks) if labels else [],
        "names": str(tasks.naming),
        "scaled_probabilities": request.scale_probabilities,
        "already_crops": request.crops,
        "detector": {"name": detector.name, "file": detector.file, "sha256": detector.sha256},
    }


def _print_result(
    out: Path,
    outcome: PrepareOutcome,
    tasks: Tasks,
    au_names: Sequence[str],
    au_source: str,
    template: Template | None,
) -> None:
    """Prints what was prepared, what was left out and why, and who shows what."""
    from rich.table import Table

    planned, prepared = len(tasks.tasks), outcome.prepared
    print_text(f"{len(prepared):,} of {planned:,} pictures prepared in {out}")
    for why, count in tasks.left_out.items():
        print_text(f"  left out: {count:,} x {why}")
    for why, count in outcome.reasons.items():
        print_text(f"  failed: {count:,} x {why}")
    if outcome.interrupted:
        print_text("interrupted: there are crops, but no table")
        return
    if not prepared:
        print_text("nothing was prepared, so no table was written")
        return
    missing = [name for name in AU_NAMES if name not in au_names]
    print_text(f"action units ({au_source}): {' '.join(au_names) or 'none'}")
    if missing:
        print_text(f"  missing: {' '.join(missing)}")
        if au_names:
            print_text('  to train on those that are there: action_units = "table" under [data]')
    if template is None:
        print_text("no alignment template: it needs YuNet")
    else:
        print_text(f"template.json: {template.detector.file} on {template.pictures:,} crops")
    people: defaultdict[str, set[str]] = defaultdict(set)
    pictures: defaultdict[str, int] = defaultdict(int)
    for picture in prepared:
        people[picture.task.expression].add(picture.task.identity)
        pictures[picture.task.expression] += 1
    table = Table(title=f"{len(set().union(*people.values())):,} people")
    table.add_column("expression")
    table.add_column("people", justify="right")
    table.add_column("pictures", justify="right")
    for expression in sorted(pictures):
        counts = (len(people[expression]), pictures[expression])
        table.add_row(printable(expression), *(f"{count:,}" for count in counts))
    print_table(table)


def _write_crop_sheet(path: Path, prepared: Sequence[PreparedPicture]) -> None:
    """Crops spread evenly over the set, eight a row."""
    shown = min(len(prepared), MAX_ROWS * SHEET_COLUMNS)
    chosen = [prepared[i * len(prepared) // shown] for i in range(shown)]
    rows = [
        SheetRow(
            chosen[i].task.identity,
            tuple(picture.task.output for picture in chosen[i : i + SHEET_COLUMNS]),
        )
        for i in range(0, shown, SHEET_COLUMNS)
    ]
    write_contact_sheet(path, [""] * SHEET_COLUMNS, rows)
    remark(f"contact sheet: {path} ({shown} crops)")
