"""What a training step costs, and what each switch of a recipe saves.

    taskset -c 0 python -m benchmarks training_step

Costs are processor seconds of one thread, so that a shared machine does not show in them (what
shares the core's caches and its other hyperthread still does: compare within one run). The networks
are freshly initialised and the pictures random: neither changes the work. Each case is a step of
the adversarial phase or of the cascade; a switch's cost is the difference to the case before it.
What limits a step is told by its arithmetic: the operations counted by PyTorch in one step, by
second, against the convolution and the matrix product that this core does fastest.
"""

import json
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.kit import Document, parser, write
from efgan_rt.action_units import AU_NAMES
from train.data.faces import FaceSet
from train.data.labels import LabelTable
from train.data.regions import REGION_SIZES
from train.families.cascade.family import PHASES
from train.families.cascade.recipe import PhaseRecipe
from train.families.cascade.state import TrainingState
from train.recipe import Recipe
from train.recipes import recipe_from_dict

NEVER = 1_000_000  # a cadence that no step of a measurement meets after the first
PAIRED = {"paired": 20.0, "paired_eyes_mouth": 20.0, "paired_detail": 40.0}
FIRST = "published, one critic update"
# case -> changes to the phase; `loss.` goes into its losses
CASES: Mapping[str, Mapping[str, Any]] = {
    FIRST: {},
    "without gradient penalty": {"penalty_every": NEVER},
    "without cycle pass": {"content_every": NEVER},
    "critics and generator share the edits": {"share_edits": True},
    "all three": {"penalty_every": NEVER, "content_every": NEVER, "share_edits": True},
    "all three, no picture critics": {
        "penalty_every": NEVER,
        "content_every": NEVER,
        "share_edits": True,
        "loss.adversarial": 0.0,
    },
}


def random_faces(crop_px: int = 128) -> FaceSet:
    """Sixteen random pictures of four people."""
    rng = np.random.default_rng(0)
    count = 16
    points = {name: np.full((count, 2), crop_px / 2, np.float32) for name in REGION_SIZES}
    table = LabelTable(
        tuple(f"{i}.png" for i in range(count)),
        tuple(f"p{i // 4}" for i in range(count)),
        ("neutral", "happy", "sad", "angry") * 4,
        rng.uniform(0, 5, (count, len(AU_NAMES))).astype(np.float32),
        points,
    )
    pixels = rng.integers(0, 256, (count, crop_px, crop_px, 3), dtype=np.uint8)
    with TemporaryDirectory() as folder:
        for name, picture in zip(table.files, pixels, strict=True):
            cv2.imwrite(str(Path(folder, name)), picture)
        return FaceSet(Path(folder), table)


def recipe_of(setting: Mapping[str, Any], kind: str, changes: Mapping[str, Any]) -> Recipe:
    """A recipe of one phase."""
    loss = dict(PAIRED) if kind in ("warm_up", "paired_adversarial") else {}
    loss |= {k.removeprefix("loss."): v for k, v in changes.items() if k.startswith("loss.")}
    phase = {
        "kind": kind,
        "stages": setting["stages"],
        "steps": 1000,
        "batch": setting["batch"],
        "critic_updates": 1,
        "loss": loss,
        **{k: v for k, v in changes.items() if not k.startswith("loss.")},
    }
    model = {
        "width": setting["width"],
        "critic_width": setting["width"],
        "residual_refiner": setting["ours"],
        "paired_critic_width": 16,
    }
    values = {"name": "benchmark", "bf16": setting["bf16"], "model": model, "phases": [phase]}
    return recipe_from_dict(values, where="benchmark")


