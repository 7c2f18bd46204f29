"""A picture in which faces are looked for: on the host, or on a GPU.

What finds and frames faces asks a picture for the same few things wherever it lies, so that there
is one search and one framing. On the host OpenCV does them; `efgan_rt.faces.device_image` does them
on a GPU, to within rounding.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, Self

import cv2
import numpy as np

from efgan_rt.faces.align import Similarity, warp
from efgan_rt.pictures.original import Picture
from engines.arrays import Bytes, FloatArray

Outputs = Mapping[str, FloatArray]
"""What a detector's network says, by name."""
Borders = tuple[int, int, int, int]
"""To the left, above, to the right and below, in pixels."""


class Image(Protocol):
    """RGB of 8 bits; every method gives a new one and leaves this one alone."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width and 3."""
        ...

    def part(self, rows: slice, columns: slice) -> Self:
        """A part of it, which shares its memory."""
        ...

    def smaller(self, width: int, height: int) -> Self:
        """Averaged over areas down to a size."""
        ...

    def bordered(self, borders: Borders) -> Self:
        """With its edge repeated around it."""
        ...

    def turned(self, quarters: int) -> Self:
        """Turned to the left by so many quarters."""
        ...

    def mirrored(self) -> Self:
        """Its left side on the right."""
        ...

    def warped(self, to_target: Similarity, width: int, height: int) -> Self:
        """See `efgan_rt.faces.align.warp`."""
        ...

    def pixels(self) -> Picture:
        """On the host, uint8 (H, W, 3); not to be changed."""
        ...

    def release(self) -> None:
        """Gives back what the picture holds on a GPU; it is looked at no more."""
        ...

    def outputs(self, table: Bytes | None) -> Outputs | None:
        """What a detector's network on the GPU says of it; None where the host has to run it.

        Args:
            table: uint8 (1, 256, 3), by which its levels are changed first; None leaves them.

        Raises:
            EngineError: the device fails.
        """
        ...


@dataclass(frozen=True, eq=False)
class HostImage:
    """An array, uint8 RGB (H, W, 3); see `Image`."""

    array: Picture

    @property
    def shape(self) -> tuple[int, ...]:
        """See `Image.shape`."""
        return self.array.shape

    def part(self, rows: slice, columns: slice) -> "HostImage":
        """See `Image.part`."""
        return HostImage(self.array[rows, columns])

    def smaller(self, width: int, height: int) -> "HostImage":
        """See `Image.smaller`."""
        made = cv2.resize(self.array, (width, height), interpolation=cv2.INTER_AREA)
        return HostImage(np.asarray(made, np.uint8))

    def bordered(self, borders: Borders) -> "HostImage":
        """See `Image.bordered`."""
        left, top, right, bottom = borders
        edged = cv2.copyMakeBorder(self.array, top, bottom, left, right, cv2.BORDER_REPLICATE)
        return HostImage(np.asarray(edged, np.uint8))

    def turned(self, quarters: int) -> "HostImage":
        """See `Image.turned`."""
        return HostImage(np.ascontiguousarray(np.rot90(self.array, quarters)))

    def mirrored(self) -> "HostImage":
        """See `Image.mirrored`."""
        return HostImage(np.ascontiguousarray(self.array[:, ::-1]))

    def warped(self, to_target: Similarity, width: int, height: int) -> "HostImage":
        """See `Image.warped`."""
        return HostImage(np.asarray(warp(self.array, to_target, width, height), np.uint8))

    def pixels(self) -> Picture:
        """See `Image.pixels`."""
        return self.array

    def release(self) -> None:
        """Nothing is held."""

    def outputs(self, table: Bytes | None) -> Outputs | None:
        """See `Image.outputs`."""
        return None
