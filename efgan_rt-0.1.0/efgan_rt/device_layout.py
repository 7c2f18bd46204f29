"""Where each tensor of a cascade lies in the memory of a lane on a GPU.

Most have a stretch of their own. Shared are the estimate and what the Interpolator reads as source,
the stages' aim, their pixels, attention and fields, each overwritten by the next stage; and what
one stage hands to the next, the image and the totals of a motion, which lies in one of two
stretches, so that a stage reads one and writes the other. The original's pixels stay where they
were uploaded to.
"""

from collections.abc import Mapping
from typing import Final

from efgan_rt.cascade_properties import AU_ESTIMATOR, stage_name
from engines.base import TensorSpec
from engines.device import DeviceEngine

IMAGES: Final = ("image, odd stages", "image, even stages")
TOTALS: Final = ("totals, odd stages", "totals, even stages")
AIM: Final = "aim"
ESTIMATE: Final = "source_au"


def tensors_of(engines: Mapping[str, DeviceEngine], stages: int) -> dict[str, TensorSpec]:
    """Every stretch of memory of a lane, by its name there."""
    found: dict[str, TensorSpec] = {}
    for name, engine in engines.items():
        places = places_of(name, engine, stages)
        for spec in (*engine.inputs, *engine.outputs):
            found.setdefault(places[spec.name], spec)
    return found


def places_of(network: str, engine: DeviceEngine, stages: int) -> dict[str, str]:
    """Where each tensor of a network lies in the lane: its own name, but for what is shared."""
    places = {spec.name: spec.name for spec in (*engine.inputs, *engine.outputs)}
    if network == AU_ESTIMATOR:
        places["au"] = ESTIMATE
    for number in range(1, stages + 1):
        if network == stage_name(number):
            places["au"] = AIM
            for name, stretches in (("image", IMAGES), ("totals", TOTALS)):
                own, other = stretches if number % 2 else reversed(stretches)
                if f"{name}_out" in places:
                    places[f"{name}_out"] = own
                if f"{name}_in" in places:
                    places[f"{name}_in"] = other
    return places
