"""A device engine that runs the real ONNX file with ONNX Runtime on the processor.

It reads and writes the fake device's memory by address, so a lane's pictures can be compared, bit
for bit, with those of the lane on the processor.
"""

from collections.abc import Mapping

from engines import binding, runtimes
from engines.cuda_memory import DeviceMemory, Stream
from engines.device import check_buffers
from engines.manifest import NetworkEntry
from tests.engines.fake_cuda import ALIGNMENT, POISON, FakeCuda, span_of


class HostEngine:
    """One network; see `engines.device.DeviceEngine`."""

    backend = "tensorrt"
    precision = "fp32"

    def __init__(
        self,
        model: bytes,
        entry: NetworkEntry,
        *,
        batch: int,
        cuda: FakeCuda,
        scratch_bytes: int = 1000,
        capturable: bool = True,
    ) -> None:
        ort = runtimes.import_onnxruntime()
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._cuda = cuda
        self.network = entry.name
        self.inputs = binding.at_batch(entry.inputs, batch)
        self.outputs = binding.at_batch(entry.outputs, batch)
        self.scratch_bytes = scratch_bytes
        self.capturable = capturable

    def bind(
        self, buffers: Mapping[str, DeviceMemory], scratch: DeviceMemory | None, stream: Stream
    ) -> "HostContext":
        check_buffers(self.network, (*self.inputs, *self.outputs), buffers)
        assert (0 if scratch is None else scratch.nbytes) >= self.scratch_bytes
        assert all(memory.address % ALIGNMENT == 0 for memory in buffers.values())
        read = [span_of(buffers[spec.name]) for spec in self.inputs]
        written = [span_of(buffers[spec.name]) for spec in self.outputs]
        assert not any(a.overlaps(b) for a in read for b in written), "a network in place"
        bound = self._session.io_binding()
        for spec in self.inputs:
            place = (spec.shape, buffers[spec.name].address)
            bound.bind_input(spec.name, "cpu", 0, spec.numpy_dtype.type, *place)
        for spec in self.outputs:
            place = (spec.shape, buffers[spec.name].address)
            bound.bind_output(spec.name, "cpu", 0, spec.numpy_dtype.type, *place)
        return HostContext(self, bound, buffers, scratch, stream)


class HostContext:
    """One execution slot, bound to memory of the fake device."""

    def __init__(
        self,
        engine: HostEngine,
        bound: object,
        buffers: Mapping[str, DeviceMemory],
        scratch: DeviceMemory | None,
        stream: Stream,
    ) -> None:
        self._engine = engine
        self._bound = bound
        self._stream = stream
        self._reads = [buffers[spec.name] for spec in engine.inputs]
        self._writes = [buffers[spec.name] for spec in engine.outputs]
        self._scratch = scratch

    def enqueue(self) -> None:
        engine, scratch = self._engine, self._scratch

        def run() -> None:
            if scratch is not None:
                engine._cuda.bytes_at(scratch).fill(POISON)
            engine._session.run_with_iobinding(self._bound)

        writes = self._writes if scratch is None else [*self._writes, scratch]
        engine._cuda.enqueue(self._stream, engine.network, run, reads=self._reads, writes=writes)
