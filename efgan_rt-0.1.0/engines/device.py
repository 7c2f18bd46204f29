"""What an engine on a device is: a network whose tensors are addresses and whose run is enqueued.

The counterpart of `engines.base.Engine` and `Request` for GPUs. An engine holds the weights of one
network and may be shared by threads and lanes; a `DeviceContext` is one execution slot of it, bound
once to fixed buffers and one stream, and used by one thread at a time.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Protocol

from engines.base import EngineError, TensorSpec
from engines.cuda_memory import DeviceMemory, Stream


class DeviceContext(Protocol):
    """One execution slot, bound to its buffers and its stream."""

    def enqueue(self) -> None:
        """Puts one run on the stream; never waits for the device.

        Raises:
            EngineError: the runtime refuses.
        """
        ...


class DeviceEngine(Protocol):
    """One network on one GPU, for a fixed batch."""

    @property
    def backend(self) -> str:
        """`tensorrt`, `tensorrt-rtx` or `onnxruntime-cuda`."""
        ...

    @property
    def precision(self) -> str:
        """Arithmetic of the convolutions: `fp32` or `fp16`."""
        ...

    @property
    def network(self) -> str:
        """Its name in the manifest."""
        ...

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """What a run reads, at the fixed batch."""
        ...

    @property
    def outputs(self) -> Sequence[TensorSpec]:
        """What a run writes, at the fixed batch."""
        ...

    @property
    def scratch_bytes(self) -> int:
        """Activation memory that a context borrows from its lane; 0 if it brings its own."""
        ...

    @property
    def capturable(self) -> bool:
        """Whether `enqueue` may be captured into a CUDA graph: it launches on its stream and does
        nothing else, no allocation and no wait. Asked after `bind`, which may find out."""
        ...

    def bind(
        self, buffers: Mapping[str, DeviceMemory], scratch: DeviceMemory | None, stream: Stream
    ) -> DeviceContext:
        """A new execution slot over the caller's memory.

        Args:
            buffers: for every input and output by name, memory aligned to 256 bytes of exactly the
                tensor's size.
            scratch: at least `scratch_bytes` bytes, or None where that is 0. Nothing else may use
                them while a run is in flight.
            stream: where every run goes.

        Ownership: the buffers stay the caller's and must outlive the context. A run may change
        nothing but the outputs and the scratch.

        Raises:
            EngineError: a buffer is missing or of another size, or the runtime refuses.
        """
        ...


def tensor_bytes(spec: TensorSpec) -> int:
    """The size of a tensor whose shape is fixed."""
    return prod(spec.resolve()) * spec.numpy_dtype.itemsize


def check_buffers(
    network: str, specs: Sequence[TensorSpec], buffers: Mapping[str, DeviceMemory]
) -> None:
    """Holds a lane's buffers against the tensors that will live in them.

    Raises:
        EngineError: a buffer is missing or of another size.
    """
    for spec in specs:
        memory = buffers.get(spec.name)
        if memory is None:
            raise EngineError(
                f"{network}: there is no buffer for '{spec.name}'; it needs "
                f"{', '.join(each.name for each in specs)}"
            )
        expected = tensor_bytes(spec)
        if memory.nbytes != expected:
            raise EngineError(
                f"{network}: the buffer for '{spec.name}' has {memory.nbytes} bytes, "
                f"expected {expected}"
            )