def measure(
    setting: Mapping[str, Any], kind: str, changes: Mapping[str, Any], faces: FaceSet
) -> dict[str, float]:
    """Processor seconds of a step (median), its operations and the share of drawing the batch."""
    recipe = recipe_of(setting, kind, changes)
    phase: PhaseRecipe = recipe.phases[0]
    state = TrainingState.start(recipe, faces, torch.device("cpu"))
    state.set_stages(phase.stages)
    steps = PHASES[kind](state, phase, faces)
    counter = FlopCounterMode(display=False)
    counter.mod_tracker = _NoModules()  # type: ignore[assignment]
    state.step = 1  # not a multiple of a cadence that is never met
    with counter:  # not timed: counting costs a third of so small a step
        steps.step(1e-5, 0.0)
    step_s = median(_seconds(lambda: steps.step(1e-5, 0.0)) for _ in range(setting["n"]))
    draw_s = median(
        _seconds(lambda: faces.draw_pairs(phase.batch, state.rng, phase.augmentation))
        for _ in range(20)
    )
    draws = 1 if phase.share_edits or kind in ("warm_up", "paired_adversarial") else 2
    return {
        "step_s": round(step_s, 3),
        "gflop": round(counter.get_total_flops() / 1e9, 1),
        "gflop_per_s": round(counter.get_total_flops() / 1e9 / step_s, 1),
        "data_share": round(draws * draw_s / step_s, 5),
    }


def fastest(dtype: torch.dtype) -> dict[str, float]:
    """GFLOP/s of this core: a large matrix product, and a residual block's 3 x 3 convolution."""
    side = 1024
    a = torch.randn(side, side, dtype=dtype)
    product_s = median(_seconds(lambda: a @ a) for _ in range(5))
    image, weight = torch.randn(8, 64, 32, 32, dtype=dtype), torch.randn(64, 64, 3, 3, dtype=dtype)
    convolution_s = median(_seconds(lambda: F.conv2d(image, weight, padding=1)) for _ in range(20))
    return {
        "matrix_product": round(2 * side**3 / product_s / 1e9, 1),
        "convolution": round(2 * 8 * 64 * 64 * 9 * 32 * 32 / convolution_s / 1e9, 1),
    }


class _NoModules:
    """In place of the counter's tracker of modules, which a gradient of a gradient trips over."""

    parents = frozenset({"Global"})

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass


def _seconds(call: Callable[[], Any]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started


def main() -> None:
    """Measures and writes; a line a case as it goes."""
    given = parser(__doc__, "training_step")
    given.add_argument("--paper-width", action="store_true", help="width 64 too: minutes a step")
    given.add_argument("--n", type=int, default=3, help="steps a case, of which the median counts")
    arguments = given.parse_args()
    torch.set_num_threads(1)
    faces = random_faces()
    small = {"width": 16, "batch": 8, "bf16": True, "ours": True, "n": arguments.n}
    settings = {
        "one stage, width 16, batch 8, bf16": {**small, "stages": 1},
        "three stages, width 16, batch 8, bf16": {**small, "stages": 3},
    }
    if arguments.paper_width:
        paper = {"width": 64, "batch": 2, "bf16": False, "ours": False, "n": arguments.n}
        settings["one stage, width 64, batch 2, fp32"] = {**paper, "stages": 1}
    result: Document = {
        "what": "processor seconds of a training step, one thread",
        "machine": {"processor": platform.processor() or platform.machine(), "threads": 1},
        "versions": {"python": platform.python_version(), "torch": str(torch.__version__)},
        "fastest_gflop_per_s": {
            "bf16": fastest(torch.bfloat16),
            "fp32": fastest(torch.float32),
        },
        "settings": {},
    }
    for title, setting in settings.items():
        kind = "adversarial" if setting["stages"] == 1 else "cascade"
        # With several stages a switch saves the same parts, each so many times.
        names = CASES if setting["stages"] == 1 else (FIRST, "all three")
        cases: dict[str, tuple[str, Mapping[str, Any]]] = {
            name: (kind, CASES[name]) for name in names
        }
        if setting["ours"]:
            critics = {"loss.paired_adversarial": 0.1, "loss.feature_matching": 1.0}
            critics |= {"loss.condition": 0.0}
            cases["paired critics (phase paired_adversarial)"] = ("paired_adversarial", critics)
            cases["no critics (phase warm_up)"] = ("warm_up", {})
        rows: Document = {}
        result["settings"][title] = {**setting, "cases": rows}
        for name, (each, changes) in cases.items():
            rows[name] = measure(setting, each, changes, faces)
            base = rows[next(iter(rows))]["step_s"]
            rows[name]["of_the_first"] = round(rows[name]["step_s"] / base, 3)
            print(title, "|", name, "|", json.dumps(rows[name]), flush=True)
            write(arguments.json, result)
