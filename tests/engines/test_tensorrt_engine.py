"""Plans opened by TensorRT's real runtime, as far as it goes without a GPU, and every refusal.

The runtime checks a plan's head and then looks for a device. What lies behind that, the calls on an
engine and a context, is tried with stand-ins that answer as the real classes would; that those have
these names and arguments is held by the conformance test.
"""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engines import runtimes
from engines.base import EngineError
from engines.choice import BackendChoice
from engines.cuda_memory import DeviceSlice
from engines.directory import EngineDirectory
from engines.manifest import Manifest, StoredFile, read_manifest
from engines.nvidia_driver import present_gpu
from engines.open import open_device_engine
from engines.tensorrt_engine import TensorrtEngine
from engines.tensorrt_log import log_of
from tests.engines.fake_cuda import FakeCuda
from tests.tensorrt_on_cpu import LIBRARIES, environment, find_compiler
from tests.toy_engines import write_toy_engines

pytestmark = pytest.mark.tensorrt
without_gpu = pytest.mark.skipif(
    present_gpu() is not None, reason="made for a machine without a GPU"
)
NETWORK = "interpolator"


@pytest.fixture(scope="module")
def with_plans(loaded_tensorrt: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy set's interpolator, with a plan of the real compiler."""
    from export.plans import PlanOptions, add_plans

    folder = tmp_path_factory.mktemp("engines")
    manifest = write_toy_engines(folder)
    only = replace(manifest, networks={NETWORK: manifest.network(NETWORK)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        add_plans(folder, only, PlanOptions()).write(folder)
    return folder


def open_plan(folder: Path, manifest: Manifest | None = None, batch: int = 4) -> Any:
    cuda = FakeCuda()
    with cuda.current():
        return open_device_engine(
            EngineDirectory(folder, manifest or read_manifest(folder)),
            NETWORK,
            BackendChoice("tensorrt", "fp32", ""),
            batch=batch,
            cuda=cuda,
        )


def with_content(folder: Path, copy: Path, content: bytes, *, vouched: bool) -> Manifest:
    """The folder's manifest, in a copy where the plan is other bytes."""
    manifest = read_manifest(folder)
    entry = manifest.network(NETWORK)
    assert entry.plan is not None
    copy.mkdir(exist_ok=True)
    (copy / entry.plan.file).write_bytes(content)
    plan = entry.plan
    if vouched:
        plan = StoredFile(plan.file, hashlib.sha256(content).hexdigest(), len(content))
    return replace(manifest, networks={**manifest.networks, NETWORK: replace(entry, plan=plan)})


def remedy(folder: Path) -> str:
    return f"; make the plans again with: efgan-rt build-engines {folder} --backend tensorrt"


@without_gpu
def test_a_plan_on_a_machine_without_a_driver_is_refused_with_tensorrts_words(
    with_plans: Path, loaded_tensorrt: Any
) -> None:
    with pytest.raises(EngineError) as error:
        open_plan(with_plans)
    said = str(error.value)
    assert said.startswith(
        f"{with_plans}/{NETWORK}.plan: TensorRT {loaded_tensorrt.__version__} does not open this "
        "plan: TensorRT says: "
    )
    assert "CUDA driver version is insufficient" in said
    assert said.endswith(remedy(with_plans))


def test_a_file_that_is_no_plan_is_refused_with_tensorrts_words(
    with_plans: Path, tmp_path: Path
) -> None:
    manifest = with_content(with_plans, tmp_path, b"this is no plan " * 100, vouched=True)
    with pytest.raises(EngineError) as error:
        open_plan(tmp_path, manifest)
    said = str(error.value)
    assert "does not open this plan: TensorRT says: IRuntime::deserializeCudaEngine: " in said
    assert "magicTag" in said
    assert "cudaError 35" not in said
    assert said.endswith(remedy(tmp_path))


def test_a_flipped_byte_never_reaches_tensorrt(with_plans: Path, tmp_path: Path) -> None:
    content = bytearray((with_plans / f"{NETWORK}.plan").read_bytes())
    content[len(content) // 2] ^= 1
    manifest = with_content(with_plans, tmp_path, bytes(content), vouched=False)
    with pytest.raises(EngineError) as error:
        open_plan(tmp_path, manifest)
    said = str(error.value)
    assert said.startswith(f"{tmp_path}/{NETWORK}.plan: sha256 ")
    assert said.endswith(f" expected{remedy(tmp_path)}")


def test_a_missing_plan_is_named(with_plans: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError) as error:
        open_plan(tmp_path, read_manifest(with_plans))
    assert str(error.value) == (
        f"{tmp_path}/{NETWORK}.plan: the file is missing, though the manifest names it"
        f"{remedy(tmp_path)}"
    )


def test_a_batch_beyond_the_range_is_refused_before_anything_is_read(with_plans: Path) -> None:
    with pytest.raises(EngineError, match="batch 9 is outside 1 to 8, which the engines were made"):
        open_plan(with_plans, batch=9)


def test_a_runtime_that_cannot_start_is_told(tensorrt_libraries: Path, tmp_path: Path) -> None:
    source = tmp_path / "nothing.c"
    names = ("createInferBuilder", "createInferRuntime", "createInferRefitter")
    source.write_text(
        "".join(f"void *{name}_INTERNAL(void *a, int b) {{ return 0; }}\n" for name in names)
        + "void *getBuilderPluginRegistry(int a) { return 0; }\n"
        + "void *getPluginRegistry(void) { return 0; }\n"
        + "void *createNvOnnxParser_INTERNAL(void *a, void *b, int c) { return 0; }\n"
        + "void *createNvOnnxParserRefitter_INTERNAL(void *a, void *b, int c) { return 0; }\n"
        + "int getNvOnnxParserVersion(void) { return 0; }\n"
        + "int initLibNvInferPlugins(void *a, const char *b) { return 0; }\n"
    )
    for library in LIBRARIES:
        target = tmp_path / f"lib{library}.so.11"
        options = ("-shared", "-fPIC", f"-Wl,-soname,{target.name}", "-o", str(target))
        subprocess.run([find_compiler(), *options, str(source)], check=True)
    write_toy_engines(tmp_path)
    code = (
        "from pathlib import Path\n"
        "from engines.base import EngineError\n"
        "from engines.manifest import PlanFacts, read_manifest\n"
        "from engines.tensorrt_engine import TensorrtEngine\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "entry = read_manifest(folder).network('interpolator')\n"
        "plans = PlanFacts('tensorrt', '11', None, None, None, 'none', False, {})\n"
        "try:\n"
        "    TensorrtEngine(\n"
        "        b'x', entry, directory=folder, plans=plans, precision='fp32', batch=4\n"
        "    )\n"
        "except EngineError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=environment(tmp_path),
    )
    assert done.stdout.startswith("TensorRT 11.4.0.106 cannot start: TensorRT says nothing of the ")
    assert done.stdout.endswith("; efgan-rt info says what is missing\n")


def test_the_log_keeps_errors_without_their_echo(loaded_tensorrt: Any) -> None:
    log = log_of(loaded_tensorrt)
    assert log_of(loaded_tensorrt) is log
    log.take()
    severity = loaded_tensorrt.ILogger.Severity
    assert log.take() == "TensorRT says nothing of the reason"
    log.logger.log(severity.WARNING, "a warning")
    log.logger.log(severity.ERROR, "the\n  reason")
    log.logger.log(severity.INTERNAL_ERROR, "an echo (cudaError 35: no driver)")
    assert log.take() == "TensorRT says: the reason"
    log.logger.log(severity.ERROR, "x" * 1000)
    assert log.take() == f"TensorRT says: {'x' * 300}..."
    log.logger.log(severity.ERROR, "only an echo (cudaError 35: no driver)")
    assert log.take() == "TensorRT says: only an echo (cudaError 35: no driver)"


@dataclass
class StandInContext:
    """Notes what it is told; answers as the real class does, in whatever it is made to refuse."""

    engine: "StandInEngine"
    told: dict[str, Any] = field(default_factory=dict)

    def set_device_memory(self, memory: int, size: int) -> None:
        self.told["memory"] = (memory, size)

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self.told[f"shape of {name}"] = shape
        return self.engine.refuses != "shape"

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self.told[f"address of {name}"] = memory
        return self.engine.refuses != "address"

    def infer_shapes(self) -> list[str]:
        return ["stage_au"] if self.engine.refuses == "infer" else []

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (2, 5, 3) if self.engine.refuses == "output" else (2, 4, 3)

    def execute_async_v3(self, stream_handle: int) -> bool:
        self.told["stream"] = stream_handle
        return self.engine.refuses != "run"


@dataclass
class StandInEngine:
    """The interpolator of the toy set, as an engine of the real class would describe it."""

    trt: Any
    refuses: str = ""
    device_memory_size_v2: int = 512
    contexts: list[StandInContext] = field(default_factory=list)
    strategies: list[Any] = field(default_factory=list)
    inputs = ("source_au", "target_scale", "target_offset", "progress")
    num_io_tensors = 5

    def get_tensor_name(self, index: int) -> str:
        return (*self.inputs, "stage_au")[index]

    def get_tensor_mode(self, name: str) -> Any:
        modes = self.trt.TensorIOMode
        return modes.INPUT if name in self.inputs else modes.OUTPUT

    def get_tensor_dtype(self, name: str) -> Any:
        half = self.refuses == "type" and name == "progress"
        return self.trt.DataType.HALF if half else self.trt.DataType.FLOAT

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return {"stage_au": (2, -1, 3), "progress": (-1, 2)}.get(name, (-1, 3))

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[tuple[int, ...]]:
        largest = 2 if self.refuses == "profile" else 8
        return [(size, *self.get_tensor_shape(name)[1:]) for size in (1, 2, largest)]

    def create_execution_context(self, strategy: Any) -> StandInContext | None:
        self.strategies.append(strategy)
        if self.refuses == "context":
            return None
        self.contexts.append(StandInContext(self))
        return self.contexts[-1]


OpenStandIn = Callable[..., tuple[TensorrtEngine, StandInEngine]]


@pytest.fixture
def open_stand_in(
    loaded_tensorrt: Any, with_plans: Path, monkeypatch: pytest.MonkeyPatch
) -> OpenStandIn:
    """`open_stand_in(refuses)`: TensorRT's module, but for the runtime, which gives a stand-in."""

    def opened(refuses: str = "", **facts: Any) -> tuple[TensorrtEngine, StandInEngine]:
        engine = StandInEngine(loaded_tensorrt, refuses)
        runtime = SimpleNamespace(deserialize_cuda_engine=lambda _: engine)
        names = {name: getattr(loaded_tensorrt, name) for name in dir(loaded_tensorrt)}
        module = SimpleNamespace(**{**names, "Runtime": lambda _: runtime})
        monkeypatch.setattr(runtimes, "import_tensorrt", lambda _: module)
        manifest = read_manifest(with_plans)
        assert manifest.plans is not None
        made = open_plan(with_plans, replace(manifest, plans=replace(manifest.plans, **facts)))
        engine.runtime = runtime  # type: ignore[attr-defined]
        return made, engine

    return opened


BUFFERS = {
    "source_au": DeviceSlice(256, 48),
    "target_scale": DeviceSlice(512, 48),
    "target_offset": DeviceSlice(768, 48),
    "progress": DeviceSlice(1024, 32),
    "stage_au": DeviceSlice(1280, 96),
}
SCRATCH = DeviceSlice(4096, 1024)
STREAM: Any = SimpleNamespace(handle=77)


@dataclass
class StandInCache:
    """Holds what a context compiled, as TensorRT for RTX's runtime cache does."""

    content: bytes = b""

    def serialize(self) -> bytes:
        return self.content

    def deserialize(self, content: bytes) -> bool:
        self.content = content
        return content.startswith(b"kernels")


class StandInConfig:
    """TensorRT for RTX's runtime configuration, with its defaults."""

    def __init__(self) -> None:
        self.strategy: Any = None
        self.dynamic_shapes_kernel_specialization_strategy = "LAZY"
        self.cache: StandInCache | None = None

    def set_execution_context_allocation_strategy(self, strategy: Any) -> None:
        self.strategy = strategy

    def create_runtime_cache(self) -> StandInCache:
        return StandInCache()

    def set_runtime_cache(self, cache: StandInCache) -> None:
        self.cache = cache


class StandInRtxContext(StandInContext):
    """A context that compiles once its shapes are known, and says whether it can be captured."""

    def infer_shapes(self) -> list[str]:
        for config in self.engine.strategies:
            if getattr(config, "cache", None) is not None:
                config.cache.content = b"kernels of this GPU"
        return []

    def is_stream_capturable(self, stream: int) -> bool:
        return self.engine.refuses != "capture" and stream == STREAM.handle


class StandInRtxEngine(StandInEngine):
    def create_runtime_config(self) -> StandInConfig:
        return StandInConfig()

    def create_execution_context(self, strategy: Any) -> StandInContext | None:
        self.strategies.append(strategy)
        self.contexts.append(StandInRtxContext(self))
        return self.contexts[-1]


OpenRtx = Callable[..., tuple[Any, StandInRtxEngine]]


@pytest.fixture
def open_rtx(
    loaded_tensorrt: Any, with_plans: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> OpenRtx:
    """`open_rtx(refuses, **names)`: an engine of TensorRT for RTX, its module with these names."""

    def opened(refuses: str = "", **more: Any) -> tuple[Any, StandInRtxEngine]:
        engine = StandInRtxEngine(loaded_tensorrt, refuses)
        runtime = SimpleNamespace(deserialize_cuda_engine=lambda _: engine)
        names = {name: getattr(loaded_tensorrt, name) for name in dir(loaded_tensorrt)}
        names["DynamicShapesKernelSpecializationStrategy"] = SimpleNamespace(EAGER="EAGER")
        module = SimpleNamespace(**{**names, "Runtime": lambda _: runtime, **more})
        monkeypatch.setattr(runtimes, "import_tensorrt", lambda _: module)
        manifest = read_manifest(with_plans)
        assert manifest.plans is not None
        manifest = replace(manifest, plans=replace(manifest.plans, library="tensorrt_rtx"))
        cuda = FakeCuda()
        with cuda.current():
            made = open_device_engine(
                EngineDirectory(with_plans, manifest),
                NETWORK,
                BackendChoice("tensorrt", "fp32", ""),
                batch=4,
                cuda=cuda,
                cache_dir=tmp_path / "cache",
            )
        return made, engine

    return opened


@pytest.mark.parametrize(
    ("refuses", "names", "capturable"),
    [
        ("", {}, True),
        ("capture", {}, False),
        ("", {"DynamicShapesKernelSpecializationStrategy": None}, False),
    ],
    ids=["as documented", "not capturable", "an older version"],
)
def test_a_plan_of_tensorrt_for_rtx_is_captured_only_where_it_says_so(
    open_rtx: OpenRtx, refuses: str, names: dict[str, Any], capturable: bool
) -> None:
    engine, _ = open_rtx(refuses, **names)
    engine.bind(BUFFERS, SCRATCH, STREAM)
    assert engine.capturable is capturable


def test_kernels_of_tensorrt_for_rtx_are_compiled_before_the_first_run_and_kept(
    open_rtx: OpenRtx, loaded_tensorrt: Any, tmp_path: Path
) -> None:
    engine, stand_in = open_rtx()
    engine.bind(BUFFERS, SCRATCH, STREAM)
    (config,) = stand_in.strategies
    assert isinstance(config, StandInConfig)
    assert config.strategy == loaded_tensorrt.ExecutionContextAllocationStrategy.USER_MANAGED
    assert config.dynamic_shapes_kernel_specialization_strategy == "EAGER"
    (kept,) = (tmp_path / "cache").rglob("*.runtime")
    assert kept.read_bytes() == b"kernels of this GPU"
    kept.write_bytes(b"kernels from an earlier start")
    engine, again = open_rtx()
    engine.bind(BUFFERS, SCRATCH, STREAM)
    assert again.strategies[0].cache.content == b"kernels of this GPU"


def test_a_damaged_file_of_kernels_is_replaced(open_rtx: OpenRtx, tmp_path: Path) -> None:
    engine, _ = open_rtx()
    engine.bind(BUFFERS, SCRATCH, STREAM)
    (kept,) = (tmp_path / "cache").rglob("*.runtime")
    kept.write_bytes(b"rubbish")
    engine, _ = open_rtx()
    engine.bind(BUFFERS, SCRATCH, STREAM)
    assert kept.read_bytes() == b"kernels of this GPU"


def test_a_context_is_bound_by_name_to_the_lanes_memory_and_stream(
    open_stand_in: OpenStandIn, loaded_tensorrt: Any
) -> None:
    engine, stand_in = open_stand_in()
    assert (engine.network, engine.backend, engine.scratch_bytes) == (NETWORK, "tensorrt", 512)
    engine.bind(BUFFERS, SCRATCH, STREAM).enqueue()
    strategies = loaded_tensorrt.ExecutionContextAllocationStrategy
    assert stand_in.strategies == [strategies.USER_MANAGED]
    assert stand_in.contexts[0].told == {
        "memory": (4096, 1024),
        "shape of source_au": (4, 3),
        "shape of target_scale": (4, 3),
        "shape of target_offset": (4, 3),
        "shape of progress": (4, 2),
        "address of source_au": 256,
        "address of target_scale": 512,
        "address of target_offset": 768,
        "address of progress": 1024,
        "address of stage_au": 1280,
        "stream": 77,
    }


@pytest.mark.parametrize("compatible", [True, False])
def test_code_for_the_host_is_allowed_to_version_compatible_plans_alone(
    open_stand_in: OpenStandIn, compatible: bool
) -> None:
    _, stand_in = open_stand_in(version_compatible=compatible)
    assert stand_in.runtime.engine_host_code_allowed is compatible  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("refuses", "sentence"),
    [
        ("context", "interpolator: TensorRT gave no execution context. TensorRT says nothing"),
        ("shape", r"shape \(4, 3\) of input 'source_au' not taken"),
        ("address", "address of tensor 'source_au' not taken"),
        ("infer", "the shapes of stage_au stay unknown"),
        (
            "output",
            r"output 'stage_au' has shape \(2, 5, 3\) in the plan, the manifest says \(2, 4",
        ),
        ("run", "interpolator: TensorRT gave no run"),
    ],
)
def test_every_refusal_of_a_context_becomes_a_sentence(
    open_stand_in: OpenStandIn, refuses: str, sentence: str
) -> None:
    engine, _ = open_stand_in(refuses)
    with pytest.raises(EngineError, match=sentence):
        engine.bind(BUFFERS, SCRATCH, STREAM).enqueue()


@pytest.mark.parametrize(
    ("refuses", "sentence"),
    [
        (
            "type",
            r"input 'progress' is float16 \('free', 2\) in the graph, the manifest says float",
        ),
        ("profile", "batch 4 is outside 1 to 2, the profile that the plan was made for; make the"),
    ],
)
def test_a_plan_that_is_not_as_the_manifest_says_is_refused(
    open_stand_in: OpenStandIn, refuses: str, sentence: str
) -> None:
    with pytest.raises(EngineError, match=sentence):
        open_stand_in(refuses)


def test_memory_that_does_not_fit_is_refused_before_tensorrt_sees_it(
    open_stand_in: OpenStandIn,
) -> None:
    engine, stand_in = open_stand_in()
    with pytest.raises(EngineError, match="buffer for 'progress' has 31 bytes, expected 32"):
        engine.bind({**BUFFERS, "progress": DeviceSlice(1024, 31)}, SCRATCH, STREAM)
    with pytest.raises(EngineError, match="there is no buffer for 'source_au'; it needs source_au"):
        engine.bind({}, SCRATCH, STREAM)
    small = DeviceSlice(4096, 511)
    with pytest.raises(EngineError, match="511 bytes of activation memory given, expected 512 or"):
        engine.bind(BUFFERS, small, STREAM)
    assert stand_in.contexts == []
