"""A set of pairs on disk, and batches of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from efgan_rt.errors import EfganError
from efgan_rt.faces.mouths import DEPTH
from train.portraits.pairs import (
    ARRAYS,
    DEPTH_UNIT,
    MOUTH_BIT,
    PLACE_UNIT,
)

MIRRORED: Final = np.array([-1, 1], np.float32)
PLACE_UNITS: Final = np.array([PLACE_UNIT, DEPTH_UNIT], np.float32)
PLACE_ZERO: Final = np.array([0.5, DEPTH / 2], np.float32)
FAR, LARGEST_PLACE = 100.0, 2.0  # a place that mixes with one outside of the face is far away
FACE, AROUND_MOUTH, AROUND_EYES = 1, 2, 4
SATURATION, GAMMA_SPREAD, TINT_SPREAD = 0.2, 0.2, 0.06
OPENED_SHARE: Final = 0.4
GREY_SHARE: Final = 0.06
SOFT_SHARE: Final = 0.25  # of the pictures lose detail, as small faces and old scans have none


@dataclass(frozen=True)
class Truth:
    """What a stage's totals are to be, for one step of a batch's way; grids as in the set.

    Attributes:
        own_au: (B, K), of the picture that the last stage on the way is given.
        au: (B, K), what is asked for.
        displacement: (B, 2, h, w).
        skin: (B, 2, h, w), where on the face the pixels lie, `train.portraits.folds.skin_places`;
            0 where it is not known.
        known: (B, 1, h, w), 1 where it is.
        mouth: (B, 1, h, w), 0 or 1.
        place: (B, 2, h, w), where `mouth` is 1; down less half of `DEPTH`.
    """

    own_au: Tensor
    au: Tensor
    displacement: Tensor
    skin: Tensor
    known: Tensor
    mouth: Tensor
    place: Tensor


@dataclass(frozen=True)
class PairBatch:
    """A batch of pairs.

    Attributes:
        image: (B, 3, H, W) in [-1, 1], the sources.
        source_au: (B, K).
        truths: of the steps that were asked for.
        face: (B, 1, h, w), 1 on the face at the last step.
        around_mouth: likewise.
        around_eyes: likewise.
    """

    image: Tensor
    source_au: Tensor
    truths: tuple[Truth, ...]
    face: Tensor
    around_mouth: Tensor
    around_eyes: Tensor


class PairSet:
    """Folders that `train.portraits.pairs.write_pairs` wrote, as one set."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """Opens them.

        Raises:
            EfganError: there is none, or one lacks an array.
        """
        if not folders:
            raise EfganError("no folder of pairs was given")
        self._parts = []
        for folder in folders:
            try:
                self._parts.append(
                    {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ARRAYS}
                )
            except (OSError, ValueError) as error:
                raise EfganError(f"{folder}: not a set of pairs: {error}") from error
        self._ends = np.cumsum([len(part["source"]) for part in self._parts])

        opened = [
            np.array([bool((weights[-1] & MOUTH_BIT).any()) for weights in part["weights"]])
            for part in self._parts
        ]
        self._opened = np.flatnonzero(np.concatenate(opened))

    def __len__(self) -> int:
        return int(self._ends[-1])

    def draw(self, count: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
        """Random pairs; `OPENED_SHARE` of them open a mouth that the source does not show."""
        rows = rng.integers(0, len(self), count)
        if len(self._opened):
            chosen = self._opened[rng.integers(0, len(self._opened), count)]
            rows = np.where(rng.random(count) < OPENED_SHARE, chosen, rows)
        return np.asarray(rows, np.intp)

    def row(self, number: int) -> dict[str, npt.NDArray[Any]]:
        """A pair's arrays."""
        part = int(np.searchsorted(self._ends, number, side="right"))
        start = int(self._ends[part - 1]) if part else 0
        return {name: array[number - start] for name, array in self._parts[part].items()}

    def batch(
        self, rows: Sequence[int], steps: Sequence[Sequence[int]], rng: np.random.Generator | None
    ) -> PairBatch:
        """A batch.

        Args:
            rows: which pairs.
            steps: for each truth that is wanted, the step of each pair, from 0.
            rng: for flips and changes of colour; None for neither.
        """
        sources, own, faces = [], [], []
        wanted: list[list[tuple[npt.NDArray[np.generic], ...]]] = [[] for _ in steps]
        for place, number in enumerate(rows):
            row = self.row(number)
            flip = rng is not None and rng.random() < 0.5
            source = np.asarray(row["source"])
            if flip:
                source = source[:, ::-1]
            if rng is not None and rng.random() < SOFT_SHARE:
                source = _softened(source, rng)
            sources.append(source)
            own.append(row["source_au"])
            weights = np.asarray(row["weights"][-1])
            faces.append(weights[:, ::-1] if flip else weights)
            count = len(row["displacement"])
            for truth, which in zip(wanted, steps, strict=True):
                step = which[place]
                share = (step + 1) / count
                before = step / count if len(steps) > 1 else 0.0
                residual = row["target_au"] - row["source_au"]
                units = [row["source_au"] + part * residual for part in (before, share)]
                places = np.asarray(row["place"][step], np.float32) * PLACE_UNITS - PLACE_ZERO
                moved = np.asarray(row["displacement"][step], np.float32)
                arrays: list[npt.NDArray[Any]] = [
                    moved,
                    *_carried(np.asarray(row["skin"], np.float32), moved),
                    (row["weights"][step] & MOUTH_BIT) > 0,
                    places,
                ]
                if flip:
                    arrays = [array[:, ::-1] for array in arrays]
                    for number in (0, 1, 4):
                        arrays[number] = arrays[number] * MIRRORED
                truth.append((*(np.asarray(each, np.float32) for each in units), *arrays))
        image = torch.from_numpy(np.stack(sources)).permute(0, 3, 1, 2).float() / 255
        if rng is not None:
            image = _recoloured(image, rng)
        mask = torch.from_numpy(np.stack(faces))[:, None]
        return PairBatch(
            (image * 2 - 1).contiguous(memory_format=torch.channels_last),
            torch.from_numpy(np.stack(own).astype(np.float32)),
            tuple(_truth(each) for each in wanted),
            *(((mask & bit) > 0).float() for bit in (FACE, AROUND_MOUTH, AROUND_EYES)),
        )


