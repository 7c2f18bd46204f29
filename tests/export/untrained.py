"""Engine sets of EET and ECGAN with random weights, of any width."""

from pathlib import Path
from typing import Any

import torch

from engines.manifest import Manifest
from export.build import Form, network_entry, write_network
from export.networks import exported_networks
from export.to_half import half_twin
from train.families.ecgan.config import ECGANConfig
from train.families.eet.config import EETConfig
from train.families.registry import trained_family


def write_untrained(
    folder: Path, name: str, config: EETConfig | ECGANConfig, *, half: bool = False
) -> None:
    """Writes an engine directory of ONNX files.

    Args:
        folder: to be made.
        name: of the family.
        config: of the model.
        half: whether networks compute in half precision.
    """
    folder.mkdir()
    precision = "fp16" if half else "fp32"
    family, form = trained_family(name), Form(precision, precision, (1, 2, 4))
    model = family.folded(family.empty(config))
    networks = exported_networks(
        half_twin(model) if half else model, torch.float16 if half else torch.float32
    )
    entries = {
        each: network_entry(network, write_network(network, folder, form), form, {})
        for each, network in networks.items()
    }
    properties: dict[str, Any] = {**family.properties(config), "expressions": {}}
    if isinstance(config, ECGANConfig):
        count = len(config.expressions)
        properties["expressions"] = dict(
            zip(config.expressions, torch.eye(count).tolist(), strict=True)
        )
    Manifest("0", "onnx", precision, precision, entries, properties, family=name).write(folder)
