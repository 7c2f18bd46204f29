"""Pictures and labels as people have them -> crops of 128 pixels, one label table, one template.

What is found is used and what is not there is said: identities and expressions come from the
labels, else from the pictures' names, else the user must choose; action units come from the labels
or are absent. A picture that cannot be used is a value with a reason, and the run goes on. Crops
appear whole under their names; the table is written last, so that a folder with a table is one
that was finished.
"""

import re
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Final

import cv2

from efgan_rt.choices import FrameRule, Naming
from efgan_rt.errors import EfganError
from efgan_rt.faces.detect import Detector, find_faces
from efgan_rt.labels.matching import match_rows
from efgan_rt.labels.rows import LabelRow, Labels
from efgan_rt.pictures.original import Picture
from efgan_rt.pictures.read import MAX_PIXELS, read_picture
from efgan_rt.pictures.write import write_picture
from efgan_rt.pipeline.files import PictureJob
from efgan_rt.pipeline.outcome import Failure
from engines.arrays import FloatArray
from train.data.framing import FramingRule, frame_face
from train.data.names import facts_of, names_are_rafd

EACH: Final = "each"  # of `SourceRule.identity`


@dataclass(frozen=True)
class SourceRule:
    """Which pictures of a set are taken and where identity and expression come from.

    Attributes:
        naming: the convention of the pictures' names.
        pattern: with groups `identity` and `expression`; goes before the convention.
        angles: RaFD's camera angles that are taken; empty takes all.
        ids: stems of the pictures that are taken; None takes all.
        people: glob patterns of identities that are taken; empty takes all.
        identity: for pictures without one: `each` makes every picture a person of its own, another
            text is that person; "" refuses them.
        expression: for pictures without one, such as `mixed`; "" refuses them.
        frames: how a frame number tells its picture.
    """

    naming: Naming = Naming.AUTO
    pattern: re.Pattern[str] | None = None
    angles: tuple[int, ...] = (90,)
    ids: frozenset[str] | None = None
    people: tuple[str, ...] = ()
    identity: str = ""
    expression: str = ""
    frames: FrameRule = FrameRule.NUMBER


@dataclass(frozen=True)
class PictureTask:
    """A picture to be cropped: the file, its crop's, its label rows, who and what it shows."""

    source: Path
    output: Path
    file: str
    labelled: tuple[LabelRow, ...]
    identity: str
    expression: str


@dataclass(frozen=True)
class Tasks:
    """What there is to do, and what was left out before it.

    Attributes:
        tasks: in the order of the files.
        left_out: pictures and label rows that are not used, by reason.
        naming: the convention that AUTO turned out to be.
    """

    tasks: tuple[PictureTask, ...]
    left_out: dict[str, int]
    naming: Naming


@dataclass(frozen=True, eq=False)
class PreparedPicture:
    """A finished crop: its row of the table, and the detector's points on the crop."""

    task: PictureTask
    row: LabelRow
    regions: FloatArray  # (3, 2)
    points: FloatArray | None  # (5, 2); None where the detector has none or found no face on it


@dataclass
class PrepareOutcome:
    """The end of a run: what was made, what failed and why, and whether it was stopped."""

    prepared: list[PreparedPicture] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    interrupted: bool = False

    @property
    def reasons(self) -> dict[str, int]:
        """How many pictures failed for which kind of reason, the most frequent first."""
        return dict(Counter(failure.kind for failure in self.failures).most_common())


