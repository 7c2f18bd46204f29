"""ONNX Runtime's GPU providers as far as they go without a GPU: what they refuse, and the binding
that they share, here over a session of the processor's.

The runtime's words in the last tests were taken from onnxruntime-gpu 1.31.1.
"""

import ctypes
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from benchmarks.host_cuda import HostCuda, HostMemory, bytes_at
from engines import onnxruntime_cuda_engine, runtimes, tensorrt_rtx_engine
from engines.arrays import Array
from engines.base import EngineError
from engines.binding import at_batch
from engines.device import tensor_bytes
from engines.directory import EngineDirectory
from engines.manifest import read_manifest
from engines.onnxruntime_cuda_engine import OnnxRuntimeCudaEngine
from engines.onnxruntime_device import (
    OnnxRuntimeContext,
    reason,
    runtime_error,
    session_options,
    unsynchronised,
)
from engines.onnxruntime_engine import OnnxRuntimeEngine
from engines.tensorrt_rtx_engine import TensorRTRTXEngine
from tests.toy_engines import write_toy_engines

BATCH = 4
NO_DRIVER = "there is no CUDA driver on this machine"


def has_driver() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


needs_processor_build = pytest.mark.skipif(
    onnxruntime_cuda_engine.PROVIDER in runtimes.import_onnxruntime().get_available_providers(),
    reason="onnxruntime-gpu is installed here, not the processors' build",
)
needs_no_driver = pytest.mark.skipif(has_driver(), reason="there is a CUDA driver here")
needs_plugin = pytest.mark.skipif(
    find_spec(tensorrt_rtx_engine.PACKAGE) is None,
    reason="the TensorRT-RTX plugin is missing: pip install '.[tensorrt-test]'",
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("engines")
    write_toy_engines(folder)
    return folder


@needs_processor_build
def test_the_processors_build_in_place_of_the_gpus_is_named(directory: Path) -> None:
    entry = read_manifest(directory).network("stage_1")
    with pytest.raises(
        EngineError,
        match=r"needs ONNX Runtime's build for GPUs, and its build for processors is installed; "
        r"the two share an import name and cannot be installed together: pip uninstall "
        r'onnxruntime, then pip install "efgan-rt\[gpu\]"$',
    ):
        OnnxRuntimeCudaEngine(
            EngineDirectory(directory).content(entry.stored), entry, batch=4, cuda=HostCuda()
        )


def test_a_missing_runtime_comes_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(onnxruntime_cuda_engine, "find_spec", lambda name: None)
    with pytest.raises(
        EngineError,
        match=r"needs ONNX Runtime's build for GPUs, which is not installed; "
        r'install it with: pip install "efgan-rt\[gpu\]"$',
    ):
        onnxruntime_cuda_engine.check_cuda_provider()


@needs_processor_build
def test_a_provider_that_does_not_load_says_which_library_is_missing() -> None:
    said = onnxruntime_cuda_engine.missing_library(runtimes.import_onnxruntime())
    assert said.endswith(
        "libonnxruntime_providers_cuda.so: cannot open shared object file: "
        "No such file or directory"
    )


@needs_plugin
def test_a_plugin_that_does_not_load_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "plugin.so"
    broken.write_text("no library")
    plugin = import_module(tensorrt_rtx_engine.PACKAGE)
    monkeypatch.setattr(plugin, "get_library_path", lambda: str(broken))
    with pytest.raises(
        EngineError,
        match=r"^ONNX Runtime cannot load its TensorRT-RTX plugin \(Failed to load library .*"
        r'file too short.*\); reinstall it with: pip install "efgan-rt\[rtx\]"$',
    ):
        tensorrt_rtx_engine.plugin_devices()
    assert capfd.readouterr() == ("", "")


@needs_plugin
@needs_no_driver
def test_the_real_plugin_without_a_driver_is_one_sentence(
    directory: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    entry = read_manifest(directory).network("stage_1")
    with pytest.raises(EngineError, match=rf"^{NO_DRIVER} \(libcuda\.so\.1 is missing\); "):
        TensorRTRTXEngine(
            EngineDirectory(directory).content(entry.stored), entry, batch=4, cuda=HostCuda()
        )
    assert capfd.readouterr() == ("", "")


def test_a_missing_plugin_comes_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tensorrt_rtx_engine, "PACKAGE", "no_such_plugin")
    with pytest.raises(
        EngineError,
        match=r"TensorRT-RTX plugin, which is not installed; "
        r'install it with: pip install "efgan-rt\[rtx\]"$',
    ):
        tensorrt_rtx_engine.plugin_devices()


def test_a_part_of_a_network_on_the_processor_is_refused(directory: Path) -> None:
    ort = runtimes.import_onnxruntime()
    model = (directory / "stage_1.onnx").read_bytes()
    with pytest.raises(Exception, match="explicitly disabled") as refused:
        # No provider but the processor's, which the options forbid.
        ort.InferenceSession(model, session_options(ort, BATCH), enable_fallback=False)
    assert str(runtime_error("ONNX Runtime cannot open it", refused.value, HostCuda())) == (
        "ONNX Runtime cannot open it: a part of it would run on the processor and wait for the GPU "
        "every time; use another backend, or make the engines again with "
        "efgan-rt build-engines CKPT.pt"
    )


def test_a_session_bound_to_buffers_gives_what_the_engine_gives(directory: Path) -> None:
    ort, cuda = runtimes.import_onnxruntime(), HostCuda()
    entry = read_manifest(directory).network("stage_1")
    inputs, outputs = at_batch(entry.inputs, BATCH), at_batch(entry.outputs, BATCH)
    memory = {spec.name: HostMemory(tensor_bytes(spec)) for spec in (*inputs, *outputs)}
    random = np.random.default_rng(0)
    given: dict[str, Array] = {
        "pixels": random.integers(0, 256, inputs[0].resolve(), dtype=np.uint8),
        "au": random.uniform(0, 5, inputs[1].resolve()).astype(np.float32),
    }
    options = ort.SessionOptions()
    options.add_free_dimension_override_by_name("B", BATCH)
    model = EngineDirectory(directory).content(entry.stored)
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    bound = OnnxRuntimeContext(
        session,
        entry,
        inputs,
        outputs,
        memory,
        cuda.stream(),
        cuda,
        unsynchronised(ort),
        ("cpu", 0),
    )
    for name, array in given.items():
        cuda.upload(memory[name], array, cuda.stream())
    bound.enqueue()
    expected = OnnxRuntimeEngine(model, entry, batch=BATCH, threads=1).request().run(given)
    for spec in outputs:
        found = bytes_at(memory[spec.name]).view(spec.numpy_dtype).reshape(spec.resolve())
        # The same kernels, given the batch before or after the graph was optimised.
        np.testing.assert_allclose(found, expected[spec.name], atol=1e-6)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Exception during initialization: "
            "/onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:360 void* onnxruntime::"
            "BFCArena::AllocateRawInternal(size_t, bool, onnxruntime::Stream*) Failed to allocate "
            "memory for requested buffer of size 2048000",
            "it: no free device memory: 2.0 MB asked for, 0.0 MB free; choose a smaller "
            "--batch-size or fewer lanes, or end what else uses the GPU (nvidia-smi lists it)",
        ),
        ("[ONNXRuntimeError] : 1 : FAIL : no such thing", "it: no such thing"),
    ],
)
def test_what_the_runtime_says_becomes_one_sentence(said: str, expected: str) -> None:
    assert str(runtime_error("it", RuntimeError(said), HostCuda())) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            "Error in execution: Non-zero status code returned while running Conv node. "
            "Name:'' Status Message: /onnxruntime_src/onnxruntime/core/providers/cuda/cuda_kernel"
            ".h:296 static cudnnContext* onnxruntime::cuda::CudaKernel::RequireCudnnHandle("
            "cudnnHandle_t) [ONNXRuntimeError] : 9 : NOT_IMPLEMENTED : cuDNN is unavailable or "
            "disabled for CUDA Execution Provider: dlopen failed for libcudnn.so",
            "ONNX Runtime's CUDA provider lacks cuDNN (cuDNN is unavailable or disabled for CUDA "
            "Execution Provider: dlopen failed for libcudnn.so); install CUDA 13 and cuDNN 9, "
            'which come with: pip install "efgan-rt[gpu]"',
        ),
        (
            "/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_execution_provider_info.cc:63 "
            "static onnxruntime::CUDAExecutionProviderInfo [ONNXRuntimeError] : 1 : FAIL : "
            'provider_options_utils.h:187 Parse Failed to parse provider option "device_id": CUDA '
            "failure 35: CUDA driver version is insufficient for CUDA runtime version ; GPU=-1 ; "
            "hostname=vm ; file=x.cc",
            "the CUDA driver is too old for the CUDA libraries installed (Parse Failed to parse "
            'provider option "device_id": CUDA failure 35: CUDA driver version is insufficient for '
            "CUDA runtime version); update NVIDIA's driver, or run on the processor with --backend "
            "onnxruntime or openvino",
        ),
        (
            "[ONNXRuntimeError] : 1 : FAIL : Invalid device ID: 3, must be between 0 (inclusive) "
            "and 1 (exclusive).",
            "GPU 0 was asked for (Invalid device ID: 3, must be between 0 (inclusive) and 1 "
            "(exclusive).); see nvidia-smi",
        ),
        ("bang", "ONNX Runtime's CUDA provider does not work here: bang"),
    ],
)
def test_a_provider_that_loads_and_does_not_work_says_what_is_missing(
    said: str, expected: str
) -> None:
    refusal = onnxruntime_cuda_engine.refusal(reason(RuntimeError(said)), 0)
    assert str(refusal) == expected
