"""The mouths of an engine set: what a photograph does not show when a mouth or shut eyes open.

They lie in one picture, one below the other, straightened: along the lips as a share of their
length, down from the upper lip in lengths from eye to eye. Below each mouth may be a pair of eyes,
the one on a picture's left first: along from corner to corner as a share, down from the line
between the corners in lengths from eye to eye, in the light of the mouth's person.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from efgan_rt.errors import EfganError
from engines.arrays import FloatArray

Picture = npt.NDArray[np.uint8]

DEPTH: Final = 0.6
"""Of a mouth's last row, in lengths from eye to eye."""
EYES_PART: Final = 0.5
"""Of the rows of a mouth with eyes: the eyes' share, half of it for each."""
EYE_DEPTH: Final = 0.16
"""Of an eye from its picture's first row to its last, in lengths from eye to eye."""
EYE_ROWS, EYE_COLUMNS = 48, 160
GAMMA: Final = 2.2
MOST_MOUTHS: Final = 256


@dataclass(frozen=True, eq=False)
class Mouths:
    """An atlas.

    Attributes:
        pixels: uint8 RGB (M, rows, columns, 3).
        skin: float32 (M, 3), their people's cheeks in linear light, 0 to 1.
        eyes: whether the last `EYES_PART` of each one's rows are eyes.
    """

    pixels: Picture
    skin: FloatArray
    eyes: bool = False

    @property
    def rows(self) -> int:
        """Of a mouth alone."""
        rows = self.pixels.shape[1]
        return round(rows * (1 - EYES_PART)) if self.eyes else int(rows)

    def to_dict(self) -> dict[str, Any]:
        """What stands beside the picture."""
        skin = np.round(self.skin.astype(float), 5).tolist()
        return {"count": len(self.pixels), "skin": skin, "eyes": self.eyes}

    def as_png(self) -> bytes:
        """The picture, for a file."""
        import cv2

        rows = np.ascontiguousarray(self.pixels.reshape(-1, *self.pixels.shape[2:])[..., ::-1])
        return bytes(cv2.imencode(".png", rows)[1])


def mouths_from(png: bytes, values: Mapping[str, Any], where: str) -> Mouths:
    """The atlas of a picture and what stands beside it.

    Raises:
        EfganError: they are no atlas; the message begins with `where`.
    """
    import cv2

    # OpenCV has an error of its own for nothing at all.
    found = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR) if png else None
    try:
        count, skin = values["count"], np.array(values["skin"], np.float32)
        eyes = values.get("eyes", False)
    except (KeyError, TypeError, ValueError) as error:
        raise EfganError(f"{where}: the mouths lack or garble {error}") from error
    if type(eyes) is not bool:
        raise EfganError(f"{where}: the mouths' eyes are {eyes!r}, expected true or false")
    if type(count) is not int or not 1 <= count <= MOST_MOUTHS or skin.shape != (count, 3):
        raise EfganError(f"{where}: the mouths have no colour of skin each")
    if not (np.isfinite(skin).all() and (skin > 0).all()):
        raise EfganError(f"{where}: the mouths' skin is not above 0 everywhere")
    if found is None or len(found) % count:
        raise EfganError(f"{where}: the mouths' picture is no stack of {count}")
    pixels = found[..., ::-1].reshape(count, -1, found.shape[1], 3)
    if eyes and pixels.shape[1] % 4:
        raise EfganError(f"{where}: {pixels.shape[1]} rows are no mouth and two eyes")
    return Mouths(np.ascontiguousarray(pixels, dtype=np.uint8), skin, eyes)


def linear(levels: Picture | FloatArray) -> FloatArray:
    """Encoded levels, 0 to 255, to linear light, 0 to 1."""
    return np.asarray((np.asarray(levels, np.float32) / 255) ** GAMMA, np.float32)


def encoded(light: FloatArray) -> FloatArray:
    """Linear light to encoded levels, 0 to 255."""
    return np.asarray(np.clip(light, 0, 1) ** (1 / GAMMA) * 255, np.float32)
