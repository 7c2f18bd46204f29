"""efgan-rt against what people would use otherwise, in one run on the same pictures.

    python -m benchmarks opponents
    python -m benchmarks opponents --width 64 --minutes 9 --ours "openvino bf16"

The second line is for three stages of the paper's width, with random weights.

| way | what |
|---|---|
| `torch fp32 loop, batch 1` | PyTorch, a loop over files one by one, as GANimation is run |
| `torch fp32 loop`, `torch bf16 loop` | the same in batches, in bf16, in either memory layout |
| `torch compiled loop` | the quickest of those through torch.compile, within a time limit |
| `onnxruntime fp32 loop` | the ONNX files in ONNX Runtime, the same loop |
| `efgan-rt` | `run_batch` from directory to directory, in each precision |
| `engines alone` | its lanes with the pictures in memory |
| `benchmark_app` | no files: the networks alone in OpenVINO's own tool, the limit of the runtime |

First every way is tried at every batch. Then the best of each family go on in turns, so that a
machine whose speed drifts treats them alike; what counts of a way is the median of its turns, and
of two ways the median of the turns' ratios. Everybody has all cores. A run of a way lasts about
`--seconds`, at least one batch; no further turn is begun that would not end within `--minutes`. The
pictures are compared with efgan-rt's in fp32, so that nobody wins by doing something else. A bar is
what a ratio has to reach; some are meant for processors with AMX. A table for people, one JSON
object last.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter
from typing import Final

import numpy as np
import torch

from benchmarks.file_loops import CompiledLoop, LoopEditor, edit_files, largest_difference
from benchmarks.gpu.sets import paper_config, patterned_networks, write_set
from benchmarks.kit import FACES, SHIPPED, Document, finish, parser, with_machine
from benchmarks.opponent_ratios import BASE, find_ratios
from benchmarks.readme_tables import opponent_ratios
from benchmarks.runtime_limit import RuntimeLimit
from benchmarks.torch_engine import TorchForm, torch_networks
from benchmarks.torch_loop import TorchLoop
from efgan_rt.editing import OpenedSet, busy_lanes
from efgan_rt.errors import EfganError
from efgan_rt.expressions import Target, target_for, target_places
from efgan_rt.families.registry import read_properties
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
from engines.base import EngineError
from engines.directory import EngineDirectory
from engines.openvino_engine import PRECISIONS
from engines.processor import this_processor
from train.families.cascade.networks.inference import InferenceNetworks
from train.families.registry import load_checkpoint

OURS: Final = ("openvino int8", "openvino bf16", "openvino fp32", "onnxruntime fp32")
FIRST: Final = f"efgan-rt {OURS[-1]}"  # that all pictures are held against
TORCH_FORMS: Final = tuple(
    TorchForm(precision, channels_last=last)
    for precision in ("fp32", "bf16")
    for last in (False, True)
)
COMPILED: Final = "torch compiled loop"
LEAST_TURNS: Final = 2
TRIAL_SHARE: Final = 0.5  # of the time, for trying every batch


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


class Contest:
    """The ways, how fast each was in the trial and in every turn, and what was left out."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder = folder
        self.seconds = seconds
        self.ways: dict[str, Way] = {}
        self.trials: dict[str, float] = {}
        self.turns: dict[str, list[float]] = {}
        self.apart: dict[str, int | None] = {}
        self.left_out: dict[str, str] = {}

    def leave_out(self, name: str, reason: object) -> None:
        """Notes what is not measured, and says it aloud."""
        self.left_out[name] = str(reason)
        print(f"{name}: left out: {reason}", file=sys.stderr)

    def attempt(self, way: Way) -> None:
        """Tries a way: one batch, and where that is short, about `seconds` of them."""
        out = self.folder / f"trial {way.name}"
        out.mkdir()
        try:
            speed = way.run(way.least_batches * way.batch, out)
            brief = way.least_batches * way.batch / speed < self.seconds / 2
            if brief and not way.times_itself:
                shutil.rmtree(out)
                out.mkdir()
                speed = way.run(way.count(speed, self.seconds), out)
        except (EfganError, EngineError) as error:
            self.leave_out(way.name, error)
            shutil.rmtree(out)
            return
        print(f"{way.name}: {speed:.2f} a second in the trial", file=sys.stderr, flush=True)
        self.ways[way.name], self.trials[way.name] = way, speed
        if not way.writes:
            shutil.rmtree(out)

    def compare(self) -> None:
        """How far the trials' pictures are apart from the first's; lets them go."""
        folders = {name: self.folder / f"trial {name}" for name, w in self.ways.items() if w.writes}
        for name, folder in folders.items():
            first = folders.get(FIRST)
            self.apart[name] = largest_difference(first, folder) if first else None
        for folder in folders.values():
            shutil.rmtree(folder)

    def best(self, family: str) -> Way | None:
        """The quickest of a family in the trial."""
        members = [way for way in self.ways.values() if way.family == family]
        return max(members, key=lambda way: self.trials[way.name], default=None)

    def finalists(self) -> list[Way]:
        """The best of each family, and the loop that goes one by one."""
        families = dict.fromkeys(way.family for way in self.ways.values())
        best = [way for family in families if (way := self.best(family)) is not None]
        names = {BASE, *(way.name for way in best)}
        return [way for name, way in self.ways.items() if name in names]

    def turn(self, finalists: Sequence[Way]) -> None:
        """Lets each run once; who fails is out, whatever was measured of it."""
        for way in finalists:
            if way.name not in self.ways:
                continue
            out = self.folder / "turn"
            out.mkdir()
            try:
                speed = way.run(way.count(self.trials[way.name], self.seconds), out)
                self.turns.setdefault(way.name, []).append(speed)
            except (EfganError, EngineError) as error:
                self.leave_out(way.name, error)
                del self.ways[way.name]
            shutil.rmtree(out)

    def ways_document(self) -> Document:
        """Every way's figures, also of those that were only tried."""
        return {
            name: {
                "family": way.family,
                "batch": way.batch,
                "trial_images_per_s": self.trials[name],
                "images_per_s": statistics.median(self.turns[name]) if name in self.turns else None,
                "turns": self.turns.get(name, []),
                "largest_difference_levels": self.apart.get(name),
            }
            for name, way in self.ways.items()
        }


