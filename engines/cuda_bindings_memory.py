"""A CUDA device through NVIDIA's cuda-bindings: the runtime API, call by call.

The runtime API works in the device's primary context by itself; making it current is choosing the
device for the thread. Every call returns its error first, and every error becomes an `EngineError`
with CUDA's own name for it.
"""

import ctypes
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from typing import Any

import numpy as np
import numpy.typing as npt

from engines.arrays import Array
from engines.cuda_faults import (
    ProviderMissingError,
    call_failed,
    no_device,
    no_device_memory,
    no_driver,
    no_pinned_memory,
    old_driver,
)
from engines.cuda_graph import capture_graph
from engines.cuda_kernel import CudaKernel, compile_kernel
from engines.cuda_memory import Cuda, DeviceFacts, DeviceMemory, Event, Graph, Kernel, Stream
from engines.nvidia_driver import present_gpu


def import_cuda_runtime() -> Any:
    """The module `cuda.bindings.runtime`.

    Raises:
        ProviderMissingError: it is not installed, or does not load.
    """
    try:
        from cuda.bindings import runtime
    except ModuleNotFoundError as error:
        if error.name not in ("cuda", "cuda.bindings"):
            raise ProviderMissingError(f"cuda-bindings does not load ({error})") from error
        raise ProviderMissingError("cuda-bindings is not installed") from None
    except (ImportError, OSError) as error:
        raise ProviderMissingError(f"cuda-bindings does not load ({error})") from error
    return runtime


def open_cuda_bindings(device: int, reason: str) -> Cuda:
    """The device through cuda-bindings.

    Raises:
        ProviderMissingError: cuda-bindings is not installed, or does not load.
        EngineError: there is no driver, or no such device.
    """
    runtime = import_cuda_runtime()
    error, count = runtime.cudaGetDeviceCount()
    if error == runtime.cudaError_t.cudaErrorInsufficientDriver:
        # One name for two causes; with no driver at all its version reads as 0.
        _, version = runtime.cudaDriverGetVersion()
        raise old_driver(error.name) if version else no_driver(error.name)
    if error == runtime.cudaError_t.cudaErrorNoDevice:
        raise no_device(error.name, device, 0)
    if error != runtime.cudaError_t.cudaSuccess:
        raise call_failed("cudaGetDeviceCount", error.name)
    if device >= count:
        raise no_device("cudaGetDeviceCount", device, count)
    return CudaBindings(runtime, device, reason)


