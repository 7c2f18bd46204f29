"""Trains motion: first one stage for any part of the way, then a cascade of its copies, end to end.

A stage learns fields from a source and the units of a state some part of the way to the target. In
the cascade each stage gets what the stages before it made of the source and answers for the totals.
Crops with labels, people in several expressions each, can join: there the edit's picture is learnt.
"""

import argparse
import copy
import itertools
import json
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor, nn

from efgan_rt.action_units import AU_NAMES
from efgan_rt.errors import EfganError
from train.data.faces import Augmentation, FaceSet
from train.data.labels import read_labels
from train.families.cascade.motion.composition import (
    MotionFields,
    MouthAtlas,
    cheek_tone,
    composed,
    picture,
)
from train.families.cascade.motion.losses import motion_loss
from train.families.cascade.motion.networks import (
    MOTION_REGIONS,
    MotionEFGAN,
    SkinReading,
    motion_regions,
)
from train.families.cascade.motion.paired_pictures import PictureLoss, picture_loss
from train.families.cascade.motion.pairs_set import PairBatch, PairSet
from train.portraits.mouths import ROWS
from train.portraits.pairs import STEPS
from train.portraits.portrait_pairs import FOLDS

BETAS: Final = (0.9, 0.99)
LARGEST_NORM: Final = 1.0
WARM_STEPS: Final = 150
EMA: Final = 0.998
AHEAD: Final = 3  # batches
CROP_PX: Final = 256
PICTURES_CHANGE: Final = Augmentation(flip=True, gain=0.08, shift_px=4)
UNCHANGED_SHARE: Final = 0.1
FINE: Final = ("fine", "heads")  # what `MotionEFGAN.renew` renews


def load_atlas(path: Path) -> MouthAtlas:
    """The mouths of `train.portraits.mouths.atlas`, from an `.npz`.

    Raises:
        EfganError: there are none.
    """
    try:
        with np.load(path) as arrays:
            pixels = torch.from_numpy(arrays["pixels"]).permute(0, 3, 1, 2).float() / 255
            skin, gap = (torch.from_numpy(arrays[name]) for name in ("skin", "gap"))
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise EfganError(f"{path}: no atlas of mouths: {error}") from error
    return MouthAtlas(pixels, skin, gap, eyes=pixels.shape[2] > ROWS)


def load_folds(pairs: Path) -> Tensor:
    """A set's pictures of folds, (K, FOLDS_PX, FOLDS_PX).

    Raises:
        EfganError: there are none.
    """
    try:
        return torch.from_numpy(np.load(pairs / FOLDS)).float()
    except (OSError, ValueError) as error:
        raise EfganError(f"{pairs / FOLDS}: no pictures of folds: {error}") from error


def run_stages(
    stages: Sequence[MotionEFGAN],
    image: Tensor,
    stage_au: Sequence[Tensor],
    atlas: MouthAtlas,
    choice: Tensor,
) -> list[tuple[MotionFields, SkinReading]]:
    """The totals after each stage, and what the stage read."""
    tone = cheek_tone(image)
    totals: MotionFields | None = None
    found = []
    seen = image
    for number, (stage, au) in enumerate(zip(stages, stage_au, strict=True)):
        with torch.autocast("cpu", torch.bfloat16, enabled=True):
            fields, skin = stage.read(seen, au)
        totals = composed(fields, totals)
        found.append((totals, skin))
        if number + 1 < len(stages):
            # A stage is not to make pictures that are easy to go on from.
            with torch.no_grad():
                made = picture(image, totals, atlas, choice, tone)
            seen = made.contiguous(memory_format=torch.channels_last)
    return found


