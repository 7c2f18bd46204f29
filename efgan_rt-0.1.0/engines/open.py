"""Chooses a backend on facts about this machine and opens networks with it.

A GPU comes first, and what is expected of it and does not work is said in the choice's reason
(`engines.device_choice`). The order on processors was measured on an EF-GAN branch at batch 8, two
Zen 5 cores, onnxruntime 1.31.1 and openvino 2026.4.1, width 16: OpenVINO bf16 321 images/s,
OpenVINO fp32 174, ONNX Runtime fp32 115. Int8 is quicker still and is never taken unasked: it costs
quality. Importing this module imports no runtime.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from engines import runtimes
from engines.base import Engine, EngineError
from engines.cuda_memory import Cuda
from engines.device import DeviceEngine
from engines.manifest import (
    REMEDY,
    Manifest,
    NetworkEntry,
    directory_fault,
    int8_fault,
    read_int8,
    read_model,
    read_plan,
)
from engines.processor import Processor, this_processor

DEVICE_BACKENDS: Final = ("tensorrt", "tensorrt-rtx", "onnxruntime-cuda")
PROCESSOR_BACKENDS: Final = ("openvino", "onnxruntime")
BACKENDS: Final = (*DEVICE_BACKENDS, *PROCESSOR_BACKENDS)
INT8: Final = "int8"
PRECISIONS: Final = ("fp32", "bf16", INT8)


@dataclass(frozen=True)
class BackendChoice:
    """Which backend runs, how it computes, and why, in one sentence for the user."""

    backend: str
    precision: str
    reason: str


def choose_backend(
    requested: str,
    manifest: Manifest,
    precision: str | None = None,
    directory: Path = Path("DIR"),
) -> BackendChoice:
    """The backend and precision for an engine set on this machine.

    Args:
        requested: `auto` or one of `BACKENDS`.
        manifest: of the engine set.
        precision: `fp32`, `bf16`, `int8`, or None for the faster of the first two that the
            backend has here.
        directory: of the engine set, for the messages.

    Raises:
        EngineError: the name or precision is unknown, a package is missing (the message holds the
            line that installs it), the processor, the backend or the engine set lacks the
            precision, or a GPU backend that was asked for cannot be used.
    """
    if requested not in ("auto", *BACKENDS):
        known = ", ".join(("auto", *BACKENDS))
        raise EngineError(f"there is no backend '{requested}'; known are {known}")
    _check_precision(precision, requested, manifest)
    # What a GPU needs is imported only where one may be used.
    from engines import device_choice

    if requested in DEVICE_BACKENDS:
        return device_choice.choose_device_backend(requested, directory, manifest, precision)
    if precision == INT8:
        return _int8(directory, manifest)
    missed = ""
    if requested == "auto":
        choice, missed = device_choice.find_device_backend(directory, manifest, precision)
        if choice is not None:
            return _with_remark(choice, missed)
    return _with_remark(_on_processor(requested, precision), missed)


def _with_remark(choice: BackendChoice, remark: str) -> BackendChoice:
    return replace(choice, reason=f"{choice.reason}; {remark}") if remark else choice


def _on_processor(requested: str, precision: str | None) -> BackendChoice:
    if requested == "onnxruntime":
        runtimes.import_onnxruntime()
        return BackendChoice("onnxruntime", "fp32", "ONNX Runtime in fp32, as asked for")
    try:
        runtimes.import_openvino()
    except EngineError as missing:
        if requested == "openvino" or precision == "bf16":
            raise
        runtimes.import_onnxruntime()
        return BackendChoice(
            "onnxruntime", "fp32", f"ONNX Runtime in fp32, slower than OpenVINO, because {missing}"
        )
    return _openvino(requested, precision, this_processor())


def open_engine(
    directory: Path,
    manifest: Manifest,
    network: str,
    *,
    backend: str,
    precision: str | None = None,
    batch: int,
    threads: int | None = None,
    streams: int = 1,
    cache_dir: Path | None = None,
) -> Engine:
    """Opens one network for a fixed batch, its file verified first.

    Args:
        directory: where `manifest` was read.
        manifest: of the engine set.
        network: name of one of its networks.
        backend: `openvino`, `onnxruntime`, or `auto`.
        precision: `fp32`, `bf16`, `int8` (both OpenVINO only), or None for the backend's choice.
            In an int8 set, a network without int8 files computes as the backend chooses.
        batch: pictures in every run; within the range the network was made for.
        threads: processor threads of all runs together; None is one for each core.
        streams: runs that are to proceed at the same time and share the threads out.
        cache_dir: where OpenVINO keeps compiled networks; None is nowhere.

    Raises:
        EngineError: anything does not fit; the message says what was found and expected.
    """
    entry = _entry(directory, manifest, network, batch)
    if threads is not None and threads < 1:
        raise EngineError(f"{threads} threads were asked for, expected 1 or more")
    choice = choose_backend(backend, manifest, precision, directory)
    if choice.backend in DEVICE_BACKENDS:
        raise EngineError(f"{choice.backend} runs on a GPU, and needs its memory to open a network")
    if choice.backend == "openvino":
        from engines.openvino_engine import OpenvinoEngine

        weights = None
        if choice.precision == INT8 and entry.int8 is not None:
            model, weights = read_int8(directory, entry)
        else:
            model = read_model(directory, manifest, network)
        return OpenvinoEngine(
            model,
            entry,
            precision=_around_int8() if choice.precision == INT8 else choice.precision,
            batch=batch,
            threads=threads,
            streams=streams,
            cache_dir=cache_dir,
            int8_weights=weights,
        )
    model = read_model(directory, manifest, network)
    from engines.onnxruntime_engine import OnnxRuntimeEngine

    # A session's threads are those of one run, and its runs share them.
    each = max(1, (threads or this_processor().cores) // streams)
    return OnnxRuntimeEngine(model, entry, batch=batch, threads=each)


def open_device_engine(
    directory: Path,
    manifest: Manifest,
    network: str,
    *,
    backend: str,
    batch: int,
    cuda: Cuda,
    cache_dir: Path | None = None,
) -> DeviceEngine:
    """Opens one network on the GPU for a fixed batch, its file verified first.

    The plans of `tensorrt` are taken to suit the GPU: `choose_backend` has said so.

    Args:
        directory: where `manifest` was read.
        manifest: of the engine set.
        network: name of one of its networks.
        backend: one of `DEVICE_BACKENDS`.
        batch: pictures in every run; within the range the network was made for.
        cuda: the device, its primary context current in this thread.
        cache_dir: where TensorRT for RTX keeps compiled networks, as a plan's runtime and as the
            plugin; None is nowhere.

    Raises:
        EngineError: anything does not fit; the message says what was found and expected.
    """
    entry = _entry(directory, manifest, network, batch)
    if backend == "tensorrt":
        from engines.tensorrt_engine import TensorrtEngine

        plan = read_plan(directory, entry)
        assert manifest.plans is not None, "no entry has a plan without the facts about it"
        return TensorrtEngine(
            plan,
            entry,
            directory=directory,
            plans=manifest.plans,
            precision=manifest.precision,
            batch=batch,
            gpu=cuda.facts.name,
            cache_dir=cache_dir,
        )
    model = read_model(directory, manifest, network)
    if backend == "tensorrt-rtx":
        from engines.tensorrt_rtx_engine import TensorRTRTXEngine

        return TensorRTRTXEngine(
            model,
            entry,
            batch=batch,
            cuda=cuda,
            precision=manifest.precision,
            cache_dir=cache_dir,
        )
    from engines.onnxruntime_cuda_engine import OnnxRuntimeCudaEngine

    return OnnxRuntimeCudaEngine(model, entry, batch=batch, cuda=cuda, precision=manifest.precision)


def _entry(directory: Path, manifest: Manifest, network: str, batch: int) -> NetworkEntry:
    """The network's entry, once the batch is within its range."""
    entry = manifest.network(network)
    smallest, _, largest = entry.batch
    if not smallest <= batch <= largest:
        raise EngineError(
            f"{network}: batch {batch} is outside {smallest} to {largest}, which the engines were "
            f"made for; choose one inside, or {REMEDY} --batch MIN:OPT:MAX"
        )
    if manifest.kind != "onnx":
        raise directory_fault(directory, f"kind '{manifest.kind}' found, 'onnx' expected")
    return entry


