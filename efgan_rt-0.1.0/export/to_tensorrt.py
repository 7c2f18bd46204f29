"""One ONNX file to one TensorRT plan; the same code for TensorRT 10.12 and later, 11 and RTX.

Networks are strongly typed: every tensor computes in the type that its ONNX file says, so precision
is decided at export and nowhere else. TF32 is off, because it would round what is FP32 on purpose.
No auxiliary streams unless asked for: nobody has measured yet whether a stage's four branches gain
by them. Whatever their number, TensorRT makes them wait for the lane's stream and it for them.
Details of all layers go into the plan, because the engine inspector needs them to say what types
were chosen. TensorRT for RTX is told that all memory is ours, without which its documentation
allows no capture into a CUDA graph.

TensorRT reports a failure as None or False, or as an exception that says nothing. Each becomes a
sentence here, with what the logger was told.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from efgan_rt.errors import EfganError
from engines.nvidia_driver import Gpu
from engines.tensorrt_log import log_of, shortened
from export.arithmetic_proof import Arithmetic, prove_engine, prove_network
from export.build_progress import BuildMonitor, Watch, run_cancellable
from export.tensorrt_module import LIBRARY, trt
from export.timing_cache import attach_timing_cache, keep_timing_cache

T = TypeVar("T")
LOG: Final = log_of(trt)
VERSION: Final[str] = trt.__version__
OLDEST: Final = (10, 12)  # strongly typed half-precision ONNX files build from here on
OPTIMIZATION_LEVEL: Final = 3  # TensorRT's own default; 4 and 5 may take hours
HARDWARE_LEVELS: Final = {
    "none": trt.HardwareCompatibilityLevel.NONE,
    "ampere_plus": trt.HardwareCompatibilityLevel.AMPERE_PLUS,
    "same_compute_capability": trt.HardwareCompatibilityLevel.SAME_COMPUTE_CAPABILITY,
}


@dataclass(frozen=True)
class PlanRequest:
    """What one plan is made for."""

    network: str
    batch: tuple[int, int, int]
    """Smallest, best and largest batch of the optimization profile."""
    arithmetic: Arithmetic
    hardware_compatibility: str
    version_compatible: bool
    auxiliary_streams: int | None = 0
    """The most that TensorRT may use beside the lane's stream; None leaves it to TensorRT."""


@dataclass(frozen=True)
class Plan:
    """What TensorRT made, and what is known of it."""

    content: bytes
    facts: Mapping[str, int | str]
    """Counts of layers, as read and, where a GPU could open the plan, as built; a note on them."""
    cache_found: bool
    """True if an earlier build had left timings, though perhaps of other layers."""


def builder_settings(request: PlanRequest) -> dict[str, Any]:
    """What every plan of a set is built with, for the manifest."""
    return {
        "strongly_typed": True,
        "tf32": False,
        "optimization_level": OPTIMIZATION_LEVEL,
        "auxiliary_streams": request.auxiliary_streams,
        "user_allocation": _user_allocation_flag() is not None,
        "profiling_verbosity": "detailed",
        "profile": dict(zip(("min", "opt", "max"), request.batch, strict=True)),
    }


def _user_allocation_flag() -> Any:
    """TensorRT for RTX's flag (1.2 and later); None where there is none, as in TensorRT."""
    return getattr(trt.BuilderFlag, "REQUIRE_USER_ALLOCATION", None)


def check_tensorrt_works(gpu: Gpu | None) -> None:
    """Opens and closes a builder, so that a build fails at once or not for this reason.

    Raises:
        EfganError: TensorRT is too old or gives no builder.
    """
    if LIBRARY == "tensorrt" and tuple(map(int, VERSION.split(".")[:2])) < OLDEST:
        raise EfganError(
            f"TensorRT {VERSION} found, {'.'.join(map(str, OLDEST))} or newer expected; "
            'install it with: pip install --upgrade "efgan-rt[tensorrt]"'
        )
    LOG.clear()
    _builder(gpu)


def to_tensorrt(
    model: bytes, request: PlanRequest, gpu: Gpu | None, timing_cache: Path | None, watch: Watch
) -> Plan:
    """Compiles a network; takes from a second to many minutes. Ctrl-C stops it.

    Args:
        model: the ONNX file's content; all weights inside.
        request: what the plan is for.
        gpu: the GPU that is here; None for ahead of time, which TensorRT for RTX alone can do.
        timing_cache: the file that holds timings of earlier builds; written to afterwards. None:
            none is kept.
        watch: called with the share that is done and the phase.

    Raises:
        EfganError: TensorRT cannot read or build the network, or it would not compute as it should.
        KeyboardInterrupt: Ctrl-C.
    """
    monitor = BuildMonitor(watch)
    return run_cancellable(lambda: _compiled(model, request, gpu, timing_cache, monitor), monitor)


