"""Labelled face crops in memory, and the batches that the phases of training draw from them.

The whole set is held as bytes (48 kB a picture of 128 x 128: 6,400 pictures take 315 MB), so that a
step never waits for a disk. Every draw comes from one seeded generator whose state is part of the
checkpoint, so a resumed training sees the pictures that an uninterrupted one would have seen.
"""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from efgan_rt.errors import EfganError
from efgan_rt.pictures.crop import to_crop
from efgan_rt.pictures.original import Picture
from efgan_rt.pictures.read import read_picture
from engines.arrays import FloatArray
from train.data.labels import LabelTable
from train.data.regions import REGION_SIZES, RegionBox
from train.distributed import own_rows
from train.pixels import to_unit_range


@dataclass(frozen=True)
class Batch:
    """Pictures (B, 3, H, W) in [-1, 1], their action units (B, K), 0 to 5, and which they are.

    `rows` (B,) are rows of the set's table, `mirrored` (B,) says which are mirror images of theirs.
    Where several processes train together, a batch is this process's share of the whole one.
    """

    image: Tensor
    au: Tensor
    rows: Tensor
    mirrored: Tensor


@dataclass(frozen=True)
class Pair:
    """Two pictures of the same person and surroundings: what is given and what is wanted."""

    source: Batch
    target: Batch


@dataclass(frozen=True)
class Augmentation:
    """Changes made alike to every picture of a draw; zero and False leave pictures as they are."""

    flip: bool = False  # mirror half of the draws
    gain: float = 0.0  # each colour channel is scaled by 1 +- this
    shift_px: int = 0  # moved by up to so many pixels, edges replicated


