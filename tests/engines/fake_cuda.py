"""A device without a GPU that runs as late as it may, in the worst order, and fails on hazards.

Device memory is memory of the host, with addresses. An operation is queued when a program enqueues
it and run only when the host waits, together with others in an order drawn by chance, bound by
nothing but stream order and events, as on a device.

Two checks are at work. *When an operation is queued* it is held against every operation that the
host does not yet know to have ended: two that touch the same bytes, one of them writing, have to be
ordered by a stream or an event. That finds a race whether or not it strikes. *While operations run*
the content of uploads is compared with what it was, and what a download will write shows garbage
until then, so that a mistake that the first check cannot see makes a wrong picture.
"""

import ctypes
import random
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from time import perf_counter

import numpy as np
import numpy.typing as npt

from engines.arrays import Array, Bytes
from engines.cuda_faults import no_device_memory
from engines.cuda_memory import DeviceFacts, DeviceMemory, DeviceSlice, Event, Graph, Kernel, Stream
from tests.engines.pinned_array import PinnedArray
from tests.tensorrt_on_cpu import find_compiler

ALIGNMENT = 256
POISON = 0xA5
FACTS = DeviceFacts("Fake GPU", "9.0", "580.65.06", 1 << 30)


class HazardError(AssertionError):
    """What a real device would have answered with a wrong picture, now or some day."""


@dataclass(frozen=True)
class Span:
    """Bytes from `start` up to `stop`, of the device or of the host's pinned memory."""

    start: int
    stop: int
    on_device: bool

    def overlaps(self, other: "Span") -> bool:
        return (
            self.on_device == other.on_device
            and self.start < other.stop
            and other.start < self.stop
        )


def span_of(memory: DeviceMemory | Array) -> Span:
    if isinstance(memory, np.ndarray):
        return Span(memory.ctypes.data, memory.ctypes.data + memory.nbytes, False)
    return Span(memory.address, memory.address + memory.nbytes, True)


@dataclass(eq=False)
class Operation:
    """Something on a stream."""

    what: str
    action: Callable[[], None]
    reads: tuple[Span, ...] = ()
    writes: tuple[Span, ...] = ()
    prepare: Callable[[], None] | None = None
    """What happens at the moment when it is queued."""
    before: frozenset["Operation"] = field(default=frozenset(), repr=False)
    """Every operation that has ended when this one starts."""
    has_run: bool = False
    event: "FakeEvent | None" = field(default=None, repr=False)
    """That this is the mark of, in a graph."""

    def races(self, other: "Operation") -> bool:
        """Whether the order of the two makes a difference."""
        mine, theirs = self.reads + self.writes, other.reads + other.writes
        return any(a.overlaps(b) for a in self.writes for b in theirs) or any(
            a.overlaps(b) for a in mine for b in other.writes
        )

    def touches(self, span: Span, *, only_writes: bool) -> bool:
        spans = self.writes if only_writes else self.reads + self.writes
        return any(span.overlaps(each) for each in spans)


