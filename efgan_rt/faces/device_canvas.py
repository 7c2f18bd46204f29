"""A photograph on the GPU into which moved faces are put, and which comes down once or not at all.

The photograph came there when its faces were looked for. For each of its edits it is copied on the
device; a face's region is cut out of the copy, pasted by `motion_paste.cu` and put back, and in the
end the rows that were reached come down, unless it is encoded there. What the host says of each
face (`numbers_of`) is all that goes up.

What orders what: a place has one stream, on which an edit's copy, its faces and its download follow
each other; the photograph was ready before the first crop of it came down. A mark behind each
upload, for which the host waits before it writes the next face's numbers, and one behind the
download. A place is one edit's at a time.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import Any, Final

import numpy as np

from efgan_rt.faces.device_image import (
    ALIGNMENT,
    CHANNELS,
    HEADER,
    LEAST_BYTES,
    DeviceImage,
    DevicePictures,
    header_of,
)
from efgan_rt.faces.device_paste import DevicePaste, numbers_of
from efgan_rt.faces.framing import FaceFramer, Framed
from efgan_rt.faces.image import Image
from efgan_rt.faces.motion_paste import MotionPaste, Move
from efgan_rt.faces.paste import region_of
from efgan_rt.pictures.original import Picture, Pixels
from engines.arrays import Array, FloatArray
from engines.base import EngineError
from engines.cuda_memory import Cuda, DeviceBuffer, DeviceSlice

PLACES: Final = 2  # edits at a time: one is computed while another is copied
HEADER_BYTES: Final = -(-HEADER * 4 // ALIGNMENT) * ALIGNMENT

MoveOf = Callable[[Framed], Move]
"""What puts a face into its picture."""


class DeviceCanvases:
    """Edits of photographs that lie on a device; for any number of threads.

    Owns its places' streams, marks, pinned arrays and device memory, which grow to the largest
    photograph that there was; `close` gives them back.

    Attributes:
        pictures: that hold the photographs.
    """

    def __init__(self, pictures: DevicePictures, paste: DevicePaste) -> None:
        """Opens places.

        Args:
            pictures: that hold the photographs.
            paste: what puts a face into its region, where a photograph is not on the device, too.
        """
        self.pictures = pictures
        self._paste = paste
        with pictures.cuda.current():
            self._all = [_Place(pictures.cuda) for _ in range(PLACES)]
        self._places: SimpleQueue[_Place] = SimpleQueue()
        for place in self._all:
            self._places.put(place)

    def show_to(self, framer: FaceFramer) -> None:
        """Has a framer look at photographs on the device, or says why it does not.

        Args:
            framer: of one thread at a time.
        """
        try:
            framer.see_with(self.pictures.sight())
        except EngineError as error:
            self.pictures.tell(f"photographs are looked at by the processor: {error}")

    @contextmanager
    def canvas(self, image: Image, pixels: Pixels) -> Iterator[MoveOf]:
        """One edit: faces are put in by what this gives, and are in `pixels` when it is left.

        Args:
            image: the photograph as a sight of `pictures` has shown it, on the device.
            pixels: a copy of it, to be changed.

        Raises:
            EngineError: the device fails.
        """
        with self.kept(image) as canvas:
            yield (lambda _: self._paste) if canvas is None else canvas.move_of
            if canvas is not None:
                canvas.bring_down(pixels)

    @contextmanager
    def kept(self, image: Image) -> Iterator["Canvas | None"]:
        """One edit that stays on the device until this is left; None where there is no memory.

        Args:
            image: the photograph as a sight of `pictures` has shown it, on the device.

        Raises:
            EngineError: the device fails.
        """
        assert isinstance(image, DeviceImage), "what lies on the host has no canvas"
        place = self._places.get()
        try:
            try:
                place.take(math.prod(image.shape))
            except EngineError as error:
                self.pictures.tell(f"a photograph is edited region by region: {error}")
                yield None
            else:
                yield Canvas(self.pictures, self._paste, place, image)
        finally:
            place.settle()
            self._places.put(place)

    def close(self) -> None:
        """Gives everything back; nobody may be editing."""
        for place in self._all:
            place.give_back()


class Canvas:
    """One edit of a photograph on the device; see `OnDevice`, and `DeviceCanvases.kept`.

    Attributes:
        shape: height, width and 3.
    """

    def __init__(
        self, pictures: DevicePictures, paste: DevicePaste, place: "_Place", image: DeviceImage
    ) -> None:
        self._pictures = pictures
        self._paste = paste
        self._place = place
        self._image = image
        self.shape: tuple[int, ...] = image.shape
        self._edit = place.edit(math.prod(self.shape))
        self._rows = slice(0, 0)  # that were reached
        with pictures.cuda.current():
            pictures.cuda.copy(self._edit, image.memory, place.stream)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """Where it lies, and the stream on which it is made; version 3 of Numba's interface."""
        return {
            "shape": self.shape,
            "typestr": "|u1",
            "data": (self._edit.address, False),
            "strides": None,
            "stream": self._place.stream.handle,
            "version": 3,
        }

    @property
    def outline(self) -> Pixels:
        """An array of its shape, without its pixels or memory for them: what `paste` asks of it."""
        return np.broadcast_to(np.uint8(0), self.shape)

    def pixels(self) -> Picture:
        """See `OnDevice.pixels`."""
        with self._pictures.cuda.current():
            return np.array(self._place.down(self._edit)).reshape(self.shape)

    def move_of(self, framed: Framed) -> Move:
        """What puts this face in."""
        rows, columns = region_of(framed, self.shape)

        def move(pasting: MotionPaste, _: Pixels) -> None:
            if pasting.active.any():
                self._put(pasting, rows, columns)

        return move

    def _put(self, pasting: MotionPaste, rows: slice, columns: slice) -> None:
        place, kernels, edit = self._place, self._pictures.kernels, self._edit
        height, width = rows.stop - rows.start, columns.stop - columns.start
        count, corner = height * width, (columns.start, rows.start)
        region = DeviceImage(self._image.sight, edit, self._image.row_bytes, *corner, width, height)
        with self._pictures.cuda.current():
            header, numbers = place.send(header_of(region, height, width), numbers_of(pasting))
            before, after = place.regions(count * CHANNELS)
            kernels["seen"].launch(place.stream, count, (header, edit), (before,))
            self._paste.kernel.launch(place.stream, count, (numbers, before), (after,))
            kernels["put"].launch(place.stream, count, (header, after), (edit,))
        start = rows.start if not self._rows.stop else min(rows.start, self._rows.start)
        self._rows = slice(start, max(rows.stop, self._rows.stop))

    def bring_down(self, pixels: Pixels) -> None:
        """Writes the rows that were reached into a copy of the photograph."""
        if not self._rows.stop:
            return
        row_bytes = self.shape[1] * CHANNELS
        start, stop = self._rows.start * row_bytes, self._rows.stop * row_bytes
        with self._pictures.cuda.current():
            landed = self._place.down(DeviceSlice(self._edit.address + start, stop - start))
        np.copyto(pixels[self._rows], landed.reshape(-1, *self.shape[1:]))


