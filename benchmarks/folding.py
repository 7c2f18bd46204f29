"""What folding a stage saves: the networks as trained against the networks as exported, in one run.

    python benchmarks/folding.py --json benchmarks/results/folding.json
    python benchmarks/folding.py --checkpoint runs/full/weights.safetensors --batch 1 --rounds 15

Both sets are made of one checkpoint and opened side by side; the rounds alternate between them, so
that a machine whose speed drifts treats both alike. Of each network the median over the rounds is
kept: seconds on the clock, and seconds of the processor, which a busy neighbour disturbs less. Only
the ratios mean anything. In fp32 the pictures between the stages, from -1 to 1, must be the same to
1e-4, as every build demands. A table for people, one JSON object last.
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
from rich.console import Console
from rich.table import Table

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # a script's own folder is there, the repository is not

from benchmarks.file_loops import open_sessions  # noqa: E402
from benchmarks.gpu.sets import write_set  # noqa: E402
from efgan_rt.editing import OpenedSet  # noqa: E402
from efgan_rt.expressions import target_places  # noqa: E402
from efgan_rt.families.cascade import stage_name  # noqa: E402
from efgan_rt.reporting.machine import machine_facts  # noqa: E402
from engines.base import EngineError  # noqa: E402
from engines.manifest import read_manifest  # noqa: E402
from engines.processor import this_processor  # noqa: E402
from export.calibration import bundled_faces  # noqa: E402
from train.families.registry import load_checkpoint  # noqa: E402

SHIPPED = REPOSITORY / "efgan_rt" / "shipped" / "efgan.safetensors"
WAYS: Final = (("openvino", "bf16"), ("openvino", "fp32"), ("onnxruntime", "fp32"))
FORMS: Final = ("as trained", "folded")
WARM_UP: Final = 3
BAR: Final = 1e-4  # of `image_out`, as in a build


class Runner:
    """One set on one backend: runs a batch, and keeps how long each network took."""

    def __init__(self, folder: Path, backend: str, precision: str, batch: int) -> None:
        cascade = OpenedSet.open(
            folder, backend=backend, precision=precision, batch=batch, threads=1
        )
        self._lane = cascade.lane()
        self._pixels = np.resize(bundled_faces(), (batch, cascade.crop_px, cascade.crop_px, 3))
        # Every unit up by one: what is asked for makes no difference to the speed.
        self._target = np.ones((batch, len(cascade.au_names)), np.float32)
        self.wall: dict[str, list[float]] = {}
        self.processor: list[float] = []

    def run(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Runs once; gives the edited pictures, the caller's own."""
        started = time.process_time()
        edited = self._lane.run(self._pixels, target_places(self._target, self._target))
        self.processor.append(time.process_time() - started)
        for network, seconds in edited.seconds.items():
            self.wall.setdefault(network, []).append(seconds)
        return edited.pixels.copy()

    def forget(self) -> None:
        """Drops what the warm-up measured."""
        self.wall.clear()
        self.processor.clear()


def compare(
    folders: dict[str, Path], backend: str, precision: str, batch: int, rounds: int
) -> dict[str, Any]:
    """Both forms on one backend, in turn; medians in milliseconds and the second over the first."""
    runners = {form: Runner(folders[form], backend, precision, batch) for form in FORMS}
    for runner in runners.values():
        for _ in range(WARM_UP):
            runner.run()
        runner.forget()
    largest = 0
    for number in range(rounds):
        order = FORMS if number % 2 == 0 else FORMS[::-1]
        edits = [runners[form].run().astype(int) for form in order]
        largest = max(largest, int(np.abs(edits[0] - edits[1]).max()))
    found: dict[str, Any] = {"backend": backend, "precision": precision, "batch": batch}
    figures = {form: _medians(runner) for form, runner in runners.items()}
    ratios = {name: figures["folded"][name] / ms for name, ms in figures["as trained"].items()}
    return found | {"ms": figures, "ratio": ratios, "pixels_max_abs": largest, "n": rounds}


def image_difference(folders: dict[str, Path]) -> float:
    """The largest difference of `image_out`, -1 to 1, of any stage on the package's faces in fp32.

    Each stage of both forms is given what the stage before it gave as it was trained.
    """
    manifests = {form: read_manifest(folder) for form, folder in folders.items()}
    stages = int(manifests[FORMS[0]].properties["stages"])
    sessions = {
        form: open_sessions(folder, manifests[form], stages, this_processor().cores)
        for form, folder in folders.items()
    }
    faces = bundled_faces()
    au = np.full((len(faces), len(manifests[FORMS[0]].properties["au_names"])), 2.0, np.float32)
    picture, largest = {"pixels": faces}, 0.0
    for number in range(1, stages + 1):
        given = picture | {"au": au}
        images = [sessions[form][stage_name(number)].run(["image_out"], given)[0] for form in FORMS]
        largest = max(largest, float(np.abs(images[0] - images[1]).max()))
        picture = {"image_in": images[0]}
    return largest


def _medians(runner: Runner) -> dict[str, float]:
    networks = {name: 1e3 * statistics.median(each) for name, each in runner.wall.items()}
    return networks | {"whole batch, processor": 1e3 * statistics.median(runner.processor)}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, default=SHIPPED, metavar="FILE")
    parser.add_argument("--batch", type=int, default=8, metavar="B")
    parser.add_argument("--rounds", type=int, default=9, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    options = parser.parse_args()
    networks = load_checkpoint(options.checkpoint).build()
    with tempfile.TemporaryDirectory(prefix="efgan-folding-") as folder:
        folders = {form: Path(folder, form) for form in FORMS}
        for form, path in folders.items():
            write_set(networks, path, "fp32", fold=form == "folded")
        ways = []
        for backend, precision in WAYS:
            try:
                ways.append(compare(folders, backend, precision, options.batch, options.rounds))
            except EngineError as error:
                print(f"{backend} {precision}: left out: {error}", file=sys.stderr)
        apart = image_difference(folders)
    document = {
        "machine": machine_facts(),
        "width": networks.cascade.config.width,
        "image_out": {"largest_difference": apart, "bar": BAR, "is_within": apart <= BAR},
        "ways": ways,
    }
    if options.json:
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    Console().print(_table(ways))
    print(f"image_out: at most {apart:.1e} apart, {BAR:.0e} allowed")
    print(json.dumps(document))


def _table(ways: list[dict[str, Any]]) -> Table:
    table = Table(title="Milliseconds of a batch, medians", title_justify="left")
    for heading in ("backend", "precision", "network", *FORMS, "ratio"):
        table.add_column(heading, justify="right" if heading in (*FORMS, "ratio") else "left")
    for way in ways:
        for name, ratio in way["ratio"].items():
            figures = [f"{way['ms'][form][name]:.1f}" for form in FORMS]
            table.add_row(way["backend"], way["precision"], name, *figures, f"{ratio:.2f}")
    return table


if __name__ == "__main__":
    main()
