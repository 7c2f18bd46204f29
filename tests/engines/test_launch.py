"""What surrounds a capture: nothing that would end it beside it, and a look at what it leaves."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.host_cuda import HostCuda, HostMemory
from engines import onnxruntime_cuda_engine
from engines.base import EngineError
from engines.cuda_graph import capture_graph
from engines.device import tensor_bytes
from engines.directory import EngineDirectory
from engines.launch import Launch
from engines.manifest import read_manifest
from engines.onnxruntime_cuda_engine import OnnxRuntimeCudaEngine
from tests.toy_engines import write_toy_engines


class Context:
    """A network that launches a number of times, and then does so no more."""

    def __init__(self, launches: int) -> None:
        self.left = launches

    def enqueue(self) -> None:
        if not self.left:
            raise EngineError("stage_1: TensorRT gave no run")
        self.left -= 1


class CudaWithoutGraphs(HostCuda):
    def capture(self, stream: Any, enqueue: Any) -> None:
        return None


def test_after_a_failed_capture_the_network_is_launched_once_more() -> None:
    cuda, context = CudaWithoutGraphs(), Context(launches=2)
    launch = Launch(context, cuda.stream(), capturable=True)
    launch.enqueue()
    assert launch.capture(cuda) is False
    assert context.left == 0


def test_a_failed_capture_that_leaves_the_network_broken_is_an_error_at_once() -> None:
    cuda, context = CudaWithoutGraphs(), Context(launches=1)
    launch = Launch(context, cuda.stream(), capturable=True)
    launch.enqueue()
    with pytest.raises(EngineError, match="TensorRT gave no run"):
        launch.capture(cuda)


def test_no_session_is_made_while_a_stream_captures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = threading.Event()

    def session(*_: object) -> None:
        made.set()
        raise RuntimeError("enough was seen")

    monkeypatch.setattr(onnxruntime_cuda_engine, "check_cuda_provider", lambda _: None)
    monkeypatch.setattr(onnxruntime_cuda_engine, "cuda_session", session)
    write_toy_engines(tmp_path)
    cuda, entry = HostCuda(), read_manifest(tmp_path).network("stage_1")
    engine = OnnxRuntimeCudaEngine(
        EngineDirectory(tmp_path).content(entry.stored), entry, batch=4, cuda=cuda
    )
    memory = {
        spec.name: HostMemory(tensor_bytes(spec)) for spec in (*engine.inputs, *engine.outputs)
    }

    def bind() -> None:
        with pytest.raises(EngineError, match="enough was seen"):
            engine.bind(memory, None, cuda.stream())

    other = threading.Thread(target=bind)
    fine = 0
    runtime = SimpleNamespace(
        cudaError_t=SimpleNamespace(cudaSuccess=fine),
        cudaStreamCaptureMode=SimpleNamespace(cudaStreamCaptureModeRelaxed=2),
        cudaStreamBeginCapture=lambda *_: (fine,),
        cudaStreamEndCapture=lambda _: (fine, 1),
        cudaGraphInstantiate=lambda *_: (fine, 1),
        cudaGraphDestroy=lambda _: (fine,),
        cudaGraphExecDestroy=lambda _: (fine,),
        cudaGetLastError=lambda: (fine,),
    )
    seen: list[bool] = []

    def enqueue() -> None:
        other.start()
        seen.append(made.wait(timeout=0.5))  # the time that a session would have

    assert capture_graph(runtime, cuda.stream(), enqueue) is not None
    assert made.wait(timeout=30)
    other.join()
    assert seen == [False]
