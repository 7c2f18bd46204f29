"""How fast every way of running the networks is on a GPU, in the same run on the same machine.

A way is a backend and a precision, PyTorch on our lanes, or PyTorch's own loop as the opponent.
Each is opened, warmed up by time and by count, and measured in rounds of three things: one lane
back to back (each network's time by events), all lanes together, and directory to directory,
from JPEG crops to JPEG crops through the whole pipeline. Medians of the rounds are kept.

The share of time that the GPU computes is that of one lane: the networks' time by events over the
clock's. With all lanes together it is what nvidia-smi samples, where there is one.
"""

import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.gpu.facts import nvidia_smi
from benchmarks.gpu.links import TARGET, WORKERS
from benchmarks.gpu.parity import Engines, directory_engines, tensorrt_engines
from benchmarks.torch_engine import TorchEngine, TorchForm, torch_networks
from benchmarks.torch_loop import TorchLoop
from efgan_rt.editing import OpenedSet, device_lane
from efgan_rt.families.cascade import CASCADE
from efgan_rt.families.properties import Properties
from efgan_rt.families.registry import read_properties
from efgan_rt.lane import BatchEditor
from efgan_rt.pipeline.run_state import BatchOptions
from efgan_rt.reporting.bench import WHOLE_BATCH, measure
from engines.arrays import Array, Bytes
from engines.base import EngineError
from engines.cuda_memory import Cuda
from engines.device_lane import DOWNLOAD, UPLOAD
from engines.directory import EngineDirectory
from engines.manifest import read_manifest
from engines.onnxruntime_cuda_engine import OnnxRuntimeCudaEngine
from train.families.cascade.networks.inference import InferenceNetworks

WARM_UP_S: Final = 1.0
WARM_UP_RUNS: Final = 10
COPIES: Final = (UPLOAD, DOWNLOAD)


@dataclass(frozen=True)
class Settings:
    """How long, how often, and on what."""

    device: str  # "cuda" or "cpu"
    cuda: Cuda
    fp32: Path
    fp16: Path
    pictures: Path
    seconds: float = 1.5
    rounds: int = 3
    lanes: int = 2


@dataclass(frozen=True)
class Way:
    """A way to run the networks; `open` gives its lanes, which the stack closes."""

    name: str
    backend: str
    precision: str
    open: Callable[[int, ExitStack], Sequence[BatchEditor]]


def ways(
    settings: Settings, networks: Callable[[], InferenceNetworks], *, compiled: bool = True
) -> list[Way]:
    """Every way, the quickest to open first.

    Args:
        settings: the device and the engine directories.
        networks: PyTorch's, with the weights of the directories.
        compiled: whether torch.compile takes part; it takes a minute for each batch size.
    """
    device = settings.device
    found = []
    for precision, directory in (("fp32", settings.fp32), ("fp16", settings.fp16)):
        for backend in ("onnxruntime-cuda", "tensorrt-rtx"):
            opened = partial(_on_lanes, settings, partial(directory_engines, directory, backend))
            found.append(Way(f"{backend} {precision}", backend, precision, opened))
        for mark, streams in (("", 0), (", auxiliary streams", None)):
            opened = partial(_on_lanes, settings, partial(tensorrt_engines, directory, streams))
            found.append(Way(f"tensorrt {precision}{mark}", "tensorrt", precision, opened))
    for mark, option in (("NHWC", "prefer_nhwc"), ("its own CUDA graphs", "enable_cuda_graph")):
        opened = partial(_on_lanes, settings, partial(_with_option, settings.fp16, option))
        found.append(Way(f"onnxruntime-cuda fp16, {mark}", "onnxruntime-cuda", "fp16", opened))
    forms = [TorchForm(), TorchForm("fp16", channels_last=True)]
    forms += [TorchForm("bf16", channels_last=True)]
    if compiled:
        forms += [TorchForm("fp16", compiled=True, channels_last=True)]
    for form in forms:

        def engines(batch: int, cuda: Cuda, form: TorchForm = form) -> Engines:
            found = torch_networks(networks(), form, device)
            return {n: TorchEngine(e, form, batch=batch, device=device) for n, e in found.items()}

        def loop(batch: int, stack: ExitStack, form: TorchForm = form) -> Sequence[BatchEditor]:
            found = torch_networks(networks(), form, device)
            return [TorchLoop(found, _stages(found), batch, device)]

        on_lanes = partial(_on_lanes, settings, engines)
        found.append(Way(f"{form.name}, on our lanes", "torch", form.precision, on_lanes))
        found.append(Way(f"{form.name}, plain loop", "torch loop", form.precision, loop))
    if device == "cpu":

        def on_processor(batch: int, stack: ExitStack) -> Sequence[BatchEditor]:
            cascade = OpenedSet.open(settings.fp32, backend="onnxruntime", batch=batch)
            return [stack.enter_context(closing(cascade.lane()))]

        found.append(Way("onnxruntime fp32", "onnxruntime", "fp32", on_processor))
    return found


def _with_option(directory: Path, option: str, batch: int, cuda: Cuda) -> Engines:
    """ONNX Runtime's CUDA provider with one more of its options switched on."""
    manifest = read_manifest(directory)
    with cuda.current():
        return {
            name: OnnxRuntimeCudaEngine(
                EngineDirectory(directory).content(entry.stored),
                entry,
                batch=batch,
                cuda=cuda,
                precision=manifest.precision,
                options={option: "1"},
            )
            for name, entry in manifest.networks.items()
        }


