"""An evaluation as plain values: what goes into the JSON file, and what every table is made from.

It holds all that a figure depends on: machine and versions, hash of the labels, people, seeds,
recipes of the judges, the features' name, where the engines come from.
"""

import hashlib
from typing import Any, Final

from efgan_rt.reporting.machine import machine_facts
from train.evaluation.measures import Column
from train.evaluation.run import Evaluation
from train.metrics.bootstrap import LEVEL, RESAMPLES, SEED, Interval
from train.metrics.verification import Verification

Document = dict[str, Any]

FORMAT: Final = "efgan-rt evaluation 1"


def to_document(evaluation: Evaluation) -> Document:
    """Plain values for JSON; what is no number is None."""
    protocol, known = evaluation.protocol, evaluation.known
    return {
        "format": FORMAT,
        "what": "edits of people whom no training has seen, by the papers' measures",
        "machine": machine_facts(),
        "data": {
            "labels_sha256": hashlib.sha256(evaluation.labels.read_bytes()).hexdigest(),
            "pictures": len(protocol.faces.table),
            "people": len(evaluation.people),
            "first": evaluation.people[0],
            "last": evaluation.people[-1],
            "expressions": list(protocol.expressions),
            "au_names": list(evaluation.judging.judges.au_names),
        },
        "protocol": {
            "edits": len(protocol.plan),
            "with_truth": int(protocol.plan.has_truth().sum()),
            "transfers": len(protocol.transfers),
            "verification_pairs": len(protocol.pairs),
            "seed": protocol.seed,
        },
        "intervals": {"level": LEVEL, "resamples": RESAMPLES, "seed": SEED, "over": "people"},
        "judges": {"training_people": evaluation.training_people, **evaluation.judging.facts},
        "real": {
            "named_as_wanted": known.named.to_plain(),
            "wanted_probability": known.probability.to_plain(),
            "confusion": known.confusion.confusion,
            "reader_against_labels": known.reading.to_plain(),
            "verification": verification_to_plain(known.real),
        },
        "columns": [column_to_plain(column) for column in evaluation.columns],
        "notes": list(evaluation.notes),
    }


def column_to_plain(column: Column) -> Document:
    """A column's figures, without its pictures."""
    scores = column.scores
    return {
        "name": column.name,
        "backend": column.backend,
        "precision": column.precision,
        "origin": column.origin,
        "edits": len(column.edits),
        "equal_to_truth": column.equal,
        "seconds_of_editing": None if column.edit_s is None else round(column.edit_s, 1),
        "figures": {name: figure.to_plain() for name, figure in scores.figures().items()}
        | {"fid": column.fid.to_plain(), "kid": column.kid.to_plain()},
        "balanced_accuracy": column.accuracy.balanced,
        "confusion": column.accuracy.confusion,
        "named_by_expression": {
            name: scores.figure("named_as_wanted", scores.wanting(name)).to_plain()
            for name in dict.fromkeys(scores.wanted)
        },
        "transfer": None if column.transfer is None else column.transfer.to_plain(),
        "verification": None
        if column.verification is None
        else verification_to_plain(column.verification),
        "training_worth": None if column.worth is None else intervals_to_plain(column.worth),
        "against_first": None if column.costs is None else intervals_to_plain(column.costs),
    }


def intervals_to_plain(intervals: dict[str, Interval]) -> Document:
    """Each interval as plain values."""
    return {name: interval.to_plain() for name, interval in intervals.items()}


def verification_to_plain(found: tuple[Verification, Interval, Interval]) -> Document:
    """Accuracy and TAR at FAR with their intervals, and how many pairs."""
    whole, accuracy, tar = found
    return {
        "same_pairs": whole.same_pairs,
        "different_pairs": whole.different_pairs,
        "far": whole.far,
        "accuracy": accuracy.to_plain(),
        "tar_at_far": tar.to_plain(),
    }
