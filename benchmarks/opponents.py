"""efgan-rt against what people would use otherwise, in one run on the same pictures.

    python -m benchmarks opponents
    python -m benchmarks opponents --width 64 --pictures 16 --ours "openvino bf16"

The second line is for three stages of the paper's width, with random weights.

| way | what |
|---|---|
| `torch fp32 loop, batch 1` | PyTorch, a loop over files one by one, as GANimation is run |
| `torch fp32 loop`, `torch bf16 loop` | the same in batches |
| `torch compiled loop` | in bf16 through torch.compile; compiling is not counted |
| `onnxruntime fp32 loop` | the ONNX files in ONNX Runtime, the same loop |
| `efgan-rt` | `run_batch` from directory to directory, in each precision |

A loop reads a batch of pictures, runs the networks, writes the results and takes the next ones;
nothing overlaps but what its runtime overlaps by itself. What it leaves out counts for it: no
resuming, checking or report, and networks that move a face are run without the movement itself. The
ways take turns, so that a machine whose speed drifts treats them alike; of a way the median of its
turns counts, of its batches the best one. Everybody has all cores. A table for people, one JSON
object last.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Final, Protocol

import numpy as np
import torch

from benchmarks.gpu.sets import paper_config, patterned_networks, write_set
from benchmarks.kit import FACES, SHIPPED, Document, finish, parser, turns, with_machine
from benchmarks.torch_engine import TorchForm, torch_networks
from benchmarks.torch_loop import TorchLoop
from efgan_rt.editing import OpenedSet, busy_lanes
from efgan_rt.errors import EfganError
from efgan_rt.expressions import Target, target_for, target_places
from efgan_rt.lane import Edited
from efgan_rt.pictures.crop import to_crop
from efgan_rt.pictures.read import read_picture
from efgan_rt.pictures.write import JPEG_QUALITY, encode_picture
from efgan_rt.pipeline.batch import run_batch
from efgan_rt.pipeline.files import Plan, asked_of_all
from efgan_rt.pipeline.journal import Journal
from efgan_rt.pipeline.run_state import BatchOptions
from efgan_rt.reporting.bench import picture_files
from efgan_rt.shots import stills
from efgan_rt.tuning import default_settings
from engines.arrays import Array, Bytes
from engines.base import EngineError
from engines.processor import this_processor
from train.families.cascade.networks.inference import InferenceNetworks
from train.families.registry import load_checkpoint

OURS: Final = ("openvino int8", "openvino bf16", "openvino fp32", "onnxruntime fp32")
FORMS: Final = {
    "torch fp32 loop": TorchForm("fp32"),
    "torch bf16 loop": TorchForm("bf16"),
    "torch compiled loop": TorchForm("bf16", compiled=True),
}


class LoopEditor(Protocol):
    """What a loop asks of whatever runs the networks."""

    def run(self, pixels: Bytes, goal: Mapping[str, Array]) -> Edited:
        """Edits a batch; see `efgan_rt.lane.BatchEditor.run`."""
        ...


@dataclass
class Way:
    """One way at one batch.

    Attributes:
        family: of which the best batch counts.
        batch: pictures that go through the networks together.
        run: edits all pictures into an empty folder; gives pictures a second.
        turns: what it gave.
    """

    family: str
    batch: int
    run: Callable[[Path], float]
    turns: list[float] = field(default_factory=list)


def edit_files(
    editor: LoopEditor, target: Target, files: Sequence[Path], batch: int, out: Path
) -> float:
    """Edits files one batch after the other; gives pictures a second.

    Args:
        editor: takes batches of exactly `batch` pictures; the last one is padded.
        target: what to make of every picture.
        files: pictures of the networks' size.
        batch: pictures in a run.
        out: an existing folder; results have the inputs' names.
    """
    scale, offset = (np.tile(each, (batch, 1)) for each in (target.scale, target.offset))
    waiting = iter(files)
    started = perf_counter()
    while chunk := list(islice(waiting, batch)):
        pictures = [read_picture(path) for path in chunk]
        pictures += [pictures[-1]] * (batch - len(chunk))
        edited = editor.run(np.stack(pictures), target_places(scale, offset)).pixels
        for path, pixels in zip(chunk, edited, strict=False):
            (out / path.name).write_bytes(encode_picture(path.suffix, pixels))
    return len(files) / (perf_counter() - started)


def pipeline_run(opened: OpenedSet, target: Target, source: Path, out: Path) -> float:
    """`efgan-rt batch` without its command line; gives pictures a second.

    Raises:
        EfganError: a picture cannot be edited.
    """
    jobs = asked_of_all(Plan(source, out, stills("")).jobs(), [target], [b""])
    with Journal(out) as journal:
        outcome = run_batch(
            jobs,
            [opened.lane() for _ in range(opened.lanes)],
            batch=opened.batch,
            journal=journal,
            crop_px=opened.crop_px,
            # As the loops write.
            options=BatchOptions(default_settings().workers, quality=JPEG_QUALITY),
        )
    if outcome.failed:
        raise EfganError(f"a picture to measure with failed: {outcome.failures[0].reason}")
    return outcome.written / outcome.seconds


def write_crops(folder: Path, count: int, crop_px: int, place: Path) -> None:
    """So many JPEGs of the networks' size, a folder's pictures over and over.

    Raises:
        EfganError: there are none.
    """
    place.mkdir()
    files = picture_files(folder)
    for number in range(count):
        crop = to_crop(read_picture(files[number % len(files)]), crop_px)
        (place / f"{number:04}.jpg").write_bytes(encode_picture(".jpg", crop))


def all_ways(
    options: argparse.Namespace, directory: Path, networks: InferenceNetworks, source: Path
) -> Iterator[Way]:
    """Every way at every batch; what this machine cannot run raises where it is opened."""
    opened = OpenedSet.open(directory, backend="onnxruntime", batch=1)
    names = opened.au_names
    first = next(iter(opened.expressions), None)
    target = target_for(opened.expressions, names, expression=first, au=None)
    files = sorted(source.iterdir())
    for batch in options.batches:
        opened = OpenedSet.open(directory, backend="onnxruntime", batch=batch)
        run = partial(edit_files, opened.lane(), target, files, batch)
        yield Way("onnxruntime fp32 loop", batch, run)
    for family, form in FORMS.items():
        exported = torch_networks(networks, form, "cpu")
        for batch in options.batches[-1:] if form.compiled else options.batches:
            loop = TorchLoop(exported, networks.cascade.config.stages, batch, "cpu")
            yield Way(family, batch, partial(edit_files, loop, target, files, batch))
    for name in options.ours:
        backend, precision = name.split()
        lanes = busy_lanes(backend)
        try:
            opened = OpenedSet.open(
                directory, backend=backend, precision=precision, batch=options.batch, lanes=lanes
            )
        except EngineError as error:
            print(f"efgan-rt {name}: left out: {error}", file=sys.stderr)
            continue
        yield Way(f"efgan-rt {name}", opened.batch, partial(pipeline_run, opened, target, source))


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line's options."""
    given = parser(__doc__)
    add = given.add_argument
    add("--engines", type=Path, default=SHIPPED, metavar="DIR")
    add("--checkpoint", type=Path, default=SHIPPED / "efgan.safetensors", metavar="FILE")
    add("--width", type=int, default=0, metavar="W", help="instead: random weights of that width")
    add("--faces", type=Path, default=FACES, metavar="DIR", help="crops")
    add("--pictures", type=int, default=24, metavar="N", help="of each turn")
    add("--batch", type=int, default=8, metavar="B", help="of efgan-rt; 8 is its default")
    add("--ours", nargs="+", default=OURS, choices=OURS, help="of efgan-rt, what takes turns")
    add("--batches", type=int, nargs="+", default=[1, 4, 8], metavar="B", help="of the loops")
    add("--rounds", type=int, default=5, metavar="N")
    return given.parse_args(arguments)