def _compiled(
    model: bytes,
    request: PlanRequest,
    gpu: Gpu | None,
    timing_cache: Path | None,
    monitor: BuildMonitor,
) -> Plan:
    LOG.clear()
    builder = _builder(gpu)
    with _telling(f"{request.network}: TensorRT cannot begin a network"):
        network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        parser = trt.OnnxParser(network, LOG.logger)
    if not parser.parse(model):
        raise EfganError(_parser_faults(request.network, parser))
    proof = prove_network(request.network, network, request.arithmetic)
    config = _config(builder, network, request)
    config.progress_monitor = monitor
    warm = attach_timing_cache(config, timing_cache)
    with _telling(f"{request.network}: TensorRT cannot build this network"):
        serialized = _given(builder.build_serialized_network(network, config))
        content = bytes(memoryview(serialized))
    keep_timing_cache(config, timing_cache)
    facts: dict[str, int | str] = asdict(proof)
    if gpu is not None:
        facts |= prove_engine(request.network, _inspected(content), request.arithmetic)
    return Plan(content, facts, warm)


def _builder(gpu: Gpu | None) -> trt.Builder:
    here = f"the GPU here is {gpu.name}" if gpu else "there is no CUDA GPU or no driver for it here"
    with _telling(f"TensorRT {VERSION} gives no builder; {here}"):
        return _given(trt.Builder(LOG.logger))


def _parser_faults(network: str, parser: trt.OnnxParser) -> str:
    """A sentence with each fault's node; what stopped the parser comes last."""
    faults = []
    for error in (parser.get_error(index) for index in range(parser.num_errors)):
        node = f"node '{error.node_name()}' ({error.node_operator()})" if error.node() >= 0 else ""
        kind = str(error.code()).rpartition(".")[2].replace("_", " ").lower()
        said = shortened(error.desc())
        detail = said if said not in ("", "false") else f"refused by {error.func()}"
        faults.append(f"{node or 'the graph'}: {kind}, {detail}")
    said = "; ".join(faults) or LOG.reason()
    return f"{network}: TensorRT {VERSION} cannot read the ONNX file: {said}; no plans were written"


def _config(
    builder: trt.Builder, network: trt.INetworkDefinition, request: PlanRequest
) -> trt.IBuilderConfig:
    with _telling(f"{request.network}: TensorRT gives no build configuration"):
        config = _given(builder.create_builder_config())
    config.builder_optimization_level = OPTIMIZATION_LEVEL
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    if request.auxiliary_streams is not None:
        config.max_aux_streams = request.auxiliary_streams
    if (flag := _user_allocation_flag()) is not None:
        config.set_flag(flag)
    config.clear_flag(trt.BuilderFlag.TF32)
    if request.version_compatible:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    level = HARDWARE_LEVELS[request.hardware_compatibility]
    if request.hardware_compatibility != "none":
        config.hardware_compatibility_level = level
        if config.hardware_compatibility_level != level:
            raise EfganError(
                f"--hardware-compatible: this TensorRT ({VERSION}) has no such plans, as TensorRT "
                "for RTX, whose plans suit every RTX card already; leave the option out"
            )
    _add_profile(builder, network, config, request)
    return config


def _add_profile(
    builder: trt.Builder,
    network: trt.INetworkDefinition,
    config: trt.IBuilderConfig,
    request: PlanRequest,
) -> None:
    """One optimization profile: every dimension but the batch is fixed."""
    smallest, best, largest = request.batch
    if not 1 <= smallest <= best <= largest:
        raise EfganError(
            f"{request.network}: batch {smallest}:{best}:{largest} found, expected MIN:OPT:MAX in "
            "rising order from 1; no plans were written"
        )
    with _telling(f"{request.network}: TensorRT refuses the batch range {request.batch}"):
        profile = _given(builder.create_optimization_profile())
        for tensor in (network.get_input(index) for index in range(network.num_inputs)):
            batch, *fixed = tensor.shape
            if batch != -1 or -1 in fixed:
                raise EfganError(
                    f"{request.network}: input {tensor.name} has shape {[batch, *fixed]}, expected "
                    "one dimension to vary, the first; no plans were written"
                )
            profile.set_shape(tensor.name, *(trt.Dims([size, *fixed]) for size in request.batch))
        if config.add_optimization_profile(profile) < 0:
            raise ValueError("the profile is not accepted")


def _inspected(content: bytes) -> str:
    """What the engine inspector says of a plan; opens it on the GPU."""
    with _telling("TensorRT cannot open the plan it has just built"):
        runtime = _given(trt.Runtime(LOG.logger))
        runtime.engine_host_code_allowed = True  # version-compatible plans carry code; it is ours
        engine = _given(runtime.deserialize_cuda_engine(content))
        inspector = _given(engine.create_engine_inspector())
        return str(inspector.get_engine_information(trt.LayerInformationFormat.JSON))


def _given(value: T | None) -> T:
    """The value; None is how TensorRT reports a failure."""
    if value is None:
        raise TypeError("None was returned")
    return value


@contextmanager
def _telling(what: str) -> Iterator[None]:
    """Turns TensorRT's exceptions and refusals inside the block into a sentence.

    Raises:
        EfganError: something was refused; with the logger's last lines.
    """
    try:
        yield
    except (TypeError, ValueError, RuntimeError, MemoryError) as error:
        raise EfganError(f"{what}: {LOG.reason()}") from error