class FaceSet:
    """Crops and labels of a training or test set, drawn from at random."""

    def __init__(
        self,
        root: Path | Sequence[Path],
        table: LabelTable,
        *,
        crop_px: int = 128,
        device: str = "cpu",
        alignment: dict[str, Any] | None = None,
    ) -> None:
        """Reads every picture of the table.

        Args:
            root: the folder of the pictures, or one for each row of a table joined from several.
            table: their labels.
            crop_px: side that the pictures are brought to.
            device: that holds them.
            alignment: the set's template as plain values, if known, for the checkpoint.

        Raises:
            EfganError: a picture is missing or cannot be decoded.
        """
        if len(table) == 0:
            raise EfganError(f"{root}: no pictures are left for this set")
        roots = [root] * len(table) if isinstance(root, Path) else root
        self.table = table
        self.alignment = alignment
        self.device = torch.device(device)
        with ThreadPoolExecutor(4) as pool:
            paths = [folder / name for folder, name in zip(roots, table.files, strict=True)]
            crops = list(pool.map(lambda path: _read_crop(path, crop_px), paths))
        self.pixels = torch.from_numpy(np.stack([crop for crop, _ in crops])).to(self.device)
        self.au = torch.from_numpy(table.au).to(self.device)
        self._scales = np.array([scale for _, scale in crops], dtype=np.float32)
        self.crop_px = crop_px
        self._paired = self._paired_rows()
        self.drawn: list[int] = []  # rows drawn since `forget_drawn`, to name a step's pictures
        self._one_sided = {i for i, e in enumerate(table.expressions) if e == "contemptuous"}

    def points(self, region: str) -> FloatArray:
        """Each picture's key point of a region, x and y in the crop's pixels, (N, 2)."""
        return self.table.points[region] * self._scales[:, None]

    def region_boxes(self, names: Sequence[str]) -> dict[str, RegionBox]:
        """Each region's patch, centred on the set's average key point (paper, section 4.1)."""
        boxes = {}
        for name in names:
            x, y = self.points(name).mean(axis=0)
            boxes[name] = RegionBox.centred(float(x), float(y), *REGION_SIZES[name], self.crop_px)
        return boxes

    def fingerprint(self) -> str:
        """The same for the same files with the same labels."""
        digest = hashlib.sha256("\n".join(self.table.files).encode())
        digest.update(self.table.au.tobytes())
        return digest.hexdigest()

    def forget_drawn(self) -> None:
        """Starts `drawn` anew; called before every step."""
        self.drawn.clear()

    def draw(self, count: int, rng: torch.Generator, change: Augmentation | None = None) -> Batch:
        """Pictures drawn with replacement."""
        rows = torch.randint(len(self.table), (count,), generator=rng).tolist()
        return self._batches([rows], rng, change or Augmentation())[0]

    def draw_pairs(
        self,
        count: int,
        rng: torch.Generator,
        change: Augmentation | None = None,
        *,
        unchanged_share: float = 0.0,
    ) -> Pair:
        """Two expressions of one person each, both changed alike.

        Args:
            count: B.
            rng: the training's generator.
            change: the augmentation, the same for both pictures of a pair.
            unchanged_share: share of the pairs that are any one picture twice, so that asking for
                no change is learnt on every pose and light of the set.

        Raises:
            EfganError: no person of the set has two pictures that are paired.
        """
        if not self._paired:
            raise EfganError(
                "no person of the set has two named expressions, so nothing is paired; "
                "use a recipe without the paired warm-up"
            )
        sources, targets = [], []
        for _ in range(count):
            if float(torch.rand((), generator=rng)) < unchanged_share:
                row = int(torch.randint(len(self.table), (), generator=rng))
                sources.append(row)
                targets.append(row)
                continue
            rows = self._paired[int(torch.randint(len(self._paired), (), generator=rng))]
            first, second = torch.randperm(len(rows), generator=rng)[:2].tolist()
            sources.append(rows[first])
            targets.append(rows[second])
        source, target = self._batches([sources, targets], rng, change or Augmentation())
        return Pair(source, target)

    def _paired_rows(self) -> list[list[int]]:
        """Rows of each person's named expressions, for people who have at least two."""
        by_person: dict[str, list[int]] = {}
        for i, (who, what) in enumerate(
            zip(self.table.identities, self.table.expressions, strict=True)
        ):
            if what not in ("mixed", ""):
                by_person.setdefault(who, []).append(i)
        return [rows for rows in by_person.values() if len(rows) > 1]

    def _batches(
        self, columns: list[list[int]], rng: torch.Generator, change: Augmentation
    ) -> list[Batch]:
        """Pictures of several aligned lists of rows; row i of every list is changed alike."""
        count = len(columns[0])
        flip = torch.rand(count, generator=rng) < (0.5 if change.flip else 0.0)
        # A one-sided expression's mirror image has the same label: mirroring would blur it.
        one_sided = [any(rows[i] in self._one_sided for rows in columns) for i in range(count)]
        flip &= ~torch.tensor(one_sided)
        gain = 1 + change.gain * (2 * torch.rand(count, 3, 1, 1, generator=rng) - 1)
        span = 2 * change.shift_px + 1
        shift = torch.randint(span, (count, 2), generator=rng) - change.shift_px
        # Everything random is drawn for the whole batch, whichever share of it this process keeps.
        mine = own_rows(count)
        flip, gain, shift = flip[mine], gain[mine], shift[mine]
        batches = []
        for whole in columns:
            self.drawn += whole
            rows = whole[mine]
            image = to_unit_range(self.pixels[rows])
            if change.flip:
                image = torch.where(flip[:, None, None, None].to(self.device), image.flip(3), image)
            if change.gain:
                image = ((image + 1) * gain.to(self.device) - 1).clamp(-1, 1)
            if change.shift_px:
                image = _shifted(image, shift)
            batches.append(Batch(image, self.au[rows], torch.tensor(rows), flip))
        return batches


def _shifted(image: Tensor, shift: Tensor) -> Tensor:
    """Moves each picture by its own (dy, dx) pixels, replicating the edges."""
    margin = int(shift.abs().max())
    if margin == 0:
        return image
    height, width = image.shape[2:]
    padded = torch.nn.functional.pad(image, (margin,) * 4, mode="replicate")
    return torch.stack(
        [
            padded[i, :, margin - dy : margin - dy + height, margin - dx : margin - dx + width]
            for i, (dy, dx) in enumerate(shift.tolist())
        ]
    )


def _read_crop(path: Path, crop_px: int) -> tuple[Picture, float]:
    """A crop as RGB bytes (crop_px, crop_px, 3) and the scale from the file's pixels to it."""
    picture = read_picture(path)
    height, width = picture.shape[:2]
    if height != width:
        raise EfganError(f"{path}: {width} x {height} pixels, expected a square face crop")
    return to_crop(picture, crop_px), crop_px / width
