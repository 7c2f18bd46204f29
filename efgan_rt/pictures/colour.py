"""From a file's colour space to sRGB, which networks and screens want, and an edit's way back.

What goes back is a difference, here too: the file's pixels plus what the edit changed, converted.
So whatever sRGB cannot hold stays in the file, and a pixel that no edit changed stays bit for bit.

ICC profiles are LittleCMS's, which works in 8 bits: of a deeper picture with a profile the edit's
steps are of 8 bits, the picture's are not. A PNG's gAMA and cICP, and their kind in HEIC and AVIF,
are converted here. In HDR, white is at 203 nits; what is brighter is white to the networks.

Source: ICC.1; PNG specification, third edition; ITU-T H.273; ITU-R BT.2100 and BT.2408.
"""

import io
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from efgan_rt.pictures.original import Pixels, Space, Stored, eight_bits
from engines.arrays import FloatArray

_WHITE_NITS: Final = 203.0
_HLG_GAMMA: Final = 1.2  # of a screen of 1,000 nits
# H.273's numbers of primaries, as x and y of red, green and blue, all with white D65.
_BT709: Final = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_PRIMARIES: Final = {
    1: _BT709,
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
_LINEAR, _SRGB, _PQ, _HLG = 8, 13, 16, 18  # H.273's numbers of transfer functions


def in_srgb(pixels: Pixels, space: Space | None) -> tuple[Pixels, Stored | None]:
    """Pixels as seen, and how they are stored where that is something else."""
    if space is None:
        return pixels, None
    seen = space.to_srgb(pixels)
    return seen, Stored(pixels, seen, space)


def as_stored(edited: Pixels, stored: Stored) -> Pixels:
    """The file's own pixels with what an edit changed of `stored.seen`."""
    height, width = edited.shape[:2]
    differs = (edited != stored.seen).reshape(height, -1)
    rows = np.flatnonzero(differs.any(axis=1))
    if not rows.size:
        return stored.pixels
    columns = np.flatnonzero(differs[rows[0] : rows[-1] + 1].any(axis=0)) * width
    columns //= differs.shape[1]
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    changed = edited[box] != stored.seen[box]
    changed = changed.any(axis=2) if changed.ndim == 3 else changed
    before, after = (stored.space.from_srgb(each[box]) for each in (stored.seen, edited))
    most = np.iinfo(stored.pixels.dtype).max
    sums = np.clip(stored.pixels[box].astype(np.int32) + after - before.astype(np.int32), 0, most)
    result = stored.pixels.copy()
    result[box][changed] = sums[changed]
    return result


@dataclass(frozen=True, eq=False)
class IccSpace:
    """What a profile says; `mode` is Pillow's: L, RGB or CMYK."""

    mode: str
    there: Any
    back: Any

    def to_srgb(self, pixels: Pixels) -> Pixels:
        """As seen: RGB of inks, grey of grey."""
        return self._through(self.there, pixels, self.mode)

    def from_srgb(self, pixels: Pixels) -> Pixels:
        """As stored."""
        return self._through(self.back, pixels, "RGB")

    def _through(self, transform: Any, pixels: Pixels, mode: str) -> Pixels:
        deep = pixels.dtype == np.uint16
        pixels = eight_bits(pixels) if deep else pixels
        if self.mode == "L" and mode == "RGB":
            pixels = cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB)
        image = Image.fromarray(np.ascontiguousarray(pixels), mode)
        if transform is None:
            made = image.convert("RGB" if mode == "CMYK" else "CMYK")
        else:
            made = transform.apply(image)
        result = np.array(made)
        if self.mode == "L" and result.ndim == 3:
            result = np.ascontiguousarray(result[..., 1])
        return result.astype(np.uint16) * 257 if deep else result


@lru_cache(maxsize=16)
def icc_space(profile: bytes, mode: str) -> Space | None:
    """A profile's space; None where it is sRGB but for rounding, or nothing that can be used.

    Inks without a usable profile are converted as Pillow does without one.
    """
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        srgb = ImageCms.createProfile("sRGB")
        wanted = ImageCms.Intent.RELATIVE_COLORIMETRIC
        flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
        there = ImageCms.buildTransform(own, srgb, mode, "RGB", wanted, flags)
        back = ImageCms.buildTransform(srgb, own, "RGB", mode, wanted, flags)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return IccSpace(mode, None, None) if mode == "CMYK" else None
    space = IccSpace(mode, there, back)
    if mode == "CMYK":
        return space
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    grid = grid if mode == "RGB" else steps[np.newaxis]
    return None if np.abs(space.to_srgb(grid).astype(int) - grid).max() <= 2 else space


