"""R and R+G for the ablation: what a model's edits of training people teach a classifier.

Both twice: with the real crops of all training people, as the paper defines them, and with those of
the first twenty only, because on the rendered set R is at its ceiling and R+G cannot show anything
above it.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from train.data.faces import FaceSet
from train.evaluation.editors import Editor
from train.evaluation.towards import edit_planned
from train.metrics.augmentation import (
    augmentation_plan,
    measure_training_worth,
    real_crops,
)
from train.metrics.judge_training import CLASSIFIER_RECIPE

FEW_PEOPLE: Final = 20
# A tenth of the pictures would also be a tenth of the steps, too few to learn anything.
FEW_RECIPE: Final = replace(CLASSIFIER_RECIPE, epochs=4 * CLASSIFIER_RECIPE.epochs)
REGIMES: Final = {"all": (None, CLASSIFIER_RECIPE), "few": (FEW_PEOPLE, FEW_RECIPE)}


def measure_real(training: FaceSet, unseen: FaceSet, say: Callable[[str], None]) -> dict[str, Any]:
    """R by regime, plain values for JSON."""
    found = {}
    for name, (people, recipe) in REGIMES.items():
        say(f"R, real crops of {people or 'all'} training people")
        worth = measure_training_worth(
            real_crops(training, people), real_crops(unseen), recipe=recipe
        )
        found[name] = {"real_people": people, **worth.to_plain()}
    return found


def measure_augmentation(
    editor: Editor, training: FaceSet, unseen: FaceSet, say: Callable[[str], None]
) -> dict[str, Any]:
    """A model's R+G by regime, plain values for JSON.

    Raises:
        EfganError: the model does not know an expression, or a person lacks one.
    """
    plan = augmentation_plan(training)
    edits = edit_planned(editor, plan, training)
    shown = [training.table.expressions[i] for i in plan.targets]
    found = {}
    for name, (people, recipe) in REGIMES.items():
        say(f"R+G, real crops of {people or 'all'} training people and {len(edits)} edits")
        worth = measure_training_worth(
            real_crops(training, people), real_crops(unseen), edits, shown, recipe=recipe
        )
        found[name] = {"real_people": people, "edits": len(edits), **worth.to_plain()}
    return found