def measure(options: argparse.Namespace, folder: Path) -> Document:
    """All turns, in a folder to work in."""
    directory = options.engines
    if options.width:
        directory, networks = folder / "engines", patterned_networks(paper_config(options.width))
        write_set(networks, directory, "fp32")
    else:
        networks = load_checkpoint(options.checkpoint).build()
    config = networks.cascade.config
    write_crops(options.faces, options.pictures, config.crop_px, folder / "in")
    ways = list(all_ways(options, directory, networks, folder / "in"))
    for number, way in enumerate((*ways, *turns(ways, options.rounds))):
        with tempfile.TemporaryDirectory(dir=folder) as out:
            speed = way.run(Path(out))
        if number >= len(ways):  # the first time compiles, and fills caches
            way.turns.append(speed)
        print(f"{way.family}, batch {way.batch}: {speed:.2f} a second", file=sys.stderr, flush=True)
    return with_machine(
        width=config.width,
        stages=config.stages,
        weights="random" if options.width else "trained",
        threads=this_processor().cores,
        rounds=options.rounds,
        ways={
            f"{way.family}, batch {way.batch}": {
                "family": way.family,
                "batch": way.batch,
                "turns": way.turns,
                "images_per_s": statistics.median(way.turns),
            }
            for way in ways
        },
    )


def main() -> None:
    """Measures, writes, prints."""
    options = parse_arguments()
    torch.set_num_threads(this_processor().cores)
    with tempfile.TemporaryDirectory(prefix="efgan-opponents-") as name:
        document = measure(options, Path(name))
    finish(options.json, document, "opponents")