def main() -> None:
    """Trains by the clock; see `--help`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pairs", type=Path, help="folder of folders of pairs")
    parser.add_argument("atlas", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--kind", choices=("stage", "cascade"), required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--start", type=Path, help="weights to begin with")
    parser.add_argument("--global-only", action="store_true", help="without local branches")
    parser.add_argument("--rate", type=float, default=6e-4)
    parser.add_argument(
        "--renew",
        choices=MOTION_REGIONS,
        nargs="+",
        default=(),
        help="branches whose fine fields begin anew",
    )
    parser.add_argument("--renewed-rate", type=float, default=6e-4, help="of what is renewed")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--pictures", type=Path, help="folder of crops of people in many states")
    parser.add_argument("--labels", type=Path, help="table of --pictures")
    parser.add_argument("--pictures-batch", type=int, default=4, help="pairs of them in a step")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if (options.pictures is None) != (options.labels is None):
        parser.error("--pictures and --labels go together")
    if options.pictures_batch < 1:
        parser.error(f"--pictures-batch: found {options.pictures_batch}, expected 1 or more")
    try:
        train(options)
    except EfganError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")


def train(options: Any) -> None:
    """Runs the training that the options ask for."""
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    atlas = load_atlas(options.atlas)
    count = 1 if options.kind == "stage" else STEPS
    stages = [MotionEFGAN(CROP_PX, motion_regions(CROP_PX), len(AU_NAMES)) for _ in range(count)]
    if options.start:
        saved = torch.load(options.start, weights_only=True)
        for number, stage in enumerate(stages):
            stage.load_state_dict(saved[min(number, len(saved) - 1)])
    for stage in stages:
        stage.folds.copy_(load_folds(options.pairs))
        stage.uses_regions = not options.global_only
        channels_last(stage)
    if options.renew:
        some = next(batches_ahead(options.pairs, options.batch, 1, options.seed))
        for stage, name in itertools.product(stages, options.renew):
            stage.renew(name, some.image, some.truths[0].au)
    average = [copy.deepcopy(stage).requires_grad_(False) for stage in stages]
    rates: dict[float, list[nn.Parameter]] = {}
    for name, each in itertools.chain(*(stage.named_parameters() for stage in stages)):
        if not options.global_only or name.startswith(("face.", "steer.", "reader.")):
            is_renewed = name.startswith(
                tuple(f"patches.{region}.{part}." for region in options.renew for part in FINE)
            )
            rate = options.renewed_rate if is_renewed else options.rate
            rates.setdefault(rate, []).append(each)
    used = [each for group in rates.values() for each in group]
    groups = [{"params": group, "lr": rate} for rate, group in rates.items()]
    optimizer = torch.optim.Adam(groups, betas=BETAS, fused=True)
    most = [group["lr"] for group in optimizer.param_groups]
    began, step = time.monotonic(), 0
    sums: dict[str, float] = {}
    ahead = batches_ahead(options.pairs, options.batch, count, options.seed)
    tested = PairSet(sorted(options.pairs.glob("test_*")))
    log = options.out.with_suffix(".jsonl").open("a")
    faces: FaceSet | None = None
    if options.pictures:
        faces = FaceSet(options.pictures, read_labels(options.labels), crop_px=CROP_PX)
    drawn = torch.Generator().manual_seed(options.seed)
    while (done := (time.monotonic() - began) / options.seconds) < 1:
        falling = 0.5 * (1 + math.cos(math.pi * max(0.0, done - 0.3) / 0.7))
        rate = min(1.0, (step + 1) / WARM_STEPS) * (0.03 + 0.97 * falling)
        for group, highest in zip(optimizer.param_groups, most, strict=True):
            group["lr"] = highest * rate
        batch = next(ahead)
        total, figures = losses(stages, batch, atlas, rng)
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        if faces is not None:
            found = pictures_loss(stages, faces, options.pictures_batch, atlas, drawn)
            found.total.backward()
            figures["pictures"] = found.seen
        norm = torch.nn.utils.clip_grad_norm_(used, LARGEST_NORM)
        if not torch.isfinite(norm):
            raise FloatingPointError(f"step {step}: the gradient is {norm}")
        optimizer.step()
        step += 1
        share = min(EMA, step / (step + 20))
        with torch.no_grad():
            for old, stage in zip(average, stages, strict=True):
                for kept, new in zip(old.parameters(), stage.parameters(), strict=True):
                    kept.lerp_(new, 1 - share)
        for name, value in figures.items():
            sums[name] = sums.get(name, 0.0) + value
        if step % 100 == 0:
            said = {"step": step, "s": round(time.monotonic() - began), **_shares(sums, 100)}
            sums = {}
            if step % 500 == 0:
                said |= {f"test_{k}": v for k, v in test(average, tested, atlas).items()}
            print(json.dumps(said), file=log, flush=True)
            torch.save([stage.state_dict() for stage in average], options.out)
    torch.save([stage.state_dict() for stage in average], options.out)
    final = {f"test_{k}": v for k, v in test(average, tested, atlas).items()}
    print(json.dumps({"step": step, **final, "done": True}), file=log, flush=True)


def channels_last(module: nn.Module) -> None:
    """Lays a module's convolutions out as PyTorch's CPU kernels are quickest with."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            weight = layer.weight.data.contiguous(memory_format=torch.channels_last)
            layer.weight = nn.Parameter(weight)


