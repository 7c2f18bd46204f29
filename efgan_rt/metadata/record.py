"""What a picture file says beside its pixels, whatever the file's format.

EXIF, XMP, the colour profile and the density have a place in most formats and go from any to any;
what only one format knows (a JPEG's comment and IPTC block, a PNG's texts and gamma) goes along
where the format stays the same. Left out is what would be wrong of an edited picture: previews,
further pictures behind the first, signatures, how the pixels were stored.
"""

import re
from dataclasses import dataclass, replace
from typing import Final

from efgan_rt.tiff_tags import ORIENTATION, first_directory, upright_exif

_XMP_ORIENTATION: Final = re.compile(rb"(tiff:Orientation\s*(?:=\s*[\"']|>)\s*)[2-8]")
_ICC_SPACE_AT: Final = 16


@dataclass(frozen=True)
class Density:
    """Pixels per unit across and down; the unit is inch, metre or none (a pixel's shape)."""

    x: int
    y: int
    unit: str

    def per(self, unit: str) -> tuple[int, int]:
        """x and y in another unit; as they are where none is known."""
        inches_per_metre = 1 / 0.0254
        factor = {("inch", "metre"): inches_per_metre, ("metre", "inch"): 1 / inches_per_metre}
        scale = factor.get((self.unit, unit), 1.0)
        return round(self.x * scale), round(self.y * scale)


@dataclass(frozen=True)
class Metadata:
    """A file's word on its picture.

    Attributes:
        exif: an EXIF block that begins with its byte order; empty for none, as all of these.
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

    @property
    def orientation(self) -> int:
        """How the stored pixels are to be turned, 1 to 8, as EXIF numbers it."""
        directory = first_directory(self.exif)
        found = directory.number(ORIENTATION, 1) if directory is not None else 1
        return found if 1 <= found <= 8 else 1

    def upright(self) -> "Metadata":
        """The same for the pixels turned upright; see `efgan_rt.tiff_tags.upright_exif`."""
        quarter_turn = self.orientation >= 5
        density = self.density
        if density is not None and quarter_turn:
            density = Density(density.y, density.x, density.unit)
        return replace(
            self,
            exif=upright_exif(self.exif, quarter_turn=quarter_turn),
            xmp=_XMP_ORIENTATION.sub(rb"\g<1>1", self.xmp),
            density=density,
        )

    def fitting(self, *, grey: bool) -> "Metadata":
        """Without a colour profile that is for another kind of pixels, such as CMYK."""
        wanted = b"GRAY" if grey else b"RGB "
        fits = self.icc[_ICC_SPACE_AT : _ICC_SPACE_AT + 4] == wanted
        return self if fits or not self.icc else replace(self, icc=b"")


NONE: Final = Metadata()
