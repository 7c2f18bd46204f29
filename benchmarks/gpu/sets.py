"""The engine sets that a GPU is measured with, made beforehand on any machine.

    python -m benchmarks gpu.sets build/gpu/sets

    shipped-fp16   the weights that come along as half-precision graphs, through the build's own
                   gates: for parity, on faces
    paper-fp32     three stages of width 64, random weights: for speed
    paper-fp16     the same in half precision

In fp32 the engines that come along are taken where they lie. A GPU's time is short and its machine
may lack the exporter, so nothing is exported there. The random weights repeat one block of numbers,
scaled for each layer, so that 170 MB a network compresses to what can be carried; a GPU does not
care, as long as they are not zeros.
"""

import argparse
import hashlib
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import nn

from efgan_rt import __version__
from efgan_rt.families.registry import read_properties
from engines.directory import EngineDirectory
from engines.manifest import Manifest, NetworkEntry
from export.build import build_engines
from export.graphs import to_file_bytes
from export.networks import exported_networks
from export.to_half import half_twin
from export.to_onnx import to_onnx
from train.data.regions import RegionBox
from train.families.cascade.folding import folded
from train.families.cascade.networks.config import ModelConfig
from train.families.cascade.networks.inference import InferenceNetworks, empty_networks

REPOSITORY: Final = Path(__file__).resolve().parents[2]
SHIPPED: Final = REPOSITORY / "efgan_rt" / "shipped"
CHECKPOINT: Final = SHIPPED / "efgan.safetensors"
BATCHES: Final = (1, 64, 128)  # a data centre's GPU is not full before 64
# Centred on the rendered training set's average key points.
REGIONS: Final = {
    "eyes": RegionBox(28, 18, 40, 92),
    "nose": RegionBox(56, 40, 40, 48),
    "mouth": RegionBox(74, 34, 40, 60),
}
BLOCK: Final = 4093  # numbers, a prime: no layer's rows are alike


def paper_config(width: int = 64, stages: int = 3) -> ModelConfig:
    """Three stages of the paper's width, which repaint."""
    return ModelConfig(width=width, stages=stages, regions=dict(REGIONS))


def patterned_networks(config: ModelConfig) -> InferenceNetworks:
    """Networks of random weights that compress; the same on every machine.

    Convolutions keep the spread of what passes through them, and the output layers are small, so
    that no activation saturates.
    """
    networks = empty_networks(config)
    block = np.random.default_rng(0).standard_normal(BLOCK).astype(np.float32)
    for part in (networks.cascade, networks.au_reader):
        part.eval()
        for name, layer in part.named_modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                weight = layer.weight.data
                spread = (weight[0].numel() ** -0.5) * (0.2 if "head" in name else 1.0)
                values = np.resize(block, weight.numel()).reshape(weight.shape)
                layer.weight.data = torch.from_numpy(values * np.float32(spread))
    return networks


def write_set(
    networks: InferenceNetworks, folder: Path, precision: str, *, fold: bool = True
) -> Manifest:
    """Exports networks into an engine directory, without the gates of a build."""
    given = folded(networks) if fold else networks
    if precision == "fp16":
        exported = exported_networks(half_twin(given), torch.float16)
    else:
        exported = exported_networks(given)
    folder.mkdir(parents=True, exist_ok=True)
    entries = {}
    for name, network in exported.items():
        content = to_file_bytes(to_onnx(network))
        (folder / f"{name}.onnx").write_bytes(content)
        entries[name] = NetworkEntry(
            name=name,
            file=f"{name}.onnx",
            sha256=hashlib.sha256(content).hexdigest(),
            bytes=len(content),
            batch=BATCHES,
            inputs=network.inputs,
            outputs=network.outputs,
            parity={},
        )
    config = networks.cascade.config
    properties = {
        "stages": config.stages,
        "crop_px": config.crop_px,
        "au_names": list(config.au_names),
        "expressions": {"happy": [2.0] * config.au_count},
    }
    manifest = Manifest(__version__, "onnx", precision, precision, entries, properties)
    manifest.write(folder)
    read_properties(EngineDirectory(folder, manifest))
    return manifest


def main() -> None:
    """Makes the three sets."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, metavar="DIR")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--stages", type=int, default=3)
    arguments = parser.parse_args()
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    build_engines(CHECKPOINT, out / "shipped-fp16", precision="fp16", batch=BATCHES, progress=print)
    networks = patterned_networks(paper_config(arguments.width, arguments.stages))
    for precision in ("fp32", "fp16"):
        write_set(networks, out / f"paper-{precision}", precision)
        print(f"paper-{precision}: written")
