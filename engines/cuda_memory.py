"""Memory, streams and events of a CUDA device, behind the few functions that a lane needs.

Two packages give them, each in a file of its own: PyCUDA, used where it is installed, and NVIDIA's
cuda-bindings. Both work in the device's primary context, the one that TensorRT and ONNX Runtime
use; a context of our own would make their memory and ours strangers to each other.

What has to be true of every call here: the context is current in the calling thread
(`with cuda.current()`), and nothing waits for the device but what has `synchronize` in its name.
Events put the thread that waits for them to sleep: decoding and encoding need the cores.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

import numpy.typing as npt

from engines.arrays import Array

PROVIDERS: Final = ("pycuda", "cuda-bindings")


@dataclass(frozen=True)
class DeviceFacts:
    """What a GPU is, as far as plans and messages depend on it."""

    name: str
    """As the driver gives it: "NVIDIA H100 80GB HBM3"."""
    compute_capability: str
    """Major and minor: "9.0"."""
    driver: str
    """As `engines.nvidia_driver.Gpu` has it: "580.65.06", else the CUDA version it serves."""
    total_bytes: int


class DeviceMemory(Protocol):
    """A stretch of device memory: a buffer or a part of one."""

    @property
    def address(self) -> int:
        """On the device."""
        ...

    @property
    def nbytes(self) -> int:
        """Its length."""
        ...


class DeviceBuffer(DeviceMemory, Protocol):
    """Device memory, aligned to 256 bytes, that belongs to whoever asked for it."""

    def free(self) -> None:
        """Gives the memory back; nothing in flight may use it. A second call does nothing."""
        ...


@dataclass(frozen=True)
class DeviceSlice:
    """A part of a buffer that somebody else owns."""

    address: int
    nbytes: int


class Event(Protocol):
    """A mark in a stream."""

    def record(self, stream: "Stream") -> None:
        """Places the mark behind everything that `stream` has been given so far."""
        ...

    def record_in_graph(self, stream: "Stream") -> None:
        """Within `Cuda.capture`: every launch of the graph places the mark, there.

        Raises:
            EngineError: this provider cannot, see `Cuda.marks_in_graphs`.
        """
        ...

    def synchronize(self) -> None:
        """Waits, asleep, until the device has reached the mark."""
        ...

    def ms_since(self, earlier: "Event") -> float:
        """Milliseconds between two marks that the device has reached, both made with timing."""
        ...


class Stream(Protocol):
    """A queue of the device: what is in it runs in order; two streams know nothing of each other.

    Never the default stream, which waits for all others.
    """

    @property
    def handle(self) -> int:
        """`cudaStream_t` as a number, for runtimes that enqueue on it."""
        ...

    def wait(self, event: Event) -> None:
        """What is enqueued from now on runs after the event's last recorded mark."""
        ...

    def synchronize(self) -> None:
        """Waits until everything in the stream has run."""
        ...


class Graph(Protocol):
    """A captured sequence of launches: the same kernels, addresses and shapes every time."""

    def launch(self, stream: Stream) -> None:
        """Enqueues the whole sequence at once."""
        ...


class Kernel(Protocol):
    """A function of the device's: a thread for each of so many things."""

    def launch(
        self,
        stream: Stream,
        count: int,
        reads: Sequence[DeviceMemory],
        writes: Sequence[DeviceMemory],
    ) -> None:
        """Enqueues one run.

        Args:
            stream: where it runs.
            count: of threads that have something to do; the kernel's last argument, an int.
            reads: its first arguments, pointers to what it reads and does not change.
            writes: the next, to what it writes.
        """
        ...


class Cuda(Protocol):
    """One device through one provider; may be shared by threads."""

    @property
    def name(self) -> str:
        """One of `PROVIDERS`."""
        ...

    @property
    def described(self) -> str:
        """Package and version, and why it was chosen: for people."""
        ...

    @property
    def facts(self) -> DeviceFacts:
        """What the device is."""
        ...

    @property
    def marks_in_graphs(self) -> bool:
        """Whether events can be recorded within a graph."""
        ...

    def current(self) -> AbstractContextManager[None]:
        """Makes the primary context current in this thread; may be nested."""
        ...

    def free_bytes(self) -> int:
        """Device memory that nobody has taken."""
        ...

    def pinned(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """A C-contiguous array in page-locked memory, uninitialised, for as long as it is held.

        Raises:
            EngineError: the system has no more memory to lock.
        """
        ...

    def device(self, nbytes: int) -> DeviceBuffer:
        """Uninitialised device memory, at least one byte.

        Raises:
            EngineError: there is not enough; says how much was asked for and how much is free.
        """
        ...

    def stream(self) -> Stream:
        """A new stream that does not wait for the default one."""
        ...

    def event(self, timing: bool = True) -> Event:
        """A new event; without timing it is cheaper and `ms_since` refuses it."""
        ...

    def upload(self, destination: DeviceMemory, source: Array, stream: Stream) -> None:
        """Enqueues a copy from a pinned array, which must stay as it is until the copy has run."""
        ...

    def download(self, destination: Array, source: DeviceMemory, stream: Stream) -> None:
        """Enqueues a copy into a pinned array, whose content is undefined until it has run."""
        ...

    def copy(self, destination: DeviceMemory, source: DeviceMemory, stream: Stream) -> None:
        """Enqueues a copy of `destination.nbytes` bytes within the device."""
        ...

    def kernel(self, source: str, name: str) -> Kernel:
        """A kernel of our own, in the context that is current.

        Args:
            source: CUDA C++.
            name: of an `extern "C"` kernel in it.

        Raises:
            EngineError: there is no compiler for the device, or it refuses the source.
        """
        ...

    def capture(self, stream: Stream, enqueue: Callable[[], None]) -> Graph | None:
        """Records what `enqueue` puts on `stream` without running it.

        `enqueue` records events by `record_in_graph` alone, and waits for nothing.

        Returns:
            The graph, or None where this provider or what was enqueued cannot be captured; the
            stream is as before.
        """
        ...
