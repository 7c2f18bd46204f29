"""The ways to edit a directory that are set against each other, and how each is opened.

A `Way` edits so many pictures and says how many a second that were. Ways of one family differ in
batch and memory layout only, and a family is judged by its best: PyTorch in fp32 and in bf16,
torch.compile, ONNX Runtime, and efgan-rt in every precision that works here. Two families touch no
files and stand for limits: the engines of efgan-rt alone, and OpenVINO's benchmark_app.
"""

import shutil
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter
from typing import Final

import numpy as np

from benchmarks.file_loops import LoopEditor, SessionLoop, edit_files, open_sessions
from benchmarks.runtime_limit import cascade_limit, network_limits
from benchmarks.torch_engine import TorchForm, torch_networks
from benchmarks.torch_loop import TorchLoop
from efgan_rt.editing import OpenedSet, busy_lanes
from efgan_rt.errors import EfganError
from efgan_rt.expressions import Target, target_for, target_places
from efgan_rt.pictures.read import read_picture
from efgan_rt.pictures.write import JPEG_QUALITY
from efgan_rt.pipeline.batch import run_batch
from efgan_rt.pipeline.files import Plan, asked_of_all
from efgan_rt.pipeline.journal import Journal
from efgan_rt.pipeline.workers import BatchOptions
from efgan_rt.shots import stills
from efgan_rt.tuning import default_settings
from engines.base import EngineError
from engines.manifest import Manifest
from engines.processor import this_processor
from train.families.cascade.networks.inference import InferenceNetworks

OURS: Final = (
    ("openvino", "int8"),
    ("openvino", "bf16"),
    ("openvino", "fp32"),
    ("onnxruntime", "fp32"),
)
TORCH_FORMS: Final = (
    TorchForm(),
    TorchForm(channels_last=True),
    TorchForm("bf16"),
    TorchForm("bf16", channels_last=True),
)
ONE_BY_ONE: Final = "torch fp32 loop, batch 1"  # as GANimation's users run it
SMALL_SHARE: Final = 0.02  # of the cascade's time: benchmark_app measures such a network once


@dataclass(frozen=True)
class Way:
    """One way at one batch.

    Attributes:
        name: the only one of that name.
        family: of which the best way counts.
        batch: pictures that go through the networks together.
        run: edits that many pictures into an empty folder; gives pictures a second.
        writes: whether pictures come out that can be compared.
        least_batches: of a run, so that filling and emptying a pipeline is a part of it.
        times_itself: whether it decides how long it runs.
    """

    name: str
    family: str
    batch: int
    run: Callable[[int, Path], float]
    writes: bool = True
    least_batches: int = 1
    times_itself: bool = False

    def count(self, speed: float, seconds: float) -> int:
        """Whole batches that take about so long at that speed."""
        return self.batch * max(self.least_batches, round(speed * seconds / self.batch))


@dataclass
class Pictures:
    """Any number of links to a few pictures, each number in a folder of its own."""

    files: Sequence[Path]
    folder: Path
    made: dict[int, Path] = field(default_factory=dict)

    def directory(self, count: int) -> Path:
        """A folder of so many links, under names of their own."""
        if count not in self.made:
            folder = self.folder / f"in-{count}"
            folder.mkdir(parents=True)
            for number, file in enumerate(islice(cycle(self.files), count)):
                (folder / f"{number:06}{file.suffix}").symlink_to(file.absolute())
            self.made[count] = folder
        return self.made[count]

    def links(self, count: int) -> list[Path]:
        """The same as a list of files."""
        return sorted(self.directory(count).iterdir())


def loop_way(family: str, editor: LoopEditor, target: Target, pictures: Pictures, n: int) -> Way:
    """A loop over files at batch `n`."""

    def run(count: int, out: Path) -> float:
        return edit_files(editor, target, pictures.links(count), out, batch=n)

    return Way(f"{family}, batch {n}", family, n, run)


def torch_ways(
    networks: InferenceNetworks, target: Target, pictures: Pictures, batches: Sequence[int]
) -> Iterator[Way]:
    """PyTorch as it is, in fp32 and in bf16, in both memory layouts."""
    stages = networks.cascade.config.stages
    for form in TORCH_FORMS:
        exported = torch_networks(networks, form, "cpu")
        for batch in batches:
            loop = TorchLoop(exported, stages, batch, "cpu")
            way = loop_way(f"{form.name} loop", loop, target, pictures, batch)
            yield Way(way.name, f"torch {form.precision} loop", batch, way.run)


def session_ways(
    directory: Path,
    manifest: Manifest,
    target: Target,
    pictures: Pictures,
    batches: Sequence[int],
) -> Iterator[Way]:
    """ONNX Runtime with a thread for each core, and else its defaults."""
    stages = int(manifest.properties["stages"])
    sessions = open_sessions(directory, manifest, stages, this_processor().cores)
    for batch in batches:
        loop = SessionLoop(sessions, stages, batch)
        yield loop_way("onnxruntime fp32 loop", loop, target, pictures, batch)


