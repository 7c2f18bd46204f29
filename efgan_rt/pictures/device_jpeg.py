"""JPEGs decoded and encoded on the GPU, by NVIDIA's nvImageCodec; behind a switch.

Its pixels are not libjpeg's: both are right, and differ by a level or a few where colours are
interpolated. So a run asks for it by name, and its outputs know by which they were made. What it is
not made for, or cannot decode, is libjpeg's as ever: grey and inked JPEGs, those without an end,
those that are to keep tables of their own.

What it decodes may stay on the GPU (`Decoded`), and what lies there is encoded from there. What
orders what: it works on streams of its own, which wait for what the named stream holds when it is
called, and that stream waits for them before it goes on. An encoded picture is on the host when the
call returns, so that nothing reads the pixels any more.

Source: nvImageCodec 0.9, its Python interface; the order of streams from its sources.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Protocol, Self

import cv2
import numpy as np

from efgan_rt.choices import JpegCodec
from efgan_rt.errors import EfganError
from efgan_rt.pictures.original import OnDevice, Picture, Pixels, turned
from engines.cuda_memory import DeviceSlice, Stream

INSTALL_LINE: Final = 'pip install "efgan-rt[nvimagecodec]"'
# The sampling factors of the three channels as OpenCV takes them; by nvImageCodec's names.
SAMPLINGS: Final = {
    0x111111: "CSS_444",
    0x211111: "CSS_422",
    0x221111: "CSS_420",
    0x121111: "CSS_440",
    0x411111: "CSS_411",
}
DEFAULT_SAMPLING: Final = 0x221111
PROOF_QUALITY: Final = 95
# Levels on average by which the proof's picture may come back otherwise than libjpeg has it.
MOST_APART: Final = 2.0


class DecodedThere(OnDevice, Protocol):
    """A decoded JPEG on a GPU, not turned yet."""

    def upright(self, orientation: int) -> OnDevice:
        """As EXIF's orientation wants it shown."""
        ...


class JpegCoder(Protocol):
    """Decodes and encodes JPEGs; for any thread."""

    def decode(self, data: bytes) -> Picture | DecodedThere | None:
        """A colour JPEG as uint8 RGB (H, W, 3), not turned; None where it cannot be decoded."""
        ...

    def encode(
        self, picture: Pixels | OnDevice, quality: int, sampling: int | None
    ) -> bytes | None:
        """A picture as a JPEG; None where it cannot be encoded.

        Args:
            picture: uint8 RGB (H, W, 3); on a GPU with `__cuda_array_interface__`, which names the
                stream on which it is made.
            quality: libjpeg's, 1 to 100.
            sampling: factors of the three channels as OpenCV takes them; None for 4:2:0.
        """
        ...


@dataclass(frozen=True)
class Lent:
    """A decoded picture's memory, for as long as `owner` is held: rows of a number of bytes."""

    owner: Any
    memory: DeviceSlice
    row_bytes: int
    height: int
    width: int


