"""The result of a batch run, as lines for people and as one JSON object for machines."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from efgan_rt.counting import counted
from efgan_rt.pipeline.files import PlanCount
from efgan_rt.pipeline.outcome import Outcome
from efgan_rt.reporting.latency import StageLatency


def summary_lines(outcome: Outcome, count: PlanCount) -> list[str]:
    """What was done, what failed, and what was left alone.

    Args:
        outcome: of the run.
        count: of the plan before it.
    """
    planned = count.pictures
    rate = outcome.written / outcome.seconds if outcome.seconds else 0.0
    lines = [
        f"{outcome.done + outcome.again:,} of {counted(planned, 'picture')} edited: "
        f"{counted(outcome.written, 'file')} in {outcome.seconds:.1f} s, {rate:.1f} a second"
    ]
    if outcome.faces:
        were = "was" if outcome.faces == 1 else "were"
        lines.append(f"{counted(outcome.faces, 'face')} {were} found in photographs and edited")
    if outcome.again:
        lines.append(f"{outcome.again:,} of them made again, for something had changed")
    if outcome.already:
        lines.append(f"{outcome.already:,} were already done")
    if outcome.copied:
        lines.append(f"{outcome.copied:,} have no face and were copied as they are")
    if outcome.left:
        lines.append(
            f"{outcome.left:,} show no face that was asked for and were copied as they are"
        )
    if outcome.skipped:
        lines.append(f"{outcome.skipped:,} have no face and were passed over")
    if outcome.failed:
        lines.append(f"{outcome.failed:,} failed; each is named above:")
        lines += [f"  {count:,} x {reason}" for reason, count in outcome.reasons.items()]
    lines += [f"{times:,} x {note}" for note, times in outcome.notes.items()]
    if count.unlisted:
        lines.append(
            f"{counted(len(count.unlisted), 'folder')} could not be listed; each is named above"
        )
    if count.left:
        reasons = ", ".join(f"{times:,} x {why}" for why, times in count.left.items())
        lines.append(f"left alone: {counted(count.skipped, 'other file')}: {reasons}")
    if count.system_folders:
        lines.append(f"left out: {counted(count.system_folders, 'folder')} of the system")
    if count.excluded:
        lines.append(f"{count.excluded:,} files and folders were left out by --exclude")
    if outcome.interrupted:
        left = max(planned - outcome.pictures, 0)
        lines.append(f"interrupted: {counted(left, 'picture')} not begun")
    elif outcome.pictures < planned:
        left = planned - outcome.pictures
        lines.append(f"stopped early: {counted(left, 'picture')} not begun")
    return lines


def summary_document(
    outcome: Outcome,
    latencies: Sequence[StageLatency],
    *,
    count: PlanCount,
    engines: Mapping[str, Any],
) -> dict[str, Any]:
    """The same as plain values; only the first failures are named, all are counted.

    Args:
        outcome: of the run.
        latencies: by stage, per batch.
        count: of the plan before it.
        engines: what ran: directory, backend, precision, batch.
    """
    return {
        "planned": count.pictures,
        "skipped": count.skipped,
        "system_folders": count.system_folders,
        "excluded": count.excluded,
        "folders_not_listed": [
            {"folder": str(folder), "reason": fault} for folder, fault in count.unlisted
        ],
        "pictures": outcome.pictures,
        "written": outcome.written,
        "done": outcome.done,
        "made_again": outcome.again,
        "already_done": outcome.already,
        "copied_without_face": outcome.copied,
        "left_as_they_are": outcome.left,
        "skipped_without_face": outcome.skipped,
        "faces": outcome.faces,
        "failed": outcome.failed,
        "failures": [
            {"picture": str(failure.source), "reason": failure.reason}
            for failure in outcome.failures
        ],
        "reasons": dict(outcome.reasons),
        "notes": dict(outcome.notes),
        "interrupted": outcome.interrupted,
        "seconds": round(outcome.seconds, 3),
        "files_per_s": round(outcome.written / outcome.seconds, 2) if outcome.seconds else 0.0,
        "engines": dict(engines),
        "latency": [asdict(latency) for latency in latencies],
    }
