"""A network in ONNX Runtime, on the processor, in fp32.

The graph keeps its free batch dimension; the engine has a fixed one, and inputs are held to it.
Inputs and outputs are bound by address, so nothing is copied or allocated for a run. Half-precision
graphs are accepted: this runtime has no half arithmetic on processors and computes them in fp32.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from engines import binding, processor, runtimes
from engines.arrays import Array
from engines.base import EngineError, TensorSpec
from engines.manifest import NetworkEntry

# Names of the runtime's tensor types -> numpy's.
_DTYPES: Final = {
    "tensor(uint8)": "uint8",
    "tensor(int32)": "int32",
    "tensor(float16)": "float16",
    "tensor(float)": "float32",
}
_ERRORS_ONLY: Final = 3


class OnnxRuntimeEngine:
    """One network in a session of its own, which may be run by several threads at once."""

    backend: str = "onnxruntime"
    precision: str = "fp32"

    def __init__(
        self, model: bytes, entry: NetworkEntry, *, batch: int, threads: int | None = None
    ) -> None:
        """Opens a network.

        Args:
            model: a complete ONNX file.
            entry: its entry in the manifest, which the graph must agree with.
            batch: pictures in a run.
            threads: of one run; by default as many as there are physical cores.

        Raises:
            EngineError: the runtime is missing or refuses the model, or the graph is not as the
                manifest says.
        """
        ort = runtimes.import_onnxruntime()
        options = ort.SessionOptions()
        # The runtime's own default of 0 pins its threads, which fails aloud inside a container.
        options.intra_op_num_threads = threads or processor.this_processor().cores
        # Decoding and encoding run on the same cores: waiting threads must not burn them. Measured
        # with one busy neighbour on two Zen 5 cores: 88 images/s against 84; alone, no difference.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = _ERRORS_ONLY
        try:
            self._session: Any = ort.InferenceSession(
                model, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the runtime has an exception class for each status code
            reason = " ".join(str(error).split())
            raise EngineError(f"ONNX Runtime cannot open {entry.file}: {reason}") from error
        # The Python wrapper keeps the file for a change of provider that never comes: at paper
        # width 170 MB a network.
        self._session._model_bytes = None
        self.network = entry.name
        self.inputs = binding.at_batch(entry.inputs, batch)
        self.outputs = binding.at_batch(entry.outputs, batch)
        binding.check_graph(
            entry.name, "input", self.inputs, graph_specs(self._session.get_inputs())
        )
        binding.check_graph(
            entry.name, "output", self.outputs, graph_specs(self._session.get_outputs())
        )

    def request(self) -> "OnnxRuntimeRequest":
        """A new execution slot with output arrays of its own."""
        return OnnxRuntimeRequest(self, self._session)


class OnnxRuntimeRequest:
    """One execution slot. Owns its output arrays; the inputs stay the caller's."""

    def __init__(self, engine: OnnxRuntimeEngine, session: Any) -> None:
        self._engine = engine
        self._session = session
        self._binding = session.io_binding()
        self._outputs = MappingProxyType(binding.empty_arrays(engine.outputs))
        for name, array in self._outputs.items():
            self._binding.bind_output(name, "cpu", 0, array.dtype.type, *_place(array))

    def run(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        """Runs the network once; see `engines.base.Request.run`."""
        binding.check_inputs(self._engine.network, self._engine.inputs, inputs)
        for name, array in inputs.items():
            self._binding.bind_input(name, "cpu", 0, array.dtype.type, *_place(array))
        self._session.run_with_iobinding(self._binding)
        return self._outputs


def _place(array: Array) -> tuple[tuple[int, ...], int]:
    """Shape and address."""
    return array.shape, array.ctypes.data


def graph_specs(arguments: Any) -> tuple[TensorSpec, ...]:
    """The runtime's description of a graph's inputs or outputs; None is a dimension unknown.

    Args:
        arguments: what `get_inputs` or `get_outputs` of a session gave.
    """
    return tuple(
        TensorSpec(
            argument.name,
            _DTYPES.get(argument.type, argument.type),
            tuple(size if isinstance(size, int) else str(size) for size in argument.shape),
        )
        for argument in arguments
    )
