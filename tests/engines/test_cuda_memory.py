"""The two providers without a GPU: which is chosen, and every sentence about what is missing.

cuda-bindings itself runs here, for it imports without a driver and answers every call; PyCUDA,
which is built from source, is stood in for by as much of a module as the sentence needs.
"""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines import cuda_bindings_memory, nvidia_driver
from engines import open_cuda as opening
from engines.arrays import Array
from engines.base import EngineError
from engines.cuda_bindings_memory import CudaBindings
from engines.cuda_graph import capture_graph
from engines.cuda_memory import Cuda, DeviceMemory, DeviceSlice
from engines.open_cuda import open_cuda

has_cuda_bindings = importlib.util.find_spec("cuda") is not None
needs_cuda_bindings = pytest.mark.skipif(
    not has_cuda_bindings, reason='no cuda-bindings here: pip install "efgan-rt[tensorrt-test]"'
)
without_gpu = pytest.mark.skipif(
    nvidia_driver.present_gpu() is not None, reason="made for a machine without a GPU"
)
ON_PROCESSOR = "or run on the processor with --backend onnxruntime or openvino"


@pytest.fixture(autouse=True)
def opened_anew() -> Iterator[None]:
    """Each test opens for itself, and no stand-in stays behind."""
    opening._opened.cache_clear()
    yield
    opening._opened.cache_clear()
    for module in [name for name in sys.modules if name.split(".")[0] == "pycuda"]:
        del sys.modules[module]


