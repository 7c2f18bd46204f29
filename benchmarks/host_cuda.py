"""The processor in a GPU's place, so that what is written for one runs, and is tested, without one.

It fulfils `engines.cuda_memory.Cuda`: device memory is host memory, a stream runs everything at
once, an event is the clock. So it shows that a script, a lane and an engine fit together; it shows
nothing of their order in time, and no figure taken with it says anything about a GPU.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from efgan_rt.reporting.machine import machine_facts
from engines.arrays import Array
from engines.base import EngineError
from engines.cuda_memory import DeviceFacts, DeviceMemory, Event, Graph, Kernel, Stream

ALIGNMENT = 256


class HostMemory:
    """A stretch of host memory in a device buffer's place."""

    def __init__(self, nbytes: int) -> None:
        self._bytes = np.empty(nbytes + ALIGNMENT, np.uint8)
        self.address = -(-self._bytes.ctypes.data // ALIGNMENT) * ALIGNMENT
        self.nbytes = nbytes

    def free(self) -> None:
        """Lets go of the memory."""
        self._bytes = np.empty(0, np.uint8)


class HostStream:
    """A stream that never has anything left to do."""

    handle = 0

    def wait(self, event: Event) -> None:
        """Nothing is ever pending."""

    def synchronize(self) -> None:
        """Nothing is ever pending."""


class HostEvent:
    """A moment on the clock."""

    def __init__(self) -> None:
        self.second = 0.0

    def record(self, stream: Stream) -> None:
        """Notes the moment."""
        self.second = time.perf_counter()

    def record_in_graph(self, stream: Stream) -> None:
        """There are no graphs."""
        raise EngineError("the processor in a GPU's place has no graphs")

    def synchronize(self) -> None:
        """Nothing is ever pending."""

    def ms_since(self, earlier: Event) -> float:
        """Milliseconds between two moments."""
        assert isinstance(earlier, HostEvent)
        return (self.second - earlier.second) * 1e3


class HostCuda:
    """The processor as if it were a device."""

    name = "host"
    described = "the processor in a GPU's place"
    marks_in_graphs = False

    @property
    def facts(self) -> DeviceFacts:
        """The processor's name, and a compute capability that no GPU has."""
        facts: dict[str, Any] = machine_facts()
        return DeviceFacts(facts["processor"], "0.0", "none", int(facts["memory_gib"] or 0) << 30)

    @contextmanager
    def current(self) -> Iterator[None]:
        """There is no context to make current."""
        yield

    def free_bytes(self) -> int:
        """Not told: what is free on the host depends on everybody there."""
        return 0

    def pinned(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """An ordinary array."""
        return np.empty(shape, dtype)

    def device(self, nbytes: int) -> HostMemory:
        """Host memory."""
        if nbytes < 1:
            raise EngineError(f"{nbytes} bytes were asked for, expected at least 1")
        return HostMemory(nbytes)

    def stream(self) -> HostStream:
        """A stream."""
        return HostStream()

    def event(self, timing: bool = True) -> HostEvent:
        """An event."""
        return HostEvent()

    def upload(self, destination: DeviceMemory, source: Array, stream: Stream) -> None:
        """Copies at once."""
        bytes_at(destination)[: source.nbytes] = source.reshape(-1).view(np.uint8)

    def download(self, destination: Array, source: DeviceMemory, stream: Stream) -> None:
        """Copies at once."""
        destination.reshape(-1).view(np.uint8)[:] = bytes_at(source)[: destination.nbytes]

    def copy(self, destination: DeviceMemory, source: DeviceMemory, stream: Stream) -> None:
        """Copies at once."""
        bytes_at(destination)[:] = bytes_at(source)[: destination.nbytes]

    def kernel(self, source: str, name: str) -> Kernel:
        """There is no compiler for it."""
        raise EngineError("the processor in a GPU's place runs no kernels")

    def capture(self, stream: Stream, enqueue: Callable[[], None]) -> Graph | None:
        """Nothing can be captured: a stream that runs at once has nothing to record."""
        return None


def bytes_at(memory: DeviceMemory) -> npt.NDArray[np.uint8]:
    """The bytes of a stretch of host memory, uint8 (nbytes,); the memory stays its owner's."""
    import ctypes

    return np.ctypeslib.as_array((ctypes.c_uint8 * memory.nbytes).from_address(memory.address))
