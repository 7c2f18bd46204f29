"""nvImageCodec on the device of the tests: what it calls things, and how it orders its streams.

Work runs on a stream of its own, which waits for what the named stream holds when it is called, and
the named stream waits for it before it goes on. libjpeg does the coding. A decoded picture's rows
are padded, and its memory goes back when nobody holds it any more.
"""

import ctypes
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

from efgan_rt.pictures.device_jpeg import SAMPLINGS
from efgan_rt.pictures.original import Picture
from engines.cuda_memory import DeviceSlice, Stream
from tests.engines.fake_cuda import FakeBuffer, FakeCuda, FakeStream, HazardError

PADDED_TO = 64  # bytes of a row


class DeviceCodec(SimpleNamespace):
    """In the place of the module `nvidia.nvimgcodec`.

    Attributes:
        hazards: what went wrong where no exception could tell.
        decoded, encoded: shapes, in their order; of encoded ones with whether they were there.
    """

    def __init__(self, cuda: FakeCuda, *, decodes: bool = True) -> None:
        names = {f"CSS_{each}": each for each in ("444", "422", "420", "440", "411")}
        super().__init__(
            NVIMGCODEC_DEVICE_CURRENT=-1,
            NVIMGCODEC_DEVICE_CPU_ONLY=-99999,
            ColorSpec=SimpleNamespace(SRGB="sRGB"),
            SampleFormat=SimpleNamespace(I_RGB="RGB"),
            QualityType=SimpleNamespace(QUALITY="quality"),
            ChromaSubsampling=SimpleNamespace(**{name: name for name in names}),
            ImageBufferKind=SimpleNamespace(STRIDED_DEVICE="device", STRIDED_HOST="host"),
            DecodeParams=SimpleNamespace,
            EncodeParams=SimpleNamespace,
            CodeStream=bytes,
        )
        self.cuda = cuda
        self.decodes = decodes
        self.hazards: list[str] = []
        self.decoded: list[tuple[int, ...]] = []
        self.encoded: list[tuple[tuple[int, ...], bool]] = []
        with cuda.current():
            self.default = cuda.stream()

    def Decoder(self, **_: Any) -> "Decoder":  # noqa: N802
        return Decoder(self)

    def Encoder(self, **_: Any) -> "Encoder":  # noqa: N802
        return Encoder(self)

    def as_image(self, source: Any, cuda_stream: int = 0) -> Any:
        if isinstance(source, np.ndarray):
            return source
        given = source.__cuda_array_interface__
        assert given["version"] == 3 and given["typestr"] == "|u1" and given["strides"] is None
        if not given["stream"]:
            raise RuntimeError("Invalid for stream to be 0")
        return SimpleNamespace(source=source, given=given, stream=cuda_stream)

    def named(self, handle: int) -> FakeStream:
        """The stream with this handle; 0 is the default stream, which waits for none of ours."""
        if not handle:
            return self.default
        stream: FakeStream = ctypes.cast(handle, ctypes.py_object).value
        return stream

    def after(self, user: Stream) -> FakeStream:
        """A stream of the library's, behind what the user's holds."""
        own, event = self.cuda.stream(), self.cuda.event(timing=False)
        event.record(user)
        own.wait(event)
        return own

    def before(self, user: Stream, own: Stream) -> None:
        """The user's stream goes on behind the library's."""
        event = self.cuda.event(timing=False)
        event.record(own)
        user.wait(event)


class Decoder:
    def __init__(self, codec: DeviceCodec) -> None:
        self._codec = codec

    def decode(self, source: bytes, *, params: Any, cuda_stream: int = 0) -> Any:
        codec, cuda = self._codec, self._codec.cuda
        array = np.frombuffer(source, np.uint8)
        pixels = cv2.imdecode(array, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
        if pixels is None or not codec.decodes:
            return None
        codec.decoded.append(pixels.shape)
        with cuda.current():
            user = codec.named(cuda_stream)
            image = DecodedImage(codec, np.asarray(pixels, np.uint8), user)
            own = codec.after(user)
            cuda.enqueue(own, "decode", image.filling(), writes=[image.buffer])
            codec.before(user, own)
        return image


class DecodedImage:
    """On the device, with padded rows."""

    buffer_kind = "device"

    def __init__(self, codec: DeviceCodec, pixels: Picture, user: FakeStream) -> None:
        height, width, _ = pixels.shape
        self.shape = pixels.shape
        self.row_bytes = -(-width * 3 // PADDED_TO) * PADDED_TO
        self.buffer: FakeBuffer = codec.cuda.device(height * self.row_bytes)
        self.memory = DeviceSlice(self.buffer.address, self.buffer.nbytes)
        self._codec = codec
        self._pixels = pixels
        self._user = user

    def filling(self) -> Callable[[], None]:
        """What writes the pixels there; it does not hold the image."""
        height, width, _ = self.shape
        rows = self._codec.cuda.bytes_at(self.memory).reshape(height, self.row_bytes)
        content = self._pixels.reshape(height, width * 3)

        def fill() -> None:
            rows[:, : width * 3] = content

        return fill

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "strides": (self.row_bytes, 3, 1),
            "typestr": "|u1",
            "data": (self.buffer.address, False),
            "version": 3,
            "stream": self._user.handle,
        }

    def cpu(self) -> Picture:
        with self._codec.cuda.current():
            self._user.synchronize()
        return self._pixels

    def __del__(self) -> None:
        try:
            with self._codec.cuda.current():
                self.buffer.free()
        except HazardError as error:
            self._codec.hazards.append(str(error))


class Encoder:
    def __init__(self, codec: DeviceCodec) -> None:
        self._codec = codec

    def encode(self, image: Any, codec: str, *, params: Any, cuda_stream: int = 0) -> bytes:
        is_there = not isinstance(image, np.ndarray)
        pixels = self._read(image) if is_there else image
        self._codec.encoded.append((pixels.shape, is_there))
        sampling = next(key for key, name in SAMPLINGS.items() if name == params.chroma_subsampling)
        settings = [cv2.IMWRITE_JPEG_QUALITY, params.quality_value]
        settings += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
        done, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), settings)
        assert done and codec == "jpeg"
        return data.tobytes()

    def _read(self, image: Any) -> Picture:
        cuda, shape = self._codec.cuda, image.given["shape"]
        memory = DeviceSlice(image.given["data"][0], int(np.prod(shape)))
        found = np.empty(memory.nbytes, np.uint8)

        def read() -> None:
            found[:] = cuda.bytes_at(memory)

        with cuda.current():
            own = self._codec.after(self._codec.named(image.stream))
            cuda.enqueue(own, "encode", read, reads=[memory])
            own.synchronize()
        return found.reshape(shape)
