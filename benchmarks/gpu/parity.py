"""Does a GPU compute what PyTorch computes in FP32? Network by network, then the final pixels.

Each network gets the very inputs that PyTorch's FP32 run on the processor gave it, so a figure is
one network's own; the final pixels come from a lane, where each network gets what the one before it
gave. Bars are those of a build (`export.parity`): fp32 within 1e-4 of the picture and a level of
its bytes, half precision at least 45 dB.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from benchmarks.torch_engine import TorchEngine, TorchForm, torch_networks
from efgan_rt.editing import device_lane
from efgan_rt.errors import EfganError
from efgan_rt.expressions import target_places
from efgan_rt.families.cascade import CASCADE, stage_name
from efgan_rt.families.properties import Properties
from efgan_rt.pictures.crop import resized
from engines.arrays import Array
from engines.base import EngineError
from engines.choice import BackendChoice, choose_backend
from engines.cuda_memory import Cuda
from engines.device import DeviceEngine, tensor_bytes
from engines.directory import EngineDirectory
from engines.manifest import read_manifest
from engines.open import open_device_engine
from export.calibration import bundled_faces
from export.networks import exported_networks, run_in_torch
from export.parity import FILE_BARS_FP32, Bar, Run, differences
from export.plans import PlanOptions, remake_plans
from train.checkpoint import Checkpoint
from train.families.cascade.networks.inference import properties_of
from train.families.cascade.probe import Probe, probe_for

BATCH: Final = 8
# Half: each layer's result is rounded. The bar for action units, 1 % of their range, is ours.
BARS_FP16: Final[Mapping[str, Bar]] = {
    "pixels_out_psnr_db": Bar(45, at_least=True),
    "au_max_abs": Bar(0.05),
    "stage_au_max_abs": Bar(5e-4),
}
# bf16 keeps 8 bits; OpenVINO's bf16 is held to the same.
BARS_BF16: Final[Mapping[str, Bar]] = {
    **BARS_FP16,
    "pixels_out_psnr_db": Bar(40, at_least=True),
    "au_max_abs": Bar(0.5),
}
BARS: Final = {"fp32": FILE_BARS_FP32, "fp16": BARS_FP16, "bf16": BARS_BF16}

Engines = Mapping[str, DeviceEngine]
Opener = Callable[[int, Cuda], Engines]


@dataclass(frozen=True)
class Reference:
    """PyTorch's FP32 run on the processor."""

    probe: Probe
    runs: Mapping[str, Run]
    properties: Properties

    @property
    def pixels(self) -> Array:
        """The edited faces, uint8 (n, H, W, 3)."""
        return self.runs[stage_name(self.properties.stages)].outputs["pixels_out"]


def reference_of(checkpoint: Checkpoint, count: int = BATCH) -> Reference:
    """Runs the cascade in PyTorch on the processor over the package's faces."""
    config = checkpoint.config
    faces = resized(bundled_faces()[:count], config.crop_px)
    probe = probe_for(faces, config.stages, config.au_count, checkpoint.expressions)
    runs = run_in_torch(exported_networks(checkpoint.build()), probe.places)
    return Reference(probe, runs, properties_of(config))


def directory_engines(directory: Path, backend: str, batch: int, cuda: Cuda) -> Engines:
    """Every network of an engine directory, opened on the device by one backend.

    Raises:
        EngineError: the backend cannot be used here.
    """
    manifest = read_manifest(directory)
    choose_backend(backend, EngineDirectory(directory, manifest))
    with cuda.current():
        return {
            name: open_device_engine(
                EngineDirectory(directory, manifest),
                name,
                BackendChoice(backend, "fp32", ""),
                batch=batch,
                cuda=cuda,
            )
            for name in manifest.networks
        }


def tensorrt_engines(directory: Path, streams: int | None, batch: int, cuda: Cuda) -> Engines:
    """Plans compiled here and now for one batch alone, so that kernels are timed for what runs.

    Args:
        directory: an engine directory, whose ONNX files are compiled.
        streams: the most auxiliary ones; None leaves it to TensorRT.
        batch: smallest, best and largest.
        cuda: the device.

    Raises:
        EngineError: there is no TensorRT here, or it cannot compile them.
    """
    with TemporaryDirectory(prefix="efgan-plans-") as folder:
        out = Path(folder, "engines")
        try:
            with cuda.current():
                options = PlanOptions(auxiliary_streams=streams)
                remake_plans(directory, out, options, batch=(batch, batch, batch))
        except EfganError as error:
            raise EngineError(str(error)) from error
        return directory_engines(out, "tensorrt", batch, cuda)


