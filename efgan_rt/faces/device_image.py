"""Pictures on a GPU from their decoding to their edit: sent up once, looked at and cut out there.

`DevicePictures` lends memory for pictures in flight and makes a `DeviceSight` for each thread that
finds faces. A sight shows a picture as a `DeviceImage`, whose methods run `device_image.cu` where
`HostImage` runs OpenCV; only what the host needs comes down: what the detector's network says, and
the crops. The picture itself stays until it has been edited (`efgan_rt.faces.device_canvas`).

What orders what: a sight has one stream, on which everything of its thread follows each other, and
a mark behind each download, for which the thread waits. A picture is ready when its first crop has
come down, for that was behind its upload. Memory of intermediate images is used again from picture
to picture, in the order of the stream. Pictures of 16 bits, grey ones, and those for which there is
no memory stay on the host.

A picture that a codec has decoded on the device is copied there, and turned upright on the way; the
codec's memory is held until the thread has waited for something behind that copy.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from efgan_rt.faces.align import Similarity, warp_plan
from efgan_rt.faces.image import Borders, HostImage, Image, Outputs
from efgan_rt.faces.yunet_network import padded
from efgan_rt.pictures.device_jpeg import Decoded, Lent, NvidiaJpeg
from efgan_rt.pictures.original import OnDevice, Picture, Pixels, on_host, rgb8
from engines.arrays import Array, Bytes, FloatArray
from engines.base import EngineError
from engines.cuda_memory import Cuda, DeviceBuffer, DeviceMemory, DeviceSlice, Kernel, Stream

SOURCE: Final = Path(__file__).with_name("device_image.cu")
KERNELS: Final = ("smaller", "warped", "seen", "as_input", "put")
CHANNELS: Final = 3
HEADER: Final = 26  # numbers that every kernel reads; behind them a table of levels
NUMBERS: Final = HEADER + 256 * CHANNELS
SLOTS: Final = 64  # numbers on their way at a time
ALIGNMENT: Final = 256
CHUNK_BYTES: Final = 8 << 20
LEAST_BYTES: Final = 1 << 20
# Of the memory that is free once the networks are open, for pictures in flight.
PICTURES_SHARE: Final = 1 / 4
# By EXIF's orientation: quarters to the left, and whether it is mirrored afterwards.
TURNS: Final = {
    2: (0, True),
    3: (2, False),
    4: (2, True),
    5: (3, True),
    6: (3, False),
    7: (1, True),
    8: (1, False),
}
# Levels by which an image may differ from OpenCV's, and the share that may differ by more: there a
# place falls on the other side of 1/32 of a pixel.
MOST_APART: Final = 1
FEW: Final = 1 / 1000


class DetectorNetwork(Protocol):
    """A detector's network on the device, on its sight's stream."""

    def run(self, pixels: DeviceMemory, shape: Sequence[int]) -> Outputs:
        """Runs it on float32 (1, 3, H, W) and waits.

        Raises:
            EngineError: the device fails.
        """
        ...


OpenNetwork = Callable[[Path, Stream], DetectorNetwork]


class DevicePictures:
    """What all threads of a run share: kernels, and memory for pictures in flight.

    Owns that memory, which grows up to a share of what was free; `close` gives it back.
    """

    def __init__(
        self, cuda: Cuda, say: Callable[[str], None], open_network: OpenNetwork | None = None
    ) -> None:
        """Compiles the kernels and holds them to OpenCV.

        Args:
            cuda: the device, where the networks are open already.
            say: told once in a sentence of what the host does after all.
            open_network: opens a detector's network on a stream; None where the host runs it.

        Raises:
            EngineError: there is no compiler for the device, or it computes something else.
        """
        self.cuda = cuda
        self.open_network = open_network
        self._say = say
        self._said: set[str] = set()
        self._lock = threading.Lock()
        self._idle: dict[int, list[DeviceBuffer]] = defaultdict(list)
        self._all: list[DeviceBuffer] = []
        with cuda.current():
            source = SOURCE.read_text()
            self.kernels: dict[str, Kernel] = {each: cuda.kernel(source, each) for each in KERNELS}
            self._room = int(cuda.free_bytes() * PICTURES_SHARE)
        try:
            self._prove()
        except BaseException:
            self.close()
            raise

    def sight(self) -> "DeviceSight":
        """For one thread.

        Raises:
            EngineError: there is no memory for it.
        """
        return DeviceSight(self)

    def take(self, nbytes: int) -> DeviceBuffer | None:
        """Memory for a picture; None where there is none. For any thread."""
        room = max(LEAST_BYTES, 1 << (nbytes - 1).bit_length())
        with self._lock:
            if self._idle[room]:
                return self._idle[room].pop()
            if self._room < room:
                return None
            try:
                with self.cuda.current():
                    self._all.append(self.cuda.device(room))
            except EngineError:
                self._room = 0
                return None
            self._room -= room
            return self._all[-1]

    def give_back(self, buffer: DeviceBuffer) -> None:
        """Of what was taken; nothing in flight may use it."""
        with self._lock:
            self._idle[buffer.nbytes].append(buffer)

    def close(self) -> None:
        """Gives everything back; no picture may be in flight, and every sight is closed."""
        with self._lock, self.cuda.current():
            self._idle.clear()
            for buffer in self._all:
                buffer.free()
            self._all.clear()

    def tell(self, sentence: str) -> None:
        """Says a sentence a single time."""
        with self._lock:
            is_new = sentence not in self._said
            self._said.add(sentence)
        if is_new:
            self._say(sentence)

    def _prove(self) -> None:
        """Looks at a made-up picture in both ways.

        Raises:
            EngineError: they differ by more than rounding.
        """
        rows, columns = np.mgrid[:203, :317]
        waves = [128 + 100 * np.sin(rows / (9 + each) + columns / 13) for each in range(3)]
        picture = np.rint(np.stack(waves, axis=-1)).astype(np.uint8)
        sight = self.sight()
        try:
            there = sight.show(picture)
            if not isinstance(there, DeviceImage):
                raise EngineError(f"{self.cuda.described} has no memory for pictures")
            for here, made in zip(_made_up(HostImage(picture)), _made_up(there), strict=True):
                apart = np.abs(here.pixels().astype(np.int32) - made.pixels())
                if (share := float((apart > MOST_APART).mean())) > FEW:
                    raise EngineError(
                        f"{self.cuda.described} shows a made-up picture otherwise than the "
                        f"processor: {share:.1%} of its values are more than {MOST_APART} of 255 "
                        f"levels apart, at worst {apart.max()}; expected at most {FEW:.1%}"
                    )
            there.release()
        finally:
            sight.close()


def _made_up(image: Image) -> list[Image]:
    """One of everything that is done to an image."""
    return [
        image.smaller(158, 101).bordered((3, 5, 7, 2)).turned(1),
        image.part(slice(3, 200), slice(10, 301)).smaller(97, 83).turned(3).mirrored(),
        image.warped(Similarity(1.9 + 0.4j, -40 - 60j), 128, 128).mirrored(),
        image.warped(Similarity(-0.5 + 0.2j, 140 + 30j), 96, 96),
    ]


class DeviceSight:
    """Shows pictures on the device to one thread, which waits for what it asks for.

    Owns its stream, mark, pinned arrays and the memory of intermediate images; `close` gives them
    back.
    """

    def __init__(self, pictures: DevicePictures) -> None:
        self._pictures = pictures
        self._cuda = pictures.cuda
        self._network: DetectorNetwork | None = None
        self._chunks: list[DeviceBuffer] = []
        self._used: list[int] = []
        self._slot = 0
        with self._cuda.current():
            self._stream = self._cuda.stream()
            self._done = self._cuda.event(timing=False)
            self._numbers = self._cuda.device(NUMBERS * 4)
            self._slots = [self._cuda.pinned((NUMBERS,), np.float32) for _ in range(SLOTS)]
        self._up: Array | None = None
        self._down: Array | None = None
        self._decoded: Lent | None = None  # that a copy may still read

    def detect_with(self, file: Path) -> None:
        """Has images ask a detector's network on the device; the host runs it if that cannot be.

        Args:
            file: of a YuNet.
        """
        if self._pictures.open_network is None:
            return
        try:
            with self._cuda.current():
                self._network = self._pictures.open_network(file, self._stream)
        except EngineError as error:
            self._pictures.tell(f"faces are looked for by the processor: {error}")

    def decoder(self, jpeg: NvidiaJpeg) -> "SightDecoder":
        """Decodes JPEGs on the device for this sight to show."""
        return SightDecoder(jpeg, self._cuda, self._stream)

    def show(self, held: Pixels | OnDevice) -> Image:
        """A picture as it is looked at: on the device if it can be, else as `HostImage`.

        Images of the picture shown before are no longer good, but for that picture itself.

        Raises:
            EngineError: the device fails.
        """
        if isinstance(held, np.ndarray) and (
            held.dtype != np.uint8 or held.ndim != CHANNELS or not held.size
        ):
            return HostImage(rgb8(held))
        height, width, _ = held.shape
        nbytes = height * width * CHANNELS
        buffer = self._pictures.take(nbytes)
        if buffer is None:
            self._pictures.tell(
                "some photographs are looked at by the processor: there is no device memory for "
                "more of them at a time"
            )
            if isinstance(held, Decoded):
                self.settle()
                held.take()  # and lets it go
            return HostImage(rgb8(on_host(held)))
        memory = DeviceSlice(buffer.address, nbytes)
        try:
            with self._cuda.current():
                self._stream.synchronize()  # what is to be sent up next lies where the last one did
                self._slot = 0
                self._used = [0] * len(self._chunks)
                if isinstance(held, Decoded) and (decoded := held.take()) is not None:
                    self._take_over(decoded, held.orientation, memory)
                else:
                    self._send_up(on_host(held), memory)
        except EngineError:
            self._pictures.give_back(buffer)
            raise
        lent = _Lent(self, buffer)
        return DeviceImage(self, memory, width * CHANNELS, 0, 0, width, height, lent=lent)

    def _send_up(self, pixels: Pixels, memory: DeviceSlice) -> None:
        if self._up is None or self._up.nbytes < memory.nbytes:
            self._up = None
            room = max(LEAST_BYTES, 1 << (memory.nbytes - 1).bit_length())
            self._up = self._cuda.pinned((room,), np.uint8)
        staged = self._up[: memory.nbytes]
        staged[:] = np.ascontiguousarray(pixels).reshape(-1)
        self._cuda.upload(memory, staged, self._stream)

    def _take_over(self, decoded: Lent, orientation: int, memory: DeviceSlice) -> None:
        self._decoded = decoded
        whole = (0, 0, decoded.width, decoded.height)
        image = DeviceImage(self, decoded.memory, decoded.row_bytes, *whole)
        quarters, is_mirrored = TURNS.get(orientation, (0, False))
        image = replace(image, quarters=quarters, is_mirrored=is_mirrored)
        self.made("seen", image, *image.shape[:2], into=memory)

    def close(self) -> None:
        """Gives everything back; its thread asks no more. A second call does nothing."""
        if not self._slots:
            return
        with self._cuda.current():
            self.settle()
            self._network = None
            for buffer in (*self._chunks, self._numbers):
                buffer.free()
        self._chunks.clear()
        self._slots.clear()
        self._up = self._down = None

    def settle(self) -> None:
        """Waits out what was not asked to its end; whatever failed has been told."""
        with self._cuda.current(), suppress(EngineError):
            self._stream.synchronize()
        self._decoded = None

    def tell(self, sentence: str) -> None:
        """See `DevicePictures.tell`."""
        self._pictures.tell(sentence)

    # For its images.

    def made(
        self,
        kernel: str,
        image: "DeviceImage",
        height: int,
        width: int,
        *,
        matrix: FloatArray | None = None,
        table: Bytes | None = None,
        itemsize: int = 1,
        into: DeviceSlice | None = None,
    ) -> DeviceSlice:
        """What a kernel makes of an image, `height` x `width` x 3 values."""
        with self._cuda.current():
            if self._slot == SLOTS:
                self._stream.synchronize()
                self._slot = 0
            numbers = self._slots[self._slot]
            self._slot += 1
            numbers[:HEADER] = header_of(image, height, width, matrix, has_table=table is not None)
            numbers[HEADER:] = 0 if table is None else table.reshape(-1)
            made = into or self._room_for(height * width * CHANNELS * itemsize)
            self._cuda.upload(
                DeviceSlice(self._numbers.address, NUMBERS * 4), numbers, self._stream
            )
            reads = (DeviceSlice(self._numbers.address, NUMBERS * 4), image.memory)
            self._pictures.kernels[kernel].launch(self._stream, height * width, reads, (made,))
        return made

    def on_host(self, memory: DeviceMemory) -> Bytes:
        """A copy of what lies there, once all before it has run."""
        with self._cuda.current():
            if self._down is None or self._down.nbytes < memory.nbytes:
                self._down = self._cuda.pinned((max(LEAST_BYTES, memory.nbytes),), np.uint8)
            landed = self._down[: memory.nbytes]
            self._cuda.download(landed, memory, self._stream)
            self._done.record(self._stream)
            self._done.synchronize()
            self._decoded = None
            return np.asarray(landed.copy())

    def outputs(self, image: "DeviceImage", table: Bytes | None) -> Outputs | None:
        """See `Image.outputs`."""
        if self._network is None:
            return None
        height, width = padded(image.shape)
        pixels = self.made("as_input", image, height, width, table=table, itemsize=4)
        with self._cuda.current():
            return self._network.run(pixels, (1, CHANNELS, height, width))

    def _room_for(self, nbytes: int) -> DeviceSlice:
        """Memory for an image, until the next picture is shown."""
        nbytes = -(-nbytes // ALIGNMENT) * ALIGNMENT
        for number, chunk in enumerate(self._chunks):
            if chunk.nbytes - self._used[number] >= nbytes:
                break
        else:
            self._chunks.append(self._cuda.device(max(CHUNK_BYTES, nbytes)))
            self._used.append(0)
            number, chunk = len(self._chunks) - 1, self._chunks[-1]
        start = chunk.address + self._used[number]
        self._used[number] += nbytes
        return DeviceSlice(start, nbytes)


class SightDecoder:
    """Decodes JPEGs on the device, ready on a sight's stream; see `JpegCoder`."""

    def __init__(self, jpeg: NvidiaJpeg, cuda: Cuda, stream: Stream) -> None:
        self._jpeg = jpeg
        self._cuda = cuda
        self._stream = stream

    def decode(self, data: bytes) -> Picture | Decoded | None:
        """See `JpegCoder.decode`; where it can only be decoded on the host, there."""
        with self._cuda.current():
            return self._jpeg.decode_there(data, self._stream) or self._jpeg.decode(data)

    def encode(
        self, picture: Pixels | OnDevice, quality: int, sampling: int | None
    ) -> bytes | None:
        """See `JpegCoder.encode`."""
        return self._jpeg.encode(picture, quality, sampling)


