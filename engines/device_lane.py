"""A lane on a GPU: what one batch in flight owns there, and its run without a wait on the way.

A batch goes up, through the networks and down on one stream; the host puts everything into it at
once and waits a single time, for the mark behind the last download. What only passes from network
to network never leaves the device. Another lane, on a stream of its own, uploads and downloads
meanwhile.

A batch that has run once is captured with all its copies and marks, and is a single launch from
then on: two dozen calls, each of which gives Python's lock away and waits for it again, become
three. Where that cannot be, each network becomes a graph of its own.

What orders what:
- the lane's one stream: every copy and every network runs after the one before it;
- the mark `download`, at the end of a run: the host reads the pinned arrays, and writes them for
  the next batch, only after it;
- all other marks order nothing: their times are read once the last one has been reached.
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from engines import binding
from engines.arrays import Array
from engines.base import EngineError, TensorSpec
from engines.cuda_memory import Cuda, DeviceBuffer, DeviceSlice, Event, Graph
from engines.device import DeviceEngine, tensor_bytes
from engines.launch import Launch
from engines.program import Output, Part, Program, Ran, Step

UPLOAD: Final = "upload"
DOWNLOAD: Final = "download"
PART: Final = ", a part"
# Batches differ in what is known of their faces and in what is wanted: a run has one kind or two.
MOST_BATCH_GRAPHS: Final = 8


def _say_nothing(_: str) -> None:
    """No-op callback."""


@dataclass(frozen=True)
class _Batch:
    """What is put on the stream for a batch.

    Attributes:
        uploads: places.
        steps: the networks' runs.
        early: what is taken before a later step writes over it, by its name on the host; each with
            the network behind which it is taken.
        late: places taken at the end.
    """

    uploads: tuple[str, ...]
    steps: tuple[Step, ...]
    early: Mapping[str, Output]
    late: tuple[str, ...]

    @property
    def networks(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(step.network for step in self.steps)

    @property
    def key(self) -> tuple[tuple[str, ...], ...]:
        """Equal for batches that put the same on the stream."""
        return self.uploads, self.networks, tuple(self.early), self.late


class DeviceLane:
    """What one batch in flight owns on a GPU. For one thread at a time, any thread.

    Owns, and gives back with `close`: its stream, its marks (events), its pinned arrays, its device
    buffers with the networks' one stretch of activation memory, and a launch of every network. The
    engines are shared with other lanes.
    """

    def __init__(
        self,
        cuda: Cuda,
        engines: Mapping[str, DeviceEngine],
        program: Program,
        *,
        graphs: bool = True,
        whole_batches: bool = True,
        say: Callable[[str], None] = _say_nothing,
    ) -> None:
        """Takes all the memory that the lane needs, but for outputs that few runs want.

        Args:
            cuda: the device that the engines were opened on.
            engines: every network of the program, opened for one batch.
            program: what is run.
            graphs: whether anything is launched as a CUDA graph where that can be done.
            whole_batches: whether a batch is one graph where that can be done.
            say: told in one sentence if a graph cannot be captured.

        Raises:
            EngineError: the device or the system has not enough memory, or a runtime refuses.
        """
        self._cuda = cuda
        self._program = program
        self._say = say
        self._inputs = {name: tuple(engines[name].inputs) for name in program.networks}
        self._memory: dict[str, DeviceBuffer] = {}
        self._pinned: dict[str, Array] = {}
        self._scratch: DeviceBuffer | None = None
        self._launches: dict[str, Launch] = {}
        self._graphs: dict[tuple[tuple[str, ...], ...], Graph] = {}
        self._marks: dict[str, Event] = {}
        self._unfinished = False
        self._specs = _specs_of(program, engines)
        with cuda.current():
            self._stream = cuda.stream()
            try:
                for mark in ("start", UPLOAD, *program.networks, DOWNLOAD):
                    self._marks[mark] = cuda.event()
                for place, spec in self._specs.items():
                    if place not in program.inside and not place.endswith(PART):
                        self._pinned[place] = cuda.pinned(spec.resolve(), spec.numpy_dtype)
                for place, spec in self._specs.items():
                    self._memory[place] = cuda.device(tensor_bytes(spec))
                largest = max(engines[name].scratch_bytes for name in program.networks)
                if largest:
                    self._scratch = cuda.device(largest)
                for step in program.steps:
                    engine = engines[step.network]
                    buffers = {
                        tensor: self._memory[_memory_name(place)]
                        for tensor, place in (*step.inputs.items(), *step.outputs.items())
                    }
                    scratch = self._scratch if engine.scratch_bytes else None
                    context = engine.bind(buffers, scratch, self._stream)
                    capturable = graphs and engine.capturable
                    whole_batches = whole_batches and capturable
                    launch = Launch(context, self._stream, capturable=capturable)
                    self._launches[step.network] = launch
            except BaseException:
                self._give_back()
                raise
        self._whole_batches = whole_batches and cuda.marks_in_graphs

    @property
    def batch_graphs(self) -> int:
        """How many kinds of batches are one launch by now."""
        return len(self._graphs)

    def close(self) -> None:
        """Gives everything back; the lane runs no more. A second call does nothing."""
        if not self._memory:
            return
        with self._cuda.current():
            self._settle()
            self._give_back()

    def run(self, given: Mapping[str, Array], wanted: Collection[Output]) -> Ran:
        """Runs what is needed; see `HostLane.run`, which it equals in every respect.

        Ownership: the arrays given are copied before anything is uploaded, and may be reused as
        soon as this returns. What it returns is the lane's own pinned memory.

        Raises:
            EngineError: something is not given, or of the wrong type or shape, or the device fails.
        """
        steps = self._program.needed(given, wanted)
        for step in steps:
            self._check(step, given)
        batch = self._batch(steps, given, wanted)
        with self._cuda.current():
            self._settle()
            for name, output in batch.early.items():
                self._take_pinned(name, self._program.place_of(output))
            for place in batch.late:
                self._take_pinned(place, place)
            for place in batch.uploads:
                self._take_pinned(place, place)
                np.copyto(self._pinned[place], given[place])
            self._unfinished = True
            try:
                graph = self._graphs.get(batch.key)
                self._enqueue(batch) if graph is None else graph.launch(self._stream)
                self._wait()
            except BaseException:
                self._settle()
                raise
            self._unfinished = False
            seconds = self._seconds((UPLOAD, *batch.networks, DOWNLOAD))
            if graph is None:
                self._capture(batch)
        names = {output: name for name, output in batch.early.items()}
        outputs = {
            each: self._pinned[names.get(each, self._program.place_of(each))] for each in wanted
        }
        return Ran(outputs, seconds)

    def _batch(
        self, steps: tuple[Step, ...], given: Mapping[str, Array], wanted: Collection[Output]
    ) -> _Batch:
        """What goes up, runs and comes down."""
        uploads = tuple(place for place in given if any(place in step.read for step in steps))
        early: dict[str, Output] = {}
        late: list[str] = []
        networks = [step.network for step in steps]
        for network, tensor in wanted:
            place = self._program.place_of((network, tensor))
            later = steps[networks.index(network) + 1 :]
            if any(place in step.outputs.values() for step in later):
                early[f"{network} {tensor}"] = network, tensor
            else:
                late.append(place)
        return _Batch(uploads, steps, early, tuple(late))

    def _take_pinned(self, name: str, place: str) -> None:
        """Pinned memory for what few runs give or want."""
        if name not in self._pinned:
            spec = self._specs[place]
            self._pinned[name] = self._cuda.pinned(spec.resolve(), spec.numpy_dtype)

    def _check(self, step: Step, given: Mapping[str, Array]) -> None:
        """Holds those inputs of a network that come from the caller against their specs."""
        found = {
            tensor: given[place]
            for tensor, place in step.inputs.items()
            if isinstance(place, str) and place in given
        }
        specs = [spec for spec in self._inputs[step.network] if spec.name in found]
        binding.check_inputs(step.network, specs, found)

    def _enqueue(self, batch: _Batch, *, in_graph: bool = False) -> None:
        """Puts a whole batch on the stream; waits for nothing."""
        stream = self._stream

        def mark(name: str) -> None:
            event = self._marks[name]
            event.record_in_graph(stream) if in_graph else event.record(stream)

        mark("start")
        for place in batch.uploads:
            self._cuda.upload(self._memory[place], self._pinned[place], stream)
        mark(UPLOAD)
        for step in batch.steps:
            for read in step.inputs.values():
                if isinstance(read, Part):
                    self._copy_part(read)
            self._launches[step.network].enqueue()
            for name, output in batch.early.items():  # its time counts as the network's
                if output[0] == step.network:
                    memory = self._memory[self._program.place_of(output)]
                    self._cuda.download(self._pinned[name], memory, stream)
            mark(step.network)
        for place in batch.late:
            self._cuda.download(self._pinned[place], self._memory[place], stream)

    def _wait(self) -> None:
        """Waits for everything that is on the stream.

        The mark is never a graph's own: until a launch has reached such a mark, it may still be
        that of the launch before.
        """
        self._marks[DOWNLOAD].record(self._stream)
        self._marks[DOWNLOAD].synchronize()

    def _copy_part(self, part: Part) -> None:
        """Copies a part of a place to where the networks that read such parts have it.

        A part is contiguous, but seldom begins at a multiple of 256 bytes, as TensorRT wants its
        tensors to.
        """
        own, whole = self._memory[_memory_name(part)], self._memory[part.place]
        rows = DeviceSlice(whole.address + part.index * own.nbytes, own.nbytes)
        self._cuda.copy(own, rows, self._stream)

    def _seconds(self, marks: tuple[str, ...]) -> dict[str, float]:
        """The time up to each mark from the one before it; the last has been reached."""
        before = ("start", *marks[:-1])
        return {
            mark: self._marks[mark].ms_since(self._marks[earlier]) / 1e3
            for earlier, mark in zip(before, marks, strict=True)
        }

    def _capture(self, batch: _Batch) -> None:
        """Captures what has just run for the first time."""
        if self._whole_batches:
            if len(self._graphs) < MOST_BATCH_GRAPHS:
                self._whole_batches = self._capture_whole(batch)
            if self._whole_batches:
                return
        failed = [each for each in batch.networks if not self._launches[each].capture(self._cuda)]
        if failed:
            self._say(
                f"no CUDA graph can be captured here ({self._cuda.described}) of "
                f"{', '.join(failed)}; their kernels are launched one by one: the same pictures, a "
                "little slower"
            )

    def _capture_whole(self, batch: _Batch) -> bool:
        """Captures a batch and launches it once, to see that its marks are reached and have times.

        That launch does once more what has just been done, to the same arrays.
        """
        graph = self._cuda.capture(self._stream, partial(self._enqueue, batch, in_graph=True))
        if graph is None:
            return False
        try:
            graph.launch(self._stream)
            self._wait()
            self._seconds((UPLOAD, *batch.networks, DOWNLOAD))
        except EngineError:
            self._stream.synchronize()
            return False
        self._graphs[batch.key] = graph
        return True

    def _settle(self) -> None:
        """Waits out a run that failed midway: its copies may still use the pinned arrays."""
        if self._unfinished:
            self._unfinished = False
            # The first error is the one to be told, and is on its way.
            with suppress(EngineError):
                self._stream.synchronize()

    def _give_back(self) -> None:
        """Lets go of contexts and graphs before the memory that they are bound to."""
        self._graphs.clear()
        self._launches.clear()
        for buffer in self._memory.values():
            buffer.free()
        self._memory.clear()
        if self._scratch is not None:
            self._scratch.free()
            self._scratch = None
        self._marks.clear()
        self._pinned.clear()
        del self._stream


def _memory_name(place: str | Part) -> str:
    return place if isinstance(place, str) else f"{place.place}{PART}"


def _specs_of(program: Program, engines: Mapping[str, DeviceEngine]) -> dict[str, TensorSpec]:
    """What lies in each place, and in the copies of parts."""
    found: dict[str, TensorSpec] = {}
    for step in program.steps:
        engine = engines[step.network]
        places = {**step.inputs, **step.outputs}
        for spec in (*engine.inputs, *engine.outputs):
            name = _memory_name(places[spec.name])
            other = found.setdefault(name, spec)
            assert (other.dtype, other.shape) == (spec.dtype, spec.shape), f"one place: {name}"
    return found
