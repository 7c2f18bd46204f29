"""A CUDA device through PyCUDA, in its primary context.

Never `pycuda.autoinit`: it makes a context of its own, in which TensorRT's and ONNX Runtime's
memory does not exist. The primary context is retained once and pushed around every use, in each
thread for itself; PyCUDA gives an object's memory back only in a thread where that has been done,
or in the one that opened the device.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from typing import Any

import numpy as np
import numpy.typing as npt

from engines.arrays import Array
from engines.cuda_bindings_memory import import_cuda_runtime
from engines.cuda_faults import (
    ProviderMissingError,
    call_failed,
    no_device,
    no_device_memory,
    no_driver,
    no_pinned_memory,
)
from engines.cuda_graph import capture_graph
from engines.cuda_kernel import CudaKernel, compile_kernel
from engines.cuda_memory import Cuda, DeviceFacts, DeviceMemory, Event, Graph, Kernel, Stream
from engines.nvidia_driver import present_gpu


def open_pycuda(device: int, reason: str) -> Cuda:
    """The device through PyCUDA.

    Raises:
        ProviderMissingError: PyCUDA is not installed, or does not load.
        EngineError: there is no driver, or no such device.
    """
    driver = _imported()
    try:
        driver.init()
        count = driver.Device.count()
    except driver.Error as error:
        # PyCUDA passes on the driver's words, not its names; these are of CUDA_ERROR_NO_DEVICE.
        if "no CUDA-capable device" in str(error):
            raise no_device(str(error), device, 0) from error
        raise call_failed("opening the GPU", str(error)) from error
    if device >= count:
        raise no_device("cuDeviceGetCount", device, count)
    return PyCuda(driver, device, reason)


def _imported() -> Any:
    try:
        import pycuda.driver
    except ModuleNotFoundError as error:
        if error.name not in ("pycuda", "pycuda.driver"):
            raise ProviderMissingError(f"PyCUDA does not load ({error})") from error
        raise ProviderMissingError("PyCUDA is not installed") from None
    except (ImportError, OSError) as error:
        # Its extension is linked with the driver's library itself.
        if "libcuda.so" in str(error):
            raise no_driver(str(error)) from error
        raise ProviderMissingError(f"PyCUDA does not load ({error})") from error
    return pycuda.driver


class PyCuda:
    """One device; see `engines.cuda_memory.Cuda`."""

    name: str = "pycuda"
    marks_in_graphs: bool = False

    def __init__(self, driver: Any, device: int, reason: str) -> None:
        self._driver = driver
        self.described = f"PyCUDA {metadata.version('pycuda')}, {reason}"
        with self._calling("opening the GPU"):
            chosen = driver.Device(device)
            self._context = chosen.retain_primary_context()
            major, minor = chosen.compute_capability()
            gpu = present_gpu(device)
            self.facts = DeviceFacts(
                name=chosen.name(),
                compute_capability=f"{major}.{minor}",
                driver=gpu.driver if gpu else "unknown",
                total_bytes=chosen.total_memory(),
            )

    @contextmanager
    def current(self) -> Iterator[None]:
        """Pushes the primary context; see `Cuda.current`."""
        with self._calling("cuCtxPushCurrent"):
            self._context.push()
        try:
            yield
        finally:
            self._driver.Context.pop()

    def free_bytes(self) -> int:
        """See `Cuda.free_bytes`."""
        with self._calling("cuMemGetInfo"):
            free, _ = self._driver.mem_get_info()
        return int(free)

    def pinned(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """See `Cuda.pinned`."""
        flags = self._driver.host_alloc_flags.PORTABLE
        dtype = np.dtype(dtype)
        try:
            array: Array = self._driver.pagelocked_empty(shape, dtype, mem_flags=flags)
        except self._driver.Error as error:
            raise no_pinned_memory(int(np.prod(shape)) * dtype.itemsize, str(error)) from error
        return array

    def device(self, nbytes: int) -> "_Buffer":
        """See `Cuda.device`."""
        nbytes = max(nbytes, 1)
        with self._calling("cuMemAlloc"):
            try:
                return _Buffer(self._driver.mem_alloc(nbytes), nbytes)
            except self._driver.MemoryError as error:
                raise no_device_memory(nbytes, self.free_bytes()) from error

    def stream(self) -> "_Stream":
        """See `Cuda.stream`."""
        with self._calling("cuStreamCreate"):
            return _Stream(self, self._driver.Stream(_NON_BLOCKING))

    def event(self, timing: bool = True) -> "_Event":
        """See `Cuda.event`."""
        flags = self._driver.event_flags.BLOCKING_SYNC
        if not timing:
            flags |= self._driver.event_flags.DISABLE_TIMING
        with self._calling("cuEventCreate"):
            return _Event(self, self._driver.Event(flags))

    def upload(self, destination: DeviceMemory, source: Array, stream: Stream) -> None:
        """See `Cuda.upload`."""
        assert source.flags.c_contiguous and source.nbytes == destination.nbytes
        with self._calling("cuMemcpyHtoDAsync"):
            self._driver.memcpy_htod_async(destination.address, source, _own(stream))

    def download(self, destination: Array, source: DeviceMemory, stream: Stream) -> None:
        """See `Cuda.download`."""
        assert destination.flags.c_contiguous and destination.nbytes == source.nbytes
        with self._calling("cuMemcpyDtoHAsync"):
            self._driver.memcpy_dtoh_async(destination, source.address, _own(stream))

    def copy(self, destination: DeviceMemory, source: DeviceMemory, stream: Stream) -> None:
        """See `Cuda.copy`."""
        assert destination.nbytes <= source.nbytes
        with self._calling("cuMemcpyDtoDAsync"):
            self._driver.memcpy_dtod_async(
                destination.address, source.address, destination.nbytes, _own(stream)
            )

    def kernel(self, source: str, name: str) -> Kernel:
        """See `Cuda.kernel`."""
        return CudaKernel(compile_kernel(source, self.facts.compute_capability), name)

    def capture(self, stream: Stream, enqueue: Callable[[], None]) -> Graph | None:
        """See `Cuda.capture`; PyCUDA has no graphs, so cuda-bindings captures where it is there."""
        try:
            runtime = import_cuda_runtime()
        except ProviderMissingError:
            return None
        return capture_graph(runtime, stream, enqueue)

    @contextmanager
    def _calling(self, call: str) -> Iterator[None]:
        """PyCUDA's errors as ours."""
        try:
            yield
        except self._driver.Error as error:
            raise call_failed(call, str(error)) from error


_NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING, which PyCUDA has no name for


def _own(stream: Stream) -> Any:
    assert isinstance(stream, _Stream), "streams are of one provider"
    return stream.stream


class _Buffer:
    def __init__(self, allocation: Any, nbytes: int) -> None:
        self._allocation = allocation
        self.address = int(allocation)
        self.nbytes = nbytes

    def free(self) -> None:
        if self._allocation is not None:
            self._allocation.free()
            self._allocation = None


class _Stream:
    def __init__(self, cuda: PyCuda, stream: Any) -> None:
        self._cuda = cuda
        self.stream = stream
        self.handle = int(stream.handle)

    def wait(self, event: Event) -> None:
        assert isinstance(event, _Event), "events and streams are of one provider"
        with self._cuda._calling("cuStreamWaitEvent"):
            self.stream.wait_for_event(event.event)

    def synchronize(self) -> None:
        with self._cuda._calling("cuStreamSynchronize"):
            self.stream.synchronize()


class _Event:
    def __init__(self, cuda: PyCuda, event: Any) -> None:
        self._cuda = cuda
        self.event = event

    def record(self, stream: Stream) -> None:
        with self._cuda._calling("cuEventRecord"):
            self.event.record(_own(stream))

    def record_in_graph(self, stream: Stream) -> None:
        raise call_failed("cuEventRecordWithFlags", "PyCUDA has no such call")

    def synchronize(self) -> None:
        with self._cuda._calling("cuEventSynchronize"):
            self.event.synchronize()

    def ms_since(self, earlier: Event) -> float:
        assert isinstance(earlier, _Event), "events are of one provider"
        with self._cuda._calling("cuEventElapsedTime"):
            return float(earlier.event.time_till(self.event))
