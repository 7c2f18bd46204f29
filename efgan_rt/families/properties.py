"""What an engine set says of its model, and what of that every family reads alike."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from efgan_rt.errors import EfganError
from efgan_rt.faces.mouths import Mouths
from efgan_rt.faces.template import Template, template_from_dict
from engines.arrays import FloatArray
from engines.base import EngineError, TensorSpec
from engines.directory import EngineDirectory

Specs = dict[str, tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]]
"""Inputs and outputs of each network, by name, in the order they run."""


@dataclass(frozen=True)
class Properties:
    """What an engine set says of its model.

    Attributes:
        crop_px: side of the crops that the networks take.
        image_dtype: of pictures between networks: `float32`, or `float16` in an fp16 set.
        stages: pictures that come one after another on the way to the edit.
        au_names: the action units that it reads and is asked for; none of a family without.
        expressions: by name, the vector that asks for it.
        motion: whether the face is moved; a crop is then pasted by `faces.motion`.
        mouths: of a set with motion.
        template: where a detector's five points lie in the training crops; None where nobody
            measured it.
        own: what a family reads besides.
    """

    crop_px: int
    image_dtype: str = "float32"
    stages: int = 1
    au_names: tuple[str, ...] = ()
    expressions: Mapping[str, FloatArray] = field(default_factory=dict)
    motion: bool = False
    mouths: Mouths | None = None
    template: Template | None = None
    own: Mapping[str, Any] = field(default_factory=dict)


def property_fault(directory: EngineDirectory, name: str, expected: str) -> EngineError:
    """The error for a property that is missing or not as it should be."""
    found = directory.manifest.properties
    shown = repr(found[name])[:60] if name in found else "missing"
    return directory.fault(f"property {name} is {shown}, expected {expected}")


def common_properties(directory: EngineDirectory) -> Properties:
    """The crops' side, the template, and the named vectors, if there are any.

    Raises:
        EngineError: a property is missing or not as it should be.
    """
    found = directory.manifest.properties
    crop_px, names = found.get("crop_px"), found.get("au_names", [])
    if type(crop_px) is not int or crop_px < 1:
        raise property_fault(directory, "crop_px", "a positive integer")
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise property_fault(directory, "au_names", "a list of action units")
    template = None
    if found.get("alignment") is not None:
        try:
            template = template_from_dict(found["alignment"], "property alignment")
        except EfganError as error:
            raise directory.fault(str(error)) from error
    return Properties(
        crop_px,
        image_dtype="float16" if directory.manifest.precision == "fp16" else "float32",
        au_names=tuple(names),
        template=template,
    )


def named_vectors(directory: EngineDirectory, name: str, width: int) -> dict[str, FloatArray]:
    """A property that has a vector for each of several names, float32 (width,) each.

    Raises:
        EngineError: it is missing, or a vector is of another width or not finite.
    """
    found = directory.manifest.properties.get(name)
    fault = property_fault(directory, name, f"{width} finite intensities for each name")
    if not isinstance(found, dict):
        raise fault
    vectors = {}
    for each, values in found.items():
        try:
            vectors[each] = np.array(values, np.float32)
        except (TypeError, ValueError, OverflowError):
            raise fault from None
        if vectors[each].shape != (width,) or not np.isfinite(vectors[each]).all():
            raise fault
    return vectors


def check_networks(directory: EngineDirectory, specs: Specs) -> None:
    """Holds a set's networks against what its family's have to take and give.

    Raises:
        EngineError: a network is missing, or takes or gives other tensors.
    """
    for name, (inputs, outputs) in specs.items():
        entry = directory.manifest.network(name)
        if set(entry.inputs) != set(inputs) or set(entry.outputs) != set(outputs):
            raise directory.fault(
                f"network '{name}' takes {_shown(entry.inputs)} and gives {_shown(entry.outputs)}, "
                f"expected {_shown(inputs)} and {_shown(outputs)}"
            )


def _shown(specs: tuple[TensorSpec, ...]) -> str:
    return ", ".join(f"{spec.name} {spec.dtype} {list(spec.shape)}" for spec in specs)