def uninstall(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
    if "cuda" in modules:
        for module in [name for name in sys.modules if name.startswith("cuda.")]:
            monkeypatch.delitem(sys.modules, module)


@pytest.fixture
def pycuda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """`pycuda(code)` puts a module `pycuda.driver` of that code in PyCUDA's place."""

    def install(code: str) -> None:
        folder = tmp_path / "pycuda"
        folder.mkdir()
        (folder / "__init__.py").touch()
        (folder / "driver.py").write_text(code)
        described = tmp_path / "pycuda-2026.1.dist-info"
        described.mkdir()
        (described / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: pycuda\nVersion: 2026.1\n"
        )
        monkeypatch.syspath_prepend(tmp_path)

    return install


# What a GPU would need to have besides, by what it says: as the real driver words it.
DRIVER = """
class Error(Exception): pass
class MemoryError(Error): pass
class RuntimeError(Error): pass
def init(): pass
class Context:
    def push(self): pass
    @staticmethod
    def pop(): pass
class Device:
    def __init__(self, number): pass
    @staticmethod
    def count(): return 1
    def retain_primary_context(self): return Context()
    def compute_capability(self): return (9, 0)
    def name(self): return "NVIDIA H100 80GB HBM3"
    def total_memory(self): return 85 * 10**9
class host_alloc_flags:
    PORTABLE = 1
def mem_get_info(): return (2 * 10**9, 85 * 10**9)
def mem_alloc(count): raise MemoryError("cuMemAlloc failed: out of memory")
def pagelocked_empty(*_, **__): raise MemoryError("cuMemHostAlloc failed: out of memory")
def Stream(flags): raise RuntimeError("cuStreamCreate failed: unspecified launch failure")
"""


def test_neither_provider_installed_gives_both_install_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    uninstall(monkeypatch, "pycuda", "cuda")
    with pytest.raises(EngineError) as error:
        open_cuda()
    assert str(error.value) == (
        "a GPU backend needs PyCUDA or cuda-bindings: PyCUDA is not installed, and cuda-bindings "
        'is not installed; install one with: pip install "efgan-rt[tensorrt]" or, built from '
        'source, pip install "efgan-rt[pycuda]"'
    )


@pytest.mark.parametrize(
    ("provider", "module", "sentence"),
    [
        ("pycuda", "pycuda", 'PyCUDA is not installed; install it with: pip install "efgan-rt[py'),
        ("cuda-bindings", "cuda", "cuda-bindings is not installed; install it with: pip install "),
    ],
)
def test_a_provider_asked_for_and_not_installed_gives_its_line(
    monkeypatch: pytest.MonkeyPatch, provider: str, module: str, sentence: str
) -> None:
    uninstall(monkeypatch, module)
    with pytest.raises(EngineError) as error:
        open_cuda(provider)
    assert str(error.value).startswith(sentence)


def test_an_unknown_provider_is_refused_with_the_known_ones() -> None:
    with pytest.raises(EngineError, match="no CUDA provider 'cupy'; known are pycuda, cuda-bind"):
        open_cuda("cupy")


@needs_cuda_bindings
@without_gpu
@pytest.mark.parametrize("provider", [None, "cuda-bindings"])
def test_without_a_driver_cuda_bindings_says_so(
    monkeypatch: pytest.MonkeyPatch, provider: str | None
) -> None:
    uninstall(monkeypatch, "pycuda")
    with pytest.raises(EngineError) as error:
        open_cuda(provider)
    assert str(error.value) == (
        "there is no CUDA driver on this machine (cudaErrorInsufficientDriver); a GPU backend "
        "needs NVIDIA's driver, in a container also the option --gpus all: install it, "
        + ON_PROCESSOR
    )


def test_without_a_driver_pycuda_says_so(pycuda: Callable[[str], None]) -> None:
    pycuda("raise ImportError('libcuda.so.1: cannot open shared object file')")
    with pytest.raises(EngineError, match=r"no CUDA driver on this machine \(libcuda\.so\.1: cann"):
        open_cuda()


@needs_cuda_bindings
@without_gpu
def test_where_pycuda_does_not_load_cuda_bindings_are_tried(pycuda: Callable[[str], None]) -> None:
    pycuda("raise ImportError('libcurand.so.10: cannot open shared object file')")
    with pytest.raises(EngineError, match="there is no CUDA driver on this machine"):
        open_cuda()
    with pytest.raises(EngineError, match=r"^PyCUDA does not load \(libcurand\.so\.10: cannot op"):
        open_cuda("pycuda")


def test_pycuda_is_taken_where_it_is_installed(pycuda: Callable[[str], None]) -> None:
    pycuda(DRIVER)
    cuda = open_cuda()
    assert cuda.name == "pycuda"
    assert cuda.described == "PyCUDA 2026.1, the first choice"
    assert cuda.facts.name == "NVIDIA H100 80GB HBM3"
    assert cuda.facts.compute_capability == "9.0"
    assert open_cuda() is cuda


def test_a_driver_without_a_gpu_is_told_by_pycuda(pycuda: Callable[[str], None]) -> None:
    said = "cuInit failed: no CUDA-capable device is detected"
    pycuda(DRIVER.replace("def init(): pass", f"def init(): raise RuntimeError('{said}')"))
    with pytest.raises(EngineError) as error:
        open_cuda()
    assert str(error.value) == (
        f"the CUDA driver shows no GPU ({said}); see nvidia-smi, and the variable "
        f"CUDA_VISIBLE_DEVICES, {ON_PROCESSOR}"
    )


def test_a_gpu_beyond_the_last_is_refused(pycuda: Callable[[str], None]) -> None:
    pycuda(DRIVER)
    with pytest.raises(
        EngineError, match=r"^GPU 3 was asked for, the CUDA driver shows 1, counted"
    ):
        open_cuda(device=3)


NO_DEVICE_MEMORY = (
    "no free device memory: 3,000.0 MB asked for, 2,000.0 MB free; choose a smaller --batch-size "
    "or fewer lanes, or end what else uses the GPU (nvidia-smi lists it)"
)
NO_PINNED_MEMORY = (
    r"^no page-locked host memory: 4\.0 MB asked for \(.*\); choose a smaller --batch-size or "
    r"fewer lanes, or raise the limit of locked memory \(ulimit -l\)$"
)


def test_pycudas_lack_of_memory_says_how_much_and_what_to_do(pycuda: Callable[[str], None]) -> None:
    pycuda(DRIVER)
    cuda = open_cuda()
    with cuda.current():
        with pytest.raises(EngineError) as error:
            cuda.device(3 * 10**9)
        assert str(error.value) == NO_DEVICE_MEMORY
        with pytest.raises(EngineError, match=NO_PINNED_MEMORY):
            cuda.pinned((1000, 1000), np.float32)


def test_any_other_fault_of_pycudas_names_the_call_and_the_remedy(
    pycuda: Callable[[str], None],
) -> None:
    pycuda(DRIVER)
    cuda = open_cuda()
    with pytest.raises(EngineError) as error:
        cuda.stream()
    assert str(error.value) == (
        "cuStreamCreate failed: cuStreamCreate failed: unspecified launch failure; the GPU or an "
        "earlier launch is at fault: see the kernel's log (dmesg, lines with Xid) and run the "
        f"command again, {ON_PROCESSOR}"
    )


class Pretended:
    """The real runtime, but for some calls."""

    def __init__(self, **calls: Callable[..., Any]) -> None:
        self._real = cuda_bindings_memory.import_cuda_runtime()
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        return self._calls.get(name) or getattr(self._real, name)


def bindings(**calls: Callable[..., Any]) -> CudaBindings:
    """The provider without what opening it asks of a device."""
    cuda = CudaBindings.__new__(CudaBindings)
    cuda._runtime, cuda._device = Pretended(**calls), 0
    return cuda


def error_of(name: str) -> Any:
    return getattr(cuda_bindings_memory.import_cuda_runtime().cudaError_t, name)


@needs_cuda_bindings
@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        (
            {"cudaDriverGetVersion": ("cudaSuccess", 11040)},
            "the CUDA driver is too old for the CUDA libraries installed "
            "(cudaErrorInsufficientDriver); update NVIDIA's driver, ",
        ),
        (
            {"cudaGetDeviceCount": ("cudaErrorNoDevice", 0)},
            "the CUDA driver shows no GPU (cudaErrorNoDevice); see nvidia-smi, and the variable "
            "CUDA_VISIBLE_DEVICES, ",
        ),
        (
            {"cudaGetDeviceCount": ("cudaSuccess", 0)},
            "the CUDA driver shows no GPU (cudaGetDeviceCount); see nvidia-smi, ",
        ),
        (
            {"cudaGetDeviceCount": ("cudaErrorSystemDriverMismatch", 0)},
            "cudaGetDeviceCount failed: cudaErrorSystemDriverMismatch; ",
        ),
    ],
)
@without_gpu
def test_what_the_runtime_answers_becomes_a_sentence(
    monkeypatch: pytest.MonkeyPatch, answers: dict[str, tuple[str, int]], sentence: str
) -> None:
    def answer(name: str, value: int) -> Callable[..., Any]:
        return lambda: (error_of(name), value)

    calls = {call: answer(*result) for call, result in answers.items()}
    runtime = Pretended(**calls)
    monkeypatch.setattr(cuda_bindings_memory, "import_cuda_runtime", lambda: runtime)
    with pytest.raises(EngineError) as error:
        open_cuda("cuda-bindings")
    assert str(error.value).startswith(sentence)


