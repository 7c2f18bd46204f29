"""What becomes of a picture's fine detail where its face was edited.

The networks see a face at 128 pixels. Detail beyond that (pores, lashes, the thin line between the
lips) they neither see nor make. Where nothing was edited it shall stay; but where the mouth opened,
the old lips' line may not stay behind as a ghost across the new mouth. So, on the crop's grid:

- Detail moves along with what moved: optical flow from the edited crop to the crop says where from.
  The flow counts where it explains the edit and is smooth; elsewhere nothing is moved.
- Detail goes where the edit is strong, is not explained by movement, and no longer has the fine
  structure that the crop had there.
- Where it goes, the texture of like-coloured, structureless skin nearby takes its place.

The numbers below were chosen by the rendered set's true pairs, taken as pictures of two and four
times a crop's size, and by looking at photographs.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from efgan_rt.pictures.original import Picture

FloatImage = npt.NDArray[np.float32]

# Levels of change, averaged over some pixels, from which a place counts as edited, and as wholly.
EDITED: Final = (2.0, 6.0)
# Levels left unexplained by movement, from which detail begins to go, and is all gone.
UNEXPLAINED: Final = (12.0, 40.0)
FLOW_GROWN: Final = 2  # the flow is read at twice the crop's size: half pixels matter
# How much a pixel's neighbour may move differently, in pixels, before the flow is no movement of a
# face: at half of it the flow still counts fully.
MAX_STRETCH: Final = 0.6
# The error without movement over that with it: from where movement counts, and counts fully.
EXPLAINS: Final = (1.0, 1.3)
NOISE_VARIANCE: Final = 9.0  # of fine structure; below it there is none to compare
# Where texture may be lent from, x and y from a place, in pixels of half the crop's size.
LENDERS: Final = tuple(
    (round(radius * np.cos(angle) / 2), round(radius * np.sin(angle) / 2))
    for radius, turned in ((9, 0.0), (16, 0.5), (24, 0.0))
    for angle in (np.arange(8) + turned) * np.pi / 4
)
LENDERS_REACH: Final = 12


@dataclass(frozen=True, eq=False)
class DetailPlan:
    """Where the detail of each pixel of an edited crop comes from; float32, on the crop's grid.

    Attributes:
        origin: (crop, crop, 2), x and y from the pixel to where its own detail was, in pixels.
        kept: (crop, crop), the share of it that stays, 0 to 1.
        lender: (crop, crop, 2), x and y to a place that lends its texture.
        lent: (crop, crop), the share of that which is taken, 0 to 1.
    """

    origin: FloatImage
    kept: FloatImage
    lender: FloatImage
    lent: FloatImage

    @property
    def active(self) -> npt.NDArray[np.bool_]:
        """Where anything but the picture's own detail in its own place is used, (crop, crop)."""
        moved = (self.origin[..., 0] != 0) | (self.origin[..., 1] != 0)
        return np.asarray(moved | (self.kept != 1) | (self.lent != 0))


def plan_detail(crop: Picture, edited: Picture) -> DetailPlan:
    """The plan for a crop and its edit, both uint8 RGB (crop, crop, 3)."""
    before, after = crop.astype(np.float32), edited.astype(np.float32)
    share = _rising(_blurred(_most(np.abs(after - before)), 2), EDITED)
    origin = _movement(crop, edited, share)
    moved = _moved(before, origin)
    unexplained = _most(np.abs(_blurred(after - moved, 1)))
    gone = _rising(unexplained, UNEXPLAINED) * (1 - _likeness(moved, after)) * (share > 0)
    kept = np.where(share > 0, 1 - _blurred(gone, 0.7), 1).astype(np.float32)
    lender, suits = _lenders(before, after, kept)
    lent = suits * np.sqrt(np.maximum(1 - kept * kept, 0))
    return DetailPlan(origin, kept, lender, np.asarray(lent, dtype=np.float32))