def open_ours(
    directory: Path, batch: int, wanted: Collection[str], left_out: dict[str, str]
) -> dict[str, OpenedSet]:
    """efgan-rt's engines in every precision, as `efgan-rt batch` opens them.

    Args:
        directory: the engine set.
        batch: pictures in a run.
        wanted: backend and precision of each, as `OURS` has them.
        left_out: gets the reason of what does not work here.
    """
    found = {}
    for backend, precision in OURS:
        name = f"{backend} {precision}"
        if name not in wanted:
            continue
        try:
            found[name] = OpenedSet.open(
                directory,
                backend=backend,
                precision=precision,
                batch=batch,
                lanes=busy_lanes(backend),
            )
        except EngineError as error:
            leave_out(left_out, f"efgan-rt {name}", error)
    return found


def our_ways(engines: Mapping[str, OpenedSet], target: Target, pictures: Pictures) -> Iterator[Way]:
    """From directory to directory, and beside it the same engines without files."""
    for name, cascade in engines.items():
        directory = partial(_pipeline_of, cascade, target, pictures)
        alone = partial(engines_alone, cascade, target, pictures.files)
        batch = cascade.batch
        yield Way(f"efgan-rt {name}", f"efgan-rt {name}", batch, directory, least_batches=2)
        yield Way(f"engines alone {name}", f"engines alone {name}", batch, alone, writes=False)


def _pipeline_of(
    cascade: OpenedSet, target: Target, pictures: Pictures, count: int, out: Path
) -> float:
    return pipeline_run(cascade, target, pictures.directory(count), out)


def pipeline_run(cascade: OpenedSet, target: Target, source: Path, out: Path) -> float:
    """`efgan-rt batch` without its command line; gives pictures a second.

    Raises:
        EfganError: a picture cannot be edited.
    """
    jobs = asked_of_all(Plan(source, out, stills("")).jobs(), [target], [b""])
    with Journal(out) as journal:
        outcome = run_batch(
            jobs,
            [cascade.lane() for _ in range(cascade.lanes)],
            batch=cascade.batch,
            journal=journal,
            crop_px=cascade.crop_px,
            # As the loops write, so that the pictures can be compared.
            options=BatchOptions(default_settings().workers, quality=JPEG_QUALITY),
        )
    shutil.rmtree(out / ".efgan-rt")
    if outcome.failed:
        raise EfganError(f"a picture to measure with failed: {outcome.failures[0].reason}")
    return outcome.written / outcome.seconds


def engines_alone(
    cascade: OpenedSet, target: Target, files: Sequence[Path], count: int, _: Path
) -> float:
    """The lanes with pictures in memory, each as many batches; gives pictures a second."""
    batch = cascade.batch
    pixels = np.stack([read_picture(file) for file in islice(cycle(files), batch)])
    scale, offset = (np.tile(each, (batch, 1)) for each in (target.scale, target.offset))
    lanes = [cascade.lane() for _ in range(cascade.lanes)]
    turns = max(1, round(count / batch / len(lanes)))

    def run(number: int) -> None:
        for _ in range(turns):
            lanes[number].run(pixels, target_places(scale, offset))

    with ThreadPoolExecutor(len(lanes)) as pool:
        started = perf_counter()
        list(pool.map(run, range(len(lanes))))
        return turns * len(lanes) * batch / (perf_counter() - started)


class RuntimeLimit:
    """OpenVINO's benchmark_app over all networks; those that hardly count are measured once."""

    def __init__(
        self, directory: Path, manifest: Manifest, precision: str, batch: int, seconds: float
    ) -> None:
        self._measure = partial(
            network_limits, directory, manifest, precision=precision, batch=batch, seconds=seconds
        )
        self._limits: dict[str, float] = {}

    def run(self, _: int, out: Path) -> float:
        """Pictures a second of the cascade.

        Raises:
            EfganError: the tool is missing or fails.
        """
        limits = self._limits
        small = {n for n, each in limits.items() if cascade_limit(limits) / each < SMALL_SHARE}
        limits |= self._measure(out, passed_over=small)
        return cascade_limit(limits)


def limit_way(
    directory: Path, manifest: Manifest, precision: str, batch: int, seconds: float
) -> Way:
    """The limit of the runtime, which touches no files."""
    limit = RuntimeLimit(directory, manifest, precision, batch, seconds)
    name = f"benchmark_app {precision}"
    return Way(name, name, batch, limit.run, writes=False, times_itself=True)


def common_target(manifest: Manifest) -> Target:
    """What every way makes of every picture: the set's first expression."""
    properties = manifest.properties
    expressions = {
        name: np.asarray(au, np.float32) for name, au in properties["expressions"].items()
    }
    first = next(iter(expressions), None)
    return target_for(expressions, tuple(properties["au_names"]), expression=first, au=None)


def leave_out(left_out: dict[str, str], name: str, reason: object) -> None:
    """Notes what is not measured, and says it aloud."""
    left_out[name] = str(reason)
    print(f"{name}: left out: {reason}", file=sys.stderr)
