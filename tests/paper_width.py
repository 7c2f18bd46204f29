"""Networks of the paper's width with random weights, as half-precision ONNX files.

For what depends on a network's size and not on what it learnt: whether and how fast it compiles.
Parity is not measured, which is what takes an export of this size its time.
"""

from dataclasses import asdict
from pathlib import Path

import torch

from engines.manifest import Manifest
from export.build import Form, network_entry, write_network
from export.networks import exported_networks
from export.to_half import half_twin
from tests.toy import REGIONS, toy_config, toy_networks
from train.families.cascade.folding import folded


def write_paper_width(folder: Path, stages: int, residual_blocks: int = 6) -> Manifest:
    """Writes an engine directory; every stage has all regions, and so many blocks a branch."""
    folder.mkdir(parents=True)
    config = toy_config(
        width=64,
        residual_blocks=residual_blocks,
        critic_width=64,
        interpolator_width=64,
        stages=stages,
    )
    form = Form("fp16", "fp16", (1, 8, 32))
    networks = exported_networks(half_twin(folded(toy_networks(config))), torch.float16)
    entries = {
        name: network_entry(network, write_network(network, folder, form), form, {})
        for name, network in networks.items()
    }
    properties = {
        "stages": stages,
        "crop_px": config.crop_px,
        "au_names": list(config.au_names),
        "expressions": {},
        "regions": {name: asdict(box) for name, box in REGIONS.items()},
    }
    manifest = Manifest("0", "onnx", "fp16", "fp16", entries, properties)
    manifest.write(folder)
    return manifest
