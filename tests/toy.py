"""Toy models: every layer kind of the real ones, 8 channels wide, ready in a second."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from efgan_rt.action_units import AU_NAMES
from train.checkpoint import Checkpoint, plain_weights, save_pt, save_safetensors
from train.data.regions import RegionBox
from train.families.cascade.networks.config import ModelConfig
from train.families.cascade.networks.inference import InferenceNetworks, empty_networks

REGIONS = {
    "eyes": RegionBox.centred(61.9, 51.7, 40, 92, 128),
    "nose": RegionBox.centred(60.9, 76.5, 40, 48, 128),
    "mouth": RegionBox.centred(61.2, 98.3, 40, 60, 128),
}


def toy_config(**changes: Any) -> ModelConfig:
    """A config of two small stages with all regions; `changes` are fields of `ModelConfig`."""
    values: dict[str, Any] = {
        "width": 8,
        "residual_blocks": 1,
        "stages": 2,
        "critic_width": 8,
        "interpolator_width": 8,
        "regions": REGIONS,
    }
    return ModelConfig(**(values | changes))


def toy_networks(config: ModelConfig, seed: int = 0) -> InferenceNetworks:
    """Random networks in which every parameter matters, those that training starts at 0 included.

    The output layers are scaled down: at full size their tanh is mostly saturated, and a cascade of
    such networks amplifies any rounding as no trained one does.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        networks = empty_networks(config)
        with torch.no_grad():
            for module in (networks.cascade, networks.au_reader):
                for name, parameter in module.named_parameters():
                    parameter.add_(0.05 * torch.randn_like(parameter))
                    if "head" in name:
                        parameter.mul_(0.2)
    return networks


def toy_checkpoint(path: Path, *, seed: int = 0, **config: Any) -> Path:
    """Writes a toy checkpoint (`.pt`, or `.safetensors` by the suffix) and returns its path.

    Args:
        path: where to write it.
        seed: of the random weights.
        config: fields of `ModelConfig` that differ from `toy_config`'s.
    """
    dimensions = toy_config(**config)
    networks = toy_networks(dimensions, seed)
    weights = {
        f"{name}.{key}": value
        for name, module in (("cascade", networks.cascade), ("au_reader", networks.au_reader))
        for key, value in plain_weights(module).items()
    }
    checkpoint = Checkpoint(
        dimensions, weights, toy_expressions(), {"data": "random weights", "step": 0}
    )
    save = save_safetensors if path.suffix == ".safetensors" else save_pt
    save(checkpoint, path)
    return path


def toy_expressions() -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
    """Three prototypes over the 17 action units."""
    units = {
        "neutral": {},
        "happy": {"AU06": 3.0, "AU12": 4.5},
        "angry": {"AU04": 4.0, "AU23": 2.0},
    }
    return {
        name: np.array([wanted.get(au, 0.0) for au in AU_NAMES], np.float32)
        for name, wanted in units.items()
    }
