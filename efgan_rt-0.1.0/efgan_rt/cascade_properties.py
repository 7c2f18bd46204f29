"""What an engine directory has to hold to be a cascade: its properties and its networks' tensors.

The manifest vouches for files; this says that the files are these networks, with one number of
action units, stages and pixels throughout, so that a mixed-up set is refused when it is opened and
not by a puzzling shape in the middle of a run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from efgan_rt.action_units import FloatArray
from efgan_rt.errors import EfganError
from efgan_rt.faces.motion import FIELDS
from efgan_rt.faces.mouths import Mouths, mouths_from
from efgan_rt.faces.template import Template, template_from_dict
from engines.base import EngineError, TensorSpec
from engines.manifest import Manifest, directory_fault, read_data

AU_ESTIMATOR: Final = "au_estimator"
MOUTHS_FILE: Final = "mouths.png"
INTERPOLATOR: Final = "interpolator"


@dataclass(frozen=True)
class CascadeProperties:
    """What an engine set says of its cascade."""

    stages: int
    crop_px: int
    au_names: tuple[str, ...]
    expressions: Mapping[str, FloatArray]
    """The mean action units of each expression, float32 (K,)."""
    image_dtype: str
    """Element type of the image between stages: `float32`, or `float16` in an fp16 set."""
    motion: bool = False
    """Whether stages move the face and give fields; a crop is then pasted by `faces.motion`."""
    mouths: Mouths | None = None
    """The mouths of a set with motion."""
    template: Template | None = None
    """Where a detector's five points lie in the training crops; None where nobody measured it."""


def stage_name(number: int) -> str:
    """The name of the network of stage 1 to S."""
    return f"stage_{number}"


def read_properties(directory: Path, manifest: Manifest) -> CascadeProperties:
    """Reads a manifest's properties and holds its networks against them.

    Raises:
        EngineError: a property is missing or not as it should be, or a network is missing or takes
            or gives other tensors.
    """
    found = manifest.properties

    def fault(name: str, expected: str) -> EngineError:
        shown = repr(found[name])[:60] if name in found else "missing"
        return directory_fault(directory, f"property {name} is {shown}, expected {expected}")

    stages, crop_px, names = (found.get(name) for name in ("stages", "crop_px", "au_names"))
    if type(stages) is not int or not 1 <= stages <= len(manifest.networks):
        raise fault("stages", "a positive integer, and a network for each")
    if type(crop_px) is not int or crop_px < 1:
        raise fault("crop_px", "a positive integer")
    if not (isinstance(names, list) and names and all(isinstance(name, str) for name in names)):
        raise fault("au_names", "a list of action units")
    of_each = f"{len(names)} finite intensities for each name"
    if not isinstance(found.get("expressions"), dict):
        raise fault("expressions", of_each)
    expressions = {}
    for name, intensities in found["expressions"].items():
        try:
            expressions[name] = np.array(intensities, np.float32)
        except (TypeError, ValueError, OverflowError):
            raise fault("expressions", of_each) from None
        if expressions[name].shape != (len(names),) or not np.isfinite(expressions[name]).all():
            raise fault("expressions", of_each)
    image_dtype = "float16" if manifest.precision == "fp16" else "float32"
    motion = found.get("motion", False)
    if type(motion) is not bool:
        raise fault("motion", "true or false")
    mouths = None
    if motion:
        try:
            png = read_data(directory, manifest)
            mouths = mouths_from(png, found.get("mouths") or {}, "property mouths")
        except EfganError as error:
            raise directory_fault(directory, str(error)) from error
    template = None
    if found.get("alignment") is not None:
        try:
            template = template_from_dict(found["alignment"], "property alignment")
        except EfganError as error:
            raise directory_fault(directory, str(error)) from error
    properties = CascadeProperties(
        stages, crop_px, tuple(names), expressions, image_dtype, motion, mouths, template
    )
    _check_networks(directory, manifest, properties)
    return properties


def network_specs(
    properties: CascadeProperties,
) -> dict[str, tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]]:
    """Inputs and outputs of each of the cascade's networks, by name, in the order they run."""
    crop, units, stages = properties.crop_px, len(properties.au_names), properties.stages
    image_dtype = properties.image_dtype
    pixels = TensorSpec("pixels", "uint8", ("B", crop, crop, 3))
    image_in = TensorSpec("image_in", image_dtype, ("B", 3, crop, crop))
    au = TensorSpec("au", "float32", ("B", units))
    stage_outputs = (
        TensorSpec("image_out", image_dtype, ("B", 3, crop, crop)),
        TensorSpec("pixels_out", "uint8", ("B", crop, crop, 3)),
        TensorSpec("attention", "uint8", ("B", crop, crop)),
    )
    interpolator_inputs = (
        TensorSpec("source_au", "float32", ("B", units)),
        TensorSpec("target_scale", "float32", ("B", units)),
        TensorSpec("target_offset", "float32", ("B", units)),
        TensorSpec("progress", "float32", ("B", stages)),
    )
    stage_au = TensorSpec("stage_au", "float32", (stages, "B", units))
    if properties.motion:
        grid = crop // 2
        choice = TensorSpec("mouth_choice", "int32", ("B",))
        totals_in = TensorSpec("totals_in", "float32", ("B", FIELDS, grid, grid))
        motion_outputs = (
            stage_outputs[0],
            TensorSpec("totals_out", "float32", ("B", FIELDS, grid, grid)),
            *stage_outputs[1:],
            TensorSpec("fields", "float16", ("B", grid, grid, FIELDS)),
        )
        return {
            AU_ESTIMATOR: ((pixels,), (au,)),
            INTERPOLATOR: (interpolator_inputs, (stage_au, choice)),
            **{
                stage_name(number): (
                    (pixels, au, choice, *(() if number == 1 else (image_in, totals_in))),
                    motion_outputs,
                )
                for number in range(1, stages + 1)
            },
        }
    return {
        AU_ESTIMATOR: ((pixels,), (au,)),
        INTERPOLATOR: (interpolator_inputs, (stage_au,)),
        **{
            stage_name(number): ((pixels if number == 1 else image_in, au), stage_outputs)
            for number in range(1, stages + 1)
        },
    }


def _check_networks(directory: Path, manifest: Manifest, properties: CascadeProperties) -> None:
    for name, (inputs, outputs) in network_specs(properties).items():
        entry = manifest.network(name)
        if set(entry.inputs) != set(inputs) or set(entry.outputs) != set(outputs):
            raise directory_fault(
                directory,
                f"network '{name}' takes {_shown(entry.inputs)} and gives {_shown(entry.outputs)}, "
                f"expected {_shown(inputs)} and {_shown(outputs)}",
            )


def _shown(specs: tuple[TensorSpec, ...]) -> str:
    return ", ".join(f"{spec.name} {spec.dtype} {list(spec.shape)}" for spec in specs)
