"""What ONNX Runtime's GPU providers have in common: sessions that work on a lane's own stream.

A session has one compute stream, named when it is made; the Python interface can name none for a
run. So every `bind` makes a session, with weights of its own on the device, and gives it the lane's
stream. What follows was watched call by call with onnxruntime-gpu 1.31.1: all work goes to that
stream; a run waits for it unless `disable_synchronize_execution_providers` is set; and memory is
taken in the first two runs (the second takes one block for all activations, laid out by the first)
and in none after. Those two runs are made in `bind`, so that `enqueue` neither waits nor allocates,
and full device memory shows before the first picture. One thing is a thread's own: the handles of
cuBLAS and cuDNN with their memory, which the first run in another thread makes anew. A lane
is one thread's for a whole run, so this happens once a lane, in its first batch.

The batch is fixed in the graph itself, by giving its free dimension a size: no shape is left to be
computed on the processor. A network that a provider cannot run completely is refused, because every
step on the processor would wait for the device.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from engines import binding, runtimes
from engines.base import EngineError, TensorSpec
from engines.cuda_faults import no_device_memory
from engines.cuda_graph import NO_CAPTURE
from engines.cuda_memory import Cuda, DeviceMemory, Stream
from engines.device import check_buffers
from engines.manifest import BATCH_DIMENSION, NetworkEntry
from engines.onnxruntime_engine import graph_specs

# Whatever the runtime would log as an error it also raises.
FATAL_ONLY: Final = 4
ERRORS_AND_WORSE: Final = 3
WARM_UP_RUNS: Final = 2

_STATUS = re.compile(r".*\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : ")
_SOURCE = re.compile(r"^(?:/\S+\.(?:cc|h|cu)\b\S*|\S+\.(?:cc|h|cu):\d+) ")
_ASKED = re.compile(r"Failed to allocate memory for requested buffer of size (\d+)")
_WHERE = re.compile(r" ; GPU=.*")


def session_options(ort: Any, batch: int) -> Any:
    """Options of a session whose every node is the provider's, at a fixed batch."""
    options = ort.SessionOptions()
    options.log_severity_level = FATAL_ONLY
    options.intra_op_num_threads = 1  # nothing is computed on the processor
    options.add_free_dimension_override_by_name(BATCH_DIMENSION, batch)
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    return options


class OnnxRuntimeDeviceEngine:
    """One network on one GPU; holds the file, of which every context makes a session."""

    backend: str
    # What a session that cannot be made is said to have failed at.
    cannot: str
    scratch_bytes: int = 0
    # The runtime keeps an arena of its own, which nobody promises to leave alone between runs.
    capturable: bool = False

    def __init__(
        self,
        model: bytes,
        entry: NetworkEntry,
        *,
        batch: int,
        cuda: Cuda,
        precision: str = "fp32",
        device: int = 0,
    ) -> None:
        """Holds what `bind` needs; nothing is opened yet.

        Args:
            model: a complete ONNX file.
            entry: its entry in the manifest, which the graph must agree with.
            batch: pictures in a run.
            cuda: the device, for the messages.
            precision: of the manifest: what the graph's convolutions compute in.
            device: number of the GPU, as CUDA counts.
        """
        self.network = entry.name
        self.precision = precision
        self.inputs = binding.at_batch(entry.inputs, batch)
        self.outputs = binding.at_batch(entry.outputs, batch)
        self._model = model
        self._entry = entry
        self._batch = batch
        self._cuda = cuda
        self._device = device

    def session(self, ort: Any, options: Any, stream: Stream) -> Any:
        """A session of the provider on a stream."""
        raise NotImplementedError

    def bind(
        self, buffers: Mapping[str, DeviceMemory], scratch: DeviceMemory | None, stream: Stream
    ) -> "OnnxRuntimeContext":
        """See `engines.device.DeviceEngine.bind`; makes the session and waits once."""
        check_buffers(self.network, (*self.inputs, *self.outputs), buffers)
        ort = runtimes.import_onnxruntime()
        try:
            with NO_CAPTURE:
                session = self.session(ort, session_options(ort, self._batch), stream)
        except Exception as error:  # the runtime has an exception class for each status code
            what = f"{self.cannot} {self._entry.file}"
            raise runtime_error(what, error, self._cuda) from error
        session._model_bytes = None  # kept for a change of provider that never comes
        return OnnxRuntimeContext(
            session,
            self._entry,
            self.inputs,
            self.outputs,
            buffers,
            stream,
            self._cuda,
            unsynchronised(ort),
            ("cuda", self._device),
        )


