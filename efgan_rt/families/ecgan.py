"""ECGAN: a neutral face gets a named expression, and any other is made neutral first.

`neutralise` (G_YX) makes a face neutral, once, whatever it is edited to; `express` (G_XY) gives
that face the expression of a one-hot vector. Nobody says at a run whether a face is neutral, so
both run: the identity loss (equation 4) teaches G_YX to leave a neutral face as it is. Asked for
`neutral`, `express` passes on what it is given (ours).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from efgan_rt.errors import EfganError
from efgan_rt.expressions import prototype_of
from efgan_rt.families.family import (
    EXPRESSION,
    PIXELS,
    Family,
    Given,
    Goal,
    ReadPicture,
    Wiring,
    Wish,
)
from efgan_rt.families.properties import (
    Properties,
    Specs,
    check_networks,
    common_properties,
    named_vectors,
    property_fault,
)
from engines.arrays import FloatArray
from engines.base import TensorSpec
from engines.directory import EngineDirectory
from engines.program import Program, Step

NEUTRALISE: Final = "neutralise"
EXPRESS: Final = "express"
NEUTRAL: Final = "neutral"


def one_hots(names: tuple[str, ...]) -> dict[str, FloatArray]:
    """The vector of each expression, float32 (e,)."""
    return dict(zip(names, np.eye(len(names), dtype=np.float32), strict=True))


def read(directory: EngineDirectory) -> Properties:
    """The properties of an ECGAN set; see `efgan_rt.families.registry.read_properties`."""
    found = directory.manifest.properties.get("expressions")
    if not isinstance(found, dict) or NEUTRAL not in found:
        raise property_fault(directory, "expressions", "a vector for each name, neutral among them")
    expressions = named_vectors(directory, "expressions", len(found))
    properties = replace(common_properties(directory), expressions=expressions)
    check_networks(directory, specs(properties))
    return properties


def specs(properties: Properties) -> Specs:
    """What the two networks take and give."""
    side = properties.crop_px
    pixels = TensorSpec(PIXELS, "uint8", ("B", side, side, 3))
    image = TensorSpec("image_out", properties.image_dtype, ("B", 3, side, side))
    wanted = TensorSpec("wanted", "float32", ("B", len(properties.expressions)))
    return {
        NEUTRALISE: ((pixels,), (image,)),
        EXPRESS: (
            (replace(image, name="image_in"), wanted),
            (replace(pixels, name="pixels_out"),),
        ),
    }


def wiring(properties: Properties) -> Wiring:
    """How the two are run."""
    steps = (
        Step(NEUTRALISE, {PIXELS: PIXELS}, {"image_out": NEUTRAL}),
        Step(EXPRESS, {"image_in": NEUTRAL, "wanted": "wanted"}, {"pixels_out": "pixels_out"}),
    )
    return Wiring(
        Program(steps),
        pictures=((EXPRESS, "pixels_out"),),
        kept={NEUTRAL: (NEUTRALISE, "image_out")},
    )


def goal(
    properties: Properties, wish: Wish, read_picture: ReadPicture, say: Callable[[str], None]
) -> Goal:
    """The one-hot vector of the expression.

    Raises:
        EfganError: none is named, or the model has none of that name.
    """
    towards = wish.towards
    if wish.expression is not None:
        towards = prototype_of(properties.expressions, wish.expression)
    if towards is None:
        raise EfganError("models of the family ecgan edit to an expression: give --expression NAME")
    return Given({"wanted": np.asarray(towards, np.float32)})


def any_goal(properties: Properties) -> Goal:
    """The last expression."""
    return Given({"wanted": list(properties.expressions.values())[-1]})


ECGAN: Final = Family(
    "ecgan",
    "Expression Conditional GAN",
    frozenset({EXPRESSION}),
    read,
    specs,
    wiring,
    goal,
    any_goal,
)