class FakeCuda:
    """The device; see `engines.cuda_memory.Cuda`. Any number of threads may use it."""

    name = "fake"
    described = "a device of the tests"

    def __init__(
        self,
        seed: int = 0,
        *,
        total_bytes: int = FACTS.total_bytes,
        graphs: bool = True,
        marks_in_graphs: bool = False,
    ) -> None:
        """An idle device.

        Args:
            seed: of the order in which operations run.
            total_bytes: of its memory.
            graphs: whether anything can be captured.
            marks_in_graphs: whether events can be recorded in what is captured.
        """
        self.facts = replace(FACTS, total_bytes=total_bytes)
        self.captured = 0
        """How many graphs have been captured."""
        self.host_waits = 0
        """How often the host has waited for the device."""
        self.marks_in_graphs = marks_in_graphs
        self._graphs = graphs
        self._random = random.Random(seed)
        self._lock = threading.RLock()
        self._thread = threading.local()
        self._pending: list[Operation] = []  # the host does not know that they have ended
        self._buffers: list[FakeBuffer] = []

    # What a program may do.

    @contextmanager
    def current(self) -> Iterator[None]:
        self._thread.depth = getattr(self._thread, "depth", 0) + 1
        try:
            yield
        finally:
            self._thread.depth -= 1

    def free_bytes(self) -> int:
        return self.facts.total_bytes - sum(buffer.nbytes for buffer in self._buffers)

    def pinned(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        self._check_thread("page-locked memory was taken")
        array = np.empty(shape, dtype).view(PinnedArray)
        plain_bytes(array).fill(POISON)
        array.on_access = self._on_host_access
        return array

    def device(self, nbytes: int) -> "FakeBuffer":
        self._check_thread("device memory was taken")
        with self._lock:
            if nbytes > self.free_bytes():
                raise no_device_memory(nbytes, self.free_bytes())
            self._buffers.append(FakeBuffer(self, max(nbytes, 1)))
            return self._buffers[-1]

    def stream(self) -> "FakeStream":
        self._check_thread("a stream was made")
        return FakeStream(self)

    def event(self, timing: bool = True) -> "FakeEvent":
        self._check_thread("an event was made")
        return FakeEvent(self, timing)

    def upload(self, destination: DeviceMemory, source: Array, stream: Stream) -> None:
        assert source.nbytes == destination.nbytes
        content, target = self._pinned_bytes(source, "upload"), self.bytes_at(destination)
        queued: list[bytes] = []

        def run() -> None:
            if content.tobytes() != queued.pop(0):
                raise HazardError("a pinned array was written while an upload of it was pending")
            target[:] = content

        def prepare() -> None:
            queued.append(content.tobytes())

        self.enqueue(stream, "upload", run, reads=[source], writes=[destination], prepare=prepare)

    def download(self, destination: Array, source: DeviceMemory, stream: Stream) -> None:
        assert destination.nbytes == source.nbytes
        target, content = self._pinned_bytes(destination, "download"), self.bytes_at(source)

        def run() -> None:
            target[:] = content

        def prepare() -> None:
            target.fill(POISON)

        self.enqueue(stream, "download", run, reads=[source], writes=[destination], prepare=prepare)

    def copy(self, destination: DeviceMemory, source: DeviceMemory, stream: Stream) -> None:
        origin = DeviceSlice(source.address, destination.nbytes)
        target, content = self.bytes_at(destination), self.bytes_at(origin)

        def run() -> None:
            target[:] = content

        self.enqueue(stream, "copy", run, reads=[origin], writes=[destination])

    def kernel(self, source: str, name: str) -> Kernel:
        """The same source, compiled for the processor."""
        self._check_thread("a kernel was loaded")
        return FakeKernel(self, name, getattr(host_library(source), name))

    def capture(self, stream: Stream, enqueue: Callable[[], None]) -> Graph | None:
        self._check_thread("a capture began")
        if not self._graphs:
            return None
        assert isinstance(stream, FakeStream)
        if any(each in self._pending for each in stream.tail):
            raise HazardError("a capture began on a stream that is not idle")
        recorded: list[Operation] = []
        self._thread.capture = recorded
        try:
            enqueue()
        finally:
            self._thread.capture = None
        self.captured += 1
        return FakeGraph(self, recorded)

    # What the engines of the tests do.

    def enqueue(
        self,
        stream: Stream,
        what: str,
        action: Callable[[], None],
        *,
        reads: Sequence[DeviceMemory | Array] = (),
        writes: Sequence[DeviceMemory | Array] = (),
        prepare: Callable[[], None] | None = None,
    ) -> None:
        """Queues something that reads and writes memory."""
        self._check_thread(f"{what} was enqueued", may_capture=True)
        assert isinstance(stream, FakeStream)
        operation = Operation(
            what, action, tuple(map(span_of, reads)), tuple(map(span_of, writes)), prepare
        )
        if self._capturing is None:
            self.queue(stream, operation)
        else:
            self._capturing.append(operation)

    def bytes_at(self, memory: DeviceMemory) -> Bytes:
        """The bytes themselves, for operations that run."""
        return self._buffer(span_of(memory), "an argument").part(span_of(memory))

    # What makes it a device.

    def queue(self, stream: "FakeStream", operation: Operation) -> None:
        with self._lock:
            tail = [each for each in stream.tail if each in self._pending]
            operation.before = frozenset(tail).union(*(each.before for each in tail))
            for other in self._pending:
                if other not in operation.before and operation.races(other):
                    raise HazardError(
                        f"'{operation.what}' and '{other.what}' touch the same memory, one of them "
                        "writes, and nothing orders them"
                    )
            for span in operation.reads:
                if span.on_device and not self._buffer(span, operation.what).is_defined(span):
                    raise HazardError(f"'{operation.what}' reads what nothing has written")
            for span in operation.writes:
                if span.on_device:
                    self._buffer(span, operation.what).define(span)
            if operation.prepare is not None:
                operation.prepare()
            self._pending.append(operation)
            stream.tail = (operation,)

    def wait_for(self, operations: Sequence[Operation]) -> None:
        """Runs what the host waits for, and by chance other things that might run as well."""
        self._check_thread("the host waited")
        with self._lock:
            self.host_waits += 1
            needed = {each for each in operations if each in self._pending}
            needed = needed.union(*(each.before for each in needed)).intersection(self._pending)
            while not all(each.has_run for each in needed):
                waiting = [each for each in self._pending if not each.has_run]
                ready = [each for each in waiting if not each.before.intersection(waiting)]
                chosen = self._random.choice(ready)
                chosen.has_run = True
                chosen.action()
            self._pending = [each for each in self._pending if each not in needed]

    def freed(self, buffer: "FakeBuffer") -> None:
        self._check_thread("device memory was given back")
        with self._lock:
            for operation in self._pending:
                if operation.touches(span_of(buffer), only_writes=False):
                    raise HazardError(f"memory was freed while '{operation.what}' may still use it")
            self._buffers.remove(buffer)

    @property
    def _capturing(self) -> list[Operation] | None:
        return getattr(self._thread, "capture", None)

    def _check_thread(self, what: str, *, may_capture: bool = False) -> None:
        if not getattr(self._thread, "depth", 0):
            raise HazardError(f"{what} without the context being current in this thread")
        if not may_capture and self._capturing is not None:
            raise HazardError(f"{what} in the middle of a capture")

    def _on_host_access(self, array: Array, writes: bool) -> None:
        with self._lock:
            for operation in self._pending:
                if operation.touches(span_of(array), only_writes=not writes):
                    raise HazardError(
                        f"a pinned array was {'written' if writes else 'read'} by the host while "
                        f"a pending '{operation.what}' uses it"
                    )

    def _pinned_bytes(self, array: Array, what: str) -> Bytes:
        if not isinstance(array, PinnedArray):
            raise HazardError(f"{what} of pageable memory, which makes the host wait")
        return plain_bytes(array)

    def _buffer(self, span: Span, what: str) -> "FakeBuffer":
        for buffer in self._buffers:
            whole = span_of(buffer)
            if whole.start <= span.start and span.stop <= whole.stop:
                return buffer
        raise HazardError(f"'{what}' uses memory that was never taken, or has been freed")


class FakeBuffer:
    """Device memory, aligned as CUDA's is."""

    def __init__(self, cuda: FakeCuda, nbytes: int) -> None:
        whole = np.empty(nbytes + ALIGNMENT, np.uint8)
        start = -whole.ctypes.data % ALIGNMENT
        self.nbytes = nbytes
        self.address = whole.ctypes.data + start
        self._cuda = cuda
        self._content: Bytes = whole[start : start + nbytes]
        self._content.fill(POISON)
        self._defined = np.zeros(nbytes, np.bool_)
        self._is_freed = False

    def free(self) -> None:
        if not self._is_freed:
            self._cuda.freed(self)
            self._is_freed = True

    def part(self, span: Span) -> Bytes:
        return self._content[span.start - self.address : span.stop - self.address]

    def define(self, span: Span) -> None:
        self._defined[span.start - self.address : span.stop - self.address] = True

    def is_defined(self, span: Span) -> bool:
        return bool(self._defined[span.start - self.address : span.stop - self.address].all())


class FakeStream:
    """A queue of the device."""

    def __init__(self, cuda: FakeCuda) -> None:
        self._cuda = cuda
        self.tail: tuple[Operation, ...] = ()
        """What has to end before the next operation starts."""

    @property
    def handle(self) -> int:
        return id(self)

    def wait(self, event: Event) -> None:
        assert isinstance(event, FakeEvent)
        self.tail = (*self.tail, event.own_mark("a stream waited for an event"))

    def synchronize(self) -> None:
        self._cuda.wait_for(self.tail)


class FakeEvent:
    """A mark; its time is taken when the device reaches it."""

    def __init__(self, cuda: FakeCuda, timing: bool) -> None:
        self._cuda = cuda
        self._timing = timing
        self._mark: Operation | None = None
        self._reached_s: float | None = None

    def record(self, stream: Stream) -> None:
        assert isinstance(stream, FakeStream)
        self._cuda._check_thread("an event was recorded")
        self.launched(Operation("an event", self._reach))
        self._cuda.queue(stream, self.mark("recorded"))

    def _reach(self) -> None:
        self._reached_s = perf_counter()

    def record_in_graph(self, stream: Stream) -> None:
        recorded = self._cuda._capturing
        if recorded is None or not self._cuda.marks_in_graphs:
            raise HazardError("an event was recorded for a graph that is not there")
        recorded.append(Operation("an event", self._reach, event=self))

    def launched(self, mark: Operation) -> None:
        """A launch of a graph places the mark, sometime."""
        self._reached_s, self._mark = None, mark

    def synchronize(self) -> None:
        self._cuda.wait_for((self.own_mark("the host waited for an event"),))

    def ms_since(self, earlier: Event) -> float:
        assert isinstance(earlier, FakeEvent)
        times = []
        for event in (earlier, self):
            if not event._timing:
                raise HazardError("the time of an event without timing was asked for")
            mark = event.mark("the time of an event was read")
            if mark in self._cuda._pending or event._reached_s is None:
                raise HazardError("the time of an event was read before the host waited for it")
            times.append(event._reached_s)
        return (times[1] - times[0]) * 1e3

    def own_mark(self, what: str) -> Operation:
        mark = self.mark(what)
        if mark.event is not None:
            raise HazardError(f"{what} of a graph, which may still be that of the launch before")
        return mark

    def mark(self, what: str) -> Operation:
        if self._mark is None:
            raise HazardError(f"{what} that was never recorded")
        return self._mark


class FakeKernel:
    """A loop over all threads, as one operation."""

    def __init__(self, cuda: FakeCuda, name: str, function: Callable[..., None]) -> None:
        self._cuda = cuda
        self._name = name
        self._function = function

    def launch(
        self,
        stream: Stream,
        count: int,
        reads: Sequence[DeviceMemory],
        writes: Sequence[DeviceMemory],
    ) -> None:
        pointers = [ctypes.c_void_p(memory.address) for memory in (*reads, *writes)]

        def run() -> None:
            self._function(*pointers, ctypes.c_int(count))

        self._cuda.enqueue(stream, self._name, run, reads=reads, writes=writes)


@cache
def host_library(source: str) -> ctypes.CDLL:
    """CUDA C as a C compiler takes it, without contracted products: as numpy computes.

    Raises:
        MissingPartError: there is no C compiler.
    """
    folder = Path(tempfile.mkdtemp(prefix="efgan-kernel-"))
    file, library = folder / "kernel.c", folder / "kernel.so"
    file.write_text(source)
    options = ("-O2", "-std=c11", "-Wall", "-Werror", "-ffp-contract=off", "-fPIC", "-shared")
    subprocess.run([find_compiler(), *options, str(file), "-o", str(library), "-lm"], check=True)
    loaded = ctypes.CDLL(str(library))
    shutil.rmtree(folder)
    return loaded


class FakeGraph:
    """Operations that were captured; each launch queues them anew."""

    def __init__(self, cuda: FakeCuda, recorded: Sequence[Operation]) -> None:
        self._cuda = cuda
        self._recorded = recorded

    def launch(self, stream: Stream) -> None:
        assert isinstance(stream, FakeStream)
        self._cuda._check_thread("a graph was launched")
        for each in self._recorded:
            operation = replace(each, has_run=False)
            if each.event is not None:
                each.event.launched(operation)
            self._cuda.queue(stream, operation)


def plain_bytes(array: Array) -> Bytes:
    """An array's bytes, past the eyes of `PinnedArray`."""
    return array.view(np.ndarray).reshape(-1).view(np.uint8)