@needs_cuda_bindings
def test_lack_of_memory_says_how_much_and_what_to_do() -> None:
    full = error_of("cudaErrorMemoryAllocation") if has_cuda_bindings else None
    cuda = bindings(
        cudaMalloc=lambda _: (full, None),
        cudaHostAlloc=lambda *_: (full, None),
        cudaMemGetInfo=lambda: (error_of("cudaSuccess"), 2 * 10**9, 85 * 10**9),
    )
    with pytest.raises(EngineError) as error:
        cuda.device(3 * 10**9)
    assert str(error.value) == NO_DEVICE_MEMORY
    with pytest.raises(EngineError, match=NO_PINNED_MEMORY):
        cuda.pinned((1000, 1000), np.float32)


class Handle:
    """A stream where none can be made."""

    handle = 0


AT: DeviceMemory = DeviceSlice(4096, 6)
SOURCE: Array = np.zeros(6, np.uint8)


@needs_cuda_bindings
@without_gpu
@pytest.mark.parametrize(
    ("call", "act"),
    [
        ("cudaGetDevice", lambda cuda: cuda.current().__enter__()),
        ("cudaMemGetInfo", lambda cuda: cuda.free_bytes()),
        ("cudaHostAlloc", lambda cuda: cuda.pinned((2, 3), np.uint8)),
        ("cudaMalloc", lambda cuda: cuda.device(6)),
        ("cudaStreamCreateWithFlags", lambda cuda: cuda.stream()),
        ("cudaEventCreateWithFlags", lambda cuda: cuda.event()),
        ("cudaMemcpyAsync", lambda cuda: cuda.upload(AT, SOURCE, Handle())),
        ("cudaMemcpyAsync", lambda cuda: cuda.download(SOURCE, AT, Handle())),
        ("cudaMemcpyAsync", lambda cuda: cuda.copy(AT, AT, Handle())),
        ("cudaGetDeviceProperties", lambda cuda: cuda._call("cudaGetDeviceProperties", 0)),
        ("cudaSetDevice", lambda cuda: cuda._call("cudaSetDevice", 0)),
        ("cudaStreamWaitEvent", lambda cuda: cuda._call("cudaStreamWaitEvent", 0, 0, 0)),
        ("cudaStreamSynchronize", lambda cuda: cuda._call("cudaStreamSynchronize", 0)),
        ("cudaEventRecord", lambda cuda: cuda._call("cudaEventRecord", 0, 0)),
        (
            "cudaEventRecordWithFlags",
            lambda cuda: cuda._call(
                "cudaEventRecordWithFlags", 0, 0, cuda._runtime.cudaEventRecordExternal
            ),
        ),
        ("cudaEventSynchronize", lambda cuda: cuda._call("cudaEventSynchronize", 0)),
        ("cudaEventElapsedTime", lambda cuda: cuda._call("cudaEventElapsedTime", 0, 0)),
        ("cudaGraphLaunch", lambda cuda: cuda._call("cudaGraphLaunch", 0, 0)),
        ("cudaGraphInstantiate", lambda cuda: cuda._call("cudaGraphInstantiate", 0, 0)),
        ("cudaStreamEndCapture", lambda cuda: cuda._call("cudaStreamEndCapture", 0)),
    ],
)
def test_every_call_takes_our_arguments_and_its_error_has_cudas_name(
    call: str, act: Callable[[Cuda], object]
) -> None:
    with pytest.raises(EngineError) as error:
        act(bindings())
    assert str(error.value).startswith(
        f"{call} failed: cudaErrorInsufficientDriver, CUDA driver version is insufficient for "
        "CUDA runtime version; the GPU or an earlier launch is at fault: "
    )


@needs_cuda_bindings
@without_gpu
def test_a_capture_that_cannot_begin_gives_no_graph_and_runs_nothing() -> None:
    ran: list[int] = []
    runtime = cuda_bindings_memory.import_cuda_runtime()
    stream: Any = Handle()
    assert capture_graph(runtime, stream, lambda: ran.append(1)) is None
    assert ran == []
