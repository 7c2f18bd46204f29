"""Labelled crops from a set of pairs: many expressions of every portrait.

    python -m train.families.cascade.motion.labelled_crops PAIRS OUT --side 128

Each pair of a set that `efgan-rt prepare --face-model` made gives two pictures, its source and what
becomes of it, each with its action units. The identity is the portrait, `yaw_deg` the way that the
fitted head is turned. OUT gets `images/` and `labels.csv`, as
`efgan-rt train eet --pictures OUT/images --labels OUT/labels.csv` takes them.
"""

import argparse
import csv
import io
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from torch import Tensor

from efgan_rt.action_units import AU_NAMES
from efgan_rt.errors import EfganError
from efgan_rt.faces.template import STANDARD_POINTS, STANDARD_PX
from efgan_rt.pictures.original import Picture
from efgan_rt.pictures.write import write_picture
from efgan_rt.typed import typed
from engines.arrays import FloatArray
from engines.whole_file import write_whole
from train.families.cascade.motion.composition import MotionFields, cheek_tone, picture
from train.families.cascade.motion.pairs_set import PairSet
from train.families.cascade.motion.training import load_atlas
from train.portraits.pairs import CROP_PX, FIELD_PX, STEPS
from train.portraits.portrait_pairs import (
    ATLAS,
    GAP_OF_UNITS,
    SETTINGS,
    PairSettings,
    records,
)

AT_ONCE: Final = 16
QUALITY: Final = 94
SAME_UNITS: Final = 0.05  # a target that asks for no more is its source


@dataclass(frozen=True)
class LabelledCrop:
    """A crop and what its row says.

    Attributes:
        name: of its file, without a suffix.
        pixels: uint8 RGB (side, side, 3).
        identity: whose portrait it is.
        yaw_deg: how far the head is turned to the picture's right.
        au: float32 (K,), 0 to 5.
    """

    name: str
    pixels: Picture
    identity: str
    yaw_deg: float
    au: FloatArray


def crops(pairs: Path, kind: str, side: int) -> Iterator[LabelledCrop]:
    """Both pictures of every pair.

    Args:
        pairs: the set.
        kind: `train` or `test`.
        side: of a crop, in pixels.

    Raises:
        EfganError: it is no set of pairs.
    """
    try:
        settings = typed(json.loads((pairs / SETTINGS).read_text()), PairSettings, SETTINGS)
        atlas = load_atlas(pairs / ATLAS)
        with np.load(pairs / ATLAS) as arrays:
            opening = arrays[GAP_OF_UNITS]
    except (OSError, ValueError, KeyError) as error:
        raise EfganError(
            f"{pairs}: no set of pairs that efgan-rt prepare --face-model made: {error}"
        ) from error
    for number, record in enumerate(records(pairs, settings)):
        names = record.train if kind == "train" else record.test
        folder = pairs / f"{kind}_{number:05d}"
        if not names:
            continue
        found = PairSet([folder])
        owners = [name for name in names for _ in range(settings.pairs)]
        for start in range(0, len(found), AT_ONCE):
            rows = list(range(start, min(start + AT_ONCE, len(found))))
            batch = found.batch(rows, [[STEPS - 1] * len(rows)], None)
            truth = batch.truths[0]
            nothing = torch.zeros(len(rows), 1, FIELD_PX, FIELD_PX)
            mouth = torch.cat([truth.place * truth.mouth, truth.mouth], dim=1)
            fields = MotionFields(truth.displacement, nothing, mouth, nothing.repeat(1, 4, 1, 1))
            gap = truth.au.numpy() @ opening
            choice = np.abs(atlas.gap.numpy() - gap[:, None]).argmin(axis=1)
            made = picture(
                batch.image, fields, atlas, torch.from_numpy(choice), cheek_tone(batch.image)
            )
            for place, row in enumerate(rows):
                name, before, after = owners[row], batch.source_au[place], truth.au[place]
                shown = [(f"{number:05d}_{row:04d}_source", batch.image[place], before)]
                if float((after - before).abs().max()) >= SAME_UNITS:
                    shown.append((f"{number:05d}_{row:04d}_target", made[place], after))
                for file, image, au in shown:
                    yield LabelledCrop(
                        file, _small(image, side), name, record.yaw_deg.get(name, 0.0), au.numpy()
                    )


def write_crops(found: Iterator[LabelledCrop], out: Path, side: int) -> int:
    """Writes pictures and table; how many there are.

    Raises:
        EfganError: the folder holds a set already, or cannot be written.
    """
    table = out / "labels.csv"
    if table.exists():
        raise EfganError(f"{table}: exists already; choose another folder")
    scale = side / STANDARD_PX
    eyes, nose, mouth = (
        (points + 0.5).mean(axis=0) * scale - 0.5
        for points in (STANDARD_POINTS[:2], STANDARD_POINTS[2:3], STANDARD_POINTS[3:])
    )
    points = [f"{value:.2f}" for each in (eyes, nose, mouth) for value in each]
    text, count = io.StringIO(), 0
    rows = csv.writer(text)
    units = [f"{name}_r" for name in AU_NAMES]
    places = [f"{region}_{axis}" for region in ("eyes", "nose", "mouth") for axis in "xy"]
    rows.writerow(["file", "identity", "expression", "yaw_deg", *units, *places])
    try:
        (out / "images").mkdir(parents=True, exist_ok=True)
        for crop in found:
            file = f"{crop.name}.jpg"
            write_picture(out / "images" / file, crop.pixels, quality=QUALITY)
            said = [f"{value:.2f}" for value in crop.au]
            rows.writerow([file, crop.identity, "mixed", f"{crop.yaw_deg:.1f}", *said, *points])
            count += 1
        write_whole(table, text.getvalue())
    except OSError as error:
        raise EfganError(f"{error.filename}: cannot be written: {error.strerror}") from error
    return count


def _small(image: Tensor, side: int) -> Picture:
    """A crop (3, H, W) in [-1, 1] at another size."""
    levels = ((image.permute(1, 2, 0).numpy() + 1) * 127.5).round().clip(0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(levels, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    given = argparse.ArgumentParser(
        prog="python -m train.families.cascade.motion.labelled_crops",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    given.add_argument("pairs", type=Path, metavar="PAIRS")
    given.add_argument("out", type=Path, metavar="OUT")
    given.add_argument("--side", type=int, default=128, metavar="PX")
    given.add_argument("--kind", choices=("train", "test"), default="train")
    options = given.parse_args(arguments)
    try:
        if not 1 <= options.side <= CROP_PX:
            raise EfganError(f"--side {options.side}, expected 1 to {CROP_PX}, a pair's own side")
        found = crops(options.pairs, options.kind, options.side)
        count = write_crops(found, options.out, options.side)
    except EfganError as error:
        sys.exit(f"error: {error}")
    print(f"{count} crops in {options.out}")


if __name__ == "__main__":
    main()