@dataclass
class Pictures:
    """Any number of links to a few pictures, each number in a folder of its own."""

    files: Sequence[Path]
    folder: Path
    made: dict[int, Path] = field(default_factory=dict)

    @classmethod
    def of_size(cls, folder: Path, crop_px: int, place: Path) -> "Pictures":
        """A folder's crops, brought to the networks' size.

        Raises:
            EfganError: there are none.
        """
        (place / "crops").mkdir(parents=True)
        files = []
        for file in picture_files(folder):
            files.append(place / "crops" / f"{file.stem}.jpg")
            files[-1].write_bytes(encode_picture(".jpg", to_crop(read_picture(file), crop_px)))
        return cls(files, place)

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


@dataclass
class Field:
    """What every way edits, and towards what: the set's first expression."""

    directory: Path
    pictures: Pictures
    batches: Sequence[int]

    def __post_init__(self) -> None:
        self.engines = EngineDirectory(self.directory)
        properties = read_properties(self.engines)
        first = next(iter(properties.expressions), None)
        names = properties.au_names
        self.target = target_for(properties.expressions, names, expression=first, au=None)

    def loop(self, name: str, family: str, editor: LoopEditor, batch: int) -> Way:
        """A loop over files."""

        def run(count: int, out: Path) -> float:
            return edit_files(editor, self.target, self.pictures.links(count), out, batch=batch)

        return Way(f"{name}, batch {batch}", family, batch, run)

    def loops(self, networks: InferenceNetworks) -> Iterator[Way]:
        """ONNX Runtime, and PyTorch in both precisions and memory layouts, at every batch."""
        for batch in self.batches:
            opened = OpenedSet.open(self.directory, backend="onnxruntime", batch=batch)
            name = "onnxruntime fp32 loop"
            yield self.loop(name, name, opened.lane(), batch)
        for form in TORCH_FORMS:
            exported = torch_networks(networks, form, "cpu")
            for batch in self.batches:
                loop = TorchLoop(exported, networks.cascade.config.stages, batch, "cpu")
                yield self.loop(f"{form.name} loop", f"torch {form.precision} loop", loop, batch)

    def ours(self, opened: OpenedSet, name: str) -> Iterator[Way]:
        """efgan-rt from directory to directory, and beside it the same engines without files."""

        def whole(count: int, out: Path) -> float:
            return pipeline_run(opened, self.target, self.pictures.directory(count), out)

        alone = partial(engines_alone, opened, self.target, self.pictures.files)
        yield Way(f"efgan-rt {name}", f"efgan-rt {name}", opened.batch, whole, least_batches=2)
        name = f"engines alone {name}"
        yield Way(name, name, opened.batch, alone, writes=False)


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
            # As the loops write, so that the pictures can be compared.
            options=BatchOptions(default_settings().workers, quality=JPEG_QUALITY),
        )
    shutil.rmtree(out / ".efgan-rt")
    if outcome.failed:
        raise EfganError(f"a picture to measure with failed: {outcome.failures[0].reason}")
    return outcome.written / outcome.seconds