def _carried(
    skin: npt.NDArray[np.float32], moved: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Places on the skin, moved as the picture is; 0 and 0 where none is known, else they and 1."""
    rows, columns = np.mgrid[: len(skin), : len(skin)].astype(np.float32)
    found = cv2.remap(
        np.nan_to_num(skin, nan=FAR),
        columns + moved[..., 0],
        rows + moved[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(FAR, FAR),
    )
    known = (np.abs(found).max(axis=-1) < LARGEST_PLACE).astype(np.float32)
    return np.asarray(found * known[..., None], np.float32), known


def _truth(rows: list[tuple[npt.NDArray[np.generic], ...]]) -> Truth:
    own, au, displacement, skin, known, mouth, place = (
        torch.from_numpy(np.stack([np.asarray(row[i], np.float32) for row in rows]))
        for i in range(7)
    )
    displacement, skin, place = (each.permute(0, 3, 1, 2) for each in (displacement, skin, place))
    return Truth(own, au, displacement, skin, known[:, None], mouth[:, None], place)


def _softened(source: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """A picture that was smaller, or compressed hard."""
    side = len(source)
    if rng.random() < 0.6:
        small = int(side * rng.uniform(0.3, 0.8))
        less = cv2.resize(source, (small, small), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(less, (side, side), interpolation=cv2.INTER_CUBIC))
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 70))]
    _, coded = cv2.imencode(".jpg", np.ascontiguousarray(source), quality)
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


def _recoloured(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Other light and colours, one for each picture."""
    count = len(image)

    def spread(sigma: float, channels: int = 1) -> Tensor:
        drawn = rng.normal(0, sigma, (count, channels, 1, 1)).astype(np.float32)
        return torch.exp(torch.from_numpy(drawn))

    grey = torch.from_numpy(rng.random((count, 1, 1, 1)) < GREY_SHARE).float()
    light = image.mean(dim=1, keepdim=True)
    image = light + (image - light) * spread(SATURATION) * (1 - grey)
    image = image.clamp(1e-3, 1) ** spread(GAMMA_SPREAD)
    return (image * spread(TINT_SPREAD, 3)).clamp(0, 1)
