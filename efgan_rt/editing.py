"""An engine set, opened, and faces through it: for `batch`, `video`, `Editor`, `bench`, `evaluate`.

An `OpenedSet` holds the opened networks and may be shared by threads; a `Lane` is what one batch in
flight owns. Engines run a fixed batch, so what is left of a batch is padded.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from efgan_rt.errors import EfganError
from efgan_rt.families.family import Family
from efgan_rt.families.properties import Properties
from efgan_rt.families.registry import family_of
from efgan_rt.lane import BatchEditor, Edited, Lane, MotionBatch
from engines.arrays import Array, Bytes, FloatArray
from engines.base import Engine, EngineError
from engines.choice import DEVICE_BACKENDS, BackendChoice, choose_backend
from engines.cuda_memory import Cuda, Stream
from engines.device import DeviceEngine
from engines.device_lane import DeviceLane
from engines.directory import EngineDirectory
from engines.host_lane import HostLane
from engines.open import open_device_engine, open_engine
from engines.open_cuda import open_cuda
from engines.processor import this_processor
from engines.program import Output

if TYPE_CHECKING:
    from efgan_rt.faces.device_canvas import DeviceCanvases
    from efgan_rt.faces.device_paste import DevicePaste
    from efgan_rt.faces.motion_paste import Move

DEFAULT_BATCH: Final = 8
DEVICE_LANES: Final = 2
# On a processor: a lane for every so many threads, and no more than so many. Two cores are no
# quicker with two lanes than with one (measured, see `engines.openvino_engine`), but the layers of
# a narrow network are too small to keep many threads busy. `efgan-rt bench --tune` measures it.
THREADS_A_LANE: Final = 2
MOST_LANES: Final = 4
# A narrow set's networks keep one core busy each while they are opened; of wide ones, two at a time
# are as much memory as there should be.
MOST_OPENED_AT_ONCE: Final = 2


def _say_nothing(_: str) -> None:
    """No-op callback."""


def _once(say: Callable[[str], None]) -> Callable[[str], None]:
    """Passes on each sentence a single time, whichever lane it comes from."""
    said: set[str] = set()

    def say_once(sentence: str) -> None:
        if sentence not in said:
            said.add(sentence)
            say(sentence)

    return say_once


def busy_lanes(backend: str, threads: int | None = None) -> int:
    """How many batches at the same time keep a device busy: for runs of many.

    Args:
        backend: one of `engines.choice.BACKENDS`.
        threads: of the processor; None is one for each core.
    """
    if backend in DEVICE_BACKENDS:
        return DEVICE_LANES
    if backend != "openvino":
        return 1  # ONNX Runtime's runs would wait for each other's threads
    return max(1, min(MOST_LANES, (threads or this_processor().cores) // THREADS_A_LANE))


def padded(parts: Sequence[Array], batch: int) -> Array:
    """A full batch: the parts one behind the other, C-contiguous, zeros behind them."""
    joined = np.zeros((batch, *parts[0].shape[1:]), parts[0].dtype)
    np.concatenate(parts, out=joined[: sum(map(len, parts))])
    return joined


def edit_batches(
    lane: BatchEditor,
    batch: int,
    pixels: Bytes,
    goal: Mapping[str, Array],
    *,
    known: Mapping[str, Array] | None = None,
    progress: FloatArray | None = None,
    stages: bool = False,
) -> Iterator[tuple[slice, Edited]]:
    """Edits any number of faces, batch by batch.

    Args:
        lane: to run on.
        batch: its fixed one.
        pixels: uint8 (n, crop, crop, 3), RGB.
        goal: by place, a row a face.
        known: likewise, see `Lane.run`.
        progress: float32 (n, S).
        stages: whether the pictures after each stage are wanted, too.

    Yields:
        Which faces, and what they became, with rows of padding behind them; the lane's own arrays,
        overwritten by the next batch.
    """

    def rows_of(arrays: Mapping[str, Array], rows: slice) -> dict[str, Array]:
        return {place: padded([array[rows]], batch) for place, array in arrays.items()}

    for start in range(0, len(pixels), batch):
        rows = slice(start, min(start + batch, len(pixels)))
        yield (
            rows,
            lane.run(
                padded([pixels[rows]], batch),
                rows_of(goal, rows),
                known=rows_of(known or {}, rows),
                progress=None if progress is None else padded([progress[rows]], batch),
                stages=stages,
            ),
        )


def device_lane(
    cuda: Cuda,
    engines: Mapping[str, DeviceEngine],
    family: Family,
    properties: Properties,
    batch: int,
    *,
    graphs: bool = True,
    say: Callable[[str], None] = _say_nothing,
) -> Lane:
    """A lane on a GPU over engines that are open already.

    Args:
        cuda: the device that they were opened on.
        engines: every network of the family's program.
        family: of the model.
        properties: of the model.
        batch: that they were opened for.
        graphs: whether networks are launched as CUDA graphs where that can be done.
        say: told in one sentence if a graph cannot be captured.

    Raises:
        EngineError: the device or the system has not enough memory, or a runtime refuses.
    """
    wiring = family.wiring(properties)
    lane = DeviceLane(cuda, engines, wiring.program, graphs=graphs, say=say)
    return Lane(lane, wiring, properties, batch)


def _paste_on(cuda: Cuda, say: Callable[[str], None]) -> "DevicePaste | None":
    """The paste on a GPU; None, said aloud, where that cannot be."""
    from efgan_rt.faces.device_paste import DevicePaste

    try:
        return DevicePaste(cuda, say)
    except EngineError as error:
        say(f"moved faces are put into their pictures by the processor: {error}")
        return None


def _canvases_on(
    cuda: Cuda, paste: "DevicePaste", say: Callable[[str], None]
) -> "DeviceCanvases | None":
    """Photographs on a GPU; None, said aloud, where they have to go up and down for each face."""
    from efgan_rt.faces.device_canvas import DeviceCanvases
    from efgan_rt.faces.device_image import DevicePictures
    from efgan_rt.faces.yunet_network import OUTPUTS
    from engines.onnxruntime_cuda_network import CudaNetwork

    def open_network(file: Path, stream: Stream) -> CudaNetwork:
        return CudaNetwork(file, OUTPUTS, cuda=cuda, stream=stream)

    try:
        return DeviceCanvases(DevicePictures(cuda, say, open_network), paste)
    except EngineError as error:
        say(f"photographs are looked at by the processor: {error}")
        return None


class OpenedSet:
    """Every network of an engine set, opened for one batch size.

    Attributes:
        directory: the set.
        family: of its model.
        properties: what it says of its model.
        wiring: how its networks are run.
        choice: backend and precision.
        batch: faces in every run.
        lanes: that the engines were opened for: on a GPU one computes while another is fed.
        canvases: on a GPU, of a set that moves faces: edits of photographs that lie there; None
            where there is none.
    """

    def __init__(
        self,
        directory: EngineDirectory,
        choice: BackendChoice,
        batch: int,
        lanes: int,
        new_lane: Callable[[], HostLane | DeviceLane],
        paste: "DevicePaste | None" = None,
        canvases: "DeviceCanvases | None" = None,
    ) -> None:
        self.directory = directory
        self.manifest = directory.manifest
        self.family = family_of(directory)
        self.properties = self.family.read(directory)
        self.wiring = self.family.wiring(self.properties)
        self.choice = choice
        self.batch = batch
        self.lanes = lanes
        self.stages = self.properties.stages
        self.crop_px = self.properties.crop_px
        self.au_names = self.properties.au_names
        self.expressions = self.properties.expressions
        self.template = self.properties.template
        self.canvases = canvases
        self._paste = paste
        self._new_lane = new_lane

    @classmethod
    def open(
        cls,
        directory: Path | EngineDirectory,
        *,
        backend: str = "auto",
        precision: str | None = None,
        choice: BackendChoice | None = None,
        batch: int = DEFAULT_BATCH,
        threads: int | None = None,
        lanes: int | None = None,
        cache_dir: Path | None = None,
        say: Callable[[str], None] = _say_nothing,
    ) -> "OpenedSet":
        """Opens an engine directory.

        Args:
            directory: holds `manifest.json` and the networks' files.
            backend: `auto` or one of `engines.choice.BACKENDS`.
            precision: `fp32`, `bf16` or, where the set has it, `int8`; None leaves it to
                `engines.choice`, on a GPU to the set.
            choice: in place of `backend` and `precision`, where that has been chosen already.
            batch: pictures in every run.
            threads: processor threads of all lanes together; None is one for each core.
            lanes: batches in flight, which share the threads; None is one, on a GPU two. Runs of
                many batches take `busy_lanes`.
            cache_dir: where OpenVINO's and TensorRT-RTX's compiled networks are kept, if anywhere.
            say: told, once each, of what lanes on a GPU fall back from.

        Raises:
            EngineError: the directory, its networks or the backend cannot be used.
        """
        if isinstance(directory, Path):
            directory = EngineDirectory(directory)
        family = family_of(directory)
        wiring = family.wiring(family.read(directory))
        if choice is None:
            choice = choose_backend(backend, directory, precision)
        networks = wiring.program.networks
        new_lane: Callable[[], HostLane | DeviceLane]
        paste: DevicePaste | None = None
        canvases: DeviceCanvases | None = None
        if choice.on_device:
            cuda = open_cuda()
            with cuda.current():
                on_device = {
                    name: open_device_engine(
                        directory, name, choice, batch=batch, cuda=cuda, cache_dir=cache_dir
                    )
                    for name in networks
                }
            new_lane = partial(DeviceLane, cuda, on_device, wiring.program, say=_once(say))
            if wiring.fields:
                paste = _paste_on(cuda, say)
                canvases = _canvases_on(cuda, paste, say) if paste is not None else None
            lanes = lanes or DEVICE_LANES
        else:
            lanes = streams = lanes or 1  # a single lane gets all threads
            exact = replace(choice, precision="fp32", rest=None)

            def opened(name: str) -> Engine:
                return open_engine(
                    directory,
                    name,
                    exact if name in family.exact else choice,
                    batch=batch,
                    threads=threads,
                    streams=streams,
                    cache_dir=cache_dir,
                )

            with ThreadPoolExecutor(MOST_OPENED_AT_ONCE) as pool:
                engines = dict(zip(networks, pool.map(opened, networks), strict=True))
            new_lane = partial(HostLane, engines, wiring.program)
        directory.release()
        return cls(directory, choice, batch, lanes, new_lane, paste, canvases)

    @property
    def move(self) -> "Move":
        """What puts a moved face into its picture: on a GPU too, if it does it right."""
        from efgan_rt.faces.motion_paste import MotionPaste  # opens OpenCV

        return self._paste or MotionPaste.into_region

    def lane(self) -> Lane:
        """Memory for one more batch in flight; `close` gives a GPU's back."""
        return Lane(self._new_lane(), self.wiring, self.properties, self.batch)

    def edit(
        self,
        pixels: Bytes,
        goal: Mapping[str, FloatArray],
        *,
        known: Mapping[str, Array] | None = None,
        progress: FloatArray | None = None,
        stages: bool = False,
        lane: Lane | None = None,
    ) -> Edited:
        """Edits any number of pictures, batch by batch.

        Args:
            pixels: uint8 (n, crop, crop, 3), RGB.
            goal: by place, a row a picture, or one for all.
            known: by place, a row a picture; see `Lane.run`.
            progress: float32 (n, S) or (S,): how far each stage goes; k/S if None.
            stages: whether the pictures after each stage are wanted, too.
            lane: to run on; None makes one for this call, which costs time on a GPU.

        Returns:
            Arrays of n pictures, the caller's own; `seconds` is summed over the batches.

        Raises:
            EfganError: an array does not fit the pictures, or holds NaN or infinity.
            EngineError: the pictures are of another type or size than the networks take.
        """
        known, count = known or {}, len(pixels)
        if not count:  # what is made of one picture says what shape the results of none have
            one = np.zeros((1, self.crop_px, self.crop_px, 3), np.uint8)
            blank = {place: np.zeros(array.shape[-1], array.dtype) for place, array in goal.items()}
            return replace(_copied(self.edit(one, blank, stages=stages, lane=lane), 0), seconds={})
        given = {name: _per_picture(name, array, count) for name, array in goal.items()}
        known = {name: _per_picture(name, array, count) for name, array in known.items()}
        if progress is not None:
            progress = _per_picture("progress", progress, count)
        parts: list[Edited] = []
        seconds: dict[str, float] = {}
        with closing(self.lane()) if lane is None else nullcontext(lane) as used:
            for rows, result in edit_batches(
                used, self.batch, pixels, given, known=known, progress=progress, stages=stages
            ):
                parts.append(_copied(result, rows.stop - rows.start))
                for name, taken in result.seconds.items():
                    seconds[name] = seconds.get(name, 0.0) + taken
        return _joined(parts, seconds)

    def estimate(self, pixels: Bytes, *, lane: Lane | None = None) -> FloatArray:
        """The action units of any number of pictures, as the set's own estimator reads them.

        Args:
            pixels: uint8 (n, crop, crop, 3), RGB.
            lane: to run on; None makes one for this call, which costs time on a GPU.

        Returns:
            float32 (n, K), the caller's own.

        Raises:
            EfganError: the set's family reads no action units.
        """
        if self.wiring.units is None:
            raise EfganError("these engines read no action units")
        if not len(pixels):
            return np.zeros((0, len(self.au_names)), np.float32)
        return self.read(pixels, self.wiring.units, lane=lane)

    def read(self, pixels: Bytes, output: Output, *, lane: Lane | None = None) -> FloatArray:
        """What some network says of any number of pictures, at least one, a row each."""
        found = []
        with closing(self.lane()) if lane is None else nullcontext(lane) as used:
            for start in range(0, len(pixels), self.batch):
                part = pixels[start : start + self.batch]
                found.append(used.read(padded([part], self.batch), output)[: len(part)].copy())
        return np.concatenate(found)


