"""The paste of moved faces on a GPU: a photograph's region goes up, and comes down with the edit.

The arithmetic is `motion_paste.cu`'s, a pixel a thread; what is small (the masked fields, the
mouth's light, the tables of weights) is prepared by `MotionPaste` as for the processor, and goes up
with it. Places are rounded to 1/32 of a pixel as OpenCV rounds them, and a picture's samples to its
steps, so that the two pastes differ by rounding alone. Before it is used, a GPU is held to that.

What orders what: a place has a stream of its own, on which upload, kernel and download follow each
other, and a mark behind the last, for which the thread that pastes waits. A place is one thread's
at a time.
"""

import math
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import Final

import numpy as np

from efgan_rt.faces.align import Similarity
from efgan_rt.faces.motion import (
    CORNER_LIGHT,
    CORNER_SHARE,
    EDGE_DEPTH,
    EDGE_LIGHT,
    EDGE_STEEPNESS,
    EYES_END,
    EYES_MIDDLE,
    FIELDS,
    LEAST_SHARE,
    LID_LIGHT,
    MOUTH,
    MOVED,
    PAINT,
    SHADE_LIMIT,
    SHADED,
    Motion,
)
from efgan_rt.faces.motion_paste import MotionPaste
from efgan_rt.faces.mouths import DEPTH, EYE_DEPTH, GAMMA, Mouths
from efgan_rt.pictures.original import Pixels
from engines.arrays import Array, FloatArray
from engines.base import EngineError
from engines.cuda_memory import Cuda, DeviceBuffer, DeviceSlice, Kernel

SOURCE: Final = Path(__file__).with_name("motion_paste.cu")
KERNEL: Final = "motion_paste"
PARTS: Final = 32  # of a pixel, that OpenCV rounds a place to
PLACES: Final = 2  # regions at a time: one is computed while another is copied
LEAST_BYTES: Final = 1 << 20
# Levels of 8 bits by which the pastes may differ: a sample's rounding, lightened by up to exp(0.4),
# and the result's own. A few values may differ by more, where a place falls on the other side of an
# edge between two parts of a pixel or two cells of the grid.
MOST_APART: Final = 2
FEW: Final = 1 / 1000


class DevicePaste:
    """Pastes on a GPU, for any number of threads; in place of `MotionPaste.into_region`.

    Owns its places' streams, marks, pinned arrays and device memory, which grow to the largest
    region that there was; `close` gives them back.

    Attributes:
        kernel: what pastes; also of regions that lie on the device already.
    """

    def __init__(self, cuda: Cuda, say: Callable[[str], None]) -> None:
        """Compiles the kernel and holds it to the processor's paste.

        Args:
            cuda: the device.
            say: told in one sentence of the first region that has to be pasted on the processor.

        Raises:
            EngineError: there is no compiler for the device, or it computes something else.
        """
        self._cuda = cuda
        self._say = say
        self._has_said = False
        self._places: SimpleQueue[_Place] = SimpleQueue()
        with cuda.current():
            self.kernel = cuda.kernel(SOURCE.read_text(), KERNEL)
            self._all = [_Place(cuda) for _ in range(PLACES)]
        for place in self._all:
            self._places.put(place)
        try:
            self._prove()
        except BaseException:
            self.close()
            raise

    def __call__(self, pasting: MotionPaste, region: Pixels) -> None:
        """Puts an edit into its region; see `MotionPaste.into_region`.

        A region for which there is no memory is pasted on the processor.

        Raises:
            EngineError: the device fails.
        """
        if not pasting.active.any():
            return
        numbers = numbers_of(pasting)
        place = self._places.get()
        try:
            with self._cuda.current():
                try:
                    place.take(numbers.nbytes, region.nbytes)
                except EngineError as error:
                    self._tell(f"a face is pasted on the processor: {error}")
                else:
                    place.paste(self.kernel, numbers, pasting.before, region)
                    return
        finally:
            self._places.put(place)
        pasting.into_region(region)

    def close(self) -> None:
        """Gives everything back; nobody may be pasting."""
        with self._cuda.current():
            for place in self._all:
                place.give_back()

    def _tell(self, sentence: str) -> None:
        if not self._has_said:
            self._has_said = True
            self._say(sentence)

    def _prove(self) -> None:
        """Pastes a made-up face in both ways.

        Raises:
            EngineError: they differ by more than rounding.
        """
        for pasting in made_up_pastes():
            here, there = pasting.before.copy(), pasting.before.copy()
            pasting.into_region(here)
            self(pasting, there)
            apart = np.abs(here.astype(np.int32) - there) / pasting.unit
            if (share := float((apart > MOST_APART).mean())) > FEW:
                raise EngineError(
                    f"{self._cuda.described} pastes a made-up face otherwise than the processor: "
                    f"{share:.1%} of its values are more than {MOST_APART} of 255 levels apart, at "
                    f"worst {apart.max():.0f}; expected at most {FEW:.1%}"
                )


