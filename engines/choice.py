"""Chooses backend and precision for an engine set, once, on facts about this machine.

A GPU comes first. TensorRT's plans, compiled for this GPU, are what engines were made for; ONNX
Runtime's CUDA provider runs the ONNX files on any GPU; its TensorRT-RTX plugin is taken only by
name: it compiles when it opens, and which cards it takes is its own affair. TensorRT answers a plan
that does not suit with nothing and a line in its log, so what it would refuse is found here first:
a plan is for one version of one library and for one GPU, unless it was made to be compatible, and
then for later versions (never older ones) and a family of GPUs.

On a processor OpenVINO is quicker than ONNX Runtime. Which of its precisions is quickest no name
tells: bf16 did 1.85 times the pictures of fp32 on two Zen 5 cores, and 0.59 times on two cores of
an Emerald Rapids in a virtual machine, which had AVX512-BF16 and no AMX. So `auto` takes what was
measured (`engines.probe`); where nothing was, it follows these two measurements. Int8 is never
taken unasked: it costs quality. Importing this module imports no runtime.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from engines import runtimes
from engines.base import EngineError
from engines.cuda_memory import Cuda, DeviceFacts
from engines.directory import EngineDirectory
from engines.manifest import PlanFacts, int8_fault, plan_fault
from engines.nvidia_driver import has_driver
from engines.open_cuda import open_cuda
from engines.processor import Processor, this_processor
from engines.runtimes import TENSORRT_TITLES

DEVICE_BACKENDS: Final = ("tensorrt", "tensorrt-rtx", "onnxruntime-cuda")
PROCESSOR_BACKENDS: Final = ("openvino", "onnxruntime")
BACKENDS: Final = (*DEVICE_BACKENDS, *PROCESSOR_BACKENDS)
INT8: Final = "int8"
PRECISIONS: Final = ("fp32", "bf16", INT8)
# A precision has to be so much quicker than fp32 to be worth its rounding.
WORTHWHILE: Final = 1.05
# precision -> seconds of a batch
Rates = Mapping[str, float]


@dataclass(frozen=True)
class BackendChoice:
    """Which backend runs, how it computes, and why, in one sentence for the user."""

    backend: str
    precision: str
    reason: str
    rest: str | None = None
    """Of an int8 set: what everything that is not in int8 computes in."""

    @property
    def on_device(self) -> bool:
        """Whether it runs on a GPU."""
        return self.backend in DEVICE_BACKENDS


def choose_backend(
    requested: str,
    directory: EngineDirectory,
    precision: str | None = None,
    *,
    measured: Callable[[], Rates | None] = lambda: None,
) -> BackendChoice:
    """The backend and precision for an engine set on this machine.

    Args:
        requested: `auto` or one of `BACKENDS`.
        directory: the engine set.
        precision: `fp32`, `bf16`, `int8`, or None to choose.
        measured: seconds of a batch by precision, in OpenVINO on this machine; asked by `auto`
            where more than one precision runs. None where nothing could be measured.

    Raises:
        EngineError: the name or precision is unknown, a package is missing (the message holds the
            line that installs it), the processor, the backend or the engine set lacks the
            precision, or a GPU backend that was asked for cannot be used.
    """
    if requested not in ("auto", *BACKENDS):
        known = ", ".join(("auto", *BACKENDS))
        raise EngineError(f"there is no backend '{requested}'; known are {known}")
    _check_precision(precision, requested, directory)
    if requested in DEVICE_BACKENDS:
        return choose_device_backend(requested, directory, precision)
    if precision == INT8:
        return _int8(directory)
    missed = ""
    if requested == "auto":
        choice, missed = find_device_backend(directory, precision)
        if choice is not None:
            return _with_remark(choice, missed)
    return _with_remark(_on_processor(requested, precision, measured), missed)


def quickest(seconds: Rates) -> str:
    """The precision to take of those that were measured: fp32, unless another is worth it."""
    best = min(seconds, key=seconds.__getitem__)
    return best if seconds["fp32"] / seconds[best] >= WORTHWHILE else "fp32"


def _with_remark(choice: BackendChoice, remark: str) -> BackendChoice:
    return replace(choice, reason=f"{choice.reason}; {remark}") if remark else choice


def _on_processor(
    requested: str, precision: str | None, measured: Callable[[], Rates | None]
) -> BackendChoice:
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
    if precision == "fp32":
        return BackendChoice("openvino", "fp32", "OpenVINO in fp32, as asked for")
    processor = this_processor()
    lack = lack_of_bf16(processor)
    wish = ", as asked for" if requested == "openvino" else ""
    if precision == "bf16":
        if lack:
            raise EngineError(f"bf16 was asked for, but {lack}; use fp32")
        return BackendChoice("openvino", "bf16", "OpenVINO in bf16, as asked for")
    if lack:
        return BackendChoice("openvino", "fp32", f"OpenVINO in fp32{wish}: {lack}, so no bf16")
    seconds = measured() if requested == "auto" else None
    if seconds is None:
        return _by_rule(processor, wish)
    taken = quickest(seconds)
    rates = ", ".join(f"{name} {1e3 * each:.1f} ms" for name, each in seconds.items())
    return BackendChoice(
        "openvino",
        taken,
        f"OpenVINO in {taken}, by a probe of one network's batch on this processor "
        f"({processor.name}): {rates}",
    )


def _by_rule(processor: Processor, wish: str) -> BackendChoice:
    """The choice between fp32 and bf16 where nothing was measured here."""
    feature = processor.bf16 or "bf16 arithmetic"
    quicker = processor.bf16 == "AMX" or "AMD" in processor.name
    taken, than = ("bf16", "quicker") if quicker else ("fp32", "no slower")
    return BackendChoice(
        "openvino",
        taken,
        f"OpenVINO in {taken}{wish}: nothing was measured here, and with {feature} on a processor "
        f"like this one ({processor.name}) {taken} was {than} than the other",
    )


def lack_of_bf16(processor: Processor) -> str:
    """Why OpenVINO does not compute in bf16 here; empty where it does."""
    from engines.openvino_engine import has_bf16

    # Both have to agree where both know: OpenVINO can be told to ignore what the processor has.
    if has_bf16() and (processor.bf16 is not None or not processor.listed):
        return ""
    if processor.bf16 is not None:
        return f"OpenVINO does not use the {processor.bf16} of this processor ({processor.name})"
    if processor.listed:
        return f"this processor ({processor.name}) has neither AMX nor AVX512-BF16"
    return f"OpenVINO has no bf16 arithmetic on this processor ({processor.name})"


def _check_precision(precision: str | None, requested: str, directory: EngineDirectory) -> None:
    if precision not in (None, *PRECISIONS):
        raise EngineError(
            f"precision '{precision}' cannot be chosen when running, only {', '.join(PRECISIONS)}"
            f"; these engines are {directory.manifest.precision}, which is decided when they are "
            "made: efgan-rt build-engines CKPT.pt --precision"
        )
    lacks = {"bf16": "has no bf16 arithmetic on processors", INT8: "reads no int8 files"}
    if precision in lacks and requested == "onnxruntime":
        raise EngineError(
            f"ONNX Runtime {lacks[precision]}; use fp32 with it, or the openvino backend"
        )


def _int8(directory: EngineDirectory) -> BackendChoice:
    runtimes.import_openvino()
    if directory.manifest.int8 is None:
        path, lack = directory.path, "int8 was asked for, and these engines have no int8 files"
        raise int8_fault(path, path, lack)
    processor = this_processor()
    rest = "fp32" if lack_of_bf16(processor) else _by_rule(processor, "").precision
    reason = f"OpenVINO in int8, as asked for, the rest in {rest}"
    return BackendChoice("openvino", INT8, reason, rest)


_TITLES: Final = {
    "tensorrt": "TensorRT",
    "tensorrt-rtx": "ONNX Runtime with TensorRT-RTX",
    "onnxruntime-cuda": "ONNX Runtime with CUDA",
}


def choose_device_backend(
    requested: str, directory: EngineDirectory, precision: str | None
) -> BackendChoice:
    """A GPU backend that was asked for by name.

    Args:
        requested: one of `DEVICE_BACKENDS`.
        directory: of the engines.
        precision: `fp32` or `fp16` as the engines are, or None.

    Raises:
        EngineError: the engines are of another precision, or the backend cannot be used here; says
            what is missing and what brings it.
    """
    manifest = directory.manifest
    if precision not in (None, manifest.precision):
        raise EngineError(
            f"{precision} was asked for, but on a GPU the precision is that of the engines, which "
            f"are {manifest.precision}; leave the option out, or make others with: "
            "efgan-rt build-engines CKPT.pt --precision"
        )
    cuda = _CHECKS[requested](directory)
    return _device_choice(requested, directory, cuda, "as asked for")


def find_device_backend(
    directory: EngineDirectory, precision: str | None
) -> tuple[BackendChoice | None, str]:
    """The best GPU backend here, and what was passed over.

    Returns:
        The choice, or None where the processor has to run; and a sentence on what could have been
        expected to run and does not, empty if that is nothing. A machine without a GPU, and a set
        without plans, leave nothing to expect.
    """
    manifest = directory.manifest
    if precision not in (None, manifest.precision):
        return None, ""
    missed = ""
    if manifest.plans is not None:
        try:
            cuda = _check_tensorrt(directory)
            return _device_choice("tensorrt", directory, cuda, "the plans suit this GPU"), ""
        except EngineError as error:
            missed = f"the TensorRT plans are not used: {error}"
    if not has_driver():  # asked first: the packages that would say the same take 0.1 s to import
        return None, missed
    try:
        cuda = open_cuda()
    except EngineError:
        return None, missed
    try:
        cuda = _check_onnxruntime_cuda(directory)
    except EngineError as error:
        unused = f"{cuda.facts.name} is not used by ONNX Runtime: {error}"
        return None, f"{missed}; {unused}" if missed else unused
    return _device_choice("onnxruntime-cuda", directory, cuda, "the fastest here"), missed


def _device_choice(backend: str, directory: EngineDirectory, cuda: Cuda, why: str) -> BackendChoice:
    manifest = directory.manifest
    title = _TITLES[backend]
    if backend == "tensorrt" and manifest.plans is not None:
        title = f"{TENSORRT_TITLES[manifest.plans.library]} {manifest.plans.version}"
    half = ""
    if manifest.precision == "fp32":
        half = (
            f"; in half precision after: efgan-rt build-engines {directory.path} --precision fp16"
        )
    return BackendChoice(
        backend,
        manifest.precision,
        f"{title} in {manifest.precision} on {cuda.facts.name}, {why} (buffers: {cuda.described})"
        f"{half}",
    )


def _check_tensorrt(directory: EngineDirectory) -> Cuda:
    path, plans = directory.path, directory.manifest.plans
    if plans is None:
        raise plan_fault(path, path, "has no TensorRT plans, only ONNX files")
    library = plans.library
    try:
        module = runtimes.import_tensorrt(library)
    except EngineError as missing:
        # If the other library is here, that is the better thing to say.
        library = runtimes.tensorrt_library()
        if library == plans.library:
            raise
        try:
            module = runtimes.import_tensorrt(library)
        except EngineError:
            raise missing from None
    cuda = open_cuda()
    check_plans(path, plans, library=library, version=module.__version__, gpu=cuda.facts)
    return cuda


def _check_tensorrt_rtx(directory: EngineDirectory) -> Cuda:
    from engines.tensorrt_rtx_engine import plugin_devices

    plugin_devices()
    return open_cuda()


def _check_onnxruntime_cuda(directory: EngineDirectory) -> Cuda:
    from engines.onnxruntime_cuda_engine import check_cuda_provider

    check_cuda_provider()
    return open_cuda()


_CHECKS: Final[dict[str, Callable[[EngineDirectory], Cuda]]] = {
    "tensorrt": _check_tensorrt,
    "tensorrt-rtx": _check_tensorrt_rtx,
    "onnxruntime-cuda": _check_onnxruntime_cuda,
}


# The first family that `ampere_plus` covers.
AMPERE: Final = (8, 0)


def check_plans(
    directory: Path, plans: PlanFacts, *, library: str, version: str, gpu: DeviceFacts
) -> None:
    """Holds what the plans were made with against what is here.

    Args:
        directory: of the engines, for the messages.
        plans: from the manifest.
        library: `tensorrt` or `tensorrt_rtx`, the one that would open them.
        version: of that library.
        gpu: the GPU that would run them.

    Raises:
        EngineError: they were made by the other library, by a version whose plans this one does
            not open, or for another GPU.
    """
    found = f"{TENSORRT_TITLES[plans.library]} {plans.version}"
    if plans.library != library:
        raise _unsuitable(
            directory,
            f"made with {found}, which {TENSORRT_TITLES[library]} {version} does not open",
        )
    if plans.version_compatible:
        if _numbers(version) < _numbers(plans.version):
            raise _unsuitable(
                directory,
                f"made with {found}, version compatible, expected {version} or older: "
                f"{TENSORRT_TITLES[library]} {version} is installed and opens no plan of a later "
                "one",
            )
    elif version != plans.version:
        raise _unsuitable(directory, f"made with {found}, expected {version}, which is installed")
    _check_gpu(directory, plans, gpu)


def _check_gpu(directory: Path, plans: PlanFacts, gpu: DeviceFacts) -> None:
    if plans.compute_capability is None:
        return  # made ahead of time for several families: the runtime knows which
    here = f"this GPU is {gpu.name} (compute capability {gpu.compute_capability})"
    made = f"{plans.gpu or 'no GPU'} (compute capability {plans.compute_capability})"
    if plans.hardware_compatibility == "ampere_plus":
        if _numbers(gpu.compute_capability) < AMPERE:
            raise _unsuitable(
                directory,
                f"made on {made} for compute capability {AMPERE[0]}.{AMPERE[1]} and newer; {here}",
            )
        return
    if gpu.compute_capability != plans.compute_capability:
        raise _unsuitable(directory, f"made on {made}; {here}")
    same_model = plans.hardware_compatibility == "same_compute_capability" or plans.gpu is None
    if not same_model and gpu.name != plans.gpu:
        raise _unsuitable(
            directory,
            f"made on {made}, for that model alone; {here} (plans made with --hardware-compatible "
            "serve every GPU of a compute capability)",
        )


def _unsuitable(directory: Path, fault: str) -> EngineError:
    return plan_fault(directory, directory, f"its TensorRT plans do not suit this machine: {fault}")


def _numbers(version: str) -> tuple[int, ...]:
    """A version as numbers: "11.4.0.106" -> (11, 4, 0, 106); what is no number counts as 0."""
    return tuple(int(part) if part.isdigit() else 0 for part in version.split("."))
