"""The similarity transform that brings a face's points onto a template, and the warp to a crop.

A similarity (turn, scale, shift; no shear, no mirror) keeps a face's proportions, which are what a
network is to see. The least-squares one has a closed form: with points as complex numbers it is one
regression coefficient, the same result as Umeyama's for two dimensions. OpenCV's
`estimateAffinePartial2D` is not used because it draws point subsets at random and leaves points
out as outliers: five points are too few for that, and a crop would depend on the draw.

Points are x and y in pixels, the centre of the top left pixel being (0, 0), as OpenCV's warps have
it. Nothing here knows which points they are; source and template must mean the same ones.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from efgan_rt.errors import EfganError
from efgan_rt.pictures.original import Pixels
from engines.arrays import FloatArray

MARGIN_PX: Final = 4  # around what a crop shows of its picture: the reach of cubic interpolation
# Points further away than this are no place in a picture; the arithmetic of a warp stays finite.
FARTHEST_PX: Final = 1e7


@dataclass(frozen=True)
class Similarity:
    """Maps the point z = x + iy to `turn` * z + `shift`.

    Attributes:
        turn: its absolute value is the scale, its angle the rotation (clockwise as seen, for y
            points down).
        shift: x and y in pixels of the target.
    """

    turn: complex
    shift: complex

    @property
    def scale(self) -> float:
        """Pixels of the target for one of the source."""
        return abs(self.turn)

    @property
    def matrix(self) -> npt.NDArray[np.float64]:
        """The same as OpenCV's warps take it, (2, 3)."""
        a, b = self.turn.real, self.turn.imag
        return np.array([[a, -b, self.shift.real], [b, a, self.shift.imag]])

    @property
    def inverse(self) -> "Similarity":
        """From the target back to the source."""
        return Similarity(1 / self.turn, -self.shift / self.turn)

    def then(self, after: "Similarity") -> "Similarity":
        """This transform followed by another one."""
        return Similarity(after.turn * self.turn, after.turn * self.shift + after.shift)

    def apply(self, points: FloatArray) -> FloatArray:
        """Points (N, 2) of the source in the target, float32."""
        moved = self.turn * _as_complex(points) + self.shift
        return np.stack([moved.real, moved.imag], axis=-1).astype(np.float32)


def similarity_between(points: FloatArray, template: FloatArray) -> Similarity:
    """The similarity that brings points nearest to a template, in the least-squares sense.

    Args:
        points: (N, 2), two or more that do not coincide.
        template: (N, 2), where they shall lie.

    Raises:
        EfganError: the points coincide, are too few or are no finite numbers.

    Source: Umeyama (1991), equations 40 to 43, written for two dimensions with complex numbers.
    """
    source, target = _as_complex(points), _as_complex(template)
    if len(source) != len(target) or len(source) < 2:
        raise EfganError(
            f"{len(source)} points for a template of {len(target)}, expected as many, 2 or more"
        )
    from_centre = source - source.mean()
    spread = float((abs(from_centre) ** 2).sum())
    if not np.isfinite(spread) or abs(source).max() > FARTHEST_PX or spread < 1e-6:
        raise EfganError("the points of the face coincide or lie nowhere in a picture")
    turn = complex((from_centre.conj() * (target - target.mean())).sum() / spread)
    if turn == 0:
        raise EfganError("the points of the face have nothing of the template's shape")
    return Similarity(turn, complex(target.mean() - turn * source.mean()))


@dataclass(frozen=True, eq=False)
class WarpPlan:
    """How a part of a picture is brought to a target; see `warp`.

    Attributes:
        rows: of the picture, that are looked at.
        columns: likewise.
        small: width and height to which that part is averaged down first; None: it is not.
        matrix: float64 (2, 3), from there to the target.
    """

    rows: slice
    columns: slice
    small: tuple[int, int] | None
    matrix: npt.NDArray[np.float64]


def warp_plan(shape: tuple[int, ...], to_target: Similarity, width: int, height: int) -> WarpPlan:
    """How `warp` goes about a picture of this shape."""
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], dtype=np.float32)
    seen = to_target.inverse.apply(corners)
    margin = MARGIN_PX * max(1.0, 1 / to_target.scale)
    left, top = (_within(seen[:, i].min() - margin, shape[1 - i]) for i in (0, 1))
    right, bottom = (_within(seen[:, i].max() + margin, shape[1 - i]) for i in (0, 1))
    to_target = Similarity(1, complex(left, top)).then(to_target)
    matrix = to_target.matrix
    small = None
    if to_target.scale < 1:
        rows, columns = bottom + 1 - top, right + 1 - left
        sides = [max(1, round(side * to_target.scale)) for side in (columns, rows)]
        small = sides[0], sides[1]
        # Rounded to whole pixels, the two factors differ by a hair, so each is taken back apart.
        factors = np.array([columns / small[0], rows / small[1]])
        matrix[:, 2] += matrix[:, :2] @ (factors / 2 - 0.5)
        matrix[:, :2] *= factors
    return WarpPlan(slice(top, bottom + 1), slice(left, right + 1), small, matrix)


def warp(picture: Pixels, to_target: Similarity, width: int, height: int) -> Pixels:
    """The part of a picture that a similarity brings to (0, 0) .. (width, height).

    Where the picture shrinks, it is averaged over areas down to the target's scale first and only
    then turned and shifted, so that nothing shimmers; where it grows, the interpolation is cubic.
    Beyond the picture its edge is repeated.

    Args:
        picture: uint8 or uint16, (H, W, 3) or (H, W); left alone.
        to_target: from the picture's pixels to the target's.
        width: of the result.
        height: of the result.

    Returns:
        A new array of the picture's type.
    """
    plan = warp_plan(picture.shape, to_target, width, height)
    part = picture[plan.rows, plan.columns]
    if plan.small is not None:
        part = cv2.resize(part, plan.small, interpolation=cv2.INTER_AREA)
    return cv2.warpAffine(
        part,
        plan.matrix,
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )


def _within(place: float, side: int) -> int:
    return int(min(max(place, 0), side - 1))


def _as_complex(points: FloatArray) -> npt.NDArray[np.complex128]:
    xy = np.asarray(points, dtype=np.float64)
    return np.asarray(xy[:, 0] + 1j * xy[:, 1])
