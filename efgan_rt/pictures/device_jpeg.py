"""JPEGs decoded and encoded on the GPU, by NVIDIA's nvImageCodec; behind a switch.

Its pixels are not libjpeg's: both are right, and differ by a level or a few where colours are
interpolated. So a run asks for it by name, and its outputs know by which they were made. What it is
not made for, or cannot decode, is libjpeg's as ever: grey and inked JPEGs, those without an end,
those that are to keep tables of their own.

Source: nvImageCodec 0.9, its Python interface.
"""

import threading
from collections.abc import Callable
from typing import Any, Final, Protocol

import cv2
import numpy as np

from efgan_rt.choices import JpegCodec
from efgan_rt.errors import EfganError
from efgan_rt.pictures.original import Picture

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


class JpegCoder(Protocol):
    """Decodes and encodes JPEGs; for any thread."""

    def decode(self, data: bytes) -> Picture | None:
        """A colour JPEG as uint8 RGB (H, W, 3), not turned; None where it cannot be decoded."""
        ...

    def encode(self, picture: Picture, quality: int, sampling: int | None) -> bytes | None:
        """A picture as a JPEG; None where it cannot be encoded.

        Args:
            picture: uint8 RGB (H, W, 3).
            quality: libjpeg's, 1 to 100.
            sampling: factors of the three channels as OpenCV takes them; None for 4:2:0.
        """
        ...


class NvidiaJpeg:
    """nvImageCodec's; see `JpegCoder`. Each thread has a decoder and an encoder of its own."""

    def __init__(self, module: Any, device: int, backends: Any = None) -> None:
        """Proves that it works on a made-up picture.

        Args:
            module: `nvidia.nvimgcodec`.
            device: number of the GPU, or what the library calls the processor.
            backends: that it may use; None for all.

        Raises:
            EfganError: it does not decode or encode here.
        """
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

    def encode(self, picture: Picture, quality: int, sampling: int | None) -> bytes | None:
        """See `JpegCoder.encode`."""
        module = self._module
        params = module.EncodeParams(
            quality_type=module.QualityType.QUALITY,
            quality_value=quality,
            chroma_subsampling=getattr(
                module.ChromaSubsampling, SAMPLINGS[sampling or DEFAULT_SAMPLING]
            ),
        )
        image = module.as_image(np.ascontiguousarray(picture))
        stream = self._coders()[1].encode(image, "jpeg", params=params)
        return None if stream is None else bytes(memoryview(stream))

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
) -> JpegCoder | None:
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