class _Place:
    """What one edit in flight owns on the device."""

    def __init__(self, cuda: Cuda) -> None:
        self._cuda = cuda
        self.stream = cuda.stream()
        self._sent = cuda.event(timing=False)
        self._done = cuda.event(timing=False)
        self._is_sending = self._is_busy = False
        self._memory: dict[str, DeviceBuffer] = {}
        self._pinned: dict[str, Array] = {}

    def take(self, nbytes: int) -> None:
        """Memory for an edit of so many bytes, the region of a face, and the same pasted.

        Raises:
            EngineError: there is not enough.
        """
        with self._cuda.current():
            for name in ("edit", "before", "after"):
                self._grow(name, nbytes, is_pinned=name == "edit")
        self._is_busy = True

    def edit(self, nbytes: int) -> DeviceSlice:
        """The whole edit."""
        return DeviceSlice(self._memory["edit"].address, nbytes)

    def regions(self, nbytes: int) -> tuple[DeviceSlice, DeviceSlice]:
        """A face's, before and after."""
        before, after = (self._memory[name].address for name in ("before", "after"))
        return DeviceSlice(before, nbytes), DeviceSlice(after, nbytes)

    def send(self, header: FloatArray, numbers: FloatArray) -> tuple[DeviceSlice, DeviceSlice]:
        """Sends up what the kernels read; where it lies then.

        Raises:
            EngineError: there is not enough memory.
        """
        if self._is_sending:
            self._sent.synchronize()
            self._is_sending = False
        nbytes = HEADER_BYTES + numbers.nbytes
        self._grow("numbers", nbytes, is_pinned=True)
        staged = self._pinned["numbers"][:nbytes].view(np.float32)
        staged[:HEADER] = header
        staged[HEADER : HEADER_BYTES // 4] = 0
        staged[HEADER_BYTES // 4 :] = numbers
        address = self._memory["numbers"].address
        self._cuda.upload(DeviceSlice(address, nbytes), staged.view(np.uint8), self.stream)
        self._sent.record(self.stream)
        self._is_sending = True
        return (
            DeviceSlice(address, header.nbytes),
            DeviceSlice(address + HEADER_BYTES, numbers.nbytes),
        )

    def down(self, memory: DeviceSlice) -> Array:
        """What lies there, once all before it has run; overwritten by the next edit."""
        landed = self._pinned["edit"][: memory.nbytes]
        self._cuda.download(landed, memory, self.stream)
        self._done.record(self.stream)
        self._done.synchronize()
        self._is_busy = self._is_sending = False
        return landed

    def settle(self) -> None:
        """Waits out an edit that did not come to its end."""
        if self._is_busy:
            self._is_busy = self._is_sending = False
            with self._cuda.current(), suppress(EngineError):  # the first error is on its way
                self.stream.synchronize()

    def give_back(self) -> None:
        with self._cuda.current():
            for buffer in self._memory.values():
                buffer.free()
        self._memory.clear()
        self._pinned.clear()

    def _grow(self, name: str, nbytes: int, *, is_pinned: bool) -> None:
        held = self._memory.get(name)
        if held is not None and held.nbytes >= nbytes:
            return
        if held is not None:
            self.stream.synchronize()  # a face before this one may still use it
            del self._memory[name]
            self._pinned.pop(name, None)
            held.free()
        room = max(LEAST_BYTES, 1 << (nbytes - 1).bit_length())
        pinned = self._cuda.pinned((room,), np.uint8) if is_pinned else None
        self._memory[name] = self._cuda.device(room)
        if pinned is not None:
            self._pinned[name] = pinned
