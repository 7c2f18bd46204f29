"""A network in OpenVINO, on the processor, in fp32, bf16 or int8, compiled for a fixed batch.

The precision is always asked for by name and read back: left alone, the plugin picks bf16 where
the processor has it and half precision on ARM, and it answers a wish that it cannot fulfil with
another type and no word (`f16` gives bf16 on Zen 5). Int8 is in the graph itself, of a network that
was quantised, and what is left of it computes in the precision that is asked for.

Most of a start is compiling; where a folder for it is given, what was compiled is kept there
(`engines.compiled_cache`).
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from engines import binding, runtimes
from engines.arrays import Array
from engines.base import EngineError, TensorSpec
from engines.compiled_cache import CompiledCache
from engines.manifest import NetworkEntry
from engines.signal_stack import kept_signal_stack

# Our name of a precision -> the plugin's.
PRECISIONS: Final = {"fp32": "f32", "bf16": "bf16"}
INT8: Final = "int8"
_DTYPES: Final = {"u8": "uint8", "i32": "int32", "f16": "float16", "f32": "float32"}


@cache
def has_bf16() -> bool:
    """True if OpenVINO computes in bf16 natively on this processor.

    Raises:
        EngineError: OpenVINO is missing.
    """
    openvino = runtimes.import_openvino()
    with kept_signal_stack():
        return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class OpenvinoEngine:
    """One compiled network; runs of several threads queue for its streams."""

    backend: str = "openvino"

    def __init__(
        self,
        model: bytes,
        entry: NetworkEntry,
        *,
        precision: str,
        batch: int,
        threads: int | None = None,
        streams: int = 1,
        cache_dir: Path | None = None,
        int8_weights: bytes | None = None,
    ) -> None:
        """Compiles a network.

        Args:
            model: a complete ONNX file, or the graph of a quantised network.
            entry: its entry in the manifest, which the graph must agree with.
            precision: `fp32` or `bf16`, of what is not in int8.
            batch: pictures in a run.
            threads: of all streams together; by default the plugin's choice, the physical cores.
            streams: runs that proceed at the same time. Two of one thread each are as fast as one
                of two threads where both are kept busy (320 images/s on two Zen 5 cores, bf16).
            cache_dir: where compiled networks are kept; by default nowhere.
            int8_weights: of a quantised network, without which its graph is nothing.

        Raises:
            EngineError: OpenVINO is missing or refuses the model, the graph is not as the manifest
                says, or the processor cannot compute in that precision.
        """
        openvino = runtimes.import_openvino()
        self.network = entry.name
        self.precision = precision if int8_weights is None else INT8
        self.inputs = binding.at_batch(entry.inputs, batch)
        self.outputs = binding.at_batch(entry.outputs, batch)
        config: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": PRECISIONS[precision],
            "NUM_STREAMS": streams,
            # Decoding and encoding run on the same cores: a pinned thread cannot move away from a
            # neighbour. Measured with one busy neighbour on two Zen 5 cores: 152 images/s against
            # 143 pinned; alone, no difference.
            "ENABLE_CPU_PINNING": False,
        }
        if threads is not None:
            config["INFERENCE_NUM_THREADS"] = threads
        core = openvino.Core()
        try:
            with kept_signal_stack():
                self._compiled: Any = self._opened(core, model, int8_weights, config, cache_dir)
        except RuntimeError as error:
            file = entry.file if entry.int8 is None or not int8_weights else entry.int8.graph.file
            raise EngineError(f"OpenVINO cannot open {file}: {_last_line(error)}") from error
        used = self._compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        if used != PRECISIONS[precision]:
            raise EngineError(
                f"{entry.name}: OpenVINO computes in {used} where {precision} was asked for; "
                "this processor does not have it, ask for fp32"
            )
        # The graph's own inference of the shapes, now that nothing is free.
        binding.check_graph(
            entry.name, "output", self.outputs, _specs(self._compiled.outputs, self.outputs)
        )

    def _opened(
        self,
        core: Any,
        model: bytes,
        weights: bytes | None,
        config: dict[str, Any],
        cache_dir: Path | None,
    ) -> Any:
        """The compiled network, from the cache or else put there."""
        if cache_dir is None:
            return self._compile(core, model, weights, config)
        cache = CompiledCache(cache_dir)
        version = core.get_versions("CPU")["CPU"].build_number
        # What is found under this name has passed the checks of `_compile` with these very specs.
        specs = [[spec.name, spec.dtype, spec.shape] for spec in (*self.inputs, *self.outputs)]
        whole = model if weights is None else model + weights
        path = cache.path(whole, version, {"specs": specs, "config": config})
        found = cache.load(path, lambda blob: core.import_model(blob, "CPU", config))
        if found is None:
            found = self._compile(core, model, weights, config)
            cache.keep(path, found.export_model().getvalue())
        return found

    def _compile(
        self, core: Any, model: bytes, weights: bytes | None, config: dict[str, Any]
    ) -> Any:
        graph = core.read_model(model) if weights is None else core.read_model(model, weights)
        for kind, specs, ports in (
            ("input", self.inputs, graph.inputs),
            ("output", self.outputs, graph.outputs),
        ):
            binding.check_graph(self.network, kind, specs, _specs(ports, specs))
        graph.reshape({spec.name: list(spec.resolve()) for spec in self.inputs})
        return core.compile_model(graph, "CPU", config)

    def request(self) -> "OpenvinoRequest":
        """A new execution slot with output arrays of its own."""
        return OpenvinoRequest(self, self._compiled.create_infer_request())


class OpenvinoRequest:
    """One execution slot. Owns its output arrays; the inputs stay the caller's."""

    def __init__(self, engine: OpenvinoEngine, infer_request: Any) -> None:
        self._engine = engine
        self._request = infer_request
        self._tensor: Any = runtimes.import_openvino().Tensor
        self._outputs = MappingProxyType(binding.empty_arrays(engine.outputs))
        for name, array in self._outputs.items():
            self._request.set_tensor(name, self._tensor(array, shared_memory=True))

    def run(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        """Runs the network once; see `engines.base.Request.run`."""
        binding.check_inputs(self._engine.network, self._engine.inputs, inputs)
        for name, array in inputs.items():
            # Shared means bound by address; OpenVINO refuses that for a read-only array.
            shared = array.flags.writeable
            self._request.set_tensor(name, self._tensor(array, shared_memory=shared))
        self._request.infer(share_outputs=True)
        return self._outputs


def _specs(ports: Any, declared: Sequence[TensorSpec]) -> tuple[TensorSpec, ...]:
    """The plugin's description of a graph's inputs or outputs.

    A port may have several names, where the plugin has merged nodes; the declared one is taken.
    """
    known = {spec.name for spec in declared}
    specs = []
    for port in ports:
        dtype = port.element_type.get_type_name()
        sizes = (size.get_length() if size.is_static else str(size) for size in port.partial_shape)
        name = next((name for name in port.names if name in known), port.any_name)
        specs.append(TensorSpec(name, _DTYPES.get(dtype, dtype), tuple(sizes)))
    return tuple(specs)


def _last_line(error: RuntimeError) -> str:
    """What is said after the plugin's list of source lines."""
    lines = [line for line in str(error).splitlines() if line and ".cpp:" not in line]
    return " ".join(lines) or str(error)
