"""Whether edits teach a classifier what real pictures teach it ("R" and "R+G" in the paper).

R: a classifier trained on real crops of training people names the expressions of the unseen
people's real crops. R+G: the same classifier, from the same seed and with as many steps, trained on
those crops and on the model's edits of training people (their neutral picture made into each other
expression). The same number of steps, so that R+G is not better for having learnt longer.

Where R is at its ceiling, R+G cannot rise. So both can also be asked for with the real crops of
few people only, the edits still being of all of them: then the edits have something to teach.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from engines.arrays import Bytes
from train.data.faces import FaceSet
from train.metrics.bootstrap import Interval, bootstrap
from train.metrics.judge_networks import ExpressionClassifier
from train.metrics.judge_training import CLASSIFIER_RECIPE, JudgeRecipe, Progress, classifier_of
from train.metrics.judges import run_judge
from train.metrics.paired import EditPlan, plan_edits
from train.metrics.people import EXPRESSIONS

START: Final = "neutral"


@dataclass(frozen=True)
class RealCrops:
    """Pictures of named expressions: uint8 RGB (n, H, W, 3), what they show, and who."""

    pixels: Bytes
    expressions: tuple[str, ...]
    people: tuple[str, ...]


def real_crops(
    faces: FaceSet, people: int | None = None, expressions: Sequence[str] = EXPRESSIONS
) -> RealCrops:
    """The named expressions of a set's first people (all by default)."""
    table = faces.table
    kept = list(dict.fromkeys(table.identities))[:people]
    rows = [
        i
        for i, (who, what) in enumerate(zip(table.identities, table.expressions, strict=True))
        if who in kept and what in expressions
    ]
    return RealCrops(
        faces.pixels[rows].numpy(),
        tuple(table.expressions[i] for i in rows),
        tuple(table.identities[i] for i in rows),
    )


def augmentation_plan(training: FaceSet) -> EditPlan:
    """The edits of training people that a model is to make for R+G.

    Raises:
        EfganError: a person lacks one of the eight expressions.
    """
    return plan_edits(training.table, (START,))


def measure_training_worth(
    real: RealCrops,
    unseen: RealCrops,
    edits: Bytes | None = None,
    edit_expressions: Sequence[str] = (),
    *,
    recipe: JudgeRecipe = CLASSIFIER_RECIPE,
    say: Progress = lambda _: None,
) -> Interval:
    """The share of the unseen people's real crops that a classifier names right, and its interval.

    Args:
        real: the training people's.
        unseen: the test people's; none of them is in `real`.
        edits: of training people, uint8 RGB (m, H, W, 3); None for R.
        edit_expressions: what each edit was to show.
        recipe: epochs over `real`; with edits there are fewer, so that the steps are as many.
        say: told a line after each epoch.

    Raises:
        ValueError: there is not one expression for each edit.
    """
    classifier = classifier_with_edits(real, edits, edit_expressions, recipe=recipe, say=say)
    best = run_judge(classifier, unseen.pixels).argmax(axis=1)
    right = [EXPRESSIONS[i] == what for i, what in zip(best, unseen.expressions, strict=True)]
    return bootstrap(np.array(right, dtype=np.float64), unseen.people)


def classifier_with_edits(
    real: RealCrops,
    edits: Bytes | None,
    edit_expressions: Sequence[str],
    *,
    recipe: JudgeRecipe = CLASSIFIER_RECIPE,
    expressions: Sequence[str] = EXPRESSIONS,
    say: Progress = lambda _: None,
) -> ExpressionClassifier:
    """The classifier of R+G, or that of R without edits.

    Args:
        real: the training people's.
        edits: of training people, uint8 RGB (m, H, W, 3), or None.
        edit_expressions: what each edit was to show.
        recipe: epochs over `real`; with edits there are fewer, so that the steps are as many.
        expressions: what the classifier tells apart.
        say: told a line after each epoch.

    Raises:
        ValueError: there is not one expression for each edit.
    """
    made = 0 if edits is None else len(edits)
    if made != len(edit_expressions):
        raise ValueError(f"{made} edits with {len(edit_expressions)} expressions")
    pixels, names = real.pixels, list(real.expressions)
    if edits is not None:
        pixels, names = np.concatenate([pixels, edits]), names + list(edit_expressions)
        share = len(real.pixels) / len(pixels)
        recipe = replace(recipe, epochs=max(1, round(recipe.epochs * share)))
    return classifier_of(pixels, names, recipe, say, expressions)
