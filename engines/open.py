"""Chooses a backend on facts about this machine and opens networks with it.

The order of preference was measured on an EF-GAN branch at batch 8, two Zen 5 cores, onnxruntime
1.31.1 and openvino 2026.4.1, width 16: OpenVINO bf16 321 images/s, OpenVINO fp32 174, ONNX Runtime
fp32 115. Importing this module imports neither runtime.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engines import runtimes
from engines.base import Engine, EngineError
from engines.manifest import REMEDY, Manifest, directory_fault, read_model
from engines.processor import Processor, this_processor

BACKENDS: Final = ("openvino", "onnxruntime")
PRECISIONS: Final = ("fp32", "bf16")


@dataclass(frozen=True)
class BackendChoice:
    """Which backend runs, how it computes, and why, in one sentence for the user."""

    backend: str
    precision: str
    reason: str


def choose_backend(
    requested: str, manifest: Manifest, precision: str | None = None
) -> BackendChoice:
    """The backend and precision for an engine set on this machine.

    Args:
        requested: `auto` or one of `BACKENDS`.
        manifest: of the engine set.
        precision: `fp32`, `bf16`, or None for the fastest that the backend has here.

    Raises:
        EngineError: the name or precision is unknown, a package is missing (the message holds the
            line that installs it), or the processor or backend lacks the precision.
    """
    if requested not in ("auto", *BACKENDS):
        known = ", ".join(("auto", *BACKENDS))
        raise EngineError(f"there is no backend '{requested}'; known are {known}")
    _check_precision(precision, requested, manifest)
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
    cache_dir: Path | None = None,
) -> Engine:
    """Opens one network for a fixed batch, its file verified first.

    Args:
        directory: where `manifest` was read.
        manifest: of the engine set.
        network: name of one of its networks.
        backend: one of `BACKENDS`, or `auto`.
        precision: `fp32`, `bf16` (OpenVINO only), or None for the backend's choice.
        batch: pictures in every run; within the range the network was made for.
        threads: processor threads of a run; None is the backend's default.
        cache_dir: where OpenVINO keeps compiled networks; None is nowhere.

    Raises:
        EngineError: anything does not fit; the message says what was found and expected.
    """
    entry = manifest.network(network)
    smallest, _, largest = entry.batch
    if not smallest <= batch <= largest:
        raise EngineError(
            f"{network}: batch {batch} is outside {smallest} to {largest}, which the engines were "
            f"made for; choose one inside, or {REMEDY} --batch MIN:OPT:MAX"
        )
    if threads is not None and threads < 1:
        raise EngineError(f"{threads} threads were asked for, expected 1 or more")
    if manifest.kind != "onnx":
        raise directory_fault(directory, f"kind '{manifest.kind}' found, 'onnx' expected")
    choice = choose_backend(backend, manifest, precision)
    model = read_model(directory, manifest, network)
    if choice.backend == "openvino":
        from engines.openvino_engine import OpenvinoEngine

        return OpenvinoEngine(
            model,
            entry,
            precision=choice.precision,
            batch=batch,
            threads=threads,
            cache_dir=cache_dir,
        )
    from engines.onnxruntime_engine import OnnxRuntimeEngine

    return OnnxRuntimeEngine(model, entry, batch=batch, threads=threads)


def _check_precision(precision: str | None, requested: str, manifest: Manifest) -> None:
    if precision not in (None, *PRECISIONS):
        raise EngineError(
            f"precision '{precision}' cannot be chosen when running, only {' or '.join(PRECISIONS)}"
            f"; these engines are {manifest.precision}, which is decided when they are made: "
            "efgan-rt build-engines CKPT.pt --precision"
        )
    if precision == "bf16" and requested == "onnxruntime":
        raise EngineError(
            "ONNX Runtime has no bf16 arithmetic on processors; "
            "use fp32 with it, or the openvino backend"
        )


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
