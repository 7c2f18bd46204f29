"""The set that ships, opened on the device of the tests."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from efgan_rt import editing
from efgan_rt.editing import OpenedSet
from efgan_rt.engine_sets import shipped_set
from engines.choice import BackendChoice
from engines.cuda_memory import Stream
from engines.directory import EngineDirectory
from tests.engines.fake_cuda import FakeCuda
from tests.engines.host_engine import HostEngine
from tests.engines.host_network import HostNetwork


def on_device(
    cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch, say: Callable[[str], None]
) -> OpenedSet:
    """The set that ships, on the device of the tests."""

    def open_host_engine(folder: EngineDirectory, network: str, *_: object, **more: Any) -> Any:
        entry = folder.manifest.network(network)
        return HostEngine(folder.model(network), entry, batch=more["batch"], cuda=cuda)

    def open_network(file: Path, _: object, *, cuda: FakeCuda, stream: Stream) -> HostNetwork:
        return HostNetwork(cuda, file, stream)

    shipped = shipped_set()
    assert shipped is not None
    monkeypatch.setattr(editing, "open_cuda", lambda: cuda)
    monkeypatch.setattr(editing, "open_device_engine", open_host_engine)
    monkeypatch.setattr("engines.onnxruntime_cuda_network.CudaNetwork", open_network)
    choice = BackendChoice("tensorrt", "fp32", "TensorRT, as asked for")
    return OpenedSet.open(shipped, choice=choice, batch=1, say=say)
