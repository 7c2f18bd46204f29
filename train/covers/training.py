"""Trains the network that finds covers; without `--out` measures the package's on other people.

    python -m train.covers.training PORTRAITS --out efgan_rt/faces/cover/cover.onnx
    python -m train.covers.training PORTRAITS

PORTRAITS is a folder as `efgan-rt prepare --face-model` reads them: `portraits.csv` with `file` and
`split`, `fits.npz` with `landmarks`, `images/`.
"""

import argparse
import csv
import json
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from efgan_rt.faces.cover import fitted, free_share
from train.covers.drawing import CHEEKS, EYES, Portrait, bothered, covered, face_mask, one_of
from train.covers.drawing import SIDE as DRAWN
from train.covers.network import SAID, SIDE, CoverNetwork

COVERED_SHARE: Final = 0.55
CUT_SHARE: Final = 0.3
BATCH: Final = 32
LEARNING_RATE: Final = 3e-3
DARK_EYES: Final = 0.36  # of the cheeks' light

Samples = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.uint8]]


def read_portraits(folder: Path, split: str) -> list[Portrait]:
    """The portraits of a split at the size at which covers are drawn."""
    landmarks = np.load(folder / "fits.npz")["landmarks"].astype(np.float32)
    found = []
    with (folder / "portraits.csv").open(newline="") as file:
        for row, points in zip(csv.DictReader(file), landmarks, strict=True):
            if row["split"] != split:
                continue
            pixels = cv2.imread(str(folder / "images" / row["file"]))
            assert pixels is not None, row["file"]
            scale = DRAWN / pixels.shape[0]
            small = cv2.resize(pixels, (DRAWN, DRAWN), interpolation=cv2.INTER_AREA)
            rgb = cv2.cvtColor(small, cv2.COLOR_BGR2RGB)
            portrait = Portrait(np.asarray(rgb, np.uint8), points * scale)
            if not _wears_dark_glasses(portrait):
                found.append(portrait)
    return found


def _wears_dark_glasses(portrait: Portrait) -> bool:
    """Whether both eyes are in the dark: such a portrait is no free face, and is left out."""
    grey = portrait.pixels.mean(axis=2)
    left, right = (portrait.points[eye].mean(axis=0) for eye in EYES)
    half = max(int(np.linalg.norm(left - right) * 0.2), 2)

    def light(at: npt.NDArray[np.float32]) -> float:
        x, y = (int(np.clip(value, half, DRAWN - half)) for value in at)
        return float(grey[y - half : y + half, x - half : x + half].mean())

    cheeks = np.mean([light(portrait.points[cheek]) for cheek in CHEEKS])
    return bool(max(light(left), light(right)) < DARK_EYES * cheeks)


def jittered(portrait: Portrait, random: np.random.Generator) -> Portrait:
    """A portrait framed, lit and coloured a little differently."""
    centre, turn, scale = (DRAWN / 2, DRAWN / 2), random.normal(0, 5), random.uniform(0.88, 1.14)
    matrix = np.asarray(cv2.getRotationMatrix2D(centre, turn, scale), np.float64)
    matrix[:, 2] += random.normal(0, 3, 2)
    pixels = cv2.warpAffine(
        portrait.pixels, matrix, (DRAWN, DRAWN), borderMode=cv2.BORDER_REPLICATE
    )
    points = portrait.points @ matrix[:, :2].T + matrix[:, 2]
    power, gains = random.uniform(0.65, 1.5), random.normal(1, 0.06, 3)
    lit = 255 * (pixels / 255.0) ** power * gains
    if random.random() < 0.12:
        lit = np.repeat(lit.mean(axis=2, keepdims=True), 3, axis=2)
    return Portrait(np.clip(lit, 0, 255).astype(np.uint8), points.astype(np.float32))


def drawn_over(
    portraits: Sequence[Portrait], random: np.random.Generator, is_covered: bool
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """A face with or without a cover, what is covered of it, and where the face is, 0 or 1."""
    portrait = jittered(one_of(portraits, random), random)
    if is_covered:
        pixels, mask = covered(portrait, portraits, random)
        if random.random() < 0.15:
            pixels = bothered(Portrait(pixels, portrait.points), random)
    else:
        pixels, mask = bothered(portrait, random), np.zeros((DRAWN, DRAWN), np.float32)
    if random.random() < 0.3:
        _, coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 60])
        pixels = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    if random.random() < CUT_SHARE:
        pixels, mask = cut_off(pixels, mask, random)
    return pixels, mask, face_mask(portrait.points)


