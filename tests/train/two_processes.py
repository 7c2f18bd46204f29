"""What `test_distributed.py` starts under torchrun: one training whole, and once more in pieces."""

import sys
from pathlib import Path

import torch

from train import distributed
from train.data.faces import FaceSet
from train.data.labels import read_labels
from train.loop import Intervals, train
from train.recipe import Recipe
from train.recipes import recipe_from_dict

EVERY_STEP = Intervals(log=1, samples=1000, checkpoint=1000)


def toy_recipe(batch: int = 2) -> Recipe:
    """The published phase with its penalties, then a cascade with every term of ours."""
    published = {"kind": "adversarial", "steps": 2, "batch": batch, "critic_updates": 2}
    cascade = {
        "kind": "cascade",
        "stages": 2,
        "steps": 1,
        "batch": batch,
        "critic_updates": 1,
        "share_edits": True,
        "unchanged_share": 0.5,
        "augmentation": {"flip": True, "gain": 0.1, "shift_px": 2},
        "loss": {"paired": 1.0, "paired_eyes_mouth": 1.0, "paired_detail": 1.0},
    }
    model = {
        **{"width": 8, "residual_blocks": 1, "critic_width": 8, "interpolator_width": 8},
        "regions": ["mouth"],
    }
    return recipe_from_dict(
        {
            "name": "toy",
            "ema_decay": 0.5,
            "model": model,
            "data": {"expressions": ["happy"]},
            "phases": [published, cascade],
        },
        where="test",
    )


def early_recipe(batch: int = 2) -> Recipe:
    """What comes before any critic: the action-unit head, then the warm-up."""
    phases = [
        {"kind": "au_head", "steps": 2, "batch": batch},
        {"kind": "warm_up", "steps": 2, "batch": batch, "loss": {"paired": 1.0, "condition": 1.0}},
    ]
    return recipe_from_dict(toy_recipe().to_dict() | {"phases": phases}, where="test")


def paired_recipe(batch: int = 2) -> Recipe:
    """Paired critics over two stages. Alone: Adam's first steps turn rounding into step lengths."""
    phase = {
        "kind": "paired_adversarial",
        "stages": 2,
        "steps": 2,
        "batch": batch,
        "penalty_every": 1,
        "early_share": 0.5,
        "loss": {
            "paired": 1.0,
            "paired_adversarial": 0.3,
            "feature_matching": 0.5,
            "zero_centred_penalty": 0.2,
            "stage_condition": 1.0,
        },
    }
    values = toy_recipe().to_dict() | {"phases": [phase]}
    values["model"] |= {"paired_critic_width": 8}
    return recipe_from_dict(values, where="test")


def main(data: Path, out: Path) -> None:
    """Trains into `out/whole`, the same in pieces into `out/pieces`, `out/early`, `out/paired`."""
    torch.set_num_threads(1)
    device = distributed.join("cpu")
    faces = FaceSet(data / "images", read_labels(data / "labels.csv"))
    recipe = toy_recipe()
    train(recipe, faces, out / "whole", device=device, intervals=EVERY_STEP)
    train(recipe, faces, out / "pieces", device=device, intervals=EVERY_STEP, stop_after=1)
    train(recipe, faces, out / "pieces", device=device, intervals=EVERY_STEP, resume=True)
    train(early_recipe(), faces, out / "early", device=device, intervals=EVERY_STEP)
    train(paired_recipe(), faces, out / "paired", device=device, intervals=EVERY_STEP)
    distributed.leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