class OnnxRuntimeContext:
    """A session bound to a lane's buffers and stream; owns the session, not the buffers."""

    def __init__(
        self,
        session: Any,
        entry: NetworkEntry,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
        buffers: Mapping[str, DeviceMemory],
        stream: Stream,
        cuda: Cuda,
        run_options: Any,
        place: tuple[str, int],
    ) -> None:
        """Binds every tensor and makes the runs in which the session takes its memory.

        Args:
            session: of the runtime, on `stream`.
            entry: of the network in the manifest.
            inputs: at the fixed batch.
            outputs: at the fixed batch.
            buffers: for every tensor by name.
            stream: the session's.
            cuda: tells how much memory is free when there is too little.
            run_options: of every run.
            place: where the buffers are, as the runtime says it: ("cuda", number of the GPU).

        Raises:
            EngineError: the graph is not as the manifest says, or the device's memory is full.
        """
        binding.check_graph(entry.name, "input", inputs, graph_specs(session.get_inputs()))
        binding.check_graph(entry.name, "output", outputs, graph_specs(session.get_outputs()))
        self._network = entry.name
        self._session = session
        self._cuda = cuda
        self._run_options = run_options
        self._binding = session.io_binding()
        for specs, bind in (
            (inputs, self._binding.bind_input),
            (outputs, self._binding.bind_output),
        ):
            for spec in specs:
                shape, address = spec.resolve(), buffers[spec.name].address
                bind(spec.name, *place, spec.numpy_dtype.type, shape, address)
        for _ in range(WARM_UP_RUNS):
            self.enqueue()
        stream.synchronize()

    def enqueue(self) -> None:
        """See `engines.device.DeviceContext.enqueue`."""
        try:
            self._session.run_with_iobinding(self._binding, self._run_options)
        except Exception as error:  # the runtime has an exception class for each status code
            what = f"ONNX Runtime cannot run {self._network}"
            raise runtime_error(what, error, self._cuda) from error


def unsynchronised(ort: Any) -> Any:
    """Options of a run that does not wait for its stream."""
    options = ort.RunOptions()
    options.add_run_config_entry("disable_synchronize_execution_providers", "1")
    return options


def runtime_error(what: str, error: Exception, cuda: Cuda) -> EngineError:
    """The error for a session that cannot be made or run, in one sentence.

    Args:
        what: was tried, without a full stop.
        error: the runtime's own.
        cuda: tells how much memory is free, where that is what lacks.
    """
    said = reason(error)
    if asked := _ASKED.search(said):
        return EngineError(f"{what}: {no_device_memory(int(asked[1]), cuda.free_bytes())}")
    if "out of memory" in said:
        return EngineError(f"{what}: {no_device_memory(0, cuda.free_bytes())} ({said})")
    if "fallback to CPU EP has been explicitly disabled" in said:
        return EngineError(
            f"{what}: a part of it would run on the processor and wait for the GPU every time; "
            "use another backend, or make the engines again with efgan-rt build-engines CKPT.pt"
        )
    return EngineError(f"{what}: {said}")


def reason(error: Exception) -> str:
    """What the runtime says, without its source lines and status codes."""
    said = _STATUS.sub("", " ".join(str(error).split()))
    return _WHERE.sub("", _SOURCE.sub("", said))
