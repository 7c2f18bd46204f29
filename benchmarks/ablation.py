"""The paper's ablation: several checkpoints by every measure, each with its interval.

    python -m benchmarks ablation baseline=runs/a/latest.pt "local focus=runs/b/latest.pt" \\
        cascade=runs/c/latest.pt full=runs/d/latest.pt
    python -m benchmarks ablation --augment one=runs/one/weights.safetensors

`efgan-rt evaluate` measures engine sets by the papers' tables; this puts trainings beside each
other, in PyTorch: forty unseen people from neutral and from angry to each other expression, and
over the large gaps (angry to happy, sad to surprised), which are also shown apart. Judges that
learnt from real crops of other people name expressions, read action units and tell people apart;
they are trained on first use (about fifteen minutes on one core) and kept. Intervals are over
people and do not cover another seed of the training. `--augment` adds R and R+G, with the real
crops of all training people and of the first twenty, because on the rendered set R is at its
ceiling.

The table on stdout, the figures in benchmarks/results/ablation.json unless `--json` says otherwise.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from benchmarks.kit import REPOSITORY, Document, find_picture_set, finish, parser, with_machine
from efgan_rt.errors import EfganError
from train.data.faces import FaceSet
from train.data.labels import read_labels
from train.evaluation.editors import CheckpointEditor
from train.evaluation.towards import edit_planned
from train.metrics.augmentation import augmentation_plan, measure_training_worth, real_crops
from train.metrics.bootstrap import LEVEL, RESAMPLES, SEED
from train.metrics.edit_scores import EditScores, score_edits
from train.metrics.identity import verify_embedder
from train.metrics.identity_embedder import EMBEDDER_RECIPE, load_or_train_embedder
from train.metrics.judge_shelf import JudgeShelf, training_faces
from train.metrics.judge_training import CLASSIFIER_RECIPE, READER_RECIPE
from train.metrics.judges import load_or_train_judges, reliability
from train.metrics.paired import LARGE_GAPS, plan_edits
from train.metrics.people import UNSEEN_PEOPLE

FEW_PEOPLE: Final = 20
# A tenth of the pictures would also be a tenth of the steps, too few to learn anything.
FEW_RECIPE: Final = replace(CLASSIFIER_RECIPE, epochs=4 * CLASSIFIER_RECIPE.epochs)
REGIMES: Final = {"all": (None, CLASSIFIER_RECIPE), "few": (FEW_PEOPLE, FEW_RECIPE)}


def parse_models(texts: Sequence[str]) -> dict[str, Path]:
    """Reads NAME=PATH.

    Raises:
        EfganError: a text has no name or no path, or a name occurs twice.
    """
    models: dict[str, Path] = {}
    for text in texts:
        name, _, path = text.partition("=")
        if not name or not path:
            raise EfganError(f"'{text}': expected NAME=PATH, as in full=runs/full/latest.pt")
        if name in models:
            raise EfganError(f"'{name}' names two checkpoints; each needs a name of its own")
        models[name] = Path(path)
    return models


def model_figures(
    name: str, editor: CheckpointEditor, scores: EditScores, gap_scores: EditScores
) -> Document:
    """A model's figures for JSON."""
    training: Document = editor.origin["training"]

    def plain(of: EditScores) -> Document:
        return {figure: value.to_plain() for figure, value in of.figures().items()}

    contemptuous = scores.wanting("contemptuous")
    return {
        "name": name,
        "file": editor.origin["file"],
        "stages": editor.stage_count,
        "recipe": training.get("recipe", {}).get("name"),
        "training_seconds": training.get("seconds"),
        "pictures_seen": training.get("pictures_seen"),
        "training": training,
        "edits": len(scores.people),
        "figures": plain(scores),
        "named_contemptuous": scores.figure("named_as_wanted", contemptuous).to_plain(),
        "large_gap_edits": len(gap_scores.people),
        "large_gap_figures": plain(gap_scores),
    }


def training_worth(
    training: FaceSet,
    unseen: FaceSet,
    say: Callable[[str], None],
    editor: CheckpointEditor | None = None,
) -> dict[str, Any]:
    """R by regime, or R+G of a model's edits of training people: plain values for JSON.

    Raises:
        EfganError: the model does not know an expression, or a person lacks one.
    """
    edits, shown = None, []
    if editor is not None:
        plan = augmentation_plan(training)
        edits, shown = edit_planned(editor, plan, training), plan.wanted_of(training.table)
    found = {}
    for name, (people, recipe) in REGIMES.items():
        say(f"real crops of {people or 'all'} training people and {len(shown)} edits")
        real = real_crops(training, people)
        worth = measure_training_worth(real, real_crops(unseen), edits, shown, recipe=recipe)
        found[name] = {"real_people": people, "edits": len(shown), **worth.to_plain()}
    return found


def run(options: argparse.Namespace, say: Callable[[str], None]) -> Document:
    """Measures every model.

    Raises:
        EfganError: the pictures or a checkpoint cannot be used.
    """
    models = parse_models(options.models)
    data = find_picture_set(options.data)
    shelf = JudgeShelf(data, options.judges, say=say)
    judges, who = load_or_train_judges(shelf), load_or_train_embedder(shelf)
    table = read_labels(data / "labels.csv")
    people = sorted(UNSEEN_PEOPLE & set(table.identities))[: options.people]
    faces = FaceSet(data / "images", table.where(people.__contains__))
    training = training_faces(data, table, UNSEEN_PEOPLE) if options.augment else None
    plans = plan_edits(faces.table), plan_edits(faces.table, pairs=LARGE_GAPS)
    columns = []
    for name, path in models.items():
        say(f"{name}: {sum(map(len, plans))} edits by {path}")
        editor = CheckpointEditor(path)
        scores = [
            score_edits(faces, plan, edit_planned(editor, plan, faces), judges, who)
            for plan in plans
        ]
        columns.append(model_figures(name, editor, *scores))
        if training is not None:
            columns[-1]["training_worth"] = training_worth(training, faces, say, editor)
    facts = {
        "classifier": asdict(CLASSIFIER_RECIPE),
        "reader": asdict(READER_RECIPE),
        "embedder": asdict(EMBEDDER_RECIPE),
        "on_real_crops": asdict(reliability(judges, faces)),
        "verification": verify_embedder(faces, who).to_plain(),
    }
    if training is not None:
        facts["training_worth"] = training_worth(training, faces, say)
    return with_machine(
        what="edits of unseen people by several models: from neutral and angry to each other "
        "expression, and over large gaps",
        people={"n": len(people), "first": people[0], "last": people[-1]},
        intervals={"level": LEVEL, "resamples": RESAMPLES, "seed": SEED, "over": "people"},
        judges=facts,
        models=columns,
    )


def main() -> None:
    """Measures, writes, prints."""
    given = parser(__doc__, "ablation")
    add = given.add_argument
    add("models", nargs="+", metavar="NAME=PATH", help="a column's name and its checkpoint")
    add("--data", type=Path, metavar="DIR", help="the picture set: labels.csv and images/")
    add("--people", type=int, default=40, metavar="N", help="only the first N test people")
    add("--augment", action="store_true", help="R+G too: about six minutes a model on one core")
    add("--judges", type=Path, default=REPOSITORY / "build" / "judges", metavar="DIR")
    options = given.parse_args()
    document = run(options, lambda line: print(line, file=sys.stderr, flush=True))
    finish(options.json, document, "ablation")
