"""What one column of the tables is worth: every measure of one way of editing.

A column is what an editor made of the protocol's pictures. Two more stand beside the editors:
"input", whose edits are their own inputs, and "truth", whose edits are the true pictures: what
doing nothing and doing everything right are worth by the same figures.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engines.arrays import Bytes, FloatArray
from train.data.faces import FaceSet
from train.evaluation.editors import Editor
from train.evaluation.judging import Judging
from train.evaluation.protocols import FacePairs, Transfers
from train.evaluation.towards import Advance, edit_in_parts, edit_planned, labelled_au
from train.metrics.au_agreement import Agreement, measure_agreement
from train.metrics.bootstrap import Interval, bootstrap
from train.metrics.edit_scores import EditScores, score_edits
from train.metrics.expression_accuracy import ExpressionAccuracy, measure_accuracy
from train.metrics.frechet_distance import measure_frechet_distance
from train.metrics.kernel_distance import measure_kernel_distance
from train.metrics.outside_face import changed_outside
from train.metrics.paired import EditPlan
from train.metrics.psnr import finite_psnr_db, psnr_db
from train.metrics.ssim import ssim
from train.metrics.verification import Verification, measure_with_intervals
from train.metrics.vgg_score import wanted_probability

INPUT: Final = "input"
TRUTH: Final = "truth"
Stage = Callable[[str, int], Advance]  # a piece of work begins: its name and how many pictures


@dataclass(frozen=True)
class Protocol:
    """The pictures and what is asked of each editor."""

    faces: FaceSet
    expressions: tuple[str, ...]
    plan: EditPlan
    transfers: Transfers
    pairs: FacePairs
    seed: int


@dataclass(frozen=True, eq=False)
class RealJudgements:
    """What the judges say of the real pictures, once for all columns; rows are the set's."""

    features: FloatArray
    real_rows: npt.NDArray[np.intp]  # of the named expressions: FID's real side
    embedded: FloatArray
    au: FloatArray
    reading: Agreement  # the reader against the labels, over all pictures
    named: Interval  # R
    probability: Interval  # the VGG score of real pictures
    confusion: ExpressionAccuracy
    real: tuple[Verification, Interval, Interval]  # real pairs: the upper bound


@dataclass(frozen=True, eq=False)
class Column:
    """One way of editing and every figure of it.

    `transfer` is None for the truth, which has no picture of a transferred expression; `equal` is
    how many edits are their true picture, byte for byte.
    """

    name: str
    backend: str | None
    precision: str | None
    origin: dict[str, Any]
    edits: Bytes
    plan: EditPlan
    scores: EditScores
    accuracy: ExpressionAccuracy
    fid: Interval
    kid: Interval
    transfer: Agreement | None
    verification: tuple[Verification, Interval, Interval] | None
    equal: int
    edit_s: float | None = None
    worth: dict[str, Interval] | None = None  # R+G and its VGG score
    costs: dict[str, Interval] | None = None  # against the first editor, edit by edit


def judge_real_pictures(protocol: Protocol, judging: Judging, stage: Stage) -> RealJudgements:
    """Asks the judges about the real pictures.

    Args:
        protocol: the pictures and the pairs.
        judging: the judges.
        stage: called when a piece of work begins; see `Stage`.
    """
    faces, table = protocol.faces, protocol.faces.table
    pixels = faces.pixels.numpy()
    advance = stage("judging the real pictures", len(pixels))
    judges = judging.judges
    rows = np.flatnonzero([name in protocol.expressions for name in table.expressions])
    people = [table.identities[i] for i in rows]
    wanted = [table.expressions[i] for i in rows]
    probabilities = judges.probabilities(pixels[rows])
    named = judges.named(probabilities)
    right = np.array([a == b for a, b in zip(named, wanted, strict=True)], dtype=np.float64)
    embedded = judging.embedder.embed(pixels)
    au = judges.au(pixels)
    known = RealJudgements(
        features=judging.extractor.extract(pixels),
        real_rows=rows,
        embedded=embedded,
        au=au,
        reading=measure_agreement(table.au, au, table.identities, judges.au_names),
        named=bootstrap(right, people),
        probability=bootstrap(
            wanted_probability(probabilities, wanted, judges.expressions), people
        ),
        confusion=measure_accuracy(wanted, named),
        real=_verify(protocol, embedded, embedded[list(protocol.plan.sources)]),
    )
    advance(len(pixels))
    return known


def reference_columns(
    protocol: Protocol, judging: Judging, known: RealJudgements, stage: Stage
) -> tuple[Column, Column | None]:
    """The two columns to compare with: "input", and "truth" where there is any."""
    plan, pixels = protocol.plan, protocol.faces.pixels.numpy()
    sources, references = (list(rows) for rows in (
        protocol.transfers.sources, protocol.transfers.references
    ))  # fmt: skip
    nothing = _column(INPUT, protocol, judging, known, plan, pixels[list(plan.sources)], stage)
    transfer = _agreement(protocol, judging, known.au[references], known.au[sources])
    nothing = replace(nothing, transfer=transfer, verification=known.real)
    kept = np.flatnonzero(plan.has_truth())
    if len(kept) == 0:
        return nothing, None
    paired = EditPlan(*(tuple(np.asarray(part)[kept].tolist()) for part in (
        plan.sources, plan.targets, plan.wanted
    )))  # fmt: skip
    truths = pixels[list(paired.targets)]
    return nothing, _column(TRUTH, protocol, judging, known, paired, truths, stage)