def engines_alone(
    opened: OpenedSet, target: Target, files: Sequence[Path], count: int, _: Path
) -> float:
    """The lanes with pictures in memory, each as many batches; gives pictures a second."""
    batch = opened.batch
    pixels = np.stack([read_picture(file) for file in islice(cycle(files), batch)])
    scale, offset = (np.tile(each, (batch, 1)) for each in (target.scale, target.offset))
    lanes = [opened.lane() for _ in range(opened.lanes)]
    turns = max(1, round(count / batch / len(lanes)))

    def run(number: int) -> None:
        for _ in range(turns):
            lanes[number].run(pixels, target_places(scale, offset))

    with ThreadPoolExecutor(len(lanes)) as pool:
        started = perf_counter()
        list(pool.map(run, range(len(lanes))))
        return turns * len(lanes) * batch / (perf_counter() - started)


def try_all(
    contest: Contest,
    options: argparse.Namespace,
    ground: Field,
    networks: InferenceNetworks,
    is_late: Callable[[], bool],
    closing: ExitStack,
) -> None:
    """Tries every way at every batch, efgan-rt first; larger batches stop where time is short."""
    ran = []
    for name in OURS:
        if name not in {*options.ours, OURS[-1]}:
            continue
        backend, precision = name.split()
        try:
            opened = OpenedSet.open(
                ground.directory,
                backend=backend,
                precision=precision,
                batch=options.batch,
                lanes=busy_lanes(backend),
            )
        except EngineError as error:
            contest.leave_out(f"efgan-rt {name}", error)
            continue
        ran.append(precision)
        for way in ground.ours(opened, name):
            if way.name == FIRST or name in options.ours:
                contest.attempt(way)
    fastest = next((precision for precision in ran if precision in PRECISIONS), "fp32")
    limit = RuntimeLimit(ground.engines, fastest, options.batch, options.app_seconds)
    app = f"benchmark_app {fastest}"
    contest.attempt(Way(app, app, options.batch, limit.run, writes=False, times_itself=True))
    # What runs out of time is a large batch.
    for way in sorted(ground.loops(networks), key=lambda way: way.batch):
        if is_late() and contest.best(way.family) is not None:
            contest.leave_out(way.name, "no time left to try it (--minutes)")
        else:
            contest.attempt(way)
    _try_compiled(contest, options, ground, closing)


def _try_compiled(
    contest: Contest, options: argparse.Namespace, ground: Field, closing: ExitStack
) -> None:
    """torch.compile of the form that was quickest without it, its best batch first."""
    eager = [each for each in map(contest.best, ("torch fp32 loop", "torch bf16 loop")) if each]
    if not eager or options.compile_seconds <= 0:
        return
    best = max(eager, key=lambda way: contest.trials[way.name])
    form = ["bf16" if "bf16" in best.name else "fp32"]
    form += ["channels_last"] if "channels_last" in best.name else []
    which = ["--width", str(options.width), "--stages", str(options.stages)]
    if not options.width:
        which = ["--checkpoint", str(options.checkpoint)]
    ends = time.monotonic() + options.compile_seconds
    for batch in dict.fromkeys((best.batch, *options.batches)):
        # A process each: the one that runs out of time is ended.
        loop = CompiledLoop(which, form, ground.target)
        closing.callback(loop.close)
        name = f"{COMPILED}, batch {batch}"

        def run(count: int, out: Path, loop: CompiledLoop = loop, batch: int = batch) -> float:
            left = None if loop.is_compiled else ends - time.monotonic()
            return loop.edit(batch, ground.pictures.directory(count), out, limit_s=left)

        contest.attempt(Way(name, COMPILED, batch, run))
        if name in contest.left_out:
            break


