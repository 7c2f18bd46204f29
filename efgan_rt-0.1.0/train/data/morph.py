"""Pictures on the way from one expression to another, for paired sets (ours).

A paired set shows a person with two expressions and nothing between them, so a network that learns
from it alone turns intensity into a switch: nothing below a half, everything above. A morph fills
the gap. Dense optical flow says where each place of one picture lies in the other; both pictures
are bent to where the places lie part of the way, and only then mixed. So lips and brows move, where
a plain blend would show two of each. What one picture lacks altogether, such as the inside of an
open mouth, fades in.

It needs what such sets have: the same camera, light and background in both pictures.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Field = npt.NDArray[np.floating[Any]]  # float32, (H, W, 2): x and y in pixels, or a picture
BEND_ROUNDS: Final = 4  # after these, the field at the place between moves by less than 0.1 pixel


def morphs(source: Tensor, target: Tensor, shares: Sequence[Tensor]) -> list[Tensor]:
    """Pictures between sources and targets.

    Args:
        source: (B, 3, H, W) in [-1, 1].
        target: the same shape, row by row the same person in the same light.
        shares: (B,) each, 0 (the source) to 1 (the target).

    Returns:
        For each of `shares` the pictures (B, 3, H, W), exactly the source or the target at 0 and 1.
    """
    results = [torch.where(_column(share >= 1, source), target, source) for share in shares]
    for row in range(len(source)):
        inner = [i for i, share in enumerate(shares) if 0 < float(share[row]) < 1]
        if not inner or torch.equal(source[row], target[row]):
            continue
        path = _Path(_picture(source[row]), _picture(target[row]))
        for i in inner:
            between = torch.from_numpy(path.at(float(shares[i][row])))
            results[i][row] = between.permute(2, 0, 1).to(source)
    return results


class _Path:
    """The way between two pictures, float32 (H, W, 3) in [-1, 1]."""

    def __init__(self, first: Field, last: Field) -> None:
        self._first, self._last = first, last
        there, back = _grey(first), _grey(last)
        self._onward = _flow(there, back)
        self._back = _flow(back, there)
        height, width = there.shape
        columns, rows = np.meshgrid(np.arange(width), np.arange(height))
        self._places = np.stack([columns, rows], axis=-1).astype(np.float32)

    def at(self, share: float) -> Field:
        """The picture at a share of the way."""
        # Flow is known at the places of either end; what is wanted is the flow through each place
        # between, found by going back along it until it agrees.
        onward, back = self._onward, -self._back
        for _ in range(BEND_ROUNDS):
            onward = self._seen(self._onward, -share * onward)
            back = -self._seen(self._back, (1 - share) * back)
        through = (1 - share) * onward + share * back
        bent = self._seen(self._first, -share * through, cv2.INTER_CUBIC)
        bent_back = self._seen(self._last, (1 - share) * through, cv2.INTER_CUBIC)
        return np.clip((1 - share) * bent + share * bent_back, -1, 1)

    def _seen(self, field: Field, offset: Field, how: int = cv2.INTER_LINEAR) -> Field:
        """A field's values at every place moved by an offset."""
        at = self._places + offset
        across, down = at[..., 0], at[..., 1]
        seen = cv2.remap(field, across, down, how, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(seen, np.float32)


@cache
def _dense_flow() -> cv2.DISOpticalFlow:
    """OpenCV's dense inverse search, down to single pixels: a lip of a crop has four."""
    dense = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    dense.setFinestScale(0)
    return dense


def _flow(there: npt.NDArray[np.uint8], back: npt.NDArray[np.uint8]) -> Field:
    flow = _dense_flow().calc(there, back, np.zeros((*there.shape, 2), np.float32))
    return np.asarray(flow, np.float32)


def _grey(picture: Field) -> npt.NDArray[np.uint8]:
    levels = np.clip(np.rint((picture + 1) * 127.5), 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(levels, cv2.COLOR_RGB2GRAY), np.uint8)


def _picture(image: Tensor) -> Field:
    return np.ascontiguousarray(image.detach().float().cpu().permute(1, 2, 0).numpy())


def _column(flags: Tensor, image: Tensor) -> Tensor:
    return flags.to(image.device)[:, None, None, None]
