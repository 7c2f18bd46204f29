"""The whole evaluation: the pictures, the judges, a column for each editor, what there is to note.

The result is a document of plain values (`train.evaluation.document`), from which every table and
every page is made, and the pictures that the sheets show.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch

from efgan_rt.errors import EfganError
from train.data.faces import FaceSet
from train.data.labels import LabelTable, read_labels
from train.evaluation.editors import Editor
from train.evaluation.judging import JudgeChoice, Judging, open_judges
from train.evaluation.measures import (
    Column,
    Protocol,
    RealJudgements,
    Stage,
    judge_real_pictures,
    measure_editor,
    reference_columns,
    with_costs,
)
from train.evaluation.pair_file import read_pairs, write_pairs
from train.evaluation.people_choice import choose_people
from train.evaluation.protocols import (
    REFERENCES,
    SEED,
    VERIFICATION_PAIRS,
    draw_face_pairs,
    draw_transfers,
    plan_every_edit,
)
from train.evaluation.towards import edit_planned
from train.metrics.augmentation import classifier_with_edits, real_crops
from train.metrics.bootstrap import Interval, bootstrap
from train.metrics.judge_shelf import training_faces
from train.metrics.judges import run_judge
from train.metrics.paired import plan_edits
from train.metrics.people import expressions_of
from train.metrics.vgg_score import softmax, wanted_probability

START: Final = "neutral"


@dataclass(frozen=True)
class EvaluationOptions:
    """What is asked for.

    `test_people` is read by `train.evaluation.people_choice`; `pair_file` holds pairs to use
    instead of drawing them; `augment` asks for R+G of the first editor.
    """

    test_people: str | None = None
    people: int | None = None  # only the first so many of them
    references: int = REFERENCES
    pairs: int = VERIFICATION_PAIRS
    seed: int = SEED
    pair_file: Path | None = None
    augment: bool = False
    threads: int | None = None  # of the judges
    judges: JudgeChoice = field(default_factory=JudgeChoice)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Everything that was measured; `columns` are input, the editors, and truth where there is any.

    `training_people` are those whom the judges learnt from.
    """

    labels: Path
    training_people: int
    people: tuple[str, ...]
    protocol: Protocol
    judging: Judging
    known: RealJudgements
    columns: tuple[Column, ...]
    options: EvaluationOptions
    notes: tuple[str, ...]

    @property
    def editors(self) -> tuple[Column, ...]:
        """The columns that engines made."""
        return tuple(column for column in self.columns if column.backend is not None)


def evaluate(
    data_dir: Path,
    editors: Sequence[tuple[str, Editor]],
    cache_dir: Path,
    pairs_out: Path,
    options: EvaluationOptions,
    say: Callable[[str], None],
    stage: Stage,
) -> Evaluation:
    """Measures editors on the people of a set whom no training has seen.

    Args:
        data_dir: `labels.csv` and `images/`, as `efgan-rt prepare` writes them.
        editors: names of columns and what edits; the others' costs are against the first.
        cache_dir: where trained judges are kept.
        pairs_out: where the drawn pairs are written.
        options: what is asked for.
        say: told line by line what takes long.
        stage: told of each piece of work and how far it is.

    Raises:
        EfganError: the set cannot be read or judged, or an editor lacks an expression.
    """
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    labels = data_dir / "labels.csv"
    table = read_labels(labels, None)
    people, notes = choose_people(options.test_people, table)
    kept = people[: options.people]
    expressions = expressions_of(table.expressions)
    judging = open_judges(data_dir, cache_dir, people, expressions, options.judges, say)
    faces = FaceSet(data_dir / "images", table.where(kept.__contains__))
    others = table.where(lambda who: who != "" and who not in people)
    usable, more = _usable(expressions, faces.table, others, editors)
    notes += more
    protocol, more = _protocol(faces, usable, options)
    notes += more
    write_pairs(pairs_out, faces.table, protocol.plan, protocol.transfers, protocol.pairs)
    known = judge_real_pictures(protocol, judging, stage)
    nothing, truth = reference_columns(protocol, judging, known, stage)
    columns: list[Column] = []
    for name, editor in editors:
        column = measure_editor(name, editor, protocol, judging, known, stage, time.perf_counter)
        columns.append(with_costs(column, columns[0]) if columns else column)
    if options.augment:
        worth, more = _worth(data_dir, table, people, protocol, editors[0][1], say, stage)
        columns[0] = replace(columns[0], worth=worth)
        notes += more
    shown = [nothing, *columns, *([truth] if truth is not None else [])]
    return Evaluation(
        labels,
        len(set(others.identities)),
        tuple(kept),
        protocol,
        judging,
        known,
        tuple(shown),
        options,
        (*notes, *_notes(known, shown)),
    )


