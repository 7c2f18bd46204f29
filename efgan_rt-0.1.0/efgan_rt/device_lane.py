"""A lane on a GPU: what one batch in flight owns there, and its run without a wait on the way.

A batch goes up, through the networks and down on one stream; the host puts everything into it at
once and waits a single time, for the mark behind the last download. Stage images never leave the
device. Another lane, on a stream of its own, uploads and downloads meanwhile.

What orders what:
- the lane's one stream: every copy and every network runs after the one before it;
- the mark `download`, at the end of a run: the host reads the pinned arrays, and writes them for
  the next batch, only after it;
- all other marks order nothing: their times are read once the last one has been reached.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

import numpy as np

from efgan_rt.action_units import FloatArray
from efgan_rt.cascade_properties import AU_ESTIMATOR, INTERPOLATOR, stage_name
from efgan_rt.device_layout import AIM, ESTIMATE, IMAGES, TOTALS, places_of, tensors_of
from efgan_rt.edited import ByteArray, Edited, MotionBatch, check_finite, even_progress
from efgan_rt.faces.mouths import Mouths
from engines import binding
from engines.base import Array, EngineError
from engines.cuda_memory import Cuda, DeviceBuffer, DeviceSlice, Event
from engines.device import DeviceEngine, tensor_bytes
from engines.launch import Launch

UPLOAD: Final = "upload"
DOWNLOAD: Final = "download"


def _say_nothing(_: str) -> None:
    """No-op callback."""


def early_name(network: str, tensor: str) -> str:
    """Where what an earlier stage gave is kept on the host."""
    return f"{network} {tensor}"


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
        stages: int,
        batch: int,
        *,
        mouths: Mouths | None = None,
        graphs: bool = True,
        say: Callable[[str], None] = _say_nothing,
    ) -> None:
        """Takes all the memory that the lane will ever need.

        Args:
            cuda: the device that the engines were opened on.
            engines: every network of a cascade, opened for `batch`.
            stages: of the cascade.
            batch: pictures in every run.
            mouths: of a set with motion.
            graphs: whether networks are launched as CUDA graphs where that can be done.
            say: told in one sentence if a graph cannot be captured.

        Raises:
            EngineError: the device or the system has not enough memory, or a runtime refuses.
        """
        self._cuda = cuda
        self._stages = stages
        self._progress = even_progress(stages, batch)
        self._say = say
        self._inputs = {name: tuple(engine.inputs) for name, engine in engines.items()}
        self._memory: dict[str, DeviceBuffer] = {}
        self._scratch: DeviceBuffer | None = None
        self._launches: dict[str, Launch] = {}
        self._marks: dict[str, Event] = {}
        self._unfinished = False
        self._mouths = mouths
        # What is taken of a stage before the next one writes over it.
        self._shown = ("pixels_out", "fields") if mouths is not None else ("pixels_out",)
        tensors = tensors_of(engines, stages)
        with cuda.current():
            self._stream = cuda.stream()
            try:
                for mark in ("start", UPLOAD, *engines, DOWNLOAD):
                    self._marks[mark] = cuda.event()
                self._pinned = {
                    name: cuda.pinned(spec.resolve(), spec.numpy_dtype)
                    for name, spec in tensors.items()
                    if name not in (*IMAGES, *TOTALS, AIM)
                }
                for name, spec in tensors.items():
                    self._memory[name] = cuda.device(tensor_bytes(spec))
                largest = max(engine.scratch_bytes for engine in engines.values())
                if largest:
                    self._scratch = cuda.device(largest)
                for name, engine in engines.items():
                    buffers = {
                        tensor: self._memory[place]
                        for tensor, place in places_of(name, engine, stages).items()
                    }
                    scratch = self._scratch if engine.scratch_bytes else None
                    context = engine.bind(buffers, scratch, self._stream)
                    capturable = graphs and engine.capturable
                    self._launches[name] = Launch(context, self._stream, capturable=capturable)
            except BaseException:
                self._give_back()
                raise

    def close(self) -> None:
        """Gives everything back; the lane runs no more. A second call does nothing."""
        if not self._memory:
            return
        with self._cuda.current():
            self._settle()
            self._give_back()

    def estimate(self, pixels: ByteArray) -> FloatArray:
        """The action units of a batch, uint8 (B, crop, crop, 3) -> float32 (B, K).

        Ownership: the lane's own array, overwritten by its next `estimate` or `run`.
        """
        given = {"pixels": pixels}
        binding.check_inputs(AU_ESTIMATOR, self._inputs[AU_ESTIMATOR], given)
        with self._cuda.current():
            self._run(given, (AU_ESTIMATOR,), (ESTIMATE,))
        return self._pinned[ESTIMATE]

    def run(
        self,
        pixels: ByteArray,
        scale: FloatArray,
        offset: FloatArray,
        *,
        source_au: FloatArray | None = None,
        progress: FloatArray | None = None,
        stages: bool = False,
    ) -> Edited:
        """Edits one full batch; see `efgan_rt.lane.Lane.run`, which it equals in every respect.

        Ownership: the arrays given are copied before anything is uploaded, and may be reused as
        soon as this returns. What it returns is the lane's own pinned memory.

        Raises:
            EfganError: an array of action units, scales or progress holds NaN or infinity.
            EngineError: an array is of the wrong type or shape, or the device fails.
        """
        progress = self._progress if progress is None else progress
        given = {"target_scale": scale, "target_offset": offset, "progress": progress}
        for name, array in (("scale", scale), ("offset", offset), ("progress", progress)):
            check_finite(name, array)
        if source_au is not None:
            check_finite("source_au", source_au)
            given[ESTIMATE] = source_au
        self._check(INTERPOLATOR, given)
        self._check(stage_name(1), {"pixels": pixels})
        names = tuple(stage_name(number) for number in range(1, self._stages + 1))
        networks: tuple[str, ...] = (INTERPOLATOR, *names)
        wanted: tuple[str, ...] = ("pixels_out", "attention", "stage_au")
        if self._mouths is not None:
            wanted = (*wanted, "fields", "mouth_choice")
        if source_au is None:
            networks = (AU_ESTIMATOR, *networks)
            wanted = (*wanted, ESTIMATE)
        with self._cuda.current():
            early = names[:-1] if stages else ()
            if early:
                self._take_stage_memory()
            seconds = self._run({"pixels": pixels, **given}, networks, wanted, early)
        last = self._pinned["pixels_out"]
        return Edited(
            last,
            self._pinned[ESTIMATE] if source_au is None else source_au,
            self._pinned["stage_au"],
            self._pinned["attention"],
            seconds,
            (*(self._pinned[early_name(name, "pixels_out")] for name in early), last)
            if stages
            else (),
            self._motion("fields"),
            self._stage_motion(early) if stages else (),
        )

    def _motion(self, place: str) -> MotionBatch | None:
        if self._mouths is None:
            return None
        return MotionBatch(self._pinned[place], self._pinned["mouth_choice"], self._mouths)

    def _stage_motion(self, early: tuple[str, ...]) -> tuple[MotionBatch, ...]:
        places = (*(early_name(name, "fields") for name in early), "fields")
        return tuple(each for each in map(self._motion, places) if each is not None)

    def _take_stage_memory(self) -> None:
        """Pinned arrays for the pictures of the stages before the last; few runs want them."""
        for number in range(1, self._stages):
            for tensor in self._shown:
                name, last = early_name(stage_name(number), tensor), self._pinned[tensor]
                if name not in self._pinned:
                    self._pinned[name] = self._cuda.pinned(last.shape, last.dtype)

    def _check(self, network: str, given: Mapping[str, Array]) -> None:
        """Holds those inputs of a network that come from the caller against their specs."""
        specs = [spec for spec in self._inputs[network] if spec.name in given]
        binding.check_inputs(network, specs, given)

    def _run(
        self,
        given: Mapping[str, Array],
        networks: tuple[str, ...],
        wanted: tuple[str, ...],
        early: tuple[str, ...] = (),
    ) -> dict[str, float]:
        """Everything from the caller's arrays to the pinned results; seconds by what was run.

        `early` are the stages whose pictures are taken before the next one writes over them.
        """
        self._settle()
        for name, array in given.items():
            np.copyto(self._pinned[name], array)
        self._unfinished = True
        try:
            self._enqueue(tuple(given), networks, wanted, early)
            self._marks[DOWNLOAD].synchronize()
        except BaseException:
            self._settle()
            raise
        self._unfinished = False
        seconds = self._seconds((UPLOAD, *networks, DOWNLOAD))
        self._capture(networks)
        return seconds

    def _enqueue(
        self,
        given: tuple[str, ...],
        networks: tuple[str, ...],
        wanted: tuple[str, ...],
        early: tuple[str, ...],
    ) -> None:
        """Puts a whole batch on the stream; waits for nothing."""
        stream = self._stream
        self._marks["start"].record(stream)
        for name in given:
            self._cuda.upload(self._memory[name], self._pinned[name], stream)
        self._marks[UPLOAD].record(stream)
        for network in networks:
            if network not in (AU_ESTIMATOR, INTERPOLATOR):
                self._aim(network)
            self._launches[network].enqueue()
            if network in early:  # its time counts as the stage's
                for tensor in self._shown:
                    place = self._pinned[early_name(network, tensor)]
                    self._cuda.download(place, self._memory[tensor], stream)
            self._marks[network].record(stream)
        for name in wanted:
            self._cuda.download(self._pinned[name], self._memory[name], stream)
        self._marks[DOWNLOAD].record(stream)

    def _aim(self, network: str) -> None:
        """Copies a stage's action units to where all stages read them.

        The rows of one stage are a contiguous part of `stage_au`, but seldom one that begins at a
        multiple of 256 bytes, as TensorRT wants its tensors to.
        """
        aim, all_stages = self._memory[AIM], self._memory["stage_au"]
        offset = (int(network.rpartition("_")[2]) - 1) * aim.nbytes
        rows = DeviceSlice(all_stages.address + offset, aim.nbytes)
        self._cuda.copy(aim, rows, self._stream)

    def _seconds(self, marks: tuple[str, ...]) -> dict[str, float]:
        """The time up to each mark from the one before it; the last has been reached."""
        before = ("start", *marks[:-1])
        return {
            mark: self._marks[mark].ms_since(self._marks[earlier]) / 1e3
            for earlier, mark in zip(before, marks, strict=True)
        }

    def _capture(self, networks: tuple[str, ...]) -> None:
        """Captures the graphs of networks that have just run for the first time."""
        failed = [name for name in networks if not self._launches[name].capture(self._cuda)]
        if failed:
            self._say(
                f"no CUDA graph can be captured here ({self._cuda.described}) of "
                f"{', '.join(failed)}; their kernels are launched one by one: the same pictures, a "
                "little slower"
            )

    def _settle(self) -> None:
        """Waits out a run that failed midway: its copies may still use the pinned arrays."""
        if self._unfinished:
            self._unfinished = False
            # The first error is the one to be told, and is on its way.
            with suppress(EngineError):
                self._stream.synchronize()

    def _give_back(self) -> None:
        """Lets go of contexts and graphs before the memory that they are bound to."""
        self._launches.clear()
        for buffer in self._memory.values():
            buffer.free()
        self._memory.clear()
        if self._scratch is not None:
            self._scratch.free()
            self._scratch = None
        self._marks.clear()
        self._pinned = {}
        del self._stream
