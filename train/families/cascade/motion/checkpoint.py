"""Makes a checkpoint of stages that `train.families.cascade.motion.training` trained.

    python -m train.families.cascade.motion.checkpoint whole.pt pairs edits.safetensors

What the stages lack comes from elsewhere: mouths, eyes and pictures of folds from the set of pairs;
the action-unit reader and the template by which faces are framed from another checkpoint, the one
that ships unless `--from` names one; named expressions are those that the pairs were drawn from.
"""

import argparse
import json
import math
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from efgan_rt.action_units import AU_NAMES
from efgan_rt.errors import EfganError
from efgan_rt.faces.mouths import EYE_ROWS
from train.checkpoint import Checkpoint, plain_weights, save_safetensors
from train.families.cascade.motion.cascade import MotionCascade
from train.families.cascade.motion.networks import LEAK, motion_regions
from train.families.cascade.motion.training import CROP_PX, load_folds
from train.families.cascade.networks.config import ModelConfig
from train.families.cascade.networks.inference import empty_networks
from train.families.registry import load_checkpoint
from train.portraits.face_model import units_vector
from train.portraits.mouths import COLUMNS, ROWS
from train.portraits.pairs import PROTOTYPES
from train.portraits.portrait_pairs import ATLAS, GAP_OF_UNITS

SHIPPED: Final = Path(str(resources.files("efgan_rt") / "shipped" / "efgan.safetensors"))
READER: Final = "au_reader."


def checkpoint_of(
    stages: list[dict[str, Tensor]],
    pairs: Path,
    base: Checkpoint,
    *,
    fold_gain: float = 1.0,
    slope: float = LEAK,
    training: dict[str, Any] | None = None,
) -> Checkpoint:
    """The checkpoint.

    Args:
        stages: the weights of each stage.
        pairs: the set's folder, for its mouths and folds.
        base: whose action-unit reader, Interpolator's width and template it gets.
        fold_gain: how much deeper than drawn the folds are.
        slope: of the local branches' rectifiers; 0 for stages that earlier versions trained.
        training: what is said of how it was trained.

    Raises:
        EfganError: a file is missing, or something does not fit.
    """
    atlas = _atlas(pairs / ATLAS)
    pixels = torch.from_numpy(atlas["pixels"])
    reader = {name: each for name, each in base.weights.items() if name.startswith(READER)}
    if not base.config.motion or base.config.crop_px != CROP_PX:
        raise EfganError(
            f"the reader's checkpoint is for crops of {base.config.crop_px} pixels"
            f"{'' if base.config.motion else ' and has no motion'}, expected motion and {CROP_PX}"
        )
    config = replace(
        base.config,
        stages=len(stages),
        regions=motion_regions(CROP_PX),
        mouths=len(pixels),
        eyes=pixels.shape[1] > ROWS,
        motion_widths=ModelConfig().motion_widths,
        motion_slope=slope,
    )
    cascade = empty_networks(config).cascade
    assert isinstance(cascade, MotionCascade)
    folds = fold_gain * load_folds(pairs)
    try:
        for stage, weights in zip(cascade.stages, stages, strict=True):
            stage.load_state_dict(weights | {"folds": folds})
        with torch.no_grad():
            cascade.atlas_pixels.copy_(pixels.permute(0, 3, 1, 2).float() / 255)
            for name, to in (
                ("skin", cascade.atlas_skin),
                ("gap", cascade.atlas_gap),
                ("smile", cascade.atlas_smile),
                (GAP_OF_UNITS, cascade.gap_of_units),
            ):
                to.copy_(torch.from_numpy(atlas[name]))
    except (RuntimeError, AttributeError, TypeError) as error:
        first = " ".join(str(error).split())[:300]
        raise EfganError(f"these are no stages of a cascade with motion: {first}") from error
    weights = {f"cascade.{name}": each for name, each in plain_weights(cascade).items()}
    return Checkpoint(
        config,
        weights | reader,
        {name: units_vector(units) for name, units in PROTOTYPES.items()},
        training or {},
        base.alignment,
    )


def _atlas(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        with np.load(path) as arrays:
            found = {
                name: arrays[name] for name in ("gap", "pixels", "skin", "smile", GAP_OF_UNITS)
            }
    except KeyError as error:
        raise EfganError(
            f"{path}: an atlas without {error}, of an earlier version; `efgan-rt prepare` with the "
            "same options writes it anew"
        ) from error
    except (OSError, ValueError, BadZipFile) as error:
        raise EfganError(f"{path}: no atlas of mouths: {error}") from error
    count = len(found["gap"]) if found["gap"].ndim == 1 else 0
    known: dict[str, list[tuple[int, ...]]] = {
        "pixels": [(count, rows, COLUMNS, 3) for rows in (ROWS, ROWS + 2 * EYE_ROWS)],
        "skin": [(count, 3)],
        "smile": [(count,)],
        GAP_OF_UNITS: [(len(AU_NAMES),)],
    }
    for name, shapes in known.items():
        if not count or found[name].shape not in shapes:
            raise EfganError(
                f"{path}: no atlas of mouths: its {name} is {found[name].shape}, expected "
                f"{' or '.join(map(str, shapes))} for {count} mouths"
            )
    return found


def _read_stages(path: Path) -> list[dict[str, Tensor]]:
    try:
        found = torch.load(path, weights_only=True)
    except OSError as error:
        raise EfganError(f"{path}: cannot be read: {error.strerror}") from error
    except Exception as error:  # torch raises many kinds, all of which mean the same
        raise EfganError(f"{path}: not what the training of motion writes, or truncated") from error
    if not isinstance(found, list) or not found:
        raise EfganError(f"{path}: not what the training of motion writes")
    return found


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise EfganError(f"{path}: cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise EfganError(f"{path}: expected a JSON object")
    return found


def main(arguments: list[str] | None = None) -> None:
    """Writes the file; see `--help`."""
    parser = argparse.ArgumentParser(
        prog="python -m train.families.cascade.motion.checkpoint",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("stages", type=Path, help="what the training wrote")
    parser.add_argument("pairs", type=Path, help="the set that it was trained on")
    parser.add_argument("out", type=Path, help="a .safetensors file")
    parser.add_argument("--from", dest="base", type=Path, default=SHIPPED, metavar="CHECKPOINT")
    parser.add_argument("--fold-gain", type=float, default=1.0, help="folds deeper than drawn")
    parser.add_argument(
        "--slope", type=float, default=LEAK, help="0 for stages that earlier versions trained"
    )
    parser.add_argument("--training", type=Path, help="a JSON object that the file is to hold")
    options = parser.parse_args(arguments)
    try:
        stages = _read_stages(options.stages)
        training = _read_json(options.training) if options.training else None
        if not math.isfinite(options.fold_gain):
            raise EfganError(f"--fold-gain {options.fold_gain}, expected a finite number")
        made = checkpoint_of(
            stages,
            options.pairs,
            load_checkpoint(options.base),
            fold_gain=options.fold_gain,
            slope=options.slope,
            training=training,
        )
        save_safetensors(made, options.out)
    except EfganError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    print(f"{options.out}: stages: {len(stages)}, mouths: {made.config.mouths}")


if __name__ == "__main__":
    main()