def networks_of(options: argparse.Namespace) -> InferenceNetworks:
    """The checkpoint's networks, or random ones of a width."""
    if not options.width:
        networks: InferenceNetworks = load_checkpoint(options.checkpoint).build()
        return networks
    return patterned_networks(paper_config(options.width, options.stages))


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line's options."""
    given = parser(__doc__)
    add = given.add_argument
    add("--engines", type=Path, default=SHIPPED, metavar="DIR")
    add("--checkpoint", type=Path, default=SHIPPED / "efgan.safetensors", metavar="FILE")
    add("--width", type=int, default=0, metavar="W", help="instead: random weights of that width")
    add("--stages", type=int, default=3, metavar="S", help="of those")
    add("--pictures", type=Path, default=FACES, metavar="DIR", help="crops")
    add("--batch", type=int, default=8, metavar="B", help="of efgan-rt; 8 is its default")
    add("--ours", nargs="+", default=OURS, choices=OURS, help="of efgan-rt, what takes turns")
    add("--batches", type=int, nargs="+", default=[1, 4, 8, 16], metavar="B", help="of the loops")
    add("--rounds", type=int, default=5, metavar="N", help="turns, at most")
    add("--seconds", type=float, default=2.0, metavar="S", help="of a way's turn, about")
    add("--app-seconds", type=float, default=2.0, metavar="S", help="of benchmark_app a network")
    add(
        "--compile-seconds", type=float, default=100.0, metavar="S", help="for torch.compile; 0: no"
    )
    add("--minutes", type=float, default=5.0, metavar="M", help="for everything")
    return given.parse_args(arguments)


def run(options: argparse.Namespace) -> Document:
    """Measures everything."""
    started, budget = time.monotonic(), options.minutes * 60

    def elapsed() -> float:
        return time.monotonic() - started

    torch.set_num_threads(this_processor().cores)
    networks = networks_of(options)
    config = networks.cascade.config
    with ExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="efgan-opponents-")))
        directory = options.engines
        if options.width:
            directory = folder / "engines"
            write_set(networks, directory, "fp32")
        pictures = Pictures.of_size(options.pictures, config.crop_px, folder)
        contest = Contest(folder, options.seconds)
        ground = Field(directory, pictures, options.batches)
        try_all(
            contest, options, ground, networks, lambda: elapsed() > TRIAL_SHARE * budget, closing
        )
        contest.compare()
        finalists, longest, rounds = contest.finalists(), 0.0, 0
        if OURS[-1] not in options.ours:
            finalists = [way for way in finalists if way.name != FIRST]
        while rounds < options.rounds and (rounds < LEAST_TURNS or elapsed() + longest < budget):
            before = elapsed()
            contest.turn(finalists)
            longest, rounds = max(longest, elapsed() - before), rounds + 1
            print(f"turn {rounds}: {elapsed():.0f} s since the start", file=sys.stderr, flush=True)
    ways = contest.ways_document()
    return with_machine(
        width=config.width,
        stages=config.stages,
        weights="random" if options.width else "trained",
        threads=this_processor().cores,
        rounds=rounds,
        minutes=round(elapsed() / 60, 1),
        ways=ways,
        left_out=contest.left_out,
        ratios=find_ratios(ways, config.width),
    )


def main() -> None:
    """Measures, writes, prints."""
    options = parse_arguments()
    document = run(options)
    print(opponent_ratios(document))
    for name, reason in document["left_out"].items():
        print(f"left out: {name}: {reason}")
    finish(options.json, document, "opponents")