def _movement(crop: Picture, edited: Picture, share: FloatImage) -> FloatImage:
    """For each pixel of the edited crop, from where in the crop it came; (crop, crop, 2)."""
    side = len(crop)
    grown = (side * FLOW_GROWN, side * FLOW_GROWN)
    old, new = (
        cv2.resize(cv2.cvtColor(each, cv2.COLOR_RGB2GRAY), grown, interpolation=cv2.INTER_CUBIC)
        for each in (crop, edited)
    )
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow.setFinestScale(0)
    # Denser patches and a refinement take twice the time and come no nearer to the truth.
    flow.setPatchStride(4)
    flow.setVariationalRefinementIterations(0)
    grown_flow = flow.calc(new, old, np.zeros((*new.shape, 2), np.float32)) / FLOW_GROWN
    small_flow = cv2.resize(grown_flow, (side, side), interpolation=cv2.INTER_AREA)
    found = _blurred(np.asarray(small_flow, dtype=np.float32), 1)
    across, down = np.gradient(found, axis=1), np.gradient(found, axis=0)
    stretch = np.sqrt(_total(across**2 + down**2))
    trusted = share * (1 - _rising(_blurred(stretch, 1), (MAX_STRETCH / 2, MAX_STRETCH)))
    found = np.asarray(found * trusted[..., np.newaxis], dtype=np.float32)
    before, after = crop.astype(np.float32), edited.astype(np.float32)
    without, with_it = (
        _blurred(_total(np.abs(after - each)) / np.float32(3), 1.2) + 1
        for each in (before, _moved(before, found))
    )
    found = found * _rising(without / with_it, EXPLAINS)[..., np.newaxis]
    # Blurring spreads a movement by a pixel or two; where nothing is edited nothing moves.
    return np.asarray(_blurred(found, 0.7) * (share > 0)[..., np.newaxis], dtype=np.float32)


def _likeness(moved: FloatImage, after: FloatImage) -> FloatImage:
    """How much of the crop's fine structure the edited crop still has, (crop, crop), 0 to 1."""
    old, new = moved - _blurred(moved, 1.5), after - _blurred(after, 1.5)
    shared = _blurred(_total(old * new), 1.5) + NOISE_VARIANCE
    own = _blurred(_total(old * old), 1.5) + NOISE_VARIANCE
    return np.asarray(np.clip(shared / own, 0, 1), dtype=np.float32)


def _lenders(
    before: FloatImage, after: FloatImage, kept: FloatImage
) -> tuple[FloatImage, FloatImage]:
    """The way to the best lender of texture, and how well it suits, 0 to 1.

    A lender has the colour that is wanted, no structure, and keeps its own detail. Looked for at
    half the crop's size, which is plenty for places that are smooth.
    """
    side = len(before)
    half = (side // 2, side // 2)

    def small(image: FloatImage) -> FloatImage:
        return np.asarray(cv2.resize(image, half, interpolation=cv2.INTER_AREA), dtype=np.float32)

    if (kept == 1).all():
        return np.zeros((side, side, 2), np.float32), np.zeros((side, side), np.float32)
    fine = np.sqrt(_blurred(_total((before - _blurred(before, 1.5)) ** 2), 2))
    tone, wanted = small(_blurred(before, 2)), small(_blurred(after, 2))
    unsuited = np.maximum(small(fine) - 6, 0) / 8 + 3 * (1 - small(kept))
    reach = LENDERS_REACH
    around = ((reach, reach), (reach, reach))
    unsuited = np.pad(unsuited, around, "edge")
    tone = np.pad(tone, (*around, (0, 0)), constant_values=-999)
    costs = np.empty((*half, len(LENDERS)), np.float32)
    for number, (x, y) in enumerate(LENDERS):
        there = slice(reach + y, reach + y + half[1]), slice(reach + x, reach + x + half[0])
        unlike = _total(np.abs(tone[there] - wanted)) / np.float32(3 * 25)
        costs[..., number] = _blurred(np.minimum(unsuited[there] + unlike, 9), 1.5)
    best = costs.argmin(axis=-1)
    lender = 2 * np.asarray(LENDERS, np.float32)[best]
    suits = np.clip(3 - costs.min(axis=-1), 0, 1)
    return (
        np.asarray(cv2.resize(lender, (side, side), interpolation=cv2.INTER_NEAREST), np.float32),
        np.asarray(cv2.resize(suits, (side, side), interpolation=cv2.INTER_LINEAR), np.float32),
    )


def _moved(image: FloatImage, origin: FloatImage) -> FloatImage:
    """An image each pixel of which was fetched from its origin."""
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float32)
    return np.asarray(
        cv2.remap(
            image,
            columns + origin[..., 0],
            rows + origin[..., 1],
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        dtype=np.float32,
    )


def _total(image: FloatImage) -> FloatImage:
    """The sum of the channels; NumPy takes ten times as long."""
    return np.asarray(cv2.transform(image, np.ones((1, image.shape[-1]), np.float32)), np.float32)


def _most(image: FloatImage) -> FloatImage:
    """The largest of three channels."""
    return np.maximum(np.maximum(image[..., 0], image[..., 1]), image[..., 2])


def _blurred(image: FloatImage, sigma: float) -> FloatImage:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), dtype=np.float32)


def _rising(values: FloatImage, between: tuple[float, float]) -> FloatImage:
    """0 below the first of two values, 1 above the second, even between them."""
    low, high = between
    return np.asarray(np.clip((values - low) / (high - low), 0, 1), dtype=np.float32)