def _check_precision(precision: str | None, requested: str, manifest: Manifest) -> None:
    if precision not in (None, *PRECISIONS):
        raise EngineError(
            f"precision '{precision}' cannot be chosen when running, only {', '.join(PRECISIONS)}"
            f"; these engines are {manifest.precision}, which is decided when they are made: "
            "efgan-rt build-engines CKPT.pt --precision"
        )
    lacks = {"bf16": "has no bf16 arithmetic on processors", INT8: "reads no int8 files"}
    if precision in lacks and requested == "onnxruntime":
        raise EngineError(
            f"ONNX Runtime {lacks[precision]}; use fp32 with it, or the openvino backend"
        )


def _int8(directory: Path, manifest: Manifest) -> BackendChoice:
    runtimes.import_openvino()
    if manifest.int8 is None:
        raise int8_fault(
            directory, directory, "int8 was asked for, and these engines have no int8 files"
        )
    rest = _around_int8()
    return BackendChoice("openvino", INT8, f"OpenVINO in int8, as asked for, the rest in {rest}")


def _around_int8() -> str:
    """What a set in int8 computes in beside its int8."""
    return _openvino("auto", None, this_processor()).precision


def _openvino(requested: str, precision: str | None, processor: Processor) -> BackendChoice:
    from engines.openvino_engine import has_bf16

    wish = ", as asked for" if requested == "openvino" else ""
    if precision == "fp32":
        return BackendChoice("openvino", "fp32", "OpenVINO in fp32, as asked for")
    # Both have to agree where both know: OpenVINO can be told to ignore what the processor has.
    usable = has_bf16()
    if usable and (processor.bf16 is not None or not processor.listed):
        feature = processor.bf16 or "bf16 arithmetic"
        return BackendChoice(
            "openvino",
            "bf16",
            f"OpenVINO in bf16{wish}: this processor ({processor.name}) has {feature}, "
            "which makes it the fastest here",
        )
    if processor.bf16 is not None:
        lack = f"OpenVINO does not use the {processor.bf16} of this processor ({processor.name})"
    elif processor.listed:
        lack = f"this processor ({processor.name}) has neither AMX nor AVX512-BF16"
    else:
        lack = f"OpenVINO has no bf16 arithmetic on this processor ({processor.name})"
    if precision == "bf16":
        raise EngineError(f"bf16 was asked for, but {lack}; use fp32")
    return BackendChoice("openvino", "fp32", f"OpenVINO in fp32{wish}: {lack}, so no bf16")
