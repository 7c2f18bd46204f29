"""The networks as they are exported: bytes in, bytes out, everything between them inside.

A lane never waits for the host between the pictures and the edited pictures, so the conversions,
the target's arithmetic and the displayable pixels are part of the graphs. Names, types and shapes
are the contract with whoever runs an engine: a family's `specs`; a `forward` takes and gives
tensors in the order stated there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from engines.base import TensorSpec
from engines.program import Step
from export.parity import Arrays, Run
from train.families.family import Networks
from train.families.registry import trained_family


@dataclass(frozen=True)
class ExportedNetwork:
    """A network of an engine directory, with what it takes and gives, and where in its program."""

    name: str
    module: nn.Module
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    step: Step


def exported_networks(
    networks: Networks, image_type: torch.dtype = torch.float32
) -> Mapping[str, ExportedNetwork]:
    """All networks of an engine directory by name, in the order in which they run.

    Args:
        networks: as trained or folded; for float16, their half-precision twins.
        image_type: float32 or float16, of pictures between networks.
    """
    family = trained_family(networks.family)
    image_dtype = str(image_type).removeprefix("torch.")
    properties = replace(networks.properties(), image_dtype=image_dtype)
    specs = family.family.specs(properties)
    modules = family.exported(networks, image_type)
    return {
        step.network: ExportedNetwork(
            step.network, modules[step.network], *specs[step.network], step
        )
        for step in family.family.wiring(properties).program.steps
    }


def run_in_torch(networks: Mapping[str, ExportedNetwork], given: Arrays) -> dict[str, Run]:
    """Runs the whole program in PyTorch: every network's inputs and outputs, by its name.

    Args:
        networks: in the order in which they run.
        given: by place, what the program is given.
    """
    runs: dict[str, Run] = {}
    places = dict(given)
    for name, network in networks.items():
        found = network.step.gathered(places)
        inputs = {spec.name: np.ascontiguousarray(found[spec.name]) for spec in network.inputs}
        with torch.inference_mode():
            made = network.module.eval()(*(torch.from_numpy(v) for v in inputs.values()))
        tensors = made if isinstance(made, tuple) else (made,)
        outputs = {
            spec.name: tensor.numpy() for spec, tensor in zip(network.outputs, tensors, strict=True)
        }
        runs[name] = Run(inputs, outputs)
        places |= {network.step.outputs[tensor]: values for tensor, values in outputs.items()}
    return runs