class _Lent:
    """A picture's memory, given back once."""

    def __init__(self, sight: DeviceSight, buffer: DeviceBuffer) -> None:
        self._pictures = sight._pictures
        self._buffer: DeviceBuffer | None = buffer

    def give_back(self) -> None:
        buffer, self._buffer = self._buffer, None
        if buffer is not None:
            self._pictures.give_back(buffer)


@dataclass(frozen=True, eq=False)
class DeviceImage:
    """A view of an image on a device; see `Image`. For its sight's thread.

    Attributes:
        sight: that shows it.
        memory: the whole image.
        row_bytes: from one of its rows to the next.
        left, top, width, height: of the part that is meant.
        borders: around it.
        quarters: by which all that is turned.
        is_mirrored: afterwards.
        lent: a picture's own memory; None of what was made of one.
    """

    sight: DeviceSight
    memory: DeviceMemory
    row_bytes: int
    left: int
    top: int
    width: int
    height: int
    borders: Borders = (0, 0, 0, 0)
    quarters: int = 0
    is_mirrored: bool = False
    lent: _Lent | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """See `Image.shape`."""
        width = self.width + self.borders[0] + self.borders[2]
        height = self.height + self.borders[1] + self.borders[3]
        return (width, height, CHANNELS) if self.quarters % 2 else (height, width, CHANNELS)

    def part(self, rows: slice, columns: slice) -> "DeviceImage":
        """See `Image.part`."""
        plain = self._plain()
        top, bottom, _ = rows.indices(plain.height)
        left, right, _ = columns.indices(plain.width)
        return replace(
            plain,
            left=plain.left + left,
            top=plain.top + top,
            width=right - left,
            height=bottom - top,
            lent=None,
        )

    def smaller(self, width: int, height: int) -> "DeviceImage":
        """See `Image.smaller`."""
        plain = self._plain()
        return self._of(self.sight.made("smaller", plain, height, width), height, width)

    def bordered(self, borders: Borders) -> "DeviceImage":
        """See `Image.bordered`."""
        return replace(self._plain(), borders=borders, lent=None)

    def turned(self, quarters: int) -> "DeviceImage":
        """See `Image.turned`."""
        image = self._plain() if self.quarters or self.is_mirrored else self
        return replace(image, quarters=quarters % 4, lent=None)

    def mirrored(self) -> "DeviceImage":
        """See `Image.mirrored`."""
        image = self._plain() if self.is_mirrored else self
        return replace(image, is_mirrored=True, lent=None)

    def warped(self, to_target: Similarity, width: int, height: int) -> "DeviceImage":
        """See `Image.warped`."""
        plan = warp_plan(self.shape, to_target, width, height)
        part = self.part(plan.rows, plan.columns)
        if plan.small is not None:
            part = part.smaller(*plan.small)
        matrix = np.linalg.inv(np.vstack([plan.matrix, (0, 0, 1)]))[:2]
        made = self.sight.made("warped", part, height, width, matrix=np.asarray(matrix))
        return self._of(made, height, width)

    def pixels(self) -> Picture:
        """See `Image.pixels`."""
        height, width = self.shape[:2]
        is_whole = self._is_plain and self.memory.nbytes == width * height * CHANNELS
        memory = self.memory if is_whole else self.sight.made("seen", self, height, width)
        landed = self.sight.on_host(memory)[: height * width * CHANNELS]
        return landed.reshape(height, width, CHANNELS)

    def outputs(self, table: Bytes | None) -> Outputs | None:
        """See `Image.outputs`."""
        return self.sight.outputs(self, table)

    def release(self) -> None:
        """Gives the picture's memory back; nothing in flight may use it. Twice does nothing."""
        if self.lent is not None:
            self.lent.give_back()

    @property
    def _is_plain(self) -> bool:
        return not (any(self.borders) or self.quarters or self.is_mirrored)

    def _plain(self) -> "DeviceImage":
        """An image without border or turn: this one, or what is seen of it."""
        if self._is_plain:
            return self
        height, width = self.shape[:2]
        return self._of(self.sight.made("seen", self, height, width), height, width)

    def _of(self, memory: DeviceMemory, height: int, width: int) -> "DeviceImage":
        return DeviceImage(self.sight, memory, width * CHANNELS, 0, 0, width, height)


def header_of(
    image: DeviceImage,
    rows: int,
    columns: int,
    matrix: FloatArray | None = None,
    *,
    has_table: bool = False,
) -> FloatArray:
    """What a kernel reads first, float32 (26,), in the order of `device_image.cu`.

    Args:
        image: that it reads.
        rows: of what it makes.
        columns: likewise.
        matrix: float64 (2, 3), from there to the image's part; each number goes as a sum of two.
        has_table: whether levels go through a table.
    """
    seen_height, seen_width = image.shape[:2]
    six = np.zeros(6) if matrix is None else np.asarray(matrix, np.float64).reshape(-1)
    most = six.astype(np.float32)
    numbers = [
        *(image.row_bytes, image.left, image.top, image.width, image.height, *image.borders[:2]),
        *(seen_width, seen_height, image.quarters, image.is_mirrored, rows, columns, has_table),
        *np.stack([most, six - most], axis=1).reshape(-1),
    ]
    return np.asarray(numbers, np.float32)
