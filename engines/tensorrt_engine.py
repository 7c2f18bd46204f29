"""A TensorRT plan on the GPU: opened, held against the manifest, bound to a lane's memory.

One code for `tensorrt` 10.12 and later, 11.x, and `tensorrt_rtx`. A plan is opened only once its
bytes and its facts have been checked (`engines.manifest.read_plan`, `engines.plan_check`). Every
call that may fail says so by None or False; each is looked at, and the logger has the reason.

Contexts take their activation memory from the lane (`USER_MANAGED`): its networks run one after
the other, so one stretch, as large as the largest network needs, serves them all. A plan of
TensorRT for RTX is compiled further here, see `engines.tensorrt_rtx_runtime`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from engines import binding, runtimes
from engines.base import EngineError, TensorSpec
from engines.cuda_memory import DeviceMemory, Stream
from engines.device import check_buffers
from engines.manifest import NetworkEntry, PlanFacts, plan_fault
from engines.runtimes import TENSORRT_TITLES
from engines.tensorrt_log import log_of
from engines.tensorrt_rtx_runtime import RtxRuntime

if TYPE_CHECKING:
    # The names that mypy checks, against the stubs of the bindings where it has them. At run time
    # each function takes the module that was asked for.
    import tensorrt as trt

# TensorRT's names of element types -> numpy's.
_DTYPES: Final = {"UINT8": "uint8", "INT32": "int32", "HALF": "float16", "FLOAT": "float32"}


class TensorrtEngine:
    """One network's plan, opened. May be shared by threads and lanes: a context is what runs."""

    backend: str = "tensorrt"

    def __init__(
        self,
        plan: bytes,
        entry: NetworkEntry,
        *,
        directory: Path,
        plans: PlanFacts,
        precision: str,
        batch: int,
        gpu: str = "",
        cache_dir: Path | None = None,
    ) -> None:
        """Opens a plan, with the device's primary context current.

        Args:
            plan: verified bytes.
            entry: the network's entry in the manifest, which the plan must agree with.
            directory: of the engines, for the messages.
            plans: the manifest's facts about the plans.
            precision: `fp32` or `fp16`, which is in the plan.
            batch: pictures in a run.
            gpu: name of the GPU that is here.
            cache_dir: where TensorRT for RTX keeps what it compiles; None is nowhere.

        Raises:
            EngineError: TensorRT is missing, cannot start or refuses the plan, or the plan is not
                as the manifest says.
        """
        module: Any = runtimes.import_tensorrt(plans.library)
        if not TYPE_CHECKING:
            trt = module
        self._trt = module
        self.network = entry.name
        self.precision = precision
        self.inputs = binding.at_batch(entry.inputs, batch)
        self.outputs = binding.at_batch(entry.outputs, batch)
        self._log = log_of(module)
        title = f"{TENSORRT_TITLES[plans.library]} {trt.__version__}"
        try:
            runtime = trt.Runtime(self._log.logger)
        except TypeError as error:  # pybind's word for a null pointer: no usable CUDA
            raise EngineError(
                f"{title} cannot start: {self._log.take()}; efgan-rt info says what is missing"
            ) from error
        # A version-compatible plan brings code for the processor, which is ours: its bytes were
        # checked against the manifest.
        runtime.engine_host_code_allowed = plans.version_compatible
        engine = runtime.deserialize_cuda_engine(plan)
        path = directory / (entry.plan.file if entry.plan else entry.name)
        if engine is None:
            reason = self._log.take()
            raise plan_fault(directory, path, f"{title} does not open this plan: {reason}")
        self._engine: trt.ICudaEngine = engine
        self._check_tensors(directory, path, batch)
        self.scratch_bytes = int(engine.device_memory_size_v2)
        self.capturable = True
        self._rtx: RtxRuntime | None = None
        if plans.library == "tensorrt_rtx":
            self._rtx = RtxRuntime(module, engine, plan=plan, gpu=gpu, cache_dir=cache_dir)

    def bind(
        self, buffers: Mapping[str, DeviceMemory], scratch: DeviceMemory | None, stream: Stream
    ) -> "TensorrtContext":
        """A new execution slot over the caller's memory; see `DeviceEngine.bind`."""
        if not TYPE_CHECKING:
            trt = self._trt
        check_buffers(self.network, (*self.inputs, *self.outputs), buffers)
        given = 0 if scratch is None else scratch.nbytes
        if given < self.scratch_bytes:
            raise EngineError(
                f"{self.network}: {given} bytes of activation memory given, "
                f"expected {self.scratch_bytes} or more"
            )
        strategy = trt.ExecutionContextAllocationStrategy.USER_MANAGED
        context = self._engine.create_execution_context(
            strategy if self._rtx is None else self._rtx.config
        )
        if context is None:
            raise self._refused("no execution context")
        if scratch is not None and self.scratch_bytes:
            context.set_device_memory(scratch.address, scratch.nbytes)
        for spec in self.inputs:
            if not context.set_input_shape(spec.name, spec.resolve()):
                raise self._refused(f"shape {spec.resolve()} of input '{spec.name}' not taken")
        for spec in (*self.inputs, *self.outputs):
            if not context.set_tensor_address(spec.name, buffers[spec.name].address):
                raise self._refused(f"address of tensor '{spec.name}' not taken")
        if unknown := context.infer_shapes():
            raise self._refused(f"the shapes of {', '.join(unknown)} stay unknown")
        for spec in self.outputs:
            shape = tuple(context.get_tensor_shape(spec.name))
            if shape != spec.shape:
                raise EngineError(
                    f"{self.network}: output '{spec.name}' has shape {shape} in the plan, "
                    f"the manifest says {spec.shape}"
                )
        if self._rtx is not None:
            self.capturable = self.capturable and self._rtx.may_capture(context, stream.handle)
            self._rtx.keep()
        return TensorrtContext(self, context, stream)

    def _check_tensors(self, directory: Path, path: Path, batch: int) -> None:
        """Holds the plan's tensors against the manifest, and the batch against its profile."""
        if not TYPE_CHECKING:
            trt = self._trt
        engine = self._engine
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        inputs = [n for n in names if engine.get_tensor_mode(n) == trt.TensorIOMode.INPUT]
        outputs = [name for name in names if name not in inputs]
        binding.check_graph(self.network, "input", self.inputs, self._specs(inputs))
        binding.check_graph(self.network, "output", self.outputs, self._specs(outputs))
        for name in inputs:
            smallest, _, largest = engine.get_tensor_profile_shape(name, 0)
            if not smallest[0] <= batch <= largest[0]:
                raise plan_fault(
                    directory,
                    path,
                    f"batch {batch} is outside {smallest[0]} to {largest[0]}, the profile that "
                    "the plan was made for",
                )

    def _specs(self, names: Sequence[str]) -> tuple[TensorSpec, ...]:
        """The plan's own description of its tensors; -1 is a free dimension."""
        specs = []
        for name in names:
            dtype = self._engine.get_tensor_dtype(name).name
            sizes = tuple(self._engine.get_tensor_shape(name))
            shape = tuple("free" if size < 0 else int(size) for size in sizes)
            specs.append(TensorSpec(name, _DTYPES.get(dtype, dtype), shape))
        return tuple(specs)

    def _refused(self, what: str) -> EngineError:
        return EngineError(f"{self.network}: TensorRT gave {what}. {self._log.take()}")


class TensorrtContext:
    """One execution slot. Keeps the engine alive; the memory it is bound to is its lane's."""

    def __init__(self, engine: TensorrtEngine, context: "trt.IExecutionContext", stream: Stream):
        self._engine = engine
        self._context = context
        self._stream = stream

    def enqueue(self) -> None:
        """Puts one run on the stream; see `DeviceContext.enqueue`."""
        if not self._context.execute_async_v3(self._stream.handle):
            raise self._engine._refused("no run")
