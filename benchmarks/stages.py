"""The two figures of the documentation: a grid of expressions, and the cascade's stages in a strip.

    python benchmarks/stages.py --checkpoint runs/full/weights.safetensors
    python benchmarks/stages.py --engines DIR --checkpoint runs/full/weights.safetensors

docs/expressions.png has a row a person (eight unseen people, from neutral) and a column an
expression. docs/stages.png has a row an edit over a large gap (angry to happy, sad to surprised):
the picture as given, what each stage of the cascade makes of it, and the true picture. The grid is
made by the engines where they are named, else by the checkpoint in PyTorch; the stages always by
the checkpoint, since engines give only the last one back.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # a script's own folder is there, the repository is not

from benchmarks.picture_set import find_picture_set  # noqa: E402
from efgan_rt.errors import EfganError  # noqa: E402
from engines.base import EngineError  # noqa: E402
from train.data.faces import FaceSet  # noqa: E402
from train.data.labels import read_labels  # noqa: E402
from train.evaluation.editors import Bytes, CheckpointEditor, Editor, EngineEditor  # noqa: E402
from train.evaluation.sheet import write_sheet  # noqa: E402
from train.evaluation.towards import edit_towards, target_au  # noqa: E402
from train.metrics.paired import LARGE_GAPS, plan_edits  # noqa: E402
from train.metrics.people import EXPRESSIONS, is_unseen  # noqa: E402

SHIPPED = REPOSITORY / "efgan_rt" / "shipped" / "efgan.safetensors"
START: Final = "neutral"
GRID_PEOPLE: Final = 8
STRIP_PEOPLE: Final = 2  # for each edit over a large gap

Rows = list[tuple[str, list[Bytes]]]


def spread(people: Sequence[str], count: int) -> list[str]:
    """So many people, evenly from the first to the last: not chosen by how their edits look."""
    places = np.linspace(0, len(people) - 1, min(count, len(people)))
    return [people[int(place)] for place in places]


def expression_rows(editor: Editor, faces: FaceSet) -> Rows:
    """A row a person: the neutral picture, and what the model makes of it for each expression.

    Raises:
        EfganError: a person has no neutral picture, or the model does not know an expression.
    """
    table = faces.table
    rows: Rows = []
    for i in plan_edits(table, pairs=[(START, START)]).sources:
        given = faces.pixels[i].numpy()
        made = edit_towards(editor, np.stack([given] * len(EXPRESSIONS)), EXPRESSIONS)
        rows.append((table.identities[i], [given, *made]))
    return rows


def stage_rows(editor: CheckpointEditor, faces: FaceSet) -> Rows:
    """A row an edit over a large gap: the picture as given, every stage's, and the truth.

    Raises:
        EfganError: a person lacks a picture, or the model does not know an expression.
    """
    rows: Rows = []
    pixels = faces.pixels.numpy()
    for start, end in LARGE_GAPS:
        plan = plan_edits(faces.table, pairs=[(start, end)])
        given, truths = pixels[list(plan.sources)], pixels[list(plan.targets)]
        target = target_au(editor, [end] * len(plan))
        stages = editor.stages(given, target)
        for i in range(len(plan)):
            rows.append((end, [given[i], *(made[i] for made in stages), truths[i]]))
    return rows


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--engines", type=Path, metavar="DIR", help="the engines that make the grid")
    add("--checkpoint", type=Path, default=SHIPPED, metavar="FILE", help="default: the shipped one")
    add("--data", type=Path, metavar="DIR", help="the picture set: labels.csv and images/")
    add("--out", type=Path, default=REPOSITORY / "docs", metavar="DIR", help="default: docs")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> list[Path]:
    """Makes the two sheets.

    Returns:
        The files written.

    Raises:
        EfganError, EngineError: the pictures, the checkpoint or the engines cannot be used.
    """
    data = find_picture_set(options.data)
    checkpoint = CheckpointEditor(options.checkpoint)
    editor: Editor = checkpoint
    if options.engines is not None:
        editor = EngineEditor(options.engines, backend="auto", precision=None, threads=None)
    unseen = read_labels(data / "labels.csv").where(is_unseen)
    everybody = sorted(set(unseen.identities))

    def of(count: int) -> FaceSet:
        return FaceSet(data / "images", unseen.where(spread(everybody, count).__contains__))

    grid, strip = options.out / "expressions.png", options.out / "stages.png"
    write_sheet(grid, ["given", *EXPRESSIONS], expression_rows(editor, of(GRID_PEOPLE)))
    stages = [f"stage {number}" for number in range(1, checkpoint.stage_count + 1)]
    write_sheet(strip, ["given", *stages, "truth"], stage_rows(checkpoint, of(STRIP_PEOPLE)))
    return [grid, strip]


def main() -> int:
    """Runs the script; what the user can mend is one sentence and status 1."""
    try:
        for path in run(parse_arguments()):
            print(path)
    except (EfganError, EngineError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
