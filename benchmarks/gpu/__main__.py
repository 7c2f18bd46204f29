"""Everything that a GPU is asked, in parts of units that each end in time, in one file of results.

    python -m benchmarks gpu.sets build/gpu/sets     beforehand, on any machine
    python -m benchmarks gpu facts                   what works here, and why not what does not
    python -m benchmarks gpu tests                   pytest -m gpu
    python -m benchmarks gpu parity                  every network against PyTorch FP32
    python -m benchmarks gpu bench                   every way at batch 64, 32, 8 and 1
    python -m benchmarks gpu host                    what the host's own code allows
    python -m benchmarks gpu launches                a graph a network against one of a whole batch
    python -m benchmarks gpu kernels                 where the time of a batch goes
    python -m benchmarks gpu plateau                 memory over 20,000 pictures

Results are written after every unit and a part stops before `--minutes` are over; called again, it
goes on where it stopped. `--device cpu` runs the same parts with the processor in the GPU's place,
which shows that the scripts work and nothing else. `python -m benchmarks gpu_machine` does it all
on a machine that can fetch nothing.
"""

import argparse
import contextlib
import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import torch  # first: its CUDA libraries are then those that everybody loads

from benchmarks.gpu import facts, host, kernels, launches, parity, plateau, speed
from benchmarks.gpu.pieces import Document, Piece
from benchmarks.gpu.sets import CHECKPOINT, REPOSITORY, SHIPPED, paper_config, patterned_networks
from benchmarks.host_cuda import HostCuda
from benchmarks.torch_engine import full_fp32
from efgan_rt.editing import device_lane
from efgan_rt.families.cascade import AU_ESTIMATOR, CASCADE
from efgan_rt.reporting.machine import machine_facts
from engines.base import EngineError
from engines.cuda_memory import PROVIDERS, Cuda
from engines.manifest import read_manifest
from engines.open_cuda import open_cuda
from train.checkpoint import Checkpoint
from train.families.cascade.networks.inference import InferenceNetworks
from train.families.registry import load_checkpoint

RESULTS: Final = REPOSITORY / "benchmarks" / "results" / "gpu.json"
EXAMPLES: Final = REPOSITORY / "examples" / "faces"
PACKAGES: Final = (
    *("torch", "numpy", "onnxruntime", "onnxruntime-gpu", "onnxruntime-ep-nv-tensorrt-rtx-cu13"),
    *("cuda-bindings", "pycuda", "tensorrt", "tensorrt-cu13-bindings", "nvidia-cudnn-cu13"),
)
FAILED, TIME_OVER = 1, 75
Arguments = argparse.Namespace
Unit = tuple[str, Callable[[], Document]]
"""A name, and what measures it."""


def devices(device: str) -> Iterator[Cuda]:
    """The device through each provider that works, or the processor in its place."""
    if device == "cpu":
        yield HostCuda()
        return
    for provider in PROVIDERS:
        with contextlib.suppress(EngineError):  # the part `facts` says why not
            yield open_cuda(provider)


def first_device(device: str) -> Cuda:
    """The device as users get it."""
    return HostCuda() if device == "cpu" else open_cuda()


def examples() -> list[Path]:
    """Face crops."""
    return sorted(EXAMPLES.glob("*.jpg"))


def facts_units(arguments: Arguments) -> Iterator[Unit]:
    """The machine, and what works on it."""

    def measure() -> Document:
        found: Document = {"machine": machine_facts(), "packages": {}}
        for package in PACKAGES:
            with contextlib.suppress(PackageNotFoundError):
                found["packages"][package] = version(package)
        found["torch_cuda"] = torch.version.cuda
        found["cudnn"] = torch.backends.cudnn.version() if torch.cuda.is_available() else None
        return found | facts.what_works(SHIPPED, arguments.device)

    yield arguments.only or "facts", measure


def tests_units(arguments: Arguments) -> Iterator[Unit]:
    """The tests that need a device, a unit a file."""

    def measure(file: Path) -> Document:
        command = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "-p", "no:cacheprovider"]
        command += ["-k", arguments.tests_of, str(file)]
        environment = dict(os.environ)
        if arguments.sets.is_dir():
            environment["EFGAN_GPU_SETS"] = str(arguments.sets.resolve())
        run = subprocess.run(
            command, cwd=REPOSITORY, env=environment, capture_output=True, text=True
        )
        lines = (run.stdout + run.stderr).strip().splitlines()
        return {"exit_status": run.returncode, "outcome": lines[-1:], "tail": lines[-60:]}

    # Only their files: a GPU machine may lack what the others import.
    for file in sorted((REPOSITORY / "tests" / "gpu").glob("test_*.py")):
        if arguments.only in file.stem:
            yield f"{file.stem} {arguments.tests_of}".rstrip(), partial(measure, file)


def parity_units(arguments: Arguments) -> Iterator[Unit]:
    """Every network of every backend through every provider."""
    checkpoint = load_checkpoint(arguments.checkpoint)
    reference = parity.reference_of(checkpoint, arguments.faces)

    def measure(cuda: Cuda, opener: parity.Opener, precision: str) -> Document:
        engines = opener(len(reference.probe.pixels), cuda)
        return parity.measured(cuda, engines, reference, precision)

    opened = openers(arguments, checkpoint)
    for cuda, name in itertools.product(devices(arguments.device), opened):
        if arguments.only in name:
            precision, opener = opened[name]
            yield f"{name}, {cuda.name}", partial(measure, cuda, opener, precision)