def measure_editor(
    name: str,
    editor: Editor,
    protocol: Protocol,
    judging: Judging,
    known: RealJudgements,
    stage: Stage,
    clock: Callable[[], float],
) -> Column:
    """Has an editor make every edit of the protocol, and measures them.

    Args:
        name: of the column.
        editor: what edits.
        protocol: what is asked of it.
        judging: the judges.
        known: what they say of the real pictures.
        stage: called when a piece of work begins; see `Stage`.
        clock: seconds; how long editing takes is no benchmark, and is told as such.

    Raises:
        EfganError: the editor does not know an expression.
    """
    faces, plan, transfers = protocol.faces, protocol.plan, protocol.transfers
    table, pixels = faces.table, faces.pixels.numpy()
    started = clock()
    edits = edit_planned(editor, plan, faces, stage(f"{name}: to every expression", len(plan)))
    seconds = clock() - started
    column = _column(name, protocol, judging, known, plan, edits, stage)
    sources, references = list(transfers.sources), list(transfers.references)
    agreement = None
    if sources:
        wanted = labelled_au(editor, pixels[sources], table.au[references], table.au_names)
        advance = stage(f"{name}: expressions of other people", len(sources))
        moved = edit_in_parts(editor, pixels[sources], wanted, advance)
        agreement = _agreement(protocol, judging, known.au[references], judging.judges.au(moved))
    return replace(
        column,
        backend=editor.backend,
        precision=editor.precision,
        origin=dict(editor.origin),
        transfer=agreement,
        verification=_verify(protocol, known.embedded, judging.embedder.embed(edits)),
        edit_s=seconds,
    )


def with_costs(column: Column, first: Column) -> Column:
    """The column with what it gives away against another that edited the same pictures.

    Every figure is a mean of differences edit by edit, but `psnr_between_db`: how near the two
    columns' own edits are to each other.
    """
    names = ("psnr_db", "ssim", "named_as_wanted", "wanted_probability", "au_error")
    costs = {name: column.scores.above(first.scores, name) for name in names}
    between = finite_psnr_db(column.edits, first.edits)
    costs["psnr_between_db"] = bootstrap(between, column.scores.people)
    costs["psnr_between_worst_db"] = bootstrap(between, column.scores.people, _smallest)
    return replace(column, costs=costs)


def _column(
    name: str,
    protocol: Protocol,
    judging: Judging,
    known: RealJudgements,
    plan: EditPlan,
    edits: Bytes,
    stage: Stage,
) -> Column:
    faces, table = protocol.faces, protocol.faces.table
    advance = stage(f"{name}: judging", len(edits))
    sources, paired = list(plan.sources), plan.has_truth()
    pixels = faces.pixels.numpy()
    scores = score_edits(faces, plan, edits, judging.judges, judging.embedder)
    probabilities = judging.judges.probabilities(edits)
    rows = np.flatnonzero(paired)
    truths = pixels[np.array(plan.targets, dtype=np.int64)[rows]]
    structure = np.full(len(edits), np.nan)
    structure[rows] = ssim(edits[rows], truths)
    values = {
        **scores.values,
        "ssim": structure,
        "wanted_probability": wanted_probability(
            probabilities, scores.wanted, judging.judges.expressions
        ),
        "outside_changed": changed_outside(
            pixels[sources], edits, faces.points("eyes")[sources], faces.points("mouth")[sources]
        ),
    }
    features = judging.extractor.extract(edits)
    real = known.features[known.real_rows]
    real_people = [table.identities[i] for i in known.real_rows]
    column = Column(
        name=name,
        backend=None,
        precision=None,
        origin={},
        edits=edits,
        plan=plan,
        scores=replace(scores, values=values),
        accuracy=measure_accuracy(scores.wanted, scores.named),
        fid=measure_frechet_distance(real, real_people, features, scores.people),
        kid=measure_kernel_distance(real, real_people, features, scores.people),
        transfer=None,
        verification=None,
        equal=int(np.isinf(psnr_db(edits[rows], truths)).sum()),
    )
    advance(len(edits))
    return column


def _agreement(
    protocol: Protocol, judging: Judging, wanted: FloatArray, found: FloatArray
) -> Agreement:
    table = protocol.faces.table
    people: Sequence[str] = [table.identities[i] for i in protocol.transfers.sources]
    return measure_agreement(wanted, found, people, judging.judges.au_names)


def _verify(
    protocol: Protocol, embedded: FloatArray, made: FloatArray
) -> tuple[Verification, Interval, Interval]:
    """The pairs told apart, `made` (one row an edit) standing in for one picture of each."""
    pairs, who = protocol.pairs, protocol.faces.table.identities
    similarity = np.einsum(
        "nd,nd->n", made[list(pairs.edits)], embedded[list(pairs.others)], dtype=np.float64
    )
    first = [who[protocol.plan.sources[i]] for i in pairs.edits]
    second = [who[i] for i in pairs.others]
    return measure_with_intervals(similarity, pairs.same, first, second)


def _smallest(values: npt.NDArray[np.float64]) -> float:
    return float(values.min())