def plan_tasks(
    jobs: Sequence[PictureJob], root: Path, crops: Path, labels: Labels | None, rule: SourceRule
) -> Tasks:
    """Ties pictures to labels, identities and expressions.

    Args:
        jobs: every picture and its crop's file.
        root: the folder that the pictures' names are relative to.
        crops: the folder that the crops' names are relative to.
        labels: None where there are none; then every picture is taken.
        rule: which pictures, and what their names say.

    Raises:
        EfganError: nothing is left, a name does not follow the convention, or pictures lack an
            identity or an expression and the rule has no choice for them.
    """
    by_name = {job.source.relative_to(root).as_posix(): job for job in jobs}
    left_out: Counter[str] = Counter()
    if labels is None:
        rows: dict[str, tuple[LabelRow, ...]] = {n: (LabelRow(n, n),) for n in by_name}
    else:
        left_out.update({f"label rows: {why}": n for why, n in labels.dropped.items()})
        matched = match_rows(labels.rows, list(by_name), rule.frames)
        left_out.update({f"label rows: {why}": n for why, n in matched.unmatched.items()})
        left_out["pictures without a label"] += matched.unlabelled
        rows = matched.rows
    naming = rule.naming
    if naming is Naming.AUTO:
        naming = Naming.RAFD if names_are_rafd(list(rows)) else Naming.NONE
    tasks: list[PictureTask] = []
    for name, labelled in rows.items():
        if rule.ids is not None and PurePosixPath(name).stem not in rule.ids:
            left_out["pictures not in the list of names"] += 1
            continue
        facts = facts_of(name, naming, rule.pattern)
        if facts.angle is not None and rule.angles and facts.angle not in rule.angles:
            left_out["pictures of another camera angle"] += 1
            continue
        identity = labelled[0].identity or facts.identity or rule.identity
        expression = labelled[0].expression or facts.expression or rule.expression
        identity = PurePosixPath(name).with_suffix("").as_posix() if identity == EACH else identity
        if rule.people and not any(fnmatchcase(identity, glob) for glob in rule.people):
            left_out["pictures of other people"] += 1
            continue
        output = by_name[name].outputs[0]
        file = output.relative_to(crops).as_posix()
        tasks.append(
            PictureTask(by_name[name].source, output, file, labelled, identity, expression)
        )
    if not tasks:
        why = "; ".join(f"{n:,} {reason}" for reason, n in left_out.items() if n)
        raise EfganError(f"{root}: no picture is left to prepare ({why})")
    _refuse_unknown("identity", [t for t in tasks if not t.identity], len(tasks))
    _refuse_unknown("expression", [t for t in tasks if not t.expression], len(tasks))
    return Tasks(tuple(tasks), {why: n for why, n in left_out.items() if n}, naming)


def _refuse_unknown(what: str, lacking: Sequence[PictureTask], total: int) -> None:
    if not lacking:
        return
    choice = {
        "identity": "--identity each makes every picture a person of its own",
        "expression": "--expression mixed labels them as no named expression",
    }[what]
    raise EfganError(
        f"{len(lacking):,} of {total:,} pictures have no {what}, such as {lacking[0].file}; "
        f"read it from the names (--names, --name-pattern), or say so: {choice}"
    )


def regions_are_labelled(tasks: Sequence[PictureTask]) -> bool:
    """Whether the labels place eyes, nose and mouth in every picture."""
    return all(row.region_centres is not None for task in tasks for row in task.labelled)


def prepare_pictures(
    tasks: Sequence[PictureTask],
    rule: FramingRule,
    open_detector: Callable[[], Detector] | None,
    *,
    workers: int,
    fail_fast: bool = False,
    max_pixels: int = MAX_PIXELS,
    on_failure: Callable[[Failure], None] = lambda _: None,
    on_progress: Callable[[int], None] = lambda _: None,
) -> PrepareOutcome:
    """Crops every picture; Ctrl-C ends it after those in flight.

    Args:
        tasks: what to do; the outputs' folders are made.
        rule: how to frame.
        open_detector: called once in each thread; None where the rule needs no detector.
        workers: threads.
        fail_fast: stop at the first failure.
        max_pixels: larger pictures are refused.
        on_failure: called for each failure as it happens.
        on_progress: called with the number of pictures dealt with.

    Raises:
        EfganError: a folder cannot be made, or the disk is full.
    """
    own = threading.local()

    def detector() -> Detector | None:
        if open_detector is not None and not hasattr(own, "detector"):
            own.detector = open_detector()
        return getattr(own, "detector", None)

    def prepare(task: PictureTask) -> PreparedPicture | Failure:
        try:
            picture = read_picture(task.source, max_pixels=max_pixels)
            framed = frame_face(picture, task.labelled, detector(), rule)
        except (EfganError, cv2.error) as error:
            return Failure(task.source, str(error).removeprefix(f"{task.source}: "))
        task.output.parent.mkdir(parents=True, exist_ok=True)
        write_picture(task.output, framed.crop)
        return PreparedPicture(task, framed.row, framed.regions, _seen(detector(), framed.crop))

    outcome = PrepareOutcome()
    pool = ThreadPoolExecutor(workers)
    try:
        for done, result in enumerate(pool.map(prepare, tasks), start=1):
            if isinstance(result, Failure):
                outcome.failures.append(result)
                on_failure(result)
                if fail_fast:
                    break
            else:
                outcome.prepared.append(result)
            on_progress(done)
    except KeyboardInterrupt:
        outcome.interrupted = True
    except OSError as error:
        raise EfganError(f"{error.filename}: cannot be written: {error.strerror}") from error
    finally:
        pool.shutdown(cancel_futures=True)
    return outcome


def _seen(detector: Detector | None, crop: Picture) -> FloatArray | None:
    """The detector's points on a finished crop: what an alignment template is the mean of."""
    if detector is None:
        return None
    faces = find_faces(detector, crop)
    return faces[0].points if faces else None
