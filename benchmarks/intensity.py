"""Does half an expression look half as strong? Edits of unseen people by `--intensity`.

    python benchmarks/intensity.py                     the shipped engines
    python benchmarks/intensity.py --checkpoint runs/full/weights.safetensors --json FILE

Neutral pictures are edited to a share of happy, surprised and angry. A judge that was trained on
real crops of other people reads the action unit that the expression is known by; what it reads at a
share, by what it reads at 1, would be that share if intensity were even, and 0 or 1 if it were a
switch. Prints a line an expression; writes benchmarks/results/intensity.json and, to look at,
docs/intensity.png.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # a script's own folder is there, the repository is not

from benchmarks.picture_set import find_picture_set  # noqa: E402
from benchmarks.stages import START, spread  # noqa: E402
from efgan_rt.action_units import AU_NAMES  # noqa: E402
from efgan_rt.engine_sets import find_set, shipped_set  # noqa: E402
from efgan_rt.errors import EfganError  # noqa: E402
from efgan_rt.reporting.machine import machine_facts  # noqa: E402
from engines.base import EngineError  # noqa: E402
from train.data.faces import FaceSet  # noqa: E402
from train.data.labels import read_labels  # noqa: E402
from train.evaluation.editors import Bytes, CheckpointEditor, Editor, EngineEditor  # noqa: E402
from train.evaluation.sheet import write_sheet  # noqa: E402
from train.metrics.judges import Judges, load_or_train_judges  # noqa: E402
from train.metrics.paired import plan_edits  # noqa: E402
from train.metrics.people import is_unseen  # noqa: E402

RESULTS = REPOSITORY / "benchmarks" / "results" / "intensity.json"
SHARES: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
KNOWN_BY: Final = {"happy": "AU12", "surprised": "AU26", "angry": "AU04"}
SHEET_PEOPLE: Final = 2


def edits_by_share(editor: Editor, pixels: Bytes, expression: str) -> list[Bytes]:
    """Pictures, uint8 (n, H, W, 3), edited to each of `SHARES` of an expression.

    Raises:
        EfganError: the model does not know the expression.
    """
    if expression not in editor.expressions:
        raise EfganError(f"the model has no expression '{expression}'")
    source, whole = editor.au(pixels), editor.expressions[expression]
    return [editor.edit(pixels, (1 - share) * source + share * whole) for share in SHARES]


def measure(editor: Editor, judges: Judges, pixels: Bytes) -> dict[str, Any]:
    """By expression: the mean reading at each share, and how far its share is off on average."""
    found = {}
    for expression, unit in KNOWN_BY.items():
        at = AU_NAMES.index(unit)
        readings = [
            float(judges.au(edits)[:, at].mean())
            for edits in edits_by_share(editor, pixels, expression)
        ]
        found[expression] = {"unit": unit, "readings": readings, "off": unevenness(readings)}
    return found


def unevenness(readings: Sequence[float]) -> float:
    """Mean distance between the share asked for and the share read, at those between 0 and 1.

    0 if intensity is even; a third if it is a switch.

    Raises:
        EfganError: the whole expression reads no stronger than none of it.
    """
    rise = readings[-1] - readings[0]
    if rise <= 0:
        raise EfganError(f"readings {readings}: nothing rises from intensity 0 to 1")
    shares = [(reading - readings[0]) / rise for reading in readings]
    inner = list(zip(SHARES, shares, strict=True))[1:-1]
    return float(np.mean([abs(asked - read) for asked, read in inner]))


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--engines", type=Path, metavar="DIR", help="an engine directory, not the shipped one")
    add("--checkpoint", type=Path, metavar="FILE", help="a checkpoint, run in PyTorch")
    add("--data", type=Path, metavar="DIR", help="the picture set: labels.csv and images/")
    add("--judges", type=Path, default=REPOSITORY / "build" / "judges", metavar="DIR")
    add("--people", type=int, default=40, metavar="N", help="only the first N test people")
    add("--json", type=Path, default=RESULTS, metavar="FILE")
    add("--sheet", type=Path, default=REPOSITORY / "docs" / "intensity.png", metavar="FILE")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measures, and writes the figures and the sheet.

    Returns:
        The figures as written.

    Raises:
        EfganError, EngineError: the pictures, the checkpoint or the engines cannot be used.
    """
    data = find_picture_set(options.data)
    judges = load_or_train_judges(data, options.judges)
    editor: Editor
    if options.checkpoint is not None:
        editor = CheckpointEditor(options.checkpoint)
    else:
        directory = options.engines or shipped_set() or find_set(None).directory
        editor = EngineEditor(directory, backend="auto", precision=None, threads=None)
    unseen = read_labels(data / "labels.csv").where(is_unseen)
    people = sorted(set(unseen.identities))[: options.people]
    faces = FaceSet(data / "images", unseen.where(people.__contains__))
    plan = plan_edits(faces.table, pairs=[(START, START)])
    pixels = faces.pixels.numpy()[list(plan.sources)]
    document = {
        "what": "neutral pictures of unseen people, edited to shares of expressions",
        "machine": machine_facts(),
        "backend": editor.backend,
        "precision": editor.precision,
        "people": len(pixels),
        "shares": SHARES,
        "expressions": measure(editor, judges, pixels),
    }
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")
    shown = [people.index(who) for who in spread(people, SHEET_PEOPLE)]
    rows = [
        (expression, [made[i] for made in edits_by_share(editor, pixels, expression)])
        for expression in KNOWN_BY
        for i in shown
    ]
    write_sheet(options.sheet, [f"{share:g}" for share in SHARES], rows)
    return document


def main() -> int:
    """Runs the script; what the user can mend is one sentence and status 1."""
    try:
        document = run(parse_arguments())
    except (EfganError, EngineError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for expression, found in document["expressions"].items():
        readings = " ".join(f"{reading:.2f}" for reading in found["readings"])
        print(f"{expression}: {found['unit']} {readings}, off by {found['off']:.3f} on average")
    return 0


if __name__ == "__main__":
    sys.exit(main())
