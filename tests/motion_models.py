"""A small cascade with motion: two stages, one patch, three mouths of plain colours."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from train.checkpoint import Checkpoint, plain_weights, save_safetensors
from train.data.regions import RegionBox
from train.families.cascade.motion.cascade import MotionCascade
from train.families.cascade.motion.networks import MotionEFGAN
from train.families.cascade.networks.config import ModelConfig
from train.families.cascade.networks.inference import empty_networks
from train.portraits.folds import FOLDS_PX

CROP_PX = 64
UNITS = ("AU01", "AU12", "AU26")
EXPRESSIONS = {
    "neutral": np.zeros(3, np.float32),
    "surprised": np.array([4.0, 0.0, 3.0], np.float32),
}


def motion_config() -> ModelConfig:
    return ModelConfig(
        stages=2,
        regions={"mouth": RegionBox(32, 16, 16, 32)},
        critic_width=4,
        face_bottlenecks=2,
        interpolator_width=8,
        spectral_norm=False,
        crop_px=CROP_PX,
        au_names=UNITS,
        motion=True,
        motion_widths=(4, 4, 8, 8),
        mouths=3,
        eyes=True,
    )


def motion_checkpoint(seed: int = 0) -> Checkpoint:
    """Random weights that move, shade, open and paint enough to be seen."""
    torch.manual_seed(seed)
    config = motion_config()
    networks = empty_networks(config)
    cascade = networks.cascade
    assert isinstance(cascade, MotionCascade)
    with torch.no_grad():
        for colour, pixels in enumerate(cascade.atlas_pixels):
            pixels[colour] = 0.8
        cascade.atlas_gap.copy_(torch.tensor([0.05, 0.15, 0.3]))
        cascade.gap_of_units.copy_(torch.tensor([0.0, 0.01, 0.04]))
        for stage in cascade.stages:
            assert isinstance(stage, MotionEFGAN)
            rows, columns = torch.meshgrid(*[torch.linspace(0, 6, FOLDS_PX)] * 2, indexing="ij")
            for unit, picture in enumerate(stage.folds):
                picture.copy_(0.03 * torch.sin(rows + unit) * torch.cos(2 * columns - unit))
            for name, weight in stage.named_parameters():
                if "heads" in name or "coarse" in name:
                    weight.copy_(0.05 * torch.randn_like(weight))
        for weight in networks.au_reader.parameters():
            weight.mul_(2)
    weights = {f"cascade.{k}": v for k, v in plain_weights(cascade).items()}
    weights |= {f"au_reader.{k}": v for k, v in plain_weights(networks.au_reader).items()}
    return Checkpoint(config, weights, EXPRESSIONS)


def write_motion_checkpoint(path: Path) -> Path:
    save_safetensors(motion_checkpoint(), path)
    return path


def smooth_faces(count: int = 3, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Pictures that a warp changes smoothly, uint8 (n, CROP_PX, CROP_PX, 3)."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:CROP_PX, :CROP_PX] / CROP_PX
    faces = []
    for _ in range(count):
        waves = [
            128 + 100 * np.sin(2 * np.pi * (a * rows + b * columns + c))
            for a, b, c in random.uniform(0.3, 1.5, (3, 3))
        ]
        faces.append(np.stack(waves, axis=-1))
    return np.clip(np.rint(faces), 0, 255).astype(np.uint8)
