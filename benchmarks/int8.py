"""What int8 saves and what it costs: OpenVINO in int8, bf16 and fp32 on one engine directory.

    python -m benchmarks int8 --engines DIR
    python -m benchmarks int8 --engines DIR --batch 1 --rounds 40

The directory is one of engines that repaint; one without int8 files gets them in a temporary copy
first. The three precisions take turns, so that a machine whose speed drifts treats them alike; of
each network the median is kept: seconds on the clock, and of the whole batch seconds of the
processor too, which a busy neighbour disturbs less. Only ratios are shown. Pixels are compared on
faces that no range was found on, edited to every expression.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchmarks.kit import FACES, Document, finish, parser, with_machine
from benchmarks.timed_set import TimedSet, medians_by_turns
from efgan_rt.editing import OpenedSet
from efgan_rt.errors import EfganError
from efgan_rt.expressions import target_places
from efgan_rt.families.registry import read_properties
from efgan_rt.pictures.crop import to_crop
from efgan_rt.pictures.read import read_picture
from engines.arrays import Bytes
from engines.base import EngineError
from engines.directory import EngineDirectory
from engines.manifest import Manifest, read_manifest
from export.int8_files import edits_of, psnr_of_each, remake_int8, targets_of

EXACT: Final = "fp32"
PRECISIONS: Final = ("int8", "bf16", EXACT)
# Of these people the ranges were found (`export.calibration`).
CALIBRATION: Final = tuple(f"id{number}_" for number in range(200, 208))


def edited(timed: TimedSet, faces: Bytes) -> Bytes:
    """Every face to every expression."""
    targets = targets_of(timed.opened)
    edits = edits_of(faces, targets, (1.0,) * len(targets))
    places = target_places(edits.scale, edits.offset)
    return timed.opened.edit(edits.pixels, places, lane=timed.lane).pixels


def unseen_faces(folder: Path, crop_px: int) -> Bytes:
    """Crops of people of whom no range was found.

    Raises:
        EfganError: there are none.
    """
    files = [
        path for path in sorted(folder.glob("*.[jp][pn]g")) if not path.name.startswith(CALIBRATION)
    ]
    if not files:
        raise EfganError(f"{folder}: found no .jpg or .png of a face to compare edits of")
    return np.stack([to_crop(read_picture(file), crop_px) for file in files])


def measure(directory: Path, options: argparse.Namespace) -> Document:
    """Times and pixels of a directory with int8 files, in all three precisions."""
    manifest = read_manifest(directory)
    crop_px = read_properties(EngineDirectory(directory, manifest)).crop_px
    faces = unseen_faces(options.pictures, crop_px)
    sets: dict[str, TimedSet] = {}
    for precision in PRECISIONS:
        try:
            opened = OpenedSet.open(
                directory,
                backend="openvino",
                precision=precision,
                batch=options.batch,
                threads=options.threads,
            )
        except EngineError as error:
            if precision != "bf16":
                raise
            print(f"bf16: left out: {error}", file=sys.stderr)
            continue
        sets[precision] = TimedSet(opened, faces)
    edits = {precision: edited(timed, faces) for precision, timed in sets.items()}
    seconds = medians_by_turns(sets, options.rounds)
    return {
        "ratio": ratios(seconds),
        "seconds": seconds,
        "pixels_psnr_db": {
            precision: _figures(psnr_of_each(edits[precision], edits[EXACT]))
            for precision in sets
            if precision != EXACT
        },
        "edits": len(edits[EXACT]),
        "faces": len(faces),
        "n": options.rounds,
        **_facts(manifest),
    }


def _figures(decibels: npt.NDArray[np.float64]) -> dict[str, float]:
    return {"worst": float(decibels.min()), "mean": float(decibels.mean())}


def _facts(manifest: Manifest) -> dict[str, Any]:
    facts = manifest.int8
    assert facts is not None, "the directory has int8 files"
    files = [entry.int8 for entry in manifest.networks.values() if entry.int8 is not None]
    return {
        "nncf": facts.nncf,
        "bytes": sum(each.graph.bytes + each.weights.bytes for each in files),
        "at_the_build": dict(facts.parity),
        "networks": facts.settings["networks"],
        "checkpoint_sha256": manifest.properties.get("checkpoint_sha256"),
        "stages": manifest.properties["stages"],
    }


def ratios(seconds: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Of each network and of the whole batch: int8's seconds over those of the other precisions."""
    others = [precision for precision in seconds if precision != "int8"]
    return {
        name: {other: taken / seconds[other][name] for other in others}
        for name, taken in seconds["int8"].items()
    }


def run(arguments: Sequence[str] | None = None) -> tuple[Document, Path]:
    """Makes int8 files where there are none, and measures; the figures and where they go.

    Raises:
        EfganError, EngineError: the directory is none, or its engines move faces.
    """
    given = parser(__doc__, "int8")
    add = given.add_argument
    add("--engines", type=Path, required=True, metavar="DIR", help="engines that repaint")
    add("--pictures", type=Path, default=FACES, metavar="DIR", help="crops of unseen people")
    add("--batch", type=int, default=8, metavar="B")
    add("--threads", type=int, default=1, metavar="N")
    add("--rounds", type=int, default=25, metavar="N")
    options = given.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="efgan-int8-") as folder:
        directory = options.engines
        if read_manifest(directory).int8 is None:
            directory = Path(folder, "engines")
            remake_int8(options.engines, directory, progress=print)
        found = measure(directory, options)
    return with_machine(batch=options.batch, threads=options.threads, **found), options.json


def main() -> None:
    """Measures, writes, prints."""
    document, file = run()
    finish(file, document, "int8")
