"""A detector's network on the fake device: the real file, run by ONNX Runtime."""

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from efgan_rt.faces.yunet_network import OUTPUTS
from engines import runtimes
from engines.arrays import Array, FloatArray
from engines.cuda_memory import DeviceMemory, Stream
from tests.engines.fake_cuda import FakeCuda


class HostNetwork:
    """As `engines.onnxruntime_cuda_network.CudaNetwork`: on a stream, its outputs on the host."""

    def __init__(self, cuda: FakeCuda, file: Path, stream: Stream) -> None:
        ort = runtimes.import_onnxruntime()
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._session: Any = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        self._cuda = cuda
        self._stream = stream
        self.runs = 0

    def run(self, pixels: DeviceMemory, shape: Sequence[int]) -> dict[str, FloatArray]:
        found: list[Array] = []
        memory: Any = (ctypes.c_float * int(np.prod(shape))).from_address(pixels.address)

        def run() -> None:
            given = np.frombuffer(memory, np.float32).reshape(shape)
            found.extend(self._session.run(OUTPUTS, {"input": given.copy()}))

        self._cuda.enqueue(self._stream, "the detector", run, reads=[pixels])
        self._stream.synchronize()
        self.runs += 1
        return dict(zip(OUTPUTS, found, strict=True))