def openers(arguments: Arguments, checkpoint: Checkpoint) -> dict[str, tuple[str, parity.Opener]]:
    """What opens the weights that come along."""
    return parity.openers(SHIPPED, arguments.sets / "shipped-fp16", checkpoint, arguments.device)


def ways(arguments: Arguments) -> tuple[speed.Settings, list[speed.Way]]:
    """The ways that are asked for."""
    settings = speed.Settings(
        device=arguments.device,
        cuda=first_device(arguments.device),
        fp32=arguments.sets / "paper-fp32",
        fp16=arguments.sets / "paper-fp16",
        pictures=EXAMPLES,
        seconds=arguments.seconds,
        rounds=arguments.rounds,
        lanes=arguments.lanes,
    )

    def networks() -> InferenceNetworks:
        if arguments.checkpoint != CHECKPOINT:
            networks: InferenceNetworks = load_checkpoint(arguments.checkpoint).build()
            return networks
        return patterned_networks(paper_config())

    found = speed.ways(settings, networks)
    asked = [w for w in found if arguments.only in w.name and w.precision in arguments.precisions]
    return settings, asked


def bench_units(arguments: Arguments) -> Iterator[Unit]:
    """Every way at every batch: all of a batch before the next, what is compiled last."""
    settings, found = ways(arguments)
    # A stable sort: the batches stay in their order. Half precision is what a GPU is for, so should
    # the time be over, fp32 is what is missing.
    units = sorted(
        itertools.product(arguments.batches, found),
        key=lambda unit: ("compiled" in unit[1].name, unit[1].precision == "fp32"),
    )
    for batch, way in units:
        yield f"{way.name}, batch {batch}", partial(speed.measured, way, batch, settings)


def host_units(arguments: Arguments) -> Iterator[Unit]:
    """The pipeline without networks, in so many processes."""
    for processes in arguments.processes:
        count = max(1, arguments.pictures // processes)
        measure = partial(host.limit, examples(), processes, count, arguments.batches[0])
        yield f"processes {processes}", measure


def launches_units(arguments: Arguments) -> Iterator[Unit]:
    """A lane of networks that do nothing, launched in every way."""
    for cuda in devices(arguments.device):
        yield cuda.name, partial(launches.compared, cuda, arguments.seconds)


def kernels_units(arguments: Arguments) -> Iterator[Unit]:
    """One lane's batch by each way, kernel by kernel."""
    batch = arguments.batches[0]

    def measure(way: speed.Way) -> Document:
        pixels, goal = speed.any_batch(batch)
        with contextlib.ExitStack() as stack:
            lane = way.open(batch, stack)[0]
            return kernels.shares(lambda: lane.run(pixels, goal), arguments.device)

    for way in ways(arguments)[1]:
        yield f"{way.name}, batch {batch}", partial(measure, way)


def plateau_units(arguments: Arguments) -> Iterator[Unit]:
    """Memory over many pictures, with the engines that come along."""
    cuda = first_device(arguments.device)

    def measure() -> Document:
        name = "onnxruntime-cuda fp32" if arguments.device == "cuda" else "torch fp32"
        largest = read_manifest(SHIPPED).network(AU_ESTIMATOR).batch[-1]
        batch = min(max(arguments.batches), largest)
        engines = openers(arguments, load_checkpoint(arguments.checkpoint))[name][1](batch, cuda)
        properties = speed.properties_of(engines, SHIPPED)
        with contextlib.ExitStack() as stack:
            lanes = []
            for _ in range(arguments.lanes):
                lanes.append(device_lane(cuda, engines, CASCADE, properties, batch))
                stack.callback(lanes[-1].close)
            figures = plateau.plateau(lanes, cuda, examples(), arguments.pictures, batch)
        return {"way": name, "batch": batch, "lanes": arguments.lanes, **figures}

    yield "plateau", measure


PARTS: Final[dict[str, Callable[[Arguments], Iterator[Unit]]]] = {
    "facts": facts_units,
    "tests": tests_units,
    "parity": parity_units,
    "bench": bench_units,
    "host": host_units,
    "launches": launches_units,
    "kernels": kernels_units,
    "plateau": plateau_units,
}


def main() -> int:
    """Runs a part; 0: all is done, 75: time was over before, 1: something failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--sets", type=Path, default=REPOSITORY / "build" / "gpu" / "sets")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    parser.add_argument("--minutes", type=float, default=8.5, metavar="M")
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT, metavar="FILE")
    parser.add_argument("--only", default="", metavar="TEXT", help="units with this in their name")
    parser.add_argument("--precisions", nargs="+", default=["fp32", "fp16", "bf16"], metavar="P")
    parser.add_argument("--tests-of", default="", metavar="TEXT", help="as pytest's -k")
    parser.add_argument("--faces", type=int, default=parity.BATCH, metavar="N")
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 32, 8, 1], metavar="B")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4, 8], metavar="N")
    parser.add_argument("--seconds", type=float, default=1.5, metavar="S")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--lanes", type=int, default=2, metavar="N")
    parser.add_argument("--pictures", type=int, default=20000, metavar="N")
    arguments = parser.parse_args()
    piece = Piece(arguments.results, arguments.part, arguments.minutes)
    with full_fp32():
        done = all(piece.run(name, measure) for name, measure in PARTS[arguments.part](arguments))
    if failed := piece.failed():
        print(f"failed, and measured again by the same command: {', '.join(failed)}", flush=True)
    return FAILED if failed else 0 if done else TIME_OVER


if __name__ == "__main__":
    sys.exit(main())
