"""A picture as its file holds it, in one form for every format.

Upright, grey or RGB, 8 or 16 bits, transparency apart, the metadata beside them. `pixels` are what
networks and people see: sRGB. Where the file's own are something else (another colour space, inks),
they stay beside them, and an edit reaches them as a difference (`colour`). What a file is stored as
decides what its edit is stored as.
"""

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from efgan_rt.pictures.jpeg_tables import JpegCoding

Picture = npt.NDArray[np.uint8]
Pixels = npt.NDArray[Any]  # uint8 or uint16


class OnDevice(Protocol):
    """Pixels on a GPU, uint8 RGB, that come down only for who asks for them."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width and 3."""
        ...

    def pixels(self) -> Picture:
        """On the host, uint8 (H, W, 3); not to be changed."""
        ...


def on_host(held: Pixels | OnDevice) -> Pixels:
    """Pixels on the host; the same array where they are there."""
    return held if isinstance(held, np.ndarray) else held.pixels()


@dataclass(frozen=True)
class Density:
    """Pixels per unit across and down; the unit is inch, metre or none (a pixel's shape)."""

    x: int
    y: int
    unit: str

    def per(self, unit: str) -> tuple[int, int]:
        """x and y in another unit; as they are where none is known."""
        factor = {("inch", "metre"): 1 / 0.0254, ("metre", "inch"): 0.0254}
        scale = factor.get((self.unit, unit), 1.0)
        return round(self.x * scale), round(self.y * scale)


@dataclass(frozen=True)
class Metadata:
    """What a file says beside its pixels; empty bytes where it says nothing.

    Attributes:
        exif: an EXIF block that begins with its byte order.
        xmp: an XMP packet.
        icc: a colour profile.
        density: None where the file tells none.
        own_format: the format that `own` belongs to.
        own: segments or chunks, whole, that only that format knows.
    """

    exif: bytes = b""
    xmp: bytes = b""
    icc: bytes = b""
    density: Density | None = None
    own_format: str = ""
    own: tuple[bytes, ...] = ()

    def fitting(self, pixels: Pixels | OnDevice | None) -> "Metadata":
        """Without a colour profile that is for another kind of pixels; None: without any."""
        wanted = b"" if pixels is None else profile_kind(pixels)
        return self if self.icc[16:20] in (b"", wanted) else replace(self, icc=b"")


NONE: Final = Metadata()


def profile_kind(pixels: Pixels | OnDevice) -> bytes:
    """What a colour profile calls pixels of this kind: grey, RGB, or inks."""
    return {2: b"GRAY"}.get(len(pixels.shape), b"CMYK" if pixels.shape[-1] == 4 else b"RGB ")


class Space(Protocol):
    """A colour space that is not sRGB; arrays keep their size and, but for inks, their kind."""

    def to_srgb(self, pixels: Pixels) -> Pixels:
        """As seen."""
        ...

    def from_srgb(self, pixels: Pixels) -> Pixels:
        """As stored."""
        ...


@dataclass(frozen=True, eq=False)
class Stored:
    """A file's own pixels, where they are not what is seen.

    Attributes:
        pixels: uint8 or uint16, (H, W) or (H, W, 3 or, of inks, 4), upright.
        seen: the same in sRGB, as read.
        space: what they are in.
    """

    pixels: Pixels
    seen: Pixels
    space: Space


@dataclass(frozen=True)
class Original:
    """A decoded picture file.

    Attributes:
        held: uint8 or uint16, (H, W, 3) RGB or (H, W) grey, upright, sRGB; or on a GPU.
        alpha: the same type, (H, W); None for an opaque picture.
        metadata: of the upright picture, without pictures in it.
        lossless: the file is a lossless WebP, and its edit shall be one.
        premultiplied: TIFF's associated alpha: the colours are multiplied by it.
        jpeg: how the file stores its pixels, where it is a JPEG.
        stored: the file's own pixels, where they are not sRGB.
        notes: what an edit of it lacks or has otherwise, such as `EXIF thumbnail left out`.
    """

    held: Pixels | OnDevice
    alpha: Pixels | None = None
    metadata: Metadata = field(default=NONE)
    lossless: bool = False
    premultiplied: bool = False
    jpeg: JpegCoding | None = None
    stored: Stored | None = None
    notes: tuple[str, ...] = ()

    @cached_property
    def pixels(self) -> Pixels:
        """On the host; of a picture on a GPU they come down when they are first asked for."""
        return on_host(self.held)

    @property
    def nbytes(self) -> int:
        """What its pixels take in memory, or will when they are asked for."""
        held = self.held
        seen = held.nbytes if isinstance(held, np.ndarray) else math.prod(held.shape)
        own = 0 if self.stored is None else self.stored.pixels.nbytes
        return seen + own + (0 if self.alpha is None else self.alpha.nbytes)

    def with_pixels(self, held: Pixels | OnDevice) -> "Original":
        """The same file with other pixels."""
        return replace(self, held=held)


def turned(pixels: Pixels, orientation: int) -> Pixels:
    """Pixels as EXIF's orientation wants them shown."""
    if orientation == 1:
        return pixels
    if orientation >= 5:
        pixels = cv2.transpose(pixels)
    flips = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}
    return cv2.flip(pixels, flips[orientation]) if orientation in flips else pixels


def rgb8(pixels: Pixels) -> Picture:
    """Pixels of an `Original` as uint8 (H, W, 3), RGB; the same array where they are that."""
    if pixels.dtype == np.uint16:
        pixels = eight_bits(pixels)
    return cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB) if pixels.ndim == 2 else pixels  # type: ignore[return-value]


def eight_bits(pixels: Pixels) -> Picture:
    """16 bits as 8, rounded."""
    return cv2.convertScaleAbs(pixels, alpha=1 / 257)  # type: ignore[return-value]


def on_white(pixels: Pixels, alpha: Pixels) -> Picture:
    """8 bits of colour over a white ground, as alpha says."""
    share = alpha.astype(np.float32) / 255
    share = share if pixels.ndim == 2 else share[..., np.newaxis]
    return np.rint(pixels * share + 255 * (1 - share)).astype(np.uint8)