def _copied(edited: Edited, used: int) -> Edited:
    """The first rows, the caller's own."""

    def motion(of: MotionBatch) -> MotionBatch:
        return MotionBatch(of.fields[:used].copy(), of.choices[:used].copy(), of.mouths)

    return Edited(
        edited.pixels[:used].copy(),
        {place: array[:used].copy() for place, array in edited.kept.items()},
        None if edited.aims is None else edited.aims[:, :used].copy(),
        None if edited.attention is None else edited.attention[:used].copy(),
        edited.seconds,
        tuple(each[:used].copy() for each in edited.stage_pixels),
        None if edited.motion is None else motion(edited.motion),
        tuple(map(motion, edited.stage_motion)),
    )


def _joined(parts: Sequence[Edited], seconds: Mapping[str, float]) -> Edited:
    """Batches as one."""
    first = parts[0]

    def motions(of: Sequence[MotionBatch | None]) -> MotionBatch | None:
        found = [each for each in of if each is not None]
        if not found:
            return None
        return MotionBatch(
            np.concatenate([each.fields for each in found]),
            np.concatenate([each.choices for each in found]),
            found[0].mouths,
        )

    stage_motion = [motions(each) for each in zip(*(p.stage_motion for p in parts), strict=True)]
    aims = [part.aims for part in parts if part.aims is not None]
    attention = [part.attention for part in parts if part.attention is not None]
    stage_pixels = zip(*(part.stage_pixels for part in parts), strict=True)
    return Edited(
        np.concatenate([part.pixels for part in parts]),
        {place: np.concatenate([part.kept[place] for part in parts]) for place in first.kept},
        np.concatenate(aims, axis=1) if aims else None,
        np.concatenate(attention) if attention else None,
        seconds,
        tuple(np.concatenate(each) for each in stage_pixels),
        motions([part.motion for part in parts]),
        tuple(each for each in stage_motion if each is not None),
    )


def _per_picture(name: str, array: Array, count: int) -> Array:
    """`array` as (count, ...), a single row repeated."""
    rows = array if array.ndim > 1 else array[np.newaxis]
    if len(rows) not in (1, count):
        raise EfganError(
            f"{name} has shape {array.shape}, expected a row for each of {count} pictures, or one "
            "for all"
        )
    return np.broadcast_to(rows, (count, *rows.shape[1:]))
