"""Whether a judge of gaze can be had here: EET's Table VII asks where the eyes of an edit look.

    python -m benchmarks gaze_judge PORTRAITS

PORTRAITS is a folder of portraits with `portraits.csv` and MediaPipe's scores in `fits.npz`. From
its eyeLook scores come three classes: to the picture's left, ahead, to its right; what lies between
is left out, and so are shut eyes. A network learns them from the eyes of the people of `train` and
names those of `test`. The table is worth reading if it names 95 % of those right; the paper's names
all of its real pictures right.

Prints and writes benchmarks/results/gaze_judge.json.
"""

import csv
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.kit import SHARED, parser, with_machine, write
from efgan_rt.errors import EfganError
from efgan_rt.pictures.read import read_picture

CROP_PX: Final = 128
EYES: Final = (slice(32, 68), slice(16, 112))  # of such a crop
LEFT, AHEAD, RIGHT = range(3)
SHUT: Final = 0.5
LARGEST_FIT_CM: Final = 0.35
LEAST_PX: Final = 90
BATCH, STEPS, RATE = 32, 1000, 3e-3
NEEDED: Final = 0.95


def looks(scores: dict[str, np.ndarray], aside: float, ahead: float) -> np.ndarray:
    """A class for each face (N,), -1 for none.

    Args:
        scores: MediaPipe's, by name.
        aside: how far eyes look that look aside: both eyes' mean score one way, less the other.
        ahead: how far they look at most that look ahead.
    """
    right = scores["eyeLookOutLeft"] + scores["eyeLookInRight"]
    left = scores["eyeLookOutRight"] + scores["eyeLookInLeft"]
    way = (right - left) / 2
    found = np.where(way > aside, RIGHT, np.where(way < -aside, LEFT, -1))
    found = np.where(np.abs(way) < ahead, AHEAD, found)
    shut = (scores["eyeBlinkLeft"] + scores["eyeBlinkRight"]) / 2 > SHUT
    return np.where(shut, -1, found)


class GazeJudge(nn.Sequential):
    """Names the way that eyes look: (B, 3, 36, 96) in [0, 1] -> logits (B, 3)."""

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        for c_in, c_out, stride in ((3, 24, 1), (24, 32, 2), (32, 48, 1), (48, 64, 2), (64, 64, 1)):
            layers += [
                nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False),
                nn.BatchNorm2d(c_out),
                nn.ReLU(),
            ]
        layers += [nn.AdaptiveAvgPool2d((3, 8)), nn.Flatten(), nn.Dropout(0.3)]
        super().__init__(*layers, nn.Linear(64 * 24, 3))


def taught(pixels: Tensor, classes: Tensor) -> GazeJudge:
    """A judge of these eyes, float32 (N, 3, 36, 96) in [0, 1], and their classes (N,)."""
    torch.manual_seed(0)
    judge = GazeJudge()
    rng = torch.Generator().manual_seed(0)
    share = (1 / torch.bincount(classes, minlength=3).float())[classes]
    optimizer = torch.optim.AdamW(judge.parameters(), RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS)
    for _ in range(STEPS):
        rows = torch.multinomial(share, BATCH, True, generator=rng)
        mirrored = torch.rand(BATCH, generator=rng) < 0.5
        shown = torch.where(mirrored[:, None, None, None], pixels[rows].flip(3), pixels[rows])
        wanted = torch.where(mirrored, RIGHT - classes[rows], classes[rows])
        light = torch.randn(2, BATCH, 1, 1, 1, generator=rng)
        shown = (shown * (1 + 0.2 * light[0]) + 0.1 * light[1]).clamp(0, 1)
        moved = torch.randint(-3, 4, (2,), generator=rng).tolist()
        loss = F.cross_entropy(judge(shown.roll(moved, (2, 3))), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return judge.eval()


@torch.no_grad()
def named(judge: GazeJudge, pixels: Tensor) -> Tensor:
    """Their classes (N,), from both a picture and its mirror image."""
    seen = judge(pixels).softmax(1) + judge(pixels.flip(3)).softmax(1).flip(1)
    found: Tensor = seen.argmax(1)
    return found


def eyes_of(folder: Path, rows: list[dict[str, str]]) -> Tensor:
    """The eyes of these portraits, float32 (N, 3, 36, 96)."""
    shown = []
    for row in rows:
        picture = read_picture(folder / "images" / row["file"])
        small = cv2.resize(picture, (CROP_PX, CROP_PX), interpolation=cv2.INTER_AREA)
        shown.append(small[EYES])
    return torch.from_numpy(np.stack(shown)).permute(0, 3, 1, 2).float() / 255


def measure(folder: Path, aside: float, ahead: float) -> dict[str, Any]:
    """How many of the people of `test` a judge names right."""
    fits = np.load(folder / "fits.npz")
    scores = dict(zip(fits["blendshape_names"].tolist(), fits["blendshapes"].T, strict=True))
    with (folder / "portraits.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    fine = [
        float(row["fit_error_cm"]) < LARGEST_FIT_CM and float(row["native_px"]) >= LEAST_PX
        for row in rows
    ]
    classes = np.where(fine, looks(scores, aside, ahead), -1)
    chosen = np.flatnonzero(classes >= 0)
    pixels = eyes_of(folder, [rows[i] for i in chosen])
    known = torch.from_numpy(classes[chosen].astype(np.int64))
    unseen = torch.tensor([rows[i]["split"] == "test" for i in chosen])
    right = named(taught(pixels[~unseen], known[~unseen]), pixels[unseen]) == known[unseen]
    counts = torch.bincount(known[unseen], minlength=3)
    by_class = {
        name: float(right[known[unseen] == number].float().mean())
        for number, name in enumerate(("left", "ahead", "right"))
    }
    return {
        "aside": aside,
        "ahead": ahead,
        "learnt_from": int((~unseen).sum()),
        "n": int(unseen.sum()),
        "n_by_class": dict(zip(by_class, counts.tolist(), strict=True)),
        "right": float(right.float().mean()),
        "right_by_class": by_class,
    }


def main() -> None:
    """Measures, writes, prints."""
    given = parser(__doc__, "gaze_judge")
    default = SHARED / "portraits"
    given.add_argument("portraits", type=Path, nargs="?", default=default, metavar="PORTRAITS")
    options = given.parse_args()
    if not (options.portraits / "fits.npz").is_file():
        raise EfganError(f"{options.portraits}: no fits.npz; expected a folder of fitted portraits")
    found = [measure(options.portraits, *each) for each in ((0.3, 0.12), (0.5, 0.1))]
    write(options.json, with_machine(needed=NEEDED, judges=found))
    for each in found:
        print(
            f"aside from {each['aside']}, ahead to {each['ahead']}: {each['right']:.1%} of "
            f"{each['n']} unseen faces named right; {NEEDED:.0%} needed"
        )