class Decoded:
    """A JPEG decoded on a GPU, where it is ready on the stream that was named for it.

    Ownership: the library's memory is taken over once (`take`) and let go by who has taken it.

    Attributes:
        orientation: EXIF's, by which it is still to be turned.
    """

    def __init__(self, coder: "NvidiaJpeg", data: bytes, image: Any, orientation: int = 1) -> None:
        """Of what the library has decoded.

        Args:
            coder: that decodes the file once more where its pixels are asked for on the host.
            data: the file.
            image: the library's, on the device.
            orientation: EXIF's.
        """
        self.orientation = orientation
        self._coder = coder
        self._data = data
        self._image = image
        self._stored_shape = tuple(image.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """See `OnDevice.shape`; as it is shown."""
        height, width, channels = self._stored_shape
        return (width, height, channels) if self.orientation >= 5 else self._stored_shape

    def upright(self, orientation: int) -> Self:
        """See `DecodedThere.upright`."""
        return type(self)(self._coder, self._data, self._image, orientation)

    def take(self) -> Lent | None:
        """The library's memory, not turned; None for who asks a second time."""
        image, self._image = self._image, None
        if image is None:
            return None
        given = image.__cuda_array_interface__
        height, width, channels = given["shape"]
        row_bytes = width * channels if given["strides"] is None else given["strides"][0]
        memory = DeviceSlice(given["data"][0], row_bytes * (height - 1) + width * channels)
        return Lent(image, memory, row_bytes, height, width)

    def pixels(self) -> Picture:
        """See `OnDevice.pixels`; decoded once more: the device's memory may be others' by now."""
        return self._on_host

    @cached_property
    def _on_host(self) -> Picture:
        found = self._coder.decode(self._data)
        if found is None:
            raise EfganError("nvImageCodec has decoded the file once, and does not a second time")
        return turned(found, self.orientation)


class NvidiaJpeg:
    """nvImageCodec's; see `JpegCoder`. Each thread has a decoder and an encoder of its own.

    Attributes:
        is_on_device: whether it decodes and encodes on a GPU.
    """

    def __init__(self, module: Any, device: int, backends: Any = None) -> None:
        """Proves that it works on a made-up picture.

        Args:
            module: `nvidia.nvimgcodec`.
            device: number of the GPU, or what the library calls the processor.
            backends: that it may use; None for all.

        Raises:
            EfganError: it does not decode or encode here.
        """
        self.is_on_device = device != module.NVIMGCODEC_DEVICE_CPU_ONLY
        self._module = module
        self._device = device
        self._backends = backends
        self._own = threading.local()
        self._params = module.DecodeParams(
            apply_exif_orientation=False,
            color_spec=module.ColorSpec.SRGB,
            sample_format=module.SampleFormat.I_RGB,
        )
        self._prove()

    def decode(self, data: bytes) -> Picture | None:
        """See `JpegCoder.decode`."""
        image = self._coders()[0].decode(self._module.CodeStream(data), params=self._params)
        if image is None:
            return None
        pixels = np.array(image.cpu())
        is_rgb = pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3
        return pixels if is_rgb else None

    def decode_there(self, data: bytes, stream: Stream) -> Decoded | None:
        """A colour JPEG on the device, ready for what `stream` is given next; None as `decode`."""
        source, handle = self._module.CodeStream(data), stream.handle
        image = self._coders()[0].decode(source, params=self._params, cuda_stream=handle)
        if image is None or image.buffer_kind != self._module.ImageBufferKind.STRIDED_DEVICE:
            return None
        given = image.__cuda_array_interface__
        is_rgb = given["typestr"] == "|u1" and len(image.shape) == 3 and image.shape[2] == 3
        return Decoded(self, data, image) if is_rgb else None

    def encode(
        self, picture: Pixels | OnDevice, quality: int, sampling: int | None
    ) -> bytes | None:
        """See `JpegCoder.encode`."""
        module, stream = self._module, 0
        params = module.EncodeParams(
            quality_type=module.QualityType.QUALITY,
            quality_value=quality,
            chroma_subsampling=getattr(
                module.ChromaSubsampling, SAMPLINGS[sampling or DEFAULT_SAMPLING]
            ),
        )
        if isinstance(picture, np.ndarray):
            image = module.as_image(np.ascontiguousarray(picture))
        elif hasattr(picture, "__cuda_array_interface__"):
            stream = picture.__cuda_array_interface__["stream"]
            image = module.as_image(picture, stream)
        else:
            image = module.as_image(picture.pixels())
        made = self._coders()[1].encode(image, "jpeg", params=params, cuda_stream=stream)
        return None if made is None else bytes(memoryview(made))

    def _coders(self) -> tuple[Any, Any]:
        if not hasattr(self._own, "coders"):
            given = {"device_id": self._device, "backends": self._backends}
            # One thread: the run decodes many pictures at a time already.
            self._own.coders = tuple(
                kind(max_num_cpu_threads=1, **given)
                for kind in (self._module.Decoder, self._module.Encoder)
            )
        return self._own.coders  # type: ignore[no-any-return]

    def _prove(self) -> None:
        rows, columns = np.mgrid[:64, :96] / 9
        waves = np.stack([128 + 90 * np.sin(rows + columns * each) for each in (1, 2, 3)], axis=-1)
        picture = np.rint(waves).astype(np.uint8)
        try:
            made = self.encode(picture, PROOF_QUALITY, 0x111111)
            found = None if made is None else self.decode(made)
        except (RuntimeError, ValueError) as error:
            raise EfganError(_unusable(" ".join(str(error).split()))) from error
        if made is None or found is None:
            raise EfganError(_unusable("it has no coder for JPEGs"))
        libjpegs = cv2.imdecode(np.frombuffer(made, np.uint8), cv2.IMREAD_COLOR_RGB)
        assert libjpegs is not None, "what nvImageCodec has made and read"
        apart = float(np.abs(found.astype(np.float64) - libjpegs).mean())
        if not apart <= MOST_APART:
            raise EfganError(
                _unusable(
                    f"a made-up picture comes back {apart:.1f} levels from libjpeg's on average, "
                    f"expected at most {MOST_APART:g}"
                )
            )


def open_coder(
    codec: JpegCodec, load: Callable[[], Any] | None = None, *, device: int | None = None
) -> NvidiaJpeg | None:
    """What decodes and encodes JPEGs in libjpeg's place; None for libjpeg.

    Args:
        codec: as asked for.
        load: gives the library; None for the one that is installed.
        device: number of the GPU; None for the one in use.

    Raises:
        EfganError: the library is missing or does not work here.
    """
    if codec is JpegCodec.LIBJPEG:
        return None
    try:
        module = (load or _installed)()
    except ImportError as error:
        raise EfganError(
            f"nvImageCodec was asked for and cannot be loaded ({error}); install it with: "
            f"{INSTALL_LINE}, or leave --jpeg-codec out"
        ) from error
    return NvidiaJpeg(module, module.NVIMGCODEC_DEVICE_CURRENT if device is None else device)


def _installed() -> Any:
    from nvidia import nvimgcodec

    return nvimgcodec


def _unusable(why: str) -> str:
    return f"nvImageCodec was asked for and does not work here: {why}; leave --jpeg-codec out"