def properties_of(engines: Engines, directory: Path) -> Properties:
    """As a checkpoint's networks are, which need not be those of the set that lies there."""
    stage = engines["stage_1"]
    return replace(
        read_properties(EngineDirectory(directory)),
        stages=sum(name.startswith("stage_") for name in engines),
        motion=any(spec.name == "fields" for spec in stage.outputs),
        crop_px=next(int(spec.shape[1]) for spec in stage.inputs if spec.name == "pixels"),
    )


def _on_lanes(
    settings: Settings, opener: Callable[[int, Cuda], Engines], batch: int, stack: ExitStack
) -> Sequence[BatchEditor]:
    engines = opener(batch, settings.cuda)
    properties = properties_of(engines, settings.fp32)
    lanes = []
    for _ in range(settings.lanes):
        lane = device_lane(settings.cuda, engines, CASCADE, properties, batch)
        stack.callback(lane.close)
        lanes.append(lane)
    return lanes


def _stages(networks: Any) -> int:
    return sum(name.startswith("stage_") for name in networks)


def measured(way: Way, batch: int, settings: Settings) -> dict[str, Any]:
    """One way's figures at one batch, or why there are none."""
    with ExitStack() as stack:
        started = time.perf_counter()
        try:
            editors = way.open(batch, stack)
        except EngineError as error:
            return {"way": way.name, "batch": batch, "left_out": str(error)}
        opened_s = time.perf_counter() - started
        free = {"opened": free_bytes(settings.cuda)}
        for editor in editors if settings.device == "cuda" else ():
            _warm_up(editor, batch)
        free["warm"] = free_bytes(settings.cuda)
        with _watched_gpu() as samples:
            rounds = [
                measure(
                    editors,
                    TARGET,
                    settings.pictures,
                    batch=batch,
                    seconds=settings.seconds,
                    options=BatchOptions(WORKERS),
                )
                for _ in range(settings.rounds)
            ]
        return {
            "way": way.name,
            "backend": way.backend,
            "precision": way.precision,
            "batch": batch,
            "lanes": len(editors),
            "opened_s": round(opened_s, 2),
            "rounds": len(rounds),
            "one_lane_ms": _latency([alone.networks for alone, _ in rounds]),
            "gpu_share_one_lane": _median(_share(alone.networks) for alone, _ in rounds),
            "gpu_busy_nvidia_smi": round(statistics.mean(samples) / 100, 3) if samples else None,
            "images_per_s": _median(alone.images_per_s for alone, _ in rounds),
            "directory_images_per_s": _median(pipe.images_per_s for _, pipe in rounds),
            # Some runtimes take memory anew for each thread that runs a lane.
            "free_device_bytes": free | {"after threads": free_bytes(settings.cuda)},
        }


def free_bytes(cuda: Cuda) -> int:
    """Device memory that nobody has taken."""
    with cuda.current():
        return cuda.free_bytes()


def any_batch(batch: int) -> tuple[Bytes, dict[str, Array]]:
    """A full batch of noise, and what it is to become."""
    pixels = np.random.default_rng(0).integers(0, 256, (batch, 128, 128, 3), dtype=np.uint8)
    return pixels, {place: np.tile(row, (batch, 1)) for place, row in TARGET.places.items()}


def _warm_up(editor: BatchEditor, batch: int) -> None:
    """Runs until both a time and a count have been reached."""
    pixels, goal = any_batch(batch)
    started, runs = time.perf_counter(), 0
    while runs < WARM_UP_RUNS or time.perf_counter() - started < WARM_UP_S:
        editor.run(pixels, goal)
        runs += 1


def _latency(rounds: Sequence[Any]) -> dict[str, Any]:
    """Medians over the rounds of each network's percentiles."""
    found = {}
    for each in rounds[0]:
        same = [next(s for s in stages if s.stage == each.stage) for stages in rounds]
        found[each.stage] = {
            figure: _median(getattr(s, figure) for s in same)
            for figure in ("p50_ms", "p90_ms", "p99_ms", "mean_ms")
        } | {"n": sum(s.n for s in same)}
    return found


def _share(stages: Sequence[Any]) -> float:
    """The networks' time over the clock's, of one lane."""
    networks = sum(s.mean_ms for s in stages if s.stage not in (*COPIES, WHOLE_BATCH))
    whole: float = next(s.mean_ms for s in stages if s.stage == WHOLE_BATCH)
    return float(networks / whole)


def _median(values: Iterator[float]) -> float:
    return round(statistics.median(values), 4)


@contextmanager
def _watched_gpu() -> Iterator[list[float]]:
    """Percent of time with a kernel running on the GPU that is measured, filled in at the end.

    Five samples a second. A MIG slice has no figure of its own.
    """
    samples: list[float] = []
    tool = nvidia_smi()
    if tool is None:
        yield samples
        return
    query = [*tool, "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "200"]
    process = subprocess.Popen(query, stdout=subprocess.PIPE, text=True)
    try:
        yield samples
    finally:
        process.terminate()
        said, _ = process.communicate()
        samples += [float(line) for line in said.split() if line.replace(".", "").isdigit()]