class _Place:
    """What one region in flight owns on the device."""

    def __init__(self, cuda: Cuda) -> None:
        self._cuda = cuda
        self._stream = cuda.stream()
        self._done = cuda.event(timing=False)
        self._memory: dict[str, DeviceBuffer] = {}
        self._pinned: dict[str, Array] = {}

    def take(self, numbers: int, region: int) -> None:
        """Memory for so many bytes of each.

        Raises:
            EngineError: there is not enough.
        """
        for name, nbytes in (("numbers", numbers), ("before", region), ("after", region)):
            held = self._memory.get(name)
            if held is not None and held.nbytes >= nbytes:
                continue
            if held is not None:
                del self._memory[name], self._pinned[name]
                held.free()
            room = max(LEAST_BYTES, 1 << (nbytes - 1).bit_length())
            pinned = self._cuda.pinned((room,), np.uint8)
            self._memory[name] = self._cuda.device(room)
            self._pinned[name] = pinned

    def paste(self, kernel: Kernel, numbers: FloatArray, before: Pixels, region: Pixels) -> None:
        """Pastes, and waits for it."""
        given = {"numbers": numbers, "before": before, "after": region}
        memory = {
            name: DeviceSlice(self._memory[name].address, array.nbytes)
            for name, array in given.items()
        }
        pinned = {name: self._pinned[name][: array.nbytes] for name, array in given.items()}
        for name in ("numbers", "before"):
            pinned[name][:] = np.ascontiguousarray(given[name]).reshape(-1).view(np.uint8)
        try:
            for name in ("numbers", "before"):
                self._cuda.upload(memory[name], pinned[name], self._stream)
            pixels = region.shape[0] * region.shape[1]
            reads = (memory["numbers"], memory["before"])
            kernel.launch(self._stream, pixels, reads, (memory["after"],))
            self._cuda.download(pinned["after"], memory["after"], self._stream)
            self._done.record(self._stream)
            self._done.synchronize()
        except BaseException:
            # The first error is the one to be told; copies may still use the pinned arrays.
            with suppress(EngineError):
                self._stream.synchronize()
            raise
        region[...] = pinned["after"].copy().view(region.dtype).reshape(region.shape)

    def give_back(self) -> None:
        for buffer in self._memory.values():
            buffer.free()
        self._memory.clear()
        self._pinned.clear()