class CudaBindings:
    """One device; see `engines.cuda_memory.Cuda`."""

    name: str = "cuda-bindings"
    marks_in_graphs: bool = True

    def __init__(self, runtime: Any, device: int, reason: str) -> None:
        self._runtime = runtime
        self._device = device
        self.described = f"cuda-bindings {metadata.version('cuda-bindings')}, {reason}"
        properties = self._call("cudaGetDeviceProperties", device)
        gpu = present_gpu(device)
        self.facts = DeviceFacts(
            name=properties.name.decode(errors="replace").rstrip("\0"),
            compute_capability=f"{properties.major}.{properties.minor}",
            driver=gpu.driver if gpu else "unknown",
            total_bytes=properties.totalGlobalMem,
        )

    @contextmanager
    def current(self) -> Iterator[None]:
        """Chooses the device for this thread; see `Cuda.current`."""
        before = self._call("cudaGetDevice")
        self._call("cudaSetDevice", self._device)
        try:
            yield
        finally:
            if before != self._device:
                self._call("cudaSetDevice", before)

    def free_bytes(self) -> int:
        """See `Cuda.free_bytes`."""
        free, _ = self._call("cudaMemGetInfo")
        return int(free)

    def pinned(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """See `Cuda.pinned`."""
        count = int(np.prod(shape))
        nbytes = max(count * np.dtype(dtype).itemsize, 1)
        # Portable: page-locked for every context, so that no thread is shut out.
        error, pointer = self._runtime.cudaHostAlloc(nbytes, self._runtime.cudaHostAllocPortable)
        if error == self._runtime.cudaError_t.cudaErrorMemoryAllocation:
            self._runtime.cudaGetLastError()
            raise no_pinned_memory(nbytes, error.name)
        self._check("cudaHostAlloc", error)
        memory: Any = (ctypes.c_uint8 * nbytes).from_address(pointer)
        # Every view of the array holds `memory`; the last one to go gives it back.
        weakref.finalize(memory, self._runtime.cudaFreeHost, pointer).atexit = False
        array: Array = np.frombuffer(memory, dtype, count).reshape(shape)
        return array

    def device(self, nbytes: int) -> "_Buffer":
        """See `Cuda.device`."""
        nbytes = max(nbytes, 1)
        error, address = self._runtime.cudaMalloc(nbytes)
        if error == self._runtime.cudaError_t.cudaErrorMemoryAllocation:
            self._runtime.cudaGetLastError()  # or the next launch would be blamed for it
            raise no_device_memory(nbytes, self.free_bytes())
        self._check("cudaMalloc", error)
        return _Buffer(self._runtime, int(address), nbytes)

    def stream(self) -> "_Stream":
        """See `Cuda.stream`."""
        return _Stream(
            self, self._call("cudaStreamCreateWithFlags", self._runtime.cudaStreamNonBlocking)
        )

    def event(self, timing: bool = True) -> "_Event":
        """See `Cuda.event`."""
        flags = self._runtime.cudaEventBlockingSync
        if not timing:
            flags |= self._runtime.cudaEventDisableTiming
        return _Event(self, self._call("cudaEventCreateWithFlags", flags))

    def upload(self, destination: DeviceMemory, source: Array, stream: Stream) -> None:
        """See `Cuda.upload`."""
        assert source.flags.c_contiguous and source.nbytes == destination.nbytes
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._call(
            "cudaMemcpyAsync",
            *(destination.address, source.ctypes.data, source.nbytes, kind, stream.handle),
        )

    def download(self, destination: Array, source: DeviceMemory, stream: Stream) -> None:
        """See `Cuda.download`."""
        assert destination.flags.c_contiguous and destination.nbytes == source.nbytes
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._call(
            "cudaMemcpyAsync",
            *(destination.ctypes.data, source.address, source.nbytes, kind, stream.handle),
        )

    def copy(self, destination: DeviceMemory, source: DeviceMemory, stream: Stream) -> None:
        """See `Cuda.copy`."""
        assert destination.nbytes <= source.nbytes
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyDeviceToDevice
        self._call(
            "cudaMemcpyAsync",
            *(destination.address, source.address, destination.nbytes, kind, stream.handle),
        )

    def kernel(self, source: str, name: str) -> Kernel:
        """See `Cuda.kernel`."""
        return CudaKernel(compile_kernel(source, self.facts.compute_capability), name)

    def capture(self, stream: Stream, enqueue: Callable[[], None]) -> Graph | None:
        """See `Cuda.capture`."""
        return capture_graph(self._runtime, stream, enqueue)

    def _call(self, name: str, *arguments: Any) -> Any:
        """The value or values of a call of the runtime API, once it has gone well."""
        error, *values = getattr(self._runtime, name)(*arguments)
        self._check(name, error)
        return values[0] if len(values) == 1 else tuple(values)

    def _check(self, call: str, error: Any) -> None:
        if error != self._runtime.cudaError_t.cudaSuccess:
            raise call_failed(call, self._said(error))

    def _said(self, error: Any) -> str:
        _, text = self._runtime.cudaGetErrorString(error)
        return f"{error.name}, {text.decode(errors='replace')}"


class _Buffer:
    def __init__(self, runtime: Any, address: int, nbytes: int) -> None:
        self.address = address
        self.nbytes = nbytes
        self._free = weakref.finalize(self, runtime.cudaFree, address)
        self._free.atexit = False

    def free(self) -> None:
        self._free()


class _Stream:
    def __init__(self, cuda: CudaBindings, stream: Any) -> None:
        self._cuda = cuda
        self.handle = int(stream)
        weakref.finalize(self, cuda._runtime.cudaStreamDestroy, stream).atexit = False

    def wait(self, event: Event) -> None:
        assert isinstance(event, _Event), "events and streams are of one provider"
        self._cuda._call("cudaStreamWaitEvent", self.handle, event.event, 0)

    def synchronize(self) -> None:
        self._cuda._call("cudaStreamSynchronize", self.handle)


class _Event:
    def __init__(self, cuda: CudaBindings, event: Any) -> None:
        self._cuda = cuda
        self.event = event
        weakref.finalize(self, cuda._runtime.cudaEventDestroy, event).atexit = False

    def record(self, stream: Stream) -> None:
        self._cuda._call("cudaEventRecord", self.event, stream.handle)

    def record_in_graph(self, stream: Stream) -> None:
        # A plain record would order the capture and set no time.
        external = self._cuda._runtime.cudaEventRecordExternal
        self._cuda._call("cudaEventRecordWithFlags", self.event, stream.handle, external)

    def synchronize(self) -> None:
        self._cuda._call("cudaEventSynchronize", self.event)

    def ms_since(self, earlier: Event) -> float:
        assert isinstance(earlier, _Event), "events are of one provider"
        return float(self._cuda._call("cudaEventElapsedTime", earlier.event, self.event))
