"""The paper's ablation: several checkpoints by every measure, each with its interval.

    python benchmarks/ablation.py baseline=runs/a/latest.pt "local focus=runs/b/latest.pt" \\
        cascade=runs/c/latest.pt full=runs/d/latest.pt
    python benchmarks/ablation.py --augment one=efgan_rt/shipped/efgan.safetensors

Each model edits forty unseen people in PyTorch, from neutral and from angry to each other
expression, and over the large gaps (angry to happy, sad to surprised), which are also shown apart.
Three judges, trained on real crops of other people and used in no loss, name expressions, read
action units and tell people apart; they are trained on first use (about fifteen minutes on one
core) and kept in build/judges. Intervals are over people (train/metrics/bootstrap.py) and do not
cover another seed of the training. `--augment` adds R+G, which trains classifiers anew.

Tables on stdout, the same as JSON with the machine and all versions, and sheets of faces (a row a
person, a column a model) in build/ablation.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # a script's own folder is there, the repository is not

from benchmarks.ablation_augment import measure_augmentation, measure_real  # noqa: E402
from benchmarks.ablation_sheets import write_model_sheets  # noqa: E402
from benchmarks.ablation_table import figures_table, judges_table  # noqa: E402
from benchmarks.picture_set import find_picture_set  # noqa: E402
from efgan_rt.errors import EfganError  # noqa: E402
from efgan_rt.reporting.machine import machine_facts  # noqa: E402
from train.data.faces import FaceSet  # noqa: E402
from train.data.labels import read_labels  # noqa: E402
from train.evaluation.editors import Bytes, CheckpointEditor  # noqa: E402
from train.evaluation.towards import edit_planned  # noqa: E402
from train.metrics.bootstrap import LEVEL, RESAMPLES, SEED  # noqa: E402
from train.metrics.edit_scores import EditScores, score_edits  # noqa: E402
from train.metrics.identity import verify_embedder  # noqa: E402
from train.metrics.identity_embedder import (  # noqa: E402
    EMBEDDER_RECIPE,
    Embedder,
    load_or_train_embedder,
)
from train.metrics.judge_training import CLASSIFIER_RECIPE, READER_RECIPE  # noqa: E402
from train.metrics.judges import Judges, load_or_train_judges, reliability  # noqa: E402
from train.metrics.paired import LARGE_GAPS, EditPlan, plan_edits  # noqa: E402
from train.metrics.people import UNSEEN_PEOPLE, is_training, is_unseen  # noqa: E402

RESULTS = REPOSITORY / "benchmarks" / "results" / "ablation.json"
SHEETS = REPOSITORY / "build" / "ablation"
JUDGES = REPOSITORY / "build" / "judges"


@dataclass(frozen=True)
class Model:
    """A checkpoint under the name of its column."""

    name: str
    path: Path


@dataclass(frozen=True)
class Evaluation:
    """A model's edits and their scores: the standard edits, and those over large gaps."""

    name: str
    origin: dict[str, Any]
    stages: int
    edits: Bytes
    gap_edits: Bytes
    scores: EditScores
    gap_scores: EditScores
    edit_s: float  # seconds that all its edits took


def parse_models(texts: Sequence[str]) -> list[Model]:
    """Reads NAME=PATH.

    Raises:
        EfganError: a text has no name or no path, or a name occurs twice.
    """
    models: list[Model] = []
    for text in texts:
        name, _, path = text.partition("=")
        if not name or not path:
            raise EfganError(f"'{text}': expected NAME=PATH, as in full=runs/full/latest.pt")
        if name in {model.name for model in models}:
            raise EfganError(f"'{name}' names two checkpoints; each needs a name of its own")
        models.append(Model(name, Path(path)))
    return models


def evaluate(
    model: Model, faces: FaceSet, plan: EditPlan, gaps: EditPlan, judges: Judges, who: Embedder
) -> Evaluation:
    """Has a model make all edits, and scores them.

    Raises:
        EfganError: the checkpoint cannot be read or does not know an expression.
    """
    editor = CheckpointEditor(model.path)
    started = time.perf_counter()
    edits, gap_edits = edit_planned(editor, plan, faces), edit_planned(editor, gaps, faces)
    seconds = time.perf_counter() - started
    return Evaluation(
        model.name,
        dict(editor.origin),
        editor.stage_count,
        edits,
        gap_edits,
        score_edits(faces, plan, edits, judges, who),
        score_edits(faces, gaps, gap_edits, judges, who),
        seconds,
    )


