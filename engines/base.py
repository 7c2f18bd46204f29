"""What every engine is: a network with named arrays in and named arrays out.

An `Engine` holds the weights of one compiled network and may be shared by threads; a `Request` is
one execution slot of it, with buffers of its own, used by one thread at a time. Tensors are bound
by name, never by order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

import numpy as np
from msgspec import Meta

from engines.arrays import Array


class EngineError(Exception):
    """An engine cannot be opened or run; says what was found, what was expected, and the remedy."""


@dataclass(frozen=True)
class TensorSpec:
    """Name, element type and shape of a tensor; a string in the shape is a free dimension."""

    name: Annotated[str, Meta(min_length=1)]
    dtype: Annotated[str, Meta(pattern="^(uint8|int32|float16|float32)$")]
    """numpy's name."""
    shape: tuple[Annotated[int, Meta(gt=0)] | Annotated[str, Meta(pattern="^(B)$")], ...]

    def resolve(self, **sizes: int) -> tuple[int, ...]:
        """The shape with every free dimension given a size, as in `spec.resolve(B=8)`."""
        return tuple(sizes[d] if isinstance(d, str) else d for d in self.shape)

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """The element type as numpy's object."""
        return np.dtype(self.dtype)


class Request(Protocol):
    """One execution slot of an engine; not to be shared between threads."""

    def run(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        """Runs the network once and waits for it.

        Args:
            inputs: one C-contiguous array for each input, by name.

        Returns:
            One array for each output, by name. Ownership: the request's own buffers, overwritten by
            its next `run`; copy what must live longer.

        Raises:
            EngineError: an input is missing, unknown, or of the wrong type or shape.
        """
        ...


class Engine(Protocol):
    """One network, compiled for one device at one precision."""

    @property
    def backend(self) -> str:
        """`onnxruntime` or `openvino`."""
        ...

    @property
    def precision(self) -> str:
        """Arithmetic of the convolutions: `fp32`, `fp16`, `bf16` or `int8`."""
        ...

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """What `Request.run` takes."""
        ...

    @property
    def outputs(self) -> Sequence[TensorSpec]:
        """What `Request.run` gives."""
        ...

    def request(self) -> Request:
        """A new execution slot with buffers of its own."""
        ...