def torch_engines(
    checkpoint: Checkpoint, form: TorchForm, device: str, batch: int, cuda: Cuda
) -> Engines:
    """The checkpoint's networks as PyTorch engines."""
    found = torch_networks(checkpoint.build(), form, device)
    return {
        name: TorchEngine(network, form, batch=batch, device=device)
        for name, network in found.items()
    }


def openers(
    fp32: Path, fp16: Path, checkpoint: Checkpoint, device: str
) -> dict[str, tuple[str, Opener]]:
    """What is compared: name -> (precision, a function that opens the engines)."""
    found: dict[str, tuple[str, Opener]] = {}
    for precision in ("fp32", "fp16", "bf16"):
        form = TorchForm(precision, channels_last=precision != "fp32")
        found[form.name] = (precision, partial(torch_engines, checkpoint, form, device))
    for precision, directory in (("fp32", fp32), ("fp16", fp16)):
        for backend in ("onnxruntime-cuda", "tensorrt-rtx"):
            opener = partial(directory_engines, directory, backend)
            found[f"{backend} {precision}"] = (precision, opener)
        found[f"tensorrt {precision}"] = (precision, partial(tensorrt_engines, directory, 0))
    return found


def run_network(cuda: Cuda, engine: DeviceEngine, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Runs one network once, on memory of its own; n pictures are one batch of the engine."""
    specs = (*engine.inputs, *engine.outputs)
    with cuda.current():
        stream = cuda.stream()
        memory = {spec.name: cuda.device(tensor_bytes(spec)) for spec in specs}
        scratch = cuda.device(engine.scratch_bytes) if engine.scratch_bytes else None
        context = engine.bind(memory, scratch, stream)
        for spec in engine.inputs:
            pinned = cuda.pinned(spec.resolve(), spec.numpy_dtype)
            np.copyto(pinned, _as_type(inputs[spec.name], spec.dtype))
            cuda.upload(memory[spec.name], pinned, stream)
            stream.synchronize()
        context.enqueue()
        outputs = {}
        for spec in engine.outputs:
            outputs[spec.name] = cuda.pinned(spec.resolve(), spec.numpy_dtype)
            cuda.download(outputs[spec.name], memory[spec.name], stream)
        stream.synchronize()
        copies = {spec.name: _from_type(outputs[spec.name]) for spec in engine.outputs}
        del context
        for buffer in (*memory.values(), *([scratch] if scratch else [])):
            buffer.free()
    return copies


def _as_type(array: Array, dtype: str) -> Array:
    """An input in the element type that an engine takes; uint16 stands for bfloat16."""
    if dtype == "uint16":
        bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
        return (bits + 0x7FFF + ((bits >> 16) & 1) >> 16).astype(np.uint16)
    return array.astype(dtype, copy=False)


def _from_type(array: Array) -> Array:
    """A copy of an output in a type that can be compared."""
    if array.dtype == np.uint16:
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array.copy()


def measured(cuda: Cuda, engines: Engines, reference: Reference, precision: str) -> dict[str, Any]:
    """Every figure of every network and of the final pixels, and those that miss their bar."""
    figures: dict[str, dict[str, float]] = {}
    missed = []
    for name, run in reference.runs.items():
        figures[name] = differences(run_network(cuda, engines[name], run.inputs), run.outputs)
    figures["whole cascade"] = differences(
        {"pixels_out": edited_pixels(cuda, engines, reference)}, {"pixels_out": reference.pixels}
    )
    for name, found in figures.items():
        for figure, bar in BARS[precision].items():
            if figure in found and not bar.holds(found[figure]):
                missed.append(f"{name}: {figure} is {found[figure]:.4g}, expected {bar}")
    return {"precision": precision, "figures": figures, "missed": missed}


def edited_pixels(cuda: Cuda, engines: Engines, reference: Reference) -> Array:
    """The probe's faces through a lane, uint8 (n, H, W, 3)."""
    probe = reference.probe
    lane = device_lane(cuda, engines, CASCADE, reference.properties, len(probe.pixels))
    try:
        for _ in range(2):  # the second run is the one that repeats: by graph, where there is one
            result = lane.run(probe.pixels, target_places(probe.target_scale, probe.target_offset))
        return result.pixels.copy()
    finally:
        lane.close()
