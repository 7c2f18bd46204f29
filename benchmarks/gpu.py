"""Everything that a GPU is asked, in pieces that each end in time: one script, one result file.

    python benchmarks/gpu_sets.py build/gpu-sets          beforehand, on any machine
    python benchmarks/gpu.py --part facts                 what works here, and why not what does not
    python benchmarks/gpu.py --part tests                 pytest -m gpu
    python benchmarks/gpu.py --part parity                every network against PyTorch FP32
    python benchmarks/gpu.py --part bench                 every way at batch 64, 32, 8 and 1
    python benchmarks/gpu.py --part plateau               memory over 20,000 pictures
    python benchmarks/gpu.py --join                       writes benchmarks/results/gpu.json

A part writes its file after every measurement and stops before `--minutes` are over; called again,
it goes on where it stopped. `--device cpu` runs the same parts with the processor in the GPU's
place, which shows that the script works and nothing else.
"""

import argparse
import contextlib
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # a script's own folder is there, the repository is not

import torch  # noqa: E402  # first: its CUDA libraries are then those that everybody loads

from benchmarks import gpu_facts, gpu_parity, gpu_plateau, gpu_speed  # noqa: E402
from benchmarks.gpu_pieces import Document, Piece, join  # noqa: E402
from benchmarks.gpu_sets import (  # noqa: E402
    CHECKPOINT,
    SHIPPED,
    paper_config,
    patterned_networks,
)
from benchmarks.host_cuda import HostCuda  # noqa: E402
from benchmarks.torch_engine import full_fp32  # noqa: E402
from efgan_rt.editing import device_lane  # noqa: E402
from efgan_rt.families.cascade import AU_ESTIMATOR, CASCADE  # noqa: E402
from efgan_rt.reporting.machine import machine_facts  # noqa: E402
from engines.base import EngineError  # noqa: E402
from engines.cuda_memory import PROVIDERS, Cuda  # noqa: E402
from engines.manifest import read_manifest  # noqa: E402
from engines.open_cuda import open_cuda  # noqa: E402
from train.families.cascade.networks.inference import InferenceNetworks  # noqa: E402
from train.families.registry import load_checkpoint  # noqa: E402

PARTS: Final = ("facts", "tests", "parity", "bench", "plateau")
RESULTS: Final = REPOSITORY / "benchmarks" / "results" / "gpu.json"
TESTS: Final = REPOSITORY / "tests"
EXAMPLES: Final = REPOSITORY / "examples" / "faces"
PACKAGES: Final = (
    *("torch", "numpy", "onnxruntime", "onnxruntime-gpu", "onnxruntime-ep-nv-tensorrt-rtx-cu13"),
    *("cuda-bindings", "pycuda", "tensorrt", "tensorrt-cu13-bindings", "nvidia-cudnn-cu13"),
)


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


def facts(arguments: argparse.Namespace, piece: Piece) -> bool:
    """The machine, and what works on it."""

    def measure() -> Document:
        found: Document = {"machine": machine_facts(), "packages": {}}
        for package in PACKAGES:
            with contextlib.suppress(PackageNotFoundError):
                found["packages"][package] = version(package)
        found["torch_cuda"] = torch.version.cuda
        found["cudnn"] = torch.backends.cudnn.version() if torch.cuda.is_available() else None
        return found | gpu_facts.what_works(SHIPPED, arguments.device)

    return piece.run("facts", measure)


def tests(arguments: argparse.Namespace, piece: Piece) -> bool:
    """The tests that need a device."""

    def measure() -> Document:
        # Only their files: a GPU machine may lack what the others import.
        files = [str(f) for f in TESTS.rglob("test_*.py") if "pytest.mark.gpu" in f.read_text()]
        command = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "-p", "no:cacheprovider"]
        command += files
        environment = dict(os.environ)
        if arguments.sets.is_dir():
            environment["EFGAN_GPU_SETS"] = str(arguments.sets.resolve())
        run = subprocess.run(
            command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
        )
        lines = run.stdout.strip().splitlines()
        return {"exit_status": run.returncode, "outcome": lines[-1:], "tail": lines[-60:]}

    return piece.run("pytest -m gpu", measure)


