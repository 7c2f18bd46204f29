"""The cascade over an engine set: source AUs, the Interpolator's stage AUs, then S stages.

A `CascadeEngines` holds the opened networks and may be shared by threads; a `Lane`, on a GPU a
`DeviceLane`, is what one batch in flight owns. On processors the Interpolator computes in fp32
whatever the others do: it is a few thousand products, and rounding them would change action units
that nobody asked to change. The estimator follows the others: in bf16 its readings move by 0.014 of
5 on average (random weights, width 32), far less than it errs, and in fp32 it would add an eighth
to the time of a narrow set's batch. Where the stages are in int8, the estimator stays as it is
without: int8 would move a reading by up to 0.46 (shipped weights, 48 rendered faces) and save less
than a hundredth of a batch's time. On a GPU each network is as it was made.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from efgan_rt.action_units import FloatArray
from efgan_rt.cascade_properties import (
    INTERPOLATOR,
    CascadeProperties,
    network_specs,
    read_properties,
)
from efgan_rt.device_lane import DeviceLane
from efgan_rt.edited import ByteArray, Edited, MotionBatch
from efgan_rt.errors import EfganError
from efgan_rt.faces.motion import FIELDS
from efgan_rt.lane import Lane
from engines.base import Array, Engine
from engines.cuda_memory import open_cuda
from engines.manifest import Manifest, read_manifest
from engines.open import (
    DEVICE_BACKENDS,
    BackendChoice,
    choose_backend,
    open_device_engine,
    open_engine,
)
from engines.processor import this_processor

__all__ = ["DEFAULT_BATCH", "CascadeEngines", "DeviceLane", "Edited", "Lane"]

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
    """Tells nobody."""


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
        backend: one of `engines.open.BACKENDS`.
        threads: of the processor; None is one for each core.
    """
    if backend in DEVICE_BACKENDS:
        return DEVICE_LANES
    if backend != "openvino":
        return 1  # ONNX Runtime's runs would wait for each other's threads
    return max(1, min(MOST_LANES, (threads or this_processor().cores) // THREADS_A_LANE))


class CascadeEngines:
    """Every network of an engine set, opened for one batch size."""

    def __init__(
        self,
        manifest: Manifest,
        properties: CascadeProperties,
        choice: BackendChoice,
        batch: int,
        lanes: int,
        new_lane: Callable[[], Lane | DeviceLane],
    ) -> None:
        self.manifest = manifest
        self.choice = choice
        self.batch = batch
        self.stages = properties.stages
        self.crop_px = properties.crop_px
        self.au_names = properties.au_names
        self.expressions = properties.expressions
        self.template = properties.template
        self.mouths = properties.mouths
        self.lanes = lanes
        """Lanes that the engines were opened for: on a GPU one computes while another is fed."""
        self._new_lane = new_lane

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        backend: str = "auto",
        precision: str | None = None,
        batch: int = DEFAULT_BATCH,
        threads: int | None = None,
        lanes: int | None = None,
        cache_dir: Path | None = None,
        say: Callable[[str], None] = _say_nothing,
    ) -> "CascadeEngines":
        """Opens an engine directory.

        Args:
            directory: holds `manifest.json` and the networks' files.
            backend: `auto` or one of `engines.open.BACKENDS`.
            precision: `fp32`, `bf16` or, where the set has it, `int8`; None is the fastest that
                works but int8, on a GPU that of the set.
            batch: pictures in every run.
            threads: processor threads of all lanes together; None is one for each core.
            lanes: batches in flight, which share the threads; None is one, on a GPU two. Runs of
                many batches take `busy_lanes`.
            cache_dir: where OpenVINO's and TensorRT-RTX's compiled networks are kept, if anywhere.
            say: told, once each, of what lanes on a GPU fall back from.

        Raises:
            EngineError: the directory, its networks or the backend cannot be used.
        """
        manifest = read_manifest(directory)
        properties = read_properties(directory, manifest)
        choice = choose_backend(backend, manifest, precision, directory)
        networks = network_specs(properties)
        if choice.backend in DEVICE_BACKENDS:
            cuda = open_cuda()
            with cuda.current():
                on_device = {
                    name: open_device_engine(
                        directory,
                        manifest,
                        name,
                        backend=choice.backend,
                        batch=batch,
                        cuda=cuda,
                        cache_dir=cache_dir,
                    )
                    for name in networks
                }
            new_lane = partial(
                DeviceLane,
                cuda,
                on_device,
                properties.stages,
                batch,
                mouths=properties.mouths,
                say=_once(say),
            )
            return cls(manifest, properties, choice, batch, lanes or DEVICE_LANES, new_lane)
        lanes = lanes or 1  # a single lane gets all threads

        def opened(name: str) -> Engine:
            return open_engine(
                directory,
                manifest,
                name,
                backend=choice.backend,
                precision="fp32" if name == INTERPOLATOR else choice.precision,
                batch=batch,
                threads=threads,
                streams=lanes,
                cache_dir=cache_dir,
            )

        with ThreadPoolExecutor(MOST_OPENED_AT_ONCE) as pool:
            engines = dict(zip(networks, pool.map(opened, networks), strict=True))
        new_processor_lane = partial(
            Lane, engines, properties.stages, batch, mouths=properties.mouths
        )
        return cls(manifest, properties, choice, batch, lanes, new_processor_lane)

    def lane(self) -> Lane | DeviceLane:
        """Memory for one more batch in flight; `close` gives a GPU's back."""
        return self._new_lane()

    def edit(
        self,
        pixels: ByteArray,
        scale: FloatArray,
        offset: FloatArray,
        *,
        source_au: FloatArray | None = None,
        progress: FloatArray | None = None,
        stages: bool = False,
        lane: Lane | DeviceLane | None = None,
    ) -> Edited:
        """Edits any number of pictures, batch by batch.

        Args:
            pixels: uint8 (n, crop, crop, 3), RGB.
            scale: float32 (n, K), or (K,) for all pictures; the target is
                clip(scale x source + offset, 0, 5).
            offset: float32, as `scale`.
            source_au: float32 (n, K), 0 to 5; estimated from the pictures if None.
            progress: float32 (n, S) or (S,): how far each stage goes; k/S if None.
            stages: whether the pictures after each stage are wanted, too.
            lane: to run on; None makes one for this call, which costs time on a GPU.

        Returns:
            Arrays of n pictures, the caller's own; `seconds` is summed over the batches.

        Raises:
            EfganError: an array does not fit the pictures, or holds NaN or infinity.
            EngineError: the pictures are of another type or size than the networks take.
        """
        count, units = len(pixels), len(self.au_names)
        given: dict[str, Array | None] = {
            "scale": _per_picture("scale", scale, count, units),
            "offset": _per_picture("offset", offset, count, units),
            "source_au": None,
            "progress": None,
        }
        if source_au is not None:
            given["source_au"] = _per_picture("source_au", source_au, count, units)
        if progress is not None:
            given["progress"] = _per_picture("progress", progress, count, self.stages)
        seconds: dict[str, float] = {}
        shape = (count, self.crop_px, self.crop_px, 3)
        made = tuple(np.empty(shape, np.uint8) for _ in range(self.stages if stages else 1))
        motions: tuple[MotionBatch, ...] = ()
        if self.mouths is not None:
            grid = self.crop_px // 2
            chosen = np.empty(count, np.int32)
            motions = tuple(
                MotionBatch(np.empty((count, grid, grid, FIELDS), np.float16), chosen, self.mouths)
                for _ in made
            )
        edited = Edited(
            pixels=made[-1],
            source_au=np.empty((count, units), np.float32),
            stage_au=np.empty((self.stages, count, units), np.float32),
            attention=np.empty((count, self.crop_px, self.crop_px), np.uint8),
            seconds=seconds,
            stage_pixels=made if stages else (),
            motion=motions[-1] if motions else None,
            stage_motion=motions if stages else (),
        )
        with self._kept_or_new(lane) as lane:
            for rows in self._batches(count):
                batch: dict[str, Any] = {
                    name: array if array is None else self._padded(array[rows])
                    for name, array in given.items()
                }
                result = lane.run(self._padded(pixels[rows]), **batch, stages=stages)
                used = rows.stop - rows.start
                edited.pixels[rows] = result.pixels[:used]
                for whole, part in zip(edited.stage_pixels, result.stage_pixels, strict=True):
                    whole[rows] = part[:used]
                found = result.stage_motion or (result.motion,)
                for whole_motion, part_motion in zip(motions, found, strict=bool(motions)):
                    assert part_motion is not None, "a set with motion gives fields"
                    whole_motion.fields[rows] = part_motion.fields[:used]
                    whole_motion.choices[rows] = part_motion.choices[:used]
                edited.source_au[rows] = result.source_au[:used]
                edited.stage_au[:, rows] = result.stage_au[:, :used]
                edited.attention[rows] = result.attention[:used]
                for name, taken in result.seconds.items():
                    seconds[name] = seconds.get(name, 0.0) + taken
        return edited

    def estimate(self, pixels: ByteArray, *, lane: Lane | DeviceLane | None = None) -> FloatArray:
        """The action units of any number of pictures, as the set's own estimator reads them.

        Args:
            pixels: uint8 (n, crop, crop, 3), RGB.
            lane: to run on; None makes one for this call, which costs time on a GPU.

        Returns:
            float32 (n, K), the caller's own.
        """
        found = np.empty((len(pixels), len(self.au_names)), np.float32)
        with self._kept_or_new(lane) as lane:
            for rows in self._batches(len(pixels)):
                found[rows] = lane.estimate(self._padded(pixels[rows]))[: rows.stop - rows.start]
        return found

    def _kept_or_new(
        self, lane: Lane | DeviceLane | None
    ) -> AbstractContextManager[Lane | DeviceLane]:
        return closing(self.lane()) if lane is None else nullcontext(lane)

    def _batches(self, count: int) -> Iterator[slice]:
        for start in range(0, count, self.batch):
            yield slice(start, min(start + self.batch, count))

    def _padded(self, array: Array) -> Array:
        """C-contiguous, with rows of zeros behind it up to the batch."""
        padded = np.zeros((self.batch, *array.shape[1:]), array.dtype)
        padded[: len(array)] = array
        return padded


def _per_picture(name: str, array: FloatArray, count: int, width: int) -> FloatArray:
    """`array` as (count, width), a single row repeated."""
    if array.shape not in ((width,), (count, width)):
        raise EfganError(
            f"{name} has shape {array.shape}, expected ({count}, {width}), "
            f"a row for each picture, or ({width},) for all"
        )
    return np.broadcast_to(array, (count, width))