def numbers_of(pasting: MotionPaste) -> FloatArray:
    """Everything but the region, float32, in the order in which the kernel reads it."""
    before, exposure = pasting.before, pasting.exposure
    channels = 1 if before.ndim == 2 else before.shape[2]
    to_crop, turn = pasting.to_crop, complex(pasting.turn)
    rows, columns = pasting.reach()
    header = [
        *(*before.shape[:2], channels, pasting.unit, len(pasting.active), pasting.coarse),
        *(rows.start, rows.stop, columns.start, columns.stop),
        *(to_crop.turn.real, to_crop.turn.imag, to_crop.shift.real, to_crop.shift.imag),
        *(turn.real, turn.imag, pasting.is_drawn, *pasting.light.shape[:2]),
        *(pasting.mouth_rows, *pasting.gain),
        *(pasting.paint[..., 3].any(), exposure is not None),
        *([0] * 9 if exposure is None else [*exposure.low, *exposure.high, *exposure.gain]),
        *(SHADE_LIMIT, LEAST_SHARE, DEPTH, GAMMA, EDGE_LIGHT, EDGE_DEPTH),
        *(CORNER_LIGHT, CORNER_SHARE, EDGE_STEEPNESS),
        *(EYE_DEPTH, EYES_END, EYES_MIDDLE, LID_LIGHT),
    ]
    fields = (pasting.active, pasting.moved, pasting.shade, pasting.mouth, pasting.paint)
    parts = (header, lanczos_weights(), cubic_weights(), *fields, pasting.light)
    return np.concatenate([np.asarray(part, np.float32).reshape(-1) for part in parts])


@cache
def lanczos_weights() -> FloatArray:
    """What each of eight pixels counts at each part of a pixel, float32 (32, 8).

    Source: OpenCV, `interpolateLanczos4`.
    """
    rows = []
    for part in range(PARTS):
        away = part / PARTS + 3 - np.arange(8)
        near = np.abs(away) < 1e-6
        angle = np.where(near, 1, away) * math.pi / 4
        weights = np.sin(4 * angle) * np.sin(angle) / angle**2
        rows.append(near if near.any() else weights / weights.sum())
    return np.asarray(rows, np.float32)


@cache
def cubic_weights() -> FloatArray:
    """What each of four pixels counts at each part of a pixel, float32 (32, 4).

    Source: OpenCV, `interpolateCubic`, with its -0.75.
    """
    x, a = np.arange(PARTS) / PARTS, -0.75
    first = ((a * (x + 1) - 5 * a) * (x + 1) + 8 * a) * (x + 1) - 4 * a
    second, third = (((a + 2) * at - (a + 3)) * at * at + 1 for at in (x, 1 - x))
    return np.stack([first, second, third, 1 - first - second - third], axis=1).astype(np.float32)


def made_up_pastes(crop_px: int = 64, grid: int = 32) -> list[MotionPaste]:
    """A face that does all that a paste can; in RGB, and grey at 16 bits."""
    rows, columns = np.mgrid[: 2 * crop_px, : 2 * crop_px] / (2 * crop_px)
    waves = [0.5 + 0.4 * np.sin(2 * math.pi * (a * rows + b * columns)) for a, b in _WAVES]
    picture = np.stack(waves, axis=-1)
    crop = np.ascontiguousarray(np.rint(255 * picture[::2, ::2]), np.uint8)
    down, across = np.mgrid[:grid, :grid] / grid - 0.5
    hill = np.exp(-8 * (down**2 + across**2))
    fields = np.zeros((grid, grid, FIELDS), np.float16)
    fields[..., MOVED] = np.stack([hill, -2 * hill], axis=-1)
    fields[..., SHADED] = 0.3 * hill[..., np.newaxis]
    inside = np.clip(2 * hill - 1, 0, 1)
    fields[..., MOUTH] = np.stack([inside * across, inside * down, inside], axis=-1)
    fields[..., PAINT] = (0.3 * hill)[..., np.newaxis] * (0.5, -0.2, 0.1, 1)
    drawn = np.ascontiguousarray(np.broadcast_to(crop[:48, :40], (1, 48, 40, 3)))
    motion = Motion(fields, 0, Mouths(drawn, np.full((1, 3), 0.2, np.float32), eyes=True))
    mask = np.ones((grid, grid), np.float32)
    turned = Similarity(1.8 * complex(math.cos(0.2), math.sin(0.2)), 8 - 3j)
    return [
        MotionPaste(region, turned, crop, motion, mask)
        for region in (
            np.asarray(np.rint(255 * picture), np.uint8),
            np.asarray(np.rint(65535 * picture[..., 0]), np.uint16),
        )
    ]


_WAVES: Final = ((0.7, 0.4), (0.5, 1.1), (1.2, 0.3))