def cut_off(
    pixels: npt.NDArray[np.uint8], mask: npt.NDArray[np.float32], random: np.random.Generator
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """A face at the edge of its picture: the crop repeats the edge beyond it, which is no cover."""
    cuts = [0] * 4  # top, bottom, left, right
    for side in random.choice(4, random.integers(1, 3), replace=False):
        cuts[side] = int(random.integers(4, round(0.38 * DRAWN)))
    top, bottom, left, right = cuts
    inside = slice(top, DRAWN - bottom), slice(left, DRAWN - right)
    kept = np.zeros_like(mask)
    kept[inside] = mask[inside]
    border = cv2.BORDER_REPLICATE
    again = cv2.copyMakeBorder(pixels[inside], top, bottom, left, right, border)
    return np.asarray(again, np.uint8), kept


def samples(portraits: Sequence[Portrait], count: int, seed: int) -> Samples:
    """So many faces of the network's size, what is covered of them, and where the face is."""
    random = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        pixels, *masks = drawn_over(portraits, random, bool(random.random() < COVERED_SHARE))
        small = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        said = [cv2.resize(each, (SAID, SAID), interpolation=cv2.INTER_AREA) for each in masks]
        rows.append((small, *(np.asarray(255 * each, np.uint8) for each in said)))
    stacked = [np.stack(each) for each in zip(*rows, strict=True)]
    return stacked[0], stacked[1], stacked[2]


def train(
    portraits: Sequence[Portrait], steps: int, drawn: int, seed: int, start: Path | None = None
) -> CoverNetwork:
    """A trained network, ready to run.

    Args:
        portraits: to draw over.
        steps: of a batch each.
        drawn: how many samples they are taken from.
        seed: of everything random.
        start: weights to go on from, at a lower rate; None for new ones.
    """
    torch.manual_seed(seed)
    network = CoverNetwork()
    rate = LEARNING_RATE
    if start is not None:
        network.load_state_dict(torch.load(start, weights_only=True))
        rate = LEARNING_RATE / 2
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rate, total_steps=steps, pct_start=0.1 if start else 0.3
    )
    started = perf_counter()
    pixels, masks, faces = samples(portraits, drawn, seed)
    print(f"{drawn:,} drawn in {perf_counter() - started:.0f} s", flush=True)
    random = np.random.default_rng(seed + 1)
    for step in range(steps):
        rows = random.integers(0, len(pixels), BATCH)
        way = int(random.choice([-1, 1]))  # half of them mirrored
        inputs = torch.from_numpy(pixels[rows][:, :, ::way].copy()).permute(0, 3, 1, 2).float()
        inputs = (inputs * random.uniform(0.8, 1.2) + random.normal(0, 12)).clamp(0, 255)
        wanted, inside = (
            torch.from_numpy(each[rows][:, :, ::way].copy())[:, None].float() / 255
            for each in (masks, faces)
        )
        logits = network(inputs)
        # What lies outside the face counts little: no edit goes there.
        weight = 0.15 + inside
        each = nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        shares = torch.sigmoid(logits) * inside
        both = (shares * wanted).sum((1, 2, 3))
        either = shares.sum((1, 2, 3)) + (wanted * inside).sum((1, 2, 3))
        dice = 1 - (2 * both + 10) / (either + 10)
        loss = (each * weight).mean() + 0.3 * dice.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            print(
                f"step {step + 1}: {loss.item():.4f}, {perf_counter() - started:.0f} s", flush=True
            )
    return network.eval()


def write_onnx(network: CoverNetwork, path: Path) -> None:
    """The network as the package runs it: levels from 0 to 255 in, a share of cover out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = nn.Sequential(network, nn.Sigmoid()).eval()
    torch.onnx.export(
        whole,
        (torch.zeros(1, 3, SIDE, SIDE),),
        str(path),
        input_names=["pixels"],
        output_names=["cover"],
        opset_version=16,
        dynamo=False,
    )


def measure(portraits: Sequence[Portrait], count: int, seed: int = 9) -> dict[str, float]:
    """What the package's own network and rule do on drawn faces.

    Returns:
        `covered_left`: of the covered pixels of faces, the share that gets less than half of an
        edit; `uncovered_lost`: of their other pixels, likewise; `free_lost`: of the free faces,
        the share of those that are not edited as a whole.
    """
    random = np.random.default_rng(seed)
    left = covered_px = lost = free_px = refused = 0
    for _ in range(count):
        pixels, mask, face = drawn_over(portraits, random, True)
        free = free_share(pixels)
        share = np.ones(mask.shape, np.float32) if free is None else fitted(free, len(mask))
        is_covered, is_free = (face > 0) & (mask > 0), (face > 0) & (mask == 0)
        left += int((share[is_covered] < 0.5).sum())
        covered_px += int(is_covered.sum())
        lost += int((share[is_free] < 0.5).sum())
        free_px += int(is_free.sum())
        refused += free_share(drawn_over(portraits, random, False)[0]) is not None
    return {
        "covered_left": left / covered_px,
        "uncovered_lost": lost / free_px,
        "free_lost": refused / count,
    }


def main() -> None:
    """Trains, measures, writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("portraits", type=Path)
    parser.add_argument("--out", type=Path, help="the file to write; None measures the package's")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--drawn", type=int, default=16_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=Path, help="weights of an earlier training (.pt)")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    if options.out is None:
        print(json.dumps(measure(read_portraits(options.portraits, "test"), 200)))
        return
    portraits = read_portraits(options.portraits, "train")
    network = train(portraits, options.steps, options.drawn, options.seed, options.start)
    torch.save(network.state_dict(), options.out.with_suffix(".pt"))
    write_onnx(network, options.out)


if __name__ == "__main__":
    main()