def to_plain(one: Evaluation, first: Evaluation) -> dict[str, Any]:
    """A model's figures for JSON; `above_first` compares it with the table's first model."""
    training = one.origin.get("training", {})
    contemptuous = one.scores.wanting("contemptuous")

    def above(mine: EditScores, theirs: EditScores) -> dict[str, Any]:
        means = [name for name in mine.values if not name.startswith("sharpness")]
        return {name: mine.above(theirs, name).to_plain() for name in means}

    def plain(scores: EditScores) -> dict[str, Any]:
        return {name: figure.to_plain() for name, figure in scores.figures().items()}

    return {
        "name": one.name,
        "file": one.origin.get("file"),
        "stages": one.stages,
        "recipe": training.get("recipe", {}).get("name"),
        "training_seconds": training.get("seconds"),
        "pictures_seen": training.get("pictures_seen"),
        "training": training,
        "edits": len(one.edits),
        "edit_seconds": round(one.edit_s, 2),
        "figures": plain(one.scores),
        "named_contemptuous": one.scores.figure("named_as_wanted", contemptuous).to_plain(),
        "large_gap_edits": len(one.gap_edits),
        "large_gap_figures": plain(one.gap_scores),
        "above_first": above(one.scores, first.scores),
        "large_gap_above_first": above(one.gap_scores, first.gap_scores),
    }


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("models", nargs="+", metavar="NAME=PATH", help="a column's name and its checkpoint")
    add("--data", type=Path, metavar="DIR", help="the picture set: labels.csv and images/")
    add("--people", type=int, default=40, metavar="N", help="only the first N test people")
    add("--augment", action="store_true", help="R+G too: about six minutes a model on one core")
    add("--judges", type=Path, default=JUDGES, metavar="DIR", help="where the judges are kept")
    add("--sheets", type=Path, default=SHEETS, metavar="DIR", help="where the pictures go")
    add(
        "--json",
        type=Path,
        metavar="FILE",
        help="where the figures go (default: benchmarks/results/ablation.json for all people, "
        "ablation.json beside the pictures otherwise)",
    )
    return parser.parse_args(arguments)


def run(options: argparse.Namespace, out: Console, say: Callable[[str], None]) -> None:
    """Measures, prints, and writes the figures and the sheets."""
    models = parse_models(options.models)
    data = find_picture_set(options.data)
    judges = load_or_train_judges(data, options.judges, say=say)
    who = load_or_train_embedder(data, options.judges, say=say)
    table = read_labels(data / "labels.csv")
    unseen = table.where(is_unseen)
    people = sorted(set(unseen.identities))[: options.people]
    faces = FaceSet(data / "images", unseen.where(people.__contains__))
    plan, gaps = plan_edits(faces.table), plan_edits(faces.table, pairs=LARGE_GAPS)
    evaluations = []
    for model in models:
        say(f"{model.name}: {len(plan) + len(gaps)} edits by {model.path}")
        evaluations.append(evaluate(model, faces, plan, gaps, judges, who))
    columns = [to_plain(one, evaluations[0]) for one in evaluations]
    document: dict[str, Any] = {
        "what": "edits of unseen people by several models: from neutral and angry to each other "
        "expression, and over large gaps",
        "machine": machine_facts(),
        "people": {"n": len(people), "first": people[0], "last": people[-1]},
        "intervals": {"level": LEVEL, "resamples": RESAMPLES, "seed": SEED, "over": "people"},
        "judges": {
            "classifier": asdict(CLASSIFIER_RECIPE),
            "reader": asdict(READER_RECIPE),
            "embedder": asdict(EMBEDDER_RECIPE),
            "on_real_crops": asdict(reliability(judges, faces)),
            "verification": verify_embedder(faces, who).to_plain(),
        },
        "models": columns,
    }
    if options.augment:
        training = FaceSet(data / "images", table.where(is_training))
        document["judges"]["training_worth"] = measure_real(training, faces, say)
        for model, column in zip(models, columns, strict=True):
            say(f"{model.name}: edits of the training people, and classifiers that learn from them")
            editor = CheckpointEditor(model.path)
            column["training_worth"] = measure_augmentation(editor, training, faces, say)
    out.print(judges_table(document))
    out.print(figures_table(document))
    for path in write_model_sheets(options.sheets, evaluations, faces, plan, gaps):
        say(f"{path}")
    complete = len(people) == len(UNSEEN_PEOPLE)
    target = options.json or (RESULTS if complete else options.sheets / "ablation.json")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")
    say(f"{target}")


def main() -> int:
    """Runs the script; what the user can mend is one sentence and status 1."""
    err = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        run(
            parse_arguments(),
            Console(width=max(Console().width, 120)),
            lambda line: err.print(line, markup=False),
        )
    except EfganError as error:
        err.print(f"error: {error}", style="red", markup=False)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
