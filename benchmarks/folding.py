"""What folding a stage saves: the networks as trained against the networks as exported, in one run.

    python -m benchmarks folding
    python -m benchmarks folding --checkpoint runs/full/weights.safetensors --batch 1 --rounds 15

Both sets are made of one checkpoint of stages that repaint, or of random weights of a width, and
take turns on each backend, so that a machine whose speed drifts treats both alike. Of each network
the median is kept: milliseconds on the clock, and of the processor for the whole batch, which a
busy neighbour disturbs less. Only the ratios mean anything. In fp32 the pictures between the
stages, -1 to 1, must be the same to 1e-4, as every build demands.
"""

import sys
import tempfile
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.gpu.sets import paper_config, patterned_networks, write_set
from benchmarks.kit import Document, finish, parser, with_machine
from benchmarks.timed_set import WHOLE, TimedSet, medians_by_turns
from efgan_rt.editing import OpenedSet
from efgan_rt.expressions import target_places
from efgan_rt.families.cascade import CASCADE, stage_name
from efgan_rt.families.family import PIXELS
from efgan_rt.lane import even_progress
from engines.arrays import Array, Bytes
from engines.base import EngineError
from engines.choice import choose_backend
from engines.directory import EngineDirectory
from engines.host_lane import HostLane
from engines.open import open_engine
from export.calibration import bundled_faces
from train.families.registry import load_checkpoint

WAYS: Final = (("openvino", "bf16"), ("openvino", "fp32"), ("onnxruntime", "fp32"))
FORMS: Final = ("as trained", "folded")
BAR: Final = 1e-4  # of `image_out`, as in a build


def compare(
    folders: dict[str, Path], backend: str, precision: str, batch: int, rounds: int
) -> Document:
    """Both forms on one backend, by turns; medians in milliseconds and the second over the first.

    Raises:
        EngineError: the backend or the precision does not work here.
    """
    sets = {
        form: TimedSet(
            OpenedSet.open(folder, backend=backend, precision=precision, batch=batch, threads=1),
            bundled_faces(),
        )
        for form, folder in folders.items()
    }
    ms = {
        form: {name: 1e3 * seconds for name, seconds in found.items() if name != WHOLE}
        for form, found in medians_by_turns(sets, rounds).items()
    }
    ratio = {name: ms["folded"][name] / taken for name, taken in ms["as trained"].items()}
    way = {"backend": backend, "precision": precision, "batch": batch}
    return {**way, "ms": ms, "ratio": ratio, "n": rounds}


def image_difference(folders: dict[str, Path], faces: Bytes) -> float:
    """The largest difference of the last stage's `image_out`, -1 to 1, of the forms in fp32."""
    images = []
    for folder in folders.values():
        directory = EngineDirectory(folder)
        properties = CASCADE.read(directory)
        wiring = CASCADE.wiring(properties)
        choice, batch = choose_backend("onnxruntime", directory, "fp32"), len(faces)
        names = wiring.program.networks
        engines = {name: open_engine(directory, name, choice, batch=batch) for name in names}
        units = np.ones((batch, len(properties.au_names)), np.float32)
        progress = {"progress": even_progress(properties.stages, batch)}
        given: dict[str, Array] = {PIXELS: faces, **target_places(units, units), **progress}
        output = (stage_name(properties.stages), "image_out")
        images.append(HostLane(engines, wiring.program).run(given, (output,)).outputs[output])
    return float(np.abs(images[0] - images[1]).max())


def main() -> None:
    """Measures, prints, writes."""
    given = parser(__doc__, "folding")
    given.add_argument("--checkpoint", type=Path, metavar="FILE", help="else random weights")
    given.add_argument("--width", type=int, default=16, metavar="W", help="of random weights")
    given.add_argument("--stages", type=int, default=3, metavar="S", help="likewise")
    given.add_argument("--batch", type=int, default=8, metavar="B")
    given.add_argument("--rounds", type=int, default=9, metavar="N")
    options = given.parse_args()
    if options.checkpoint:
        networks = load_checkpoint(options.checkpoint).build()
    else:
        networks = patterned_networks(paper_config(options.width, options.stages))
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
        apart = image_difference(folders, bundled_faces())
    document = with_machine(
        width=networks.cascade.config.width,
        image_out={"largest_difference": apart, "bar": BAR, "is_within": apart <= BAR},
        ways=ways,
    )
    finish(options.json, document, "folding")
