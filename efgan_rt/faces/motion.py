"""What networks with motion say of a face, and the light in which a mouth is drawn.

On a coarse grid over the crop: from where each pixel comes, how much lighter it gets, what part of
whose mouth it shows, and what is painted over it.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from efgan_rt.faces.mouths import Mouths

Half = npt.NDArray[np.float16]

FIELDS: Final = 10
"""Channels of a face's fields: displacement x and y in pixels of the fields' grid, shade, places in
a mouth (along, down; premultiplied) and its alpha, colour (premultiplied) and its alpha."""
MOVED, SHADED, MOUTH, PAINT = slice(0, 2), slice(2, 3), slice(3, 6), slice(6, 10)
SHADE_LIMIT: Final = 0.4
# Below these nothing is done: a share of a crop's pixel, steps of 8 bits.
LEAST_MOVED: Final = 1 / 32
LEAST_SHARE: Final = 1 / 255
# The tone of a mouth, as the networks have it (`train.families.cascade.motion.composition`).
CHEEKS: Final = ((0.60, 0.30), (0.60, 0.70))
CHEEK_SIDE: Final = 0.05
TINT: Final = 0.25
TONES: Final = (0.35, 1.6)
EDGE_LIGHT, EDGE_DEPTH = 0.45, 0.03
CORNER_LIGHT, CORNER_SHARE = 0.55, 0.12
# Eye to outer eye in a crop, as a share of its side: says how large a mouth's rows are drawn.
EYES_SHARE: Final = 0.38
# In a crop, as shares of its side: what is drawn above the first is an eye, and left of the second
# the one on the picture's left.
EYES_END, EYES_MIDDLE = 0.55, 0.5
LID_LIGHT: Final = 0.45  # of an eye at the edge of its opening, under lids and lashes
EDGE_STEEPNESS: Final = 2.0  # an alpha on a coarse grid is a soft edge; a lip has a sharp one


@dataclass(frozen=True, eq=False)
class Motion:
    """What the networks say of one face.

    Attributes:
        fields: float16 (h, w, FIELDS), over the whole crop.
        mouth: which of the set's mouths.
        mouths: the set's, shared by all.
    """

    fields: Half
    mouth: int
    mouths: Mouths

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return self.fields.nbytes