def batches_ahead(folder: Path, size: int, stages: int, seed: int) -> Iterator[PairBatch]:
    """Random batches without end, made by a thread of their own; new folders join."""
    made: Queue[PairBatch | BaseException] = Queue(AHEAD)

    def make() -> None:
        try:
            rng = np.random.default_rng([seed, 1])
            folders: list[Path] = []
            for number in itertools.count():
                if number % 500 == 0 and len(found := _folders(folder)) > len(folders):
                    folders, pairs = found, PairSet(found)
                rows = pairs.draw(size, rng).tolist()
                made.put(pairs.batch(rows, asked_steps(stages, size, rng), rng))
        except BaseException as error:
            made.put(error)

    Thread(target=make, daemon=True, name="batches").start()
    while True:
        batch = made.get()
        if isinstance(batch, BaseException):
            raise batch
        yield batch


def asked_steps(stages: int, batch: int, rng: np.random.Generator) -> list[list[int]]:
    """Which truths: a random part of the way for one stage, all parts in turn for a cascade."""
    if stages == 1:
        return [rng.choice(STEPS, batch, p=[0.25, 0.25, 0.5]).tolist()]
    return [[step] * batch for step in range(STEPS)]


def losses(
    stages: Sequence[MotionEFGAN], batch: PairBatch, atlas: MouthAtlas, rng: np.random.Generator
) -> tuple[Tensor, dict[str, float]]:
    """The loss over all stages, and the last one's figures."""
    choice = torch.from_numpy(rng.integers(0, len(atlas.gap), len(batch.image)))
    found = run_stages(stages, batch.image, [t.au for t in batch.truths], atlas, choice)
    parts = [motion_loss(*f, truth, batch) for f, truth in zip(found, batch.truths, strict=True)]
    return torch.stack([part.total for part in parts]).sum(), parts[-1].figures


def pictures_loss(
    stages: Sequence[MotionEFGAN],
    faces: FaceSet,
    count: int,
    atlas: MouthAtlas,
    rng: torch.Generator,
) -> PictureLoss:
    """The loss of pairs of pictures, the whole way from one to the other."""
    pair = faces.draw_pairs(count, rng, PICTURES_CHANGE, unchanged_share=UNCHANGED_SHARE)
    source, target = pair.source, pair.target
    image = source.image.contiguous(memory_format=torch.channels_last)
    steps = [(number + 1) / len(stages) for number in range(len(stages))]
    way = [source.au + share * (target.au - source.au) for share in steps]
    choice = torch.randint(len(atlas.gap), (count,), generator=rng)
    found = run_stages(stages, image, way, atlas, choice)
    totals = found[-1][0]
    made = picture(image, totals, atlas, choice, cheek_tone(image))
    return picture_loss(made, target.image, source.image, totals, found[0][1], source.au)


@torch.no_grad()
def test(
    stages: Sequence[MotionEFGAN], pairs: PairSet, atlas: MouthAtlas, batch: int = 8
) -> dict[str, float]:
    """Figures of the last totals on all pairs, all of their way."""
    rng = np.random.default_rng(1)
    sums: dict[str, float] = {}
    count = 0
    for start in range(0, len(pairs), batch):
        rows = list(range(start, min(start + batch, len(pairs))))
        wanted = asked_steps(len(stages), len(rows), rng)
        if len(stages) == 1:
            wanted = [[STEPS - 1] * len(rows)]
        _, figures = losses(stages, pairs.batch(rows, wanted, None), atlas, rng)
        count += 1
        for name, value in figures.items():
            sums[name] = sums.get(name, 0.0) + value
    return _shares(sums, count)


def _shares(sums: dict[str, float], count: int) -> dict[str, float]:
    pictures = {"pictures": round(sums["pictures"] / count, 4)} if "pictures" in sums else {}
    return pictures | {
        "moved": round(sums["moved"] / max(sums["still"], 1e-9), 4),
        "seen": round(sums["seen"] / count, 4),
        "skin": round(sums["skin"] / count, 4),
        "units": round(sums["units"] / count, 4),
        "iou": round(sums["both"] / max(sums["either"], 1.0), 4),
        "place": round(sums["place"] / count, 4),
        "loss": round(sums["loss"] / count, 4),
    }


def _folders(pairs: Path) -> list[Path]:
    return sorted(
        done.parent for done in pairs.glob("*/done") if not done.parent.name.startswith("test")
    )


if __name__ == "__main__":
    main()
