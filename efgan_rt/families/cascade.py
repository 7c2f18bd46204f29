"""Cascade EF-GAN: a reader of action units, the Interpolator, then S stages.

On processors the Interpolator computes in fp32 whatever the others do: it is a few thousand
products, and rounding them would change action units that nobody asked to change. The estimator
follows the others: in bf16 its readings move by 0.014 of 5 on average (random weights, width 32),
far less than it errs, and in fp32 it would add an eighth to the time of a narrow set's batch.
Where the stages are in int8, the estimator stays as it is without: int8 would move a reading by up
to 0.46 (shipped weights, 48 rendered faces) and save less than a hundredth of a batch's time.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from efgan_rt.errors import EfganError
from efgan_rt.expressions import parse_au_items, prototype_of, target_towards
from efgan_rt.faces.motion import FIELDS
from efgan_rt.faces.mouths import mouths_from
from efgan_rt.families.family import ASKED, PIXELS, Family, Goal, ReadPicture, Wiring, Wish
from efgan_rt.families.properties import (
    Properties,
    Specs,
    check_networks,
    common_properties,
    named_vectors,
    property_fault,
)
from efgan_rt.requests.reference import is_table, say_units, units_of_table
from engines.base import TensorSpec
from engines.directory import EngineDirectory
from engines.program import Part, Program, Step

AU_ESTIMATOR: Final = "au_estimator"
INTERPOLATOR: Final = "interpolator"
MOUTHS_FILE: Final = "mouths.png"
SOURCE_AU: Final = "source_au"
UNITS_READ: Final = (AU_ESTIMATOR, "au")
# What one stage hands to the next lies in one of two places, so that a stage reads one and writes
# the other.
HANDED_ON: Final = {
    name: (f"{name}, odd stages", f"{name}, even stages") for name in ("image", "totals")
}


def stage_name(number: int) -> str:
    """The name of the network of stage 1 to S."""
    return f"stage_{number}"


def read(directory: EngineDirectory) -> Properties:
    """A cascade's properties; see `efgan_rt.families.registry.read_properties`."""
    manifest = directory.manifest
    found = manifest.properties
    common = common_properties(directory)
    stages = found.get("stages")
    if type(stages) is not int or not 1 <= stages <= len(manifest.networks):
        raise property_fault(directory, "stages", "a positive integer, and a network for each")
    if not common.au_names:
        raise property_fault(directory, "au_names", "a list of action units")
    motion = found.get("motion", False)
    if type(motion) is not bool:
        raise property_fault(directory, "motion", "true or false")
    mouths = None
    if motion:
        try:
            mouths = mouths_from(directory.data(), found.get("mouths") or {}, "property mouths")
        except EfganError as error:
            raise directory.fault(str(error)) from error
    properties = replace(
        common,
        stages=stages,
        expressions=named_vectors(directory, "expressions", len(common.au_names)),
        motion=motion,
        mouths=mouths,
    )
    check_networks(directory, network_specs(properties))
    return properties


def network_specs(
    properties: Properties,
) -> Specs:
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


def wiring(properties: Properties) -> Wiring:
    """How a cascade is run."""
    specs = network_specs(properties)
    stages = [stage_name(number) for number in range(1, properties.stages + 1)]
    steps = [
        Step(AU_ESTIMATOR, {PIXELS: PIXELS}, {"au": SOURCE_AU}),
        _named_alike(INTERPOLATOR, specs, {}),
    ]
    for number, name in enumerate(stages, start=1):
        places: dict[str, str | Part] = {"au": Part("stage_au", number - 1)}
        for handed, both in HANDED_ON.items():
            own, other = both if number % 2 else reversed(both)
            places |= {f"{handed}_out": own, f"{handed}_in": other}
        steps.append(_named_alike(name, specs, places))
    inside = frozenset(place for both in HANDED_ON.values() for place in both)
    moves = properties.motion
    return Wiring(
        Program(tuple(steps), inside),
        pictures=tuple((name, "pixels_out") for name in stages),
        attention=(stages[-1], "attention"),
        fields=tuple((name, "fields") for name in stages) if moves else (),
        mouth_choice=(INTERPOLATOR, "mouth_choice") if moves else None,
        units=UNITS_READ,
        kept={SOURCE_AU: UNITS_READ},
        aims=(INTERPOLATOR, "stage_au"),
        progress="progress",
    )


def _named_alike(network: str, specs: Specs, places: dict[str, str | Part]) -> Step:
    """A step whose tensors lie in places of their own names, but for those that are given."""
    inputs, outputs = specs[network]
    written = {spec.name: places.get(spec.name, spec.name) for spec in outputs}
    return Step(
        network,
        {spec.name: places.get(spec.name, spec.name) for spec in inputs},
        {tensor: place for tensor, place in written.items() if isinstance(place, str)},
    )


def goal(
    properties: Properties, wish: Wish, read_picture: ReadPicture, say: Callable[[str], None]
) -> Goal:
    """The target that an expression or another face, an intensity and single units ask for.

    Raises:
        EfganError: an unknown expression or unit, a value out of range, or no face to refer to.
    """
    names = properties.au_names
    towards = wish.towards
    if wish.expression is not None:
        towards = prototype_of(properties.expressions, wish.expression)
    elif wish.reference is not None and is_table(wish.reference):
        towards = units_of_table(wish.reference, names)
    elif wish.reference is not None:
        towards = np.asarray(read_picture(wish.reference, UNITS_READ), np.float32)
        say_units(wish.reference, towards, names, say)
    items = parse_au_items(wish.au or "", names)
    return target_towards(towards, len(names), intensity=wish.intensity, items=items)


def any_goal(properties: Properties) -> Goal:
    """The first expression, wholly; without any, no change."""
    first = next(iter(properties.expressions.values()), None)
    return target_towards(first, len(properties.au_names))


CASCADE: Final = Family(
    "cascade",
    "Cascade EF-GAN",
    frozenset(ASKED),
    read,
    network_specs,
    wiring,
    goal,
    any_goal,
    exact=frozenset({INTERPOLATOR}),
)