@dataclass(frozen=True)
class CodedSpace:
    """Primaries and transfer function by their numbers; below 0 the latter is -1 / gamma."""

    primaries: tuple[float, ...]
    transfer: float

    def to_srgb(self, pixels: Pixels) -> Pixels:
        """As seen; the same type."""
        return self._converted(pixels, self, _SRGB_SPACE)

    def from_srgb(self, pixels: Pixels) -> Pixels:
        """As stored."""
        return self._converted(pixels, _SRGB_SPACE, self)

    @staticmethod
    def _converted(pixels: Pixels, this: "CodedSpace", other: "CodedSpace") -> Pixels:
        most = np.iinfo(pixels.dtype).max
        result = np.empty_like(pixels)
        light_of = _linear(np.linspace(0, 1, most + 1, dtype=np.float32), this.transfer)
        matrix = np.linalg.inv(_to_xyz(other.primaries)) @ _to_xyz(this.primaries)
        turn = matrix.T.astype(np.float32)
        is_turned = this.primaries != other.primaries and pixels.ndim == 3
        for row in range(0, len(pixels), 64):  # bounds what the floats take
            light = light_of[pixels[row : row + 64]]
            if is_turned:
                light = np.clip(light @ turn, 0, None)
            coded = np.clip(_coded(light, other.transfer), 0, 1)
            result[row : row + 64] = np.rint(coded * most)
        return result


_SRGB_SPACE: Final = CodedSpace(_BT709, _SRGB)


def _to_xyz(primaries: tuple[float, ...]) -> npt.NDArray[np.float64]:
    x, y = np.array(primaries[::2]), np.array(primaries[1::2])
    columns = np.stack([x / y, np.ones(3), (1 - x - y) / y])
    white = np.array([0.3127 / 0.3290, 1, (1 - 0.3127 - 0.3290) / 0.3290])
    return np.asarray(columns * np.linalg.solve(columns, white))


def _linear(coded: FloatArray, transfer: float) -> FloatArray:
    """Light, 1 is white, of coded values from 0 to 1."""
    light: Any
    if transfer == _PQ:
        power = coded ** (1 / 78.84375)
        nits = np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)
        light = 10_000 / _WHITE_NITS * nits ** (1 / 0.1593017578125)
    elif transfer == _HLG:
        scene = np.where(
            coded <= 0.5,
            coded**2 / 3,
            (np.exp((coded - 0.55991073) / 0.17883277) + 0.28466892) / 12,
        )
        light = 1000 / _WHITE_NITS * scene**_HLG_GAMMA
    elif transfer == _SRGB:
        light = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    else:
        light = coded if transfer == _LINEAR else coded ** (-1 / transfer)
    return np.asarray(light, dtype=np.float32)


def _coded(light: FloatArray, transfer: float) -> FloatArray:
    """The inverse of `_linear`."""
    coded: Any
    if transfer == _PQ:
        power = (light * _WHITE_NITS / 10_000) ** 0.1593017578125
        coded = ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    elif transfer == _HLG:
        scene = np.minimum((light * _WHITE_NITS / 1000) ** (1 / _HLG_GAMMA), 1)
        log = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-6)) + 0.55991073
        coded = np.where(scene <= 1 / 12, np.sqrt(3 * scene), log)
    elif transfer == _SRGB:
        coded = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    else:
        coded = light if transfer == _LINEAR else light**-transfer
    return np.asarray(coded, dtype=np.float32)


def coded_space(primaries: int, transfer: int) -> Space | None:
    """The space of H.273's two numbers; None where it is near sRGB or not known."""
    known = {4: -1 / 2.2, 5: -1 / 2.8, _LINEAR: _LINEAR, _PQ: _PQ, _HLG: _HLG}
    space = CodedSpace(_PRIMARIES.get(primaries, _BT709), known.get(transfer, _SRGB))
    return None if space == _SRGB_SPACE else space


def png_space(chunks: dict[bytes, bytes]) -> Space | None:
    """The space of a PNG without a profile: cICP before sRGB before gAMA and cHRM."""
    if len(cicp := chunks.get(b"cICP", b"")) == 4:
        return coded_space(cicp[0], cicp[1])
    gamma = struct.unpack(">I", chunks.get(b"gAMA", b"\0\0\xb1\x8f")[:4].rjust(4, b"\0"))[0] / 1e5
    if b"sRGB" in chunks or not 0.05 < gamma < 5:
        return None
    primaries = _BT709
    if len(chrm := chunks.get(b"cHRM", b"")) == 32:
        stated = tuple(value / 1e5 for value in struct.unpack(">8I", chrm)[2:])
        if all(0 < each < 1 for each in stated) and abs(np.subtract(stated, _BT709)).max() > 0.01:
            primaries = stated
    transfer = _SRGB if abs(gamma - 1 / 2.2) < 0.01 else -gamma
    space = CodedSpace(primaries, transfer)
    try:
        np.linalg.inv(_to_xyz(primaries))
    except np.linalg.LinAlgError:
        return None
    return None if space == _SRGB_SPACE else space


def nclx_space(data: bytes) -> Space | None:
    """The space that the `colr` box of a HEIC or AVIF file names by numbers."""
    at = data.find(b"colrnclx")
    return (
        coded_space(*struct.unpack_from(">HH", data, at + 8)) if 0 <= at < len(data) - 12 else None
    )
