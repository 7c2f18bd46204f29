"""What an edit does to whole photographs: exactness, sizes, sharpness, and whether it happens.

    python benchmarks/photographs.py                                  the shipped engines
    python benchmarks/photographs.py --engines DIR --photographs LONDON \\
        --landmarker face_landmarker.task --mediapipe-python VENV/bin/python

The astronaut is scikit-image's (Eileen Collins, NASA, public domain), rendered faces come from
`examples/faces` and the rendered set, and `--photographs` names the London set, whose pictures are
measured and never shown or committed. Measured are: an edit of nothing, and what lies outside the
mask, over faces of 40 to 2,000 pixels and four kinds of pixels; each EXIF orientation; five faces
in 24 megapixels; which pictures are taken for crops; sharpness at 1,024 pixels of face; how near
the paste comes to the truth of rendered pairs; MediaPipe's smile on photographs made happy.

The figures go to benchmarks/results/photographs.json, sheets to build/photographs. `--times` adds
seconds, which mean something on a quiet machine only.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # a script's own folder is there, the repository is not

from benchmarks.london_crops import is_test_person  # noqa: E402
from benchmarks.photograph_checks import (  # noqa: E402
    measure_crop_rule,
    measure_many,
    measure_orientations,
    measure_sizes,
)
from benchmarks.photograph_detail import (  # noqa: E402
    measure_sharpness,
    measure_smiles,
    measure_truth,
)
from benchmarks.photograph_kit import EXPRESSIONS, Kit, grown, pasted  # noqa: E402
from benchmarks.picture_set import find_picture_set  # noqa: E402
from efgan_rt.engine_sets import find_set  # noqa: E402
from efgan_rt.errors import EfganError  # noqa: E402
from efgan_rt.faces.paste import paste_box  # noqa: E402
from efgan_rt.pictures.original import Picture  # noqa: E402
from efgan_rt.pictures.read import read_picture  # noqa: E402
from efgan_rt.reporting.machine import machine_facts  # noqa: E402
from engines.base import EngineError  # noqa: E402
from train.evaluation.sheet import write_sheet  # noqa: E402

RESULTS = REPOSITORY / "benchmarks" / "results" / "photographs.json"
SHEETS = REPOSITORY / "build" / "photographs"
SHEET_PX: Final = 256
PEOPLE_FOR_TRUTH: Final = tuple(f"id{number}" for number in range(200, 240, 2))
PEOPLE_FOR_SHARPNESS: Final = 6


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--engines", type=Path, metavar="DIR", help="an engine directory (default: the current)")
    add("--detector", type=Path, metavar="FILE", help="a YuNet file (default: as `batch`)")
    add("--data", type=Path, metavar="DIR", help="the rendered set")
    add("--photographs", type=Path, metavar="DIR", help="the London set: labels.csv and images/")
    add("--landmarker", type=Path, metavar="FILE", help="face_landmarker.task, for smiles")
    add("--mediapipe-python", type=Path, default=Path(sys.executable), metavar="FILE")
    add("--times", action="store_true", help="add seconds")
    add("--sheets", type=Path, default=SHEETS, metavar="DIR", help="where the pictures go")
    add("--json", type=Path, default=RESULTS, metavar="FILE", help="where the figures go")
    return parser.parse_args(arguments)


def astronaut() -> Picture:
    """Eileen Collins, as scikit-image brings her, 512 x 512.

    Raises:
        EfganError: scikit-image is not installed.
    """
    try:
        stored = import_module("skimage.data").astronaut  # by name: it has no types
    except ImportError as error:
        raise EfganError(
            'the astronaut is scikit-image\'s; install it with pip install ".[dev]"'
        ) from error
    return np.ascontiguousarray(stored(), dtype=np.uint8)


def london_pairs(folder: Path) -> dict[str, tuple[Path, Path]]:
    """The London set's test people: neutral and happy photograph.

    Raises:
        EfganError: there are none in the folder.
    """
    pairs = {}
    for neutral in sorted((folder / "images").glob("*_neutral.jpg")):
        person = neutral.stem.removesuffix("_neutral")
        happy = neutral.with_name(f"{person}_happy.jpg")
        if is_test_person(person) and happy.is_file():
            pairs[person] = (neutral, happy)
    if not pairs:
        raise EfganError(f"{folder}: no test person with a neutral and a happy picture in images/")
    return pairs


def write_face_sheet(path: Path, kit: Kit, pictures: dict[str, Picture]) -> None:
    """Each picture's largest face, as given and after each edit."""
    rows = []
    for name, picture in pictures.items():
        (framed, *_) = kit.framer.frame(picture)
        part = paste_box(framed, picture.shape[:2])
        made = [picture, *(pasted(picture, framed, kit.edited(framed, e)) for e in EXPRESSIONS)]
        shown = [grown(each[part], SHEET_PX / max(each[part].shape[:2])) for each in made]
        tiles = [np.zeros((SHEET_PX, SHEET_PX, 3), np.uint8) for _ in shown]
        for tile, face in zip(tiles, shown, strict=True):
            tile[: face.shape[0], : face.shape[1]] = face[:SHEET_PX, :SHEET_PX]
        rows.append((name, tiles))
    write_sheet(path, ("given", *EXPRESSIONS), rows)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measures, and writes the sheets and the figures, which it returns.

    Raises:
        EfganError, EngineError: something is missing or cannot be used.
    """
    engine_set = find_set(options.engines)
    kit = Kit.open(engine_set.directory, options.detector)
    examples = [
        read_picture(file) for file in sorted((REPOSITORY / "examples" / "faces").glob("*.jpg"))
    ]
    shown = {"astronaut": astronaut()}
    pairs = london_pairs(options.photographs) if options.photographs else {}
    portraits = {person: read_picture(files[0]) for person, files in pairs.items()}
    few = dict(list(portraits.items())[:: max(1, len(portraits) // PEOPLE_FOR_SHARPNESS)])
    write_face_sheet(options.sheets / "astronaut.png", kit, shown)
    if few:
        write_face_sheet(options.sheets / "london.png", kit, few)
    document: dict[str, Any] = {
        "what": "edits of whole photographs",
        "sources": {
            "astronaut": "Eileen Collins, NASA, public domain, from scikit-image",
            "portraits": "Face Research Lab London Set, DeBruine and Jones 2017, CC BY 4.0",
        },
        "machine": machine_facts(),
        "backend": kit.cascade.choice.backend,
        "precision": kit.cascade.choice.precision,
        "checkpoint_sha256": kit.cascade.manifest.properties.get("checkpoint_sha256"),
        "detector": getattr(kit.framer.detector_facts, "file", None),
        "sizes": measure_sizes(kit, examples[0], times=options.times),
        "orientations": measure_orientations(kit, shown["astronaut"], options.sheets / "turned"),
        "five_faces": measure_many(kit, examples[:5], times=options.times),
        "crop_rule": measure_crop_rule(kit, examples, list(portraits.values())),
        "truth": measure_truth(find_picture_set(options.data), PEOPLE_FOR_TRUTH),
        "sharpness": {
            "astronaut": measure_sharpness(kit, shown),
            "rendered": measure_sharpness(
                kit, {str(n): grown(crop, 3) for n, crop in enumerate(examples[:4])}
            ),
            **({"portraits": measure_sharpness(kit, few)} if few else {}),
        },
    }
    if options.landmarker is not None and pairs:
        document["smiles"] = measure_smiles(
            kit, pairs, options.sheets / "smiles", options.mediapipe_python, options.landmarker
        )
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")
    return document


def main() -> int:
    """Runs the script; what the user can mend is one sentence and status 1."""
    options = parse_arguments()
    try:
        document = run(options)
    except (EfganError, EngineError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for name in ("sizes", "truth"):
        for row in document[name]:
            print(f"{name}: {row}")
    for name in ("orientations", "five_faces", "crop_rule", "sharpness", "smiles"):
        print(f"{name}: {json.dumps(document.get(name))}")
    print(f"{options.json}\n{options.sheets}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