def _usable(
    expressions: Sequence[str],
    judged: LabelTable,
    learnt: LabelTable,
    editors: Sequence[tuple[str, Editor]],
) -> tuple[tuple[str, ...], list[str]]:
    """The expressions that occur, that the judges have learnt and every editor knows."""
    notes = []
    occurring = [name for name in expressions if name in (*judged.expressions, *learnt.expressions)]
    unlearnt = [name for name in occurring if name not in learnt.expressions]
    if unlearnt:
        notes.append(
            f"nobody whom the judges learn from shows {' or '.join(unlearnt)}: left out, for no "
            "judge could name it"
        )
    unknown = [
        name
        for name in occurring
        if name not in unlearnt and any(name not in editor.expressions for _, editor in editors)
    ]
    if unknown:
        notes.append(f"the engines do not know {' or '.join(unknown)}: left out")
    usable = tuple(name for name in occurring if name not in (*unlearnt, *unknown))
    if len(usable) < 2:
        raise EfganError(
            f"{len(usable)} expressions are in the labels, learnt by the judges and known to the "
            f"engines ({', '.join(usable) or 'none'}), expected at least 2; the engines know "
            f"{', '.join(sorted(editors[0][1].expressions))}"
        )
    return usable, notes


def _protocol(
    faces: FaceSet, expressions: tuple[str, ...], options: EvaluationOptions
) -> tuple[Protocol, list[str]]:
    table = faces.table
    plan, notes = plan_every_edit(table, expressions)
    if options.pair_file is not None:
        transfers, pairs = read_pairs(options.pair_file, table, plan)
    else:
        transfers, more = draw_transfers(table, expressions, options.references, options.seed)
        notes += more
        pairs, more = draw_face_pairs(table, plan, options.pairs, options.seed)
        notes += more
    return Protocol(faces, expressions, plan, transfers, pairs, options.seed), notes


def _worth(
    data_dir: Path,
    table: LabelTable,
    people: Sequence[str],
    protocol: Protocol,
    editor: Editor,
    say: Callable[[str], None],
    stage: Stage,
) -> tuple[dict[str, Interval] | None, list[str]]:
    """R+G of an editor, and the VGG score of the same classifier; None if it cannot be asked.

    The edits are those of training people from neutral to each other expression.
    """
    training = training_faces(data_dir, table, people)
    pairs = [(START, name) for name in protocol.expressions if name != START]
    try:
        plan = plan_edits(training.table, pairs=pairs)
    except EfganError as error:
        return None, [f"R+G was left out: {error}, and edits of training people start from neutral"]
    advance = stage("edits of training people", len(plan))
    edits = edit_planned(editor, plan, training, advance)
    names = expressions_of(table.expressions)
    say("R+G: a classifier learns from real crops and edits")
    classifier = classifier_with_edits(
        real_crops(training, expressions=names),
        edits,
        plan.wanted_of(training.table),
        expressions=names,
        say=say,
    )
    unseen = real_crops(protocol.faces, expressions=protocol.expressions)
    probabilities = softmax(run_judge(classifier, unseen.pixels))
    named = [names[i] for i in probabilities.argmax(axis=1)]
    right = np.array(
        [a == b for a, b in zip(named, unseen.expressions, strict=True)], dtype=np.float64
    )
    score = wanted_probability(probabilities, unseen.expressions, names)
    return {
        "accuracy": bootstrap(right, unseen.people),
        "probability": bootstrap(score, unseen.people),
    }, []


def _notes(known: RealJudgements, columns: Sequence[Column]) -> list[str]:
    """What the figures themselves give reason to say."""
    notes = []
    for column in columns:
        if column.equal and column.name != "truth":
            notes.append(
                f"{column.name}: {column.equal} edits are their true picture, byte for byte; their "
                "infinite PSNR counts as that of one sample that is one level off"
            )
        if column.transfer is not None and column.transfer.undefined:
            notes.append(
                f"{column.name}: {', '.join(column.transfer.undefined)} never varies, so it has no "
                "ICC and is left out of the average"
            )
    pictures, features = len(known.real_rows), known.features.shape[1]
    if pictures < 2:
        notes.append(f"{pictures} real pictures: FID and KID need two, and have no value")
    elif pictures <= features:
        notes.append(
            f"FID over {features} features of {pictures} real pictures: their covariance is "
            "singular and the distance too large; compare columns only, and read KID beside it"
        )
    return notes
