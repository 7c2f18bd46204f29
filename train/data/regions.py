"""The regions of a face that labels place and that local patches are cut from.

Source: Cascade EF-GAN, section 4.1.
"""

from dataclasses import dataclass
from typing import Final

# Height and width in pixels of a crop of 128.
REGION_SIZES: Final[dict[str, tuple[int, int]]] = {
    "eyes": (40, 92),
    "nose": (40, 48),
    "mouth": (40, 60),
}


@dataclass(frozen=True)
class RegionBox:
    """Where a local patch lies in the crop, in pixels from the top left corner."""

    top: int
    left: int
    height: int
    width: int

    @classmethod
    def centred(cls, x: float, y: float, height: int, width: int, crop_px: int) -> "RegionBox":
        """The box around a centre, rounded once and moved inside the crop where it sticks out."""
        top = min(max(round(y - height / 2), 0), crop_px - height)
        left = min(max(round(x - width / 2), 0), crop_px - width)
        return cls(top, left, height, width)

    @property
    def rows(self) -> slice:
        """The box's rows in an array of the crop."""
        return slice(self.top, self.top + self.height)

    @property
    def columns(self) -> slice:
        """The box's columns in an array of the crop."""
        return slice(self.left, self.left + self.width)
