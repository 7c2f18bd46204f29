"""How good the edits are, on forty people whom no training has seen.

    python benchmarks/quality.py                                   the shipped engines
    python benchmarks/quality.py --backend openvino:bf16 --backend onnxruntime
    python benchmarks/quality.py --engines DIR
    python benchmarks/quality.py --checkpoint runs/demo/latest.pt  a training, before any export

Each person is edited from neutral and from angry to each other expression, with nothing given but
the picture and the expression's name; the set has the picture that each edit should have been. Two
judges, trained on real crops of other people and used in no loss, name expressions and read action
units; they are trained on first use (about eight minutes on one core) and kept in build/judges. The
columns "input" and "truth" put the figures between doing nothing and doing everything right.

A table for people on stdout, the same as JSON with the machine and all versions, and sheets of
pictures in build/quality.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # a script's own folder is there, the repository is not

from benchmarks.picture_set import find_picture_set  # noqa: E402
from benchmarks.quality_columns import Column, example_faces, measure_all  # noqa: E402
from benchmarks.quality_sheets import write_sheets  # noqa: E402
from benchmarks.quality_table import judge_table, quality_table  # noqa: E402
from efgan_rt.engine_sets import find_set, shipped_set  # noqa: E402
from efgan_rt.errors import EfganError  # noqa: E402
from efgan_rt.reporting.machine import machine_facts  # noqa: E402
from engines.base import EngineError  # noqa: E402
from train.data.faces import FaceSet  # noqa: E402
from train.data.labels import read_labels  # noqa: E402
from train.evaluation.editors import CheckpointEditor, Editor, EngineEditor  # noqa: E402
from train.metrics.judge_training import CLASSIFIER_RECIPE, READER_RECIPE  # noqa: E402
from train.metrics.judges import Reliability, load_or_train_judges, reliability  # noqa: E402
from train.metrics.people import UNSEEN_PEOPLE, is_unseen  # noqa: E402

RESULTS = REPOSITORY / "benchmarks" / "results" / "quality.json"
SHEETS = REPOSITORY / "build" / "quality"
JUDGES = REPOSITORY / "build" / "judges"


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, metavar="DIR", help="the picture set: labels.csv and images/")
    add("--engines", type=Path, metavar="DIR", help="an engine directory, not the shipped one")
    add("--checkpoint", type=Path, metavar="FILE", help="a checkpoint, run in PyTorch")
    add(
        "--backend",
        action="append",
        metavar="NAME[:PRECISION]",
        help="auto, openvino[:bf16|fp32] or onnxruntime; may be given several times",
    )
    add("--people", type=int, default=40, metavar="N", help="only the first N test people")
    add("--threads", type=int, metavar="N", help="threads of the networks")
    add(
        "--examples",
        type=Path,
        default=REPOSITORY / "examples" / "faces",
        metavar="DIR",
        help="the contact sheet's inputs; without that folder, twelve neutral test people",
    )
    add("--judges", type=Path, default=JUDGES, metavar="DIR", help="where the judges are kept")
    add("--sheets", type=Path, default=SHEETS, metavar="DIR", help="where the pictures go")
    add(
        "--json",
        type=Path,
        metavar="FILE",
        help="where the figures go (default: benchmarks/results/quality.json for engines and all "
        "people, quality.json beside the pictures otherwise)",
    )
    return parser.parse_args(arguments)


def open_editors(options: argparse.Namespace) -> list[Editor]:
    """What is to be measured, one a column.

    Raises:
        EfganError, EngineError: it cannot be opened.
    """
    if options.checkpoint is not None:
        if options.engines is not None or options.backend:
            raise EfganError("--checkpoint is run in PyTorch; leave out --engines and --backend")
        return [CheckpointEditor(options.checkpoint)]
    directory = options.engines or shipped_set() or find_set(None).directory
    editors: list[Editor] = []
    for text in options.backend or ["auto"]:
        backend, _, precision = text.partition(":")
        editors.append(
            EngineEditor(
                directory, backend=backend, precision=precision or None, threads=options.threads
            )
        )
    return editors


def run(options: argparse.Namespace, out: Console, err: Console) -> None:
    """Measures, prints, and writes the figures and the sheets."""
    data = find_picture_set(options.data)
    editors = open_editors(options)
    judges = load_or_train_judges(data, options.judges, say=err.print)
    unseen = read_labels(data / "labels.csv").where(is_unseen)
    people = sorted(set(unseen.identities))[: options.people]
    faces = FaceSet(data / "images", unseen.where(people.__contains__))
    certain = reliability(judges, faces)
    examples = example_faces(options.examples, faces)
    columns = measure_all(editors, faces, examples, judges, say=err.print)
    out.print(judge_table(certain))
    out.print(quality_table(columns))
    for path in write_sheets(options.sheets, columns, faces, examples):
        err.print(f"{path}")
    complete = options.checkpoint is None and len(people) == len(UNSEEN_PEOPLE)
    target = options.json or (RESULTS if complete else options.sheets / "quality.json")
    write_result(target, columns, certain, people)
    err.print(f"{target}")


def write_result(
    path: Path, columns: Sequence[Column], certain: Reliability, people: Sequence[str]
) -> None:
    """Writes the figures with everything that they depend on."""
    content = {
        "what": "edits of unseen people, from neutral and angry to each other expression",
        "machine": machine_facts(),
        "people": {"n": len(people), "first": people[0], "last": people[-1]},
        "judges": {
            "classifier": asdict(CLASSIFIER_RECIPE),
            "reader": asdict(READER_RECIPE),
            "on_real_crops": asdict(certain),
        },
        "columns": [column.to_plain() for column in columns],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")


def main() -> int:
    """Runs the script; what the user can mend is one sentence and status 1."""
    options = parse_arguments()
    if options.threads is not None:
        import torch

        torch.set_num_threads(options.threads)
    err = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        run(options, Console(width=max(Console().width, 120)), err)
    except (EfganError, EngineError) as error:
        err.print(f"error: {error}", style="red", markup=False)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
