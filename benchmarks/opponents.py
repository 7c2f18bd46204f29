"""efgan-rt against what people would use otherwise, in one run on the same pictures.

    python benchmarks/opponents.py
    python benchmarks/opponents.py --width 64 --minutes 9 --ours "openvino bf16"

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
pictures are compared with efgan-rt's in fp32, so that nobody wins by doing something else. A table
for people, one JSON object last.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import torch
from rich.console import Console

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # a script's own folder is there, the repository is not

from benchmarks.compiled_torch import CompiledLoop  # noqa: E402
from benchmarks.contest import COMPARED, FIRST, Contest  # noqa: E402
from benchmarks.gpu.sets import paper_config, patterned_networks, write_set  # noqa: E402
from benchmarks.opponent_ratios import find_ratios, ratio_table, ways_table  # noqa: E402
from benchmarks.opponent_ways import (  # noqa: E402
    OURS,
    Pictures,
    Way,
    common_target,
    leave_out,
    limit_way,
    open_ours,
    our_ways,
    session_ways,
    torch_ways,
)
from efgan_rt.errors import EfganError  # noqa: E402
from efgan_rt.expressions import Target  # noqa: E402
from efgan_rt.reporting.bench import picture_files  # noqa: E402
from efgan_rt.reporting.machine import machine_facts  # noqa: E402
from engines.base import EngineError  # noqa: E402
from engines.manifest import read_manifest  # noqa: E402
from engines.openvino_engine import PRECISIONS  # noqa: E402
from engines.processor import this_processor  # noqa: E402
from train.families.cascade.networks.inference import InferenceNetworks  # noqa: E402
from train.families.registry import load_checkpoint  # noqa: E402

SHIPPED: Final = REPOSITORY / "efgan_rt" / "shipped"
FACES: Final = REPOSITORY / "examples" / "faces"
COMPILED: Final = "torch compiled loop"
LEAST_TURNS: Final = 2
TRIAL_SHARE: Final = 0.5  # of the time, for trying every batch


def try_all(
    contest: Contest,
    options: argparse.Namespace,
    directory: Path,
    networks: InferenceNetworks,
    pictures: Pictures,
    is_late: Callable[[], bool],
    closing: ExitStack,
) -> None:
    """Tries every way at every batch, efgan-rt first; larger batches stop where time is short."""
    manifest = read_manifest(directory)
    target = common_target(manifest)
    wanted = {*options.ours, COMPARED}
    engines = open_ours(directory, options.batch, wanted, contest.left_out)
    for way in our_ways(engines, target, pictures):
        if way.name == FIRST or way.family.endswith(tuple(options.ours)):
            contest.attempt(way)
    fastest = next((name.split()[1] for name in engines if name.split()[1] in PRECISIONS), "fp32")
    app = options.app_seconds
    contest.attempt(limit_way(directory, manifest, fastest, options.batch, app))
    loops = [
        *session_ways(directory, manifest, target, pictures, options.batches),
        *torch_ways(networks, target, pictures, options.batches),
    ]
    for way in sorted(loops, key=lambda way: way.batch):  # what runs out of time is a large batch
        if is_late() and contest.best(way.family) is not None:
            leave_out(contest.left_out, way.name, "no time left to try it (--minutes)")
        else:
            contest.attempt(way)
    _try_compiled(contest, options, target, pictures, closing)


def _try_compiled(
    contest: Contest,
    options: argparse.Namespace,
    target: Target,
    pictures: Pictures,
    closing: ExitStack,
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
        loop = CompiledLoop(which, form, target)
        closing.callback(loop.close)
        name = f"{COMPILED}, batch {batch}"

        def run(count: int, out: Path, loop: CompiledLoop = loop, batch: int = batch) -> float:
            left = None if loop.is_compiled else ends - time.monotonic()
            return loop.edit(batch, pictures.directory(count), out, limit_s=left)

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
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--engines", type=Path, default=SHIPPED, metavar="DIR")
    add("--checkpoint", type=Path, default=SHIPPED / "efgan.safetensors", metavar="FILE")
    add("--width", type=int, default=0, metavar="W", help="instead: random weights of that width")
    add("--stages", type=int, default=3, metavar="S", help="of those")
    add("--pictures", type=Path, default=FACES, metavar="DIR", help="crops of the networks' size")
    add("--batch", type=int, default=8, metavar="B", help="of efgan-rt; 8 is its default")
    every = [" ".join(each) for each in OURS]
    add("--ours", nargs="+", default=every, choices=every, help="of efgan-rt, what takes turns")
    add("--batches", type=int, nargs="+", default=[1, 4, 8, 16], metavar="B", help="of the loops")
    add("--rounds", type=int, default=5, metavar="N", help="turns, at most")
    add("--seconds", type=float, default=2.0, metavar="S", help="of a way's turn, about")
    add("--app-seconds", type=float, default=2.0, metavar="S", help="of benchmark_app a network")
    add(
        "--compile-seconds", type=float, default=100.0, metavar="S", help="for torch.compile; 0: no"
    )
    add("--minutes", type=float, default=5.0, metavar="M", help="for everything")
    add("--json", type=Path, metavar="FILE", help="also write the figures there")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measures everything."""
    started, budget = time.monotonic(), options.minutes * 60

    def elapsed() -> float:
        return time.monotonic() - started

    torch.set_num_threads(this_processor().cores)
    networks = networks_of(options)
    with ExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="efgan-opponents-")))
        directory = options.engines
        if options.width:
            directory = folder / "engines"
            write_set(networks, directory, "fp32")
        pictures = Pictures(picture_files(options.pictures), folder)
        contest = Contest(folder, options.seconds)
        try_all(
            contest,
            options,
            directory,
            networks,
            pictures,
            lambda: elapsed() > TRIAL_SHARE * budget,
            closing,
        )
        contest.compare()
        finalists, longest, rounds = contest.finalists(), 0.0, 0
        if COMPARED not in options.ours:
            finalists = [way for way in finalists if way.name != FIRST]
        while rounds < options.rounds and (rounds < LEAST_TURNS or elapsed() + longest < budget):
            before = elapsed()
            contest.turn(finalists)
            longest, rounds = max(longest, elapsed() - before), rounds + 1
            print(f"turn {rounds}: {elapsed():.0f} s since the start", file=sys.stderr, flush=True)
    config = networks.cascade.config
    ways = contest.ways_document()
    return {
        "machine": machine_facts(),
        "width": config.width,
        "stages": config.stages,
        "weights": "random" if options.width else "shipped",
        "threads": this_processor().cores,
        "rounds": rounds,
        "minutes": round(elapsed() / 60, 1),
        "ways": ways,
        "left_out": contest.left_out,
        "ratios": find_ratios(ways, config.width),
    }


def main() -> int:
    """Runs the script; what the user can mend is one sentence and status 1."""
    options = parse_arguments()
    try:
        document = run(options)
    except (EfganError, EngineError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.json:
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    console = Console()
    console.print(ways_table(document))
    console.print(ratio_table(document))
    for name, reason in document["left_out"].items():
        console.print(f"left out: {name}: {reason}", highlight=False)
    print(json.dumps(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
