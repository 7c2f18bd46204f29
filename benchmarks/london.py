"""What the edits are worth on photographs of real people: neutral made happy, London set.

    python benchmarks/london.py --photographs DIR --landmarker face_landmarker.task \\
        --mediapipe-python VENV/bin/python
    python benchmarks/london.py ... --checkpoint runs/full/latest.pt      or --engines DIR

The test people (numbered 110 and above) are cropped as the rendered set frames its faces, and their
neutral picture is edited to happy. MediaPipe, which no training of ours has used, reads a smile off
the neutral crop, the edit and the true smiling crop (mean of mouthSmileLeft and mouthSmileRight, 0
to 1); it may live in a Python environment of its own. Identity is read by our embedder, which was
trained on rendered faces: how well it tells these very photographs apart is reported beside it and
says what its figures are worth. PSNR to the input says how much was changed.

The figures go to benchmarks/results/london.json; a sheet of the faces to build/london, because
these photographs are never committed.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # a script's own folder is there, the repository is not

from benchmarks.london_crops import (  # noqa: E402
    PhotographPair,
    read_cropped_pairs,
    read_pairs,
)
from benchmarks.mediapipe_scores import check_landmarker, smiles_of  # noqa: E402
from benchmarks.picture_set import find_picture_set  # noqa: E402
from efgan_rt.errors import EfganError  # noqa: E402
from efgan_rt.reporting.machine import machine_facts  # noqa: E402
from engines.base import EngineError  # noqa: E402
from train.evaluation.editors import Bytes, CheckpointEditor, Editor, EngineEditor  # noqa: E402
from train.evaluation.sheet import write_sheet  # noqa: E402
from train.evaluation.towards import edit_towards  # noqa: E402
from train.metrics.bootstrap import bootstrap  # noqa: E402
from train.metrics.identity_embedder import Embedder, load_or_train_embedder  # noqa: E402
from train.metrics.psnr import finite_psnr_db  # noqa: E402
from train.metrics.verification import measure_verification  # noqa: E402

RESULTS = REPOSITORY / "benchmarks" / "results" / "london.json"
SHEETS = REPOSITORY / "build" / "london"
SHIPPED = REPOSITORY / "efgan_rt" / "shipped" / "efgan.safetensors"
SHOWN: Final = ("neutral", "edit", "true")
MARGIN_PX: Final = 64  # around a crop: MediaPipe's detector wants the face small in the picture
ENLARGED: Final = 4  # and no smaller than its own input

Values = npt.NDArray[np.float64]


def smile_scores(
    pictures: dict[str, Bytes], folder: Path, python: Path, landmarker: Path
) -> dict[str, Values]:
    """MediaPipe's smile of crops by kind, each (n,), not a number where it finds no face.

    Args:
        pictures: kind -> uint8 RGB (n, 128, 128, 3).
        folder: where the enlarged pictures are put.
        python: an interpreter with MediaPipe.
        landmarker: MediaPipe's `face_landmarker.task`.

    Raises:
        EfganError: the model or MediaPipe is missing, or it fails.
    """
    check_landmarker(landmarker)
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, list[Path]] = {}
    for kind, crops in pictures.items():
        files[kind] = [folder / f"{kind}-{i:03d}.png" for i in range(len(crops))]
        for path, crop in zip(files[kind], crops, strict=True):
            m = MARGIN_PX
            wide = cv2.copyMakeBorder(crop, m, m, m, m, cv2.BORDER_REPLICATE)
            size = (wide.shape[1] * ENLARGED, wide.shape[0] * ENLARGED)
            large = cv2.resize(wide, size, interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(path), cv2.cvtColor(large, cv2.COLOR_RGB2BGR))
    found = smiles_of([path for kind in files for path in files[kind]], python, landmarker)
    return dict(zip(files, found.reshape(len(files), -1), strict=True))


def compare_identity(
    neutral: Bytes, edits: Bytes, happy: Bytes, embedder: Embedder
) -> tuple[dict[str, Values], dict[str, Any]]:
    """Similarities by pair of pictures, and what the embedder is worth on these photographs.

    `nearest_own` is 1 where the edit lies nearest to its own person's true smile among all.
    """
    one, made, two = (embedder.embed(p).astype(np.float64) for p in (neutral, edits, happy))
    across = one @ two.T
    own = np.arange(len(one))
    values = {
        "edit_to_true": (made * two).sum(axis=1),
        "edit_to_neutral": (made * one).sum(axis=1),
        "neutral_to_true": np.diag(across).copy(),
        "nearest_own": ((made @ two.T).argmax(axis=1) == own).astype(np.float64),
        "neutral_nearest_own": (across.argmax(axis=1) == own).astype(np.float64),
    }
    apart = across[~np.eye(len(one), dtype=bool)]
    check = measure_verification(np.diag(across), apart)
    stranger = float(apart.mean()) if len(apart) else None
    return values, {**check.to_plain(), "stranger": stranger}


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--photographs", type=Path, metavar="DIR", help="the London set: labels.csv and images/")
    add("--crops", type=Path, metavar="DIR", help="crops that exist, 113_neutral.png and so on")
    add("--landmarker", type=Path, required=True, metavar="FILE", help="face_landmarker.task")
    add(
        "--mediapipe-python",
        type=Path,
        default=Path(sys.executable),
        metavar="FILE",
        help="an interpreter that has MediaPipe (default: this one)",
    )
    add("--checkpoint", type=Path, default=SHIPPED, metavar="FILE", help="default: the shipped one")
    add("--engines", type=Path, metavar="DIR", help="an engine directory instead of a checkpoint")
    add("--data", type=Path, metavar="DIR", help="the rendered set, which the embedder learns from")
    add("--judges", type=Path, default=REPOSITORY / "build" / "judges", metavar="DIR")
    add("--sheets", type=Path, default=SHEETS, metavar="DIR", help="where the pictures go")
    add("--json", type=Path, default=RESULTS, metavar="FILE", help="where the figures go")
    return parser.parse_args(arguments)


def read(options: argparse.Namespace) -> list[PhotographPair]:
    """The pairs that the options name.

    Raises:
        EfganError: they cannot be read, or none are named.
    """
    if options.crops is not None:
        return read_cropped_pairs(options.crops)
    if options.photographs is None:
        raise EfganError("name the London set's folder with --photographs, or crops with --crops")
    return read_pairs(options.photographs)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measures, and writes the sheet and the figures, which it returns.

    Raises:
        EfganError, EngineError: something is missing or cannot be used.
    """
    pairs = read(options)
    editor: Editor
    if options.engines is not None:
        editor = EngineEditor(options.engines, backend="auto", precision=None, threads=None)
    else:
        editor = CheckpointEditor(options.checkpoint)
    embedder = load_or_train_embedder(
        find_picture_set(options.data), options.judges, say=lambda s: print(s, file=sys.stderr)
    )
    neutral, happy = np.stack([p.neutral for p in pairs]), np.stack([p.happy for p in pairs])
    edits = edit_towards(editor, neutral, ["happy"] * len(pairs))
    rows = [
        (p.person[-8:], [p.neutral, edit, p.happy]) for p, edit in zip(pairs, edits, strict=True)
    ]
    write_sheet(options.sheets / "neutral-to-happy.png", SHOWN, rows)
    smiles = smile_scores(
        dict(zip(SHOWN, (neutral, edits, happy), strict=True)),
        options.sheets / "for-mediapipe",
        options.mediapipe_python,
        options.landmarker,
    )
    people = [pair.person for pair in pairs]
    identity, check = compare_identity(neutral, edits, happy, embedder)

    def plain(values: Values) -> dict[str, Any]:
        return bootstrap(values, people).to_plain()

    document = {
        "what": "London set's test people, neutral edited to happy",
        "source": "Face Research Lab London Set, DeBruine and Jones 2017, CC BY 4.0",
        "machine": machine_facts(),
        "people": len(people),
        "backend": editor.backend,
        "precision": editor.precision,
        "origin": dict(editor.origin),
        "faces_found": {kind: int(np.isfinite(found).sum()) for kind, found in smiles.items()},
        "smile": {kind: plain(found) for kind, found in smiles.items()},
        "smile_rise": plain(smiles["edit"] - smiles["neutral"]),
        "smile_rise_of_truth": plain(smiles["true"] - smiles["neutral"]),
        "identity": {name: plain(values) for name, values in identity.items()},
        "embedder_on_these_photographs": check,
        "psnr_to_input_db": plain(finite_psnr_db(edits, neutral)),
        "psnr_to_truth_db": plain(finite_psnr_db(edits, happy)),
        "psnr_input_to_truth_db": plain(finite_psnr_db(neutral, happy)),
    }
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
    for kind, figure in document["smile"].items():
        print(f"smile, {kind}: {figure}")
    for name, figure in document["identity"].items():
        print(f"identity, {name}: {figure}")
    print(f"embedder on these photographs: {document['embedder_on_these_photographs']}")
    print(f"{options.json}\n{options.sheets / 'neutral-to-happy.png'}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
