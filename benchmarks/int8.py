"""What int8 saves and what it costs: OpenVINO in int8, bf16 and fp32 on one engine directory.

    python benchmarks/int8.py
    python benchmarks/int8.py --engines DIR --batch 1 --rounds 40

A directory without int8 files gets them in a temporary copy first. The three run side by side and
the rounds alternate between them, so that a machine whose speed drifts treats them alike; of each
network the median over the rounds is kept: seconds on the clock, and of the whole batch seconds of
the processor too, which a busy neighbour disturbs less. Only ratios are shown. Pixels are compared
on faces that no range was found on, edited to every expression. A table for people, one JSON object
last, and the same in benchmarks/results/int8.json.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # a script's own folder is there, the repository is not

from efgan_rt.editing import OpenedSet  # noqa: E402
from efgan_rt.errors import EfganError  # noqa: E402
from efgan_rt.expressions import target_places  # noqa: E402
from efgan_rt.families.registry import read_properties  # noqa: E402
from efgan_rt.pictures.crop import to_crop  # noqa: E402
from efgan_rt.pictures.read import read_picture  # noqa: E402
from efgan_rt.reporting.machine import machine_facts  # noqa: E402
from engines.base import EngineError  # noqa: E402
from engines.directory import EngineDirectory  # noqa: E402
from engines.manifest import Manifest, read_manifest  # noqa: E402
from export.int8_files import edits_of, psnr_of_each, remake_int8, targets_of  # noqa: E402

SHIPPED: Final = REPOSITORY / "efgan_rt" / "shipped"
FACES: Final = REPOSITORY / "examples" / "faces"
RESULTS: Final = REPOSITORY / "benchmarks" / "results" / "int8.json"
EXACT: Final = "fp32"
PRECISIONS: Final = ("int8", "bf16", EXACT)
# Of these people the ranges were found (`export.calibration`).
CALIBRATION: Final = tuple(f"id{number}_" for number in range(200, 208))
WHOLE: Final = "whole batch"
PROCESSOR: Final = "whole batch, processor"
WARM_UP: Final = 3

Faces = npt.NDArray[np.uint8]


class Runner:
    """The cascade in one precision: runs a batch, and keeps how long it took."""

    def __init__(self, cascade: OpenedSet, faces: Faces) -> None:
        self._cascade = cascade
        self._lane = cascade.lane()
        side = cascade.crop_px
        self._pixels = np.resize(faces, (cascade.batch, side, side, 3))
        # Every unit up by one: what is asked for makes no difference to the speed.
        self._target = np.ones((cascade.batch, len(cascade.au_names)), np.float32)
        self.times: dict[str, list[float]] = {}

    def run(self) -> None:
        """Runs a batch once."""
        started, processor = time.perf_counter(), time.process_time()
        seconds = dict(
            self._lane.run(self._pixels, target_places(self._target, self._target)).seconds
        )
        seconds[PROCESSOR] = time.process_time() - processor
        seconds[WHOLE] = time.perf_counter() - started
        for name, taken in seconds.items():
            self.times.setdefault(name, []).append(taken)

    def edited(self, faces: Faces) -> Faces:
        """Every face to every expression."""
        targets = targets_of(self._cascade)
        edits = edits_of(faces, targets, (1.0,) * len(targets))
        return self._cascade.edit(
            edits.pixels, target_places(edits.scale, edits.offset), lane=self._lane
        ).pixels


def unseen_faces(folder: Path, crop_px: int) -> Faces:
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


def measure(directory: Path, faces_folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Times and pixels of a directory with int8 files, in all three precisions."""
    manifest = read_manifest(directory)
    faces = unseen_faces(
        faces_folder, read_properties(EngineDirectory(directory, manifest)).crop_px
    )
    runners: dict[str, Runner] = {}
    for precision in PRECISIONS:
        try:
            cascade = OpenedSet.open(
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
        runners[precision] = Runner(cascade, faces)
    edits = {precision: runner.edited(faces) for precision, runner in runners.items()}
    for _ in range(WARM_UP):
        for runner in runners.values():
            runner.run()
            runner.times.clear()
    for number in range(options.rounds):
        for precision in list(runners)[:: 1 if number % 2 == 0 else -1]:
            runners[precision].run()
    return {
        "seconds": {
            precision: {name: statistics.median(each) for name, each in runner.times.items()}
            for precision, runner in runners.items()
        },
        "pixels_psnr_db": {
            precision: _figures(psnr_of_each(edits[precision], edits[EXACT]))
            for precision in runners
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


def ratios(document: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Of each network and of the whole batch: int8's seconds over those of the other precisions."""
    seconds = document["seconds"]
    others = [precision for precision in seconds if precision != "int8"]
    return {
        name: {other: taken / seconds[other][name] for other in others}
        for name, taken in seconds["int8"].items()
    }


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--engines", type=Path, default=SHIPPED, metavar="DIR")
    add("--pictures", type=Path, default=FACES, metavar="DIR", help="crops of unseen people")
    add("--batch", type=int, default=8, metavar="B")
    add("--threads", type=int, default=1, metavar="N")
    add("--rounds", type=int, default=25, metavar="N")
    add("--json", type=Path, default=RESULTS, metavar="FILE")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Makes int8 files where there are none, and measures."""
    with tempfile.TemporaryDirectory(prefix="efgan-int8-") as folder:
        directory = options.engines
        if read_manifest(directory).int8 is None:
            directory = Path(folder, "engines")
            remake_int8(options.engines, directory, progress=lambda line: print(line))
        document = measure(directory, options.pictures, options)
    return {
        "machine": machine_facts(),
        "batch": options.batch,
        "threads": options.threads,
        "ratio": ratios(document),
        **document,
    }


def _table(document: dict[str, Any]) -> Table:
    table = Table(title="int8: time over that of", title_justify="left")
    table.add_column("network")
    others = list(document["ratio"][WHOLE])
    for other in others:
        table.add_column(other, justify="right")
    for name, ratio in document["ratio"].items():
        table.add_row(name, *(f"{ratio[other]:.2f}" for other in others))
    for precision, figures in document["pixels_psnr_db"].items():
        table.add_row(
            f"{precision}: dB of fp32's pixels, worst {figures['worst']:.1f}, "
            f"mean {figures['mean']:.1f}"
        )
    return table


def main() -> int:
    """Runs the script; what the user can mend is one sentence and status 1."""
    options = parse_arguments()
    try:
        document = run(options)
    except (EfganError, EngineError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    options.json.write_text(json.dumps(document, indent=1) + "\n")
    Console().print(_table(document))
    print(json.dumps(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