def parity(arguments: argparse.Namespace, piece: Piece) -> bool:
    """Every network of every backend through every provider."""
    checkpoint = load_checkpoint(arguments.checkpoint)
    reference = gpu_parity.reference_of(checkpoint, arguments.faces)
    opened = gpu_parity.openers(
        SHIPPED,
        arguments.sets / "shipped-fp16",
        checkpoint,
        arguments.device,
    )
    for cuda in devices(arguments.device):
        for name, (precision, opener) in opened.items():
            if arguments.only not in name:
                continue

            def measure(
                cuda: Cuda = cuda,
                opener: gpu_parity.Opener = opener,
                precision: str = precision,
            ) -> Document:
                engines = opener(len(reference.probe.pixels), cuda)
                return gpu_parity.measured(cuda, engines, reference, precision)

            if not piece.run(f"{name}, {cuda.name}", measure):
                return False
    return True


def bench(arguments: argparse.Namespace, piece: Piece) -> bool:
    """Every way at every batch: all of a batch before the next, what is compiled last."""
    settings = gpu_speed.Settings(
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

    found = [w for w in gpu_speed.ways(settings, networks) if arguments.only in w.name]
    # A stable sort: the batches stay in their order. Half precision is what a GPU is for, so should
    # the time be over, fp32 is what is missing.
    units = sorted(
        itertools.product(arguments.batches, found),
        key=lambda unit: ("compiled" in unit[1].name, unit[1].precision == "fp32"),
    )
    for batch, way in units:

        def measure(way: gpu_speed.Way = way, batch: int = batch) -> Document:
            return gpu_speed.measured(way, batch, settings)

        if not piece.run(f"{way.name}, batch {batch}", measure):
            return False
    return True


def plateau(arguments: argparse.Namespace, piece: Piece) -> bool:
    """Memory over many pictures, with the engines that come along."""
    cuda = first_device(arguments.device)

    def measure() -> Document:
        checkpoint = load_checkpoint(arguments.checkpoint)
        name = "onnxruntime-cuda fp32" if arguments.device == "cuda" else "torch fp32"
        found = gpu_parity.openers(
            SHIPPED,
            arguments.sets / "shipped-fp16",
            checkpoint,
            arguments.device,
        )
        largest = read_manifest(SHIPPED).network(AU_ESTIMATOR).batch[-1]
        batch = min(max(arguments.batches), largest)
        engines = found[name][1](batch, cuda)
        with contextlib.ExitStack() as stack:
            lanes = []
            for _ in range(arguments.lanes):
                lane = device_lane(
                    cuda, engines, CASCADE, gpu_speed.properties_of(engines, SHIPPED), batch
                )
                stack.callback(lane.close)
                lanes.append(lane)
            sources = sorted(EXAMPLES.glob("*.jpg"))
            figures = gpu_plateau.plateau(lanes, cuda, sources, arguments.pictures, batch)
        return {"way": name, "batch": batch, "lanes": arguments.lanes, **figures}

    return piece.run("plateau", measure)


def main() -> int:
    """Runs a part, or joins them; 0: all is done, 75: time was over before, 1: something failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--join", action="store_true")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--sets", type=Path, default=REPOSITORY / "build" / "gpu-sets")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "build" / "gpu", metavar="DIR")
    parser.add_argument("--json", type=Path, default=RESULTS, metavar="FILE")
    parser.add_argument("--minutes", type=float, default=8.5, metavar="M")
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT, metavar="FILE")
    parser.add_argument("--only", default="", metavar="TEXT", help="ways with this in their name")
    parser.add_argument("--faces", type=int, default=gpu_parity.BATCH, metavar="N")
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 32, 8, 1], metavar="B")
    parser.add_argument("--seconds", type=float, default=1.5, metavar="S")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--lanes", type=int, default=2, metavar="N")
    parser.add_argument("--pictures", type=int, default=20000, metavar="N")
    arguments = parser.parse_args()
    if arguments.join:
        join(PARTS, arguments.out, arguments.json)
        return 0
    if arguments.part is None:
        parser.error("--part or --join is needed")
    run = {"facts": facts, "tests": tests, "parity": parity, "bench": bench, "plateau": plateau}
    piece = Piece(arguments.out / f"gpu-{arguments.part}.json", arguments.minutes)
    with full_fp32():
        done = run[arguments.part](arguments, piece)
    if failed := piece.failed():
        print(f"failed, and measured again by the same command: {', '.join(failed)}", flush=True)
    return 1 if failed else 0 if done else 75


if __name__ == "__main__":
    sys.exit(main())
