"""EET: a reference picture lends its expression, with no action units in between.

A face is taken apart twice: `expression_encoder` (the paper's E, E_r) gives its AU-related feature,
`face_encoder` (E, E_f) its AU-free one; `generator` (G) makes a picture of a face's AU-free feature
and the AU-related one that a reference lends. Both encoders run once a face, whatever it is edited
to, and a reference's feature is computed once a run.

How far to go is ours: the generator is given the way from the face's own AU-related feature to the
lent one, so `--intensity` and `--frames` are shares of that way; all of it is the paper's transfer.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from efgan_rt.errors import EfganError
from efgan_rt.expressions import checked_share
from efgan_rt.families.family import (
    FRAMES,
    INTENSITY,
    PIXELS,
    REFERENCE,
    TABLE,
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
    property_fault,
)
from efgan_rt.requests.reference import is_table
from engines.base import TensorSpec
from engines.directory import EngineDirectory
from engines.program import Program, Step

EXPRESSION_ENCODER: Final = "expression_encoder"
FACE_ENCODER: Final = "face_encoder"
GENERATOR: Final = "generator"
LENT_FEATURE: Final = (EXPRESSION_ENCODER, "related")
FEATURE_PX: Final = 4  # side of both features, whatever the crop's


def feature_channels(crop_px: int, width: int) -> int:
    """Channels of a feature: 1024 of the paper's crops of 256 and width of 32."""
    return crop_px * width // 8


def read(directory: EngineDirectory) -> Properties:
    """The properties of an EET set; see `efgan_rt.families.registry.read_properties`."""
    channels = directory.manifest.properties.get("feature_channels")
    if type(channels) is not int or channels < 1:
        raise property_fault(directory, "feature_channels", "a positive integer")
    common = common_properties(directory)
    if not common.au_names:
        raise property_fault(directory, "au_names", "a list of action units")
    properties = replace(common, own={"feature_channels": channels})
    check_networks(directory, specs(properties))
    return properties


def specs(properties: Properties) -> Specs:
    """What the three networks take and give."""
    side, channels = properties.crop_px, properties.own["feature_channels"]
    pixels = TensorSpec(PIXELS, "uint8", ("B", side, side, 3))
    feature = ("B", channels, FEATURE_PX, FEATURE_PX)
    related = TensorSpec("related", "float32", feature)
    free = TensorSpec("free", "float32", feature)
    au = TensorSpec("au", "float32", ("B", len(properties.au_names)))
    # A row, as everything is that a caller gives.
    lent = TensorSpec("lent", "float32", ("B", channels * FEATURE_PX**2))
    share = TensorSpec("share", "float32", ("B", 1))
    return {
        EXPRESSION_ENCODER: ((pixels,), (related, au)),
        FACE_ENCODER: ((pixels,), (free,)),
        GENERATOR: (
            (related, free, lent, share, replace(share, name="progress")),
            (replace(pixels, name="pixels_out"),),
        ),
    }


def wiring(properties: Properties) -> Wiring:
    """How the three are run."""
    takes = ("related", "free", "lent", "share", "progress")
    steps = (
        Step(EXPRESSION_ENCODER, {PIXELS: PIXELS}, {"related": "related", "au": "au"}),
        Step(FACE_ENCODER, {PIXELS: PIXELS}, {"free": "free"}),
        Step(GENERATOR, {each: each for each in takes}, {"pixels_out": "pixels_out"}),
    )
    return Wiring(
        Program(steps),
        pictures=((GENERATOR, "pixels_out"),),
        units=(EXPRESSION_ENCODER, "au"),
        kept={"related": LENT_FEATURE, "free": (FACE_ENCODER, "free")},
        progress="progress",
    )


def goal(
    properties: Properties, wish: Wish, read_picture: ReadPicture, say: Callable[[str], None]
) -> Goal:
    """What a reference picture lends, and how much of it.

    Raises:
        EfganError: there is no reference, it is a table, it has no face, or the intensity is out of
            range.
    """
    if wish.reference is None:
        raise EfganError(
            "models of the family eet take the expression of another face: give --reference FACE"
        )
    if is_table(wish.reference):
        raise EfganError(
            f"{wish.reference}: models of the family eet take the expression from a picture, not "
            "from action units; give the picture that the table was measured on"
        )
    share = checked_share(wish.intensity)
    lent = np.asarray(read_picture(wish.reference, LENT_FEATURE), np.float32).ravel()
    return given(lent, share)


def given(lent: np.ndarray[tuple[int, ...], np.dtype[np.float32]], share: float) -> Given:
    """A goal of a lent feature, float32 (F * 16,), and how far to go, 0 to 2."""
    return Given({"lent": lent, "share": np.array([share], np.float32)})


def any_goal(properties: Properties) -> Goal:
    """A feature of zeros: how long an edit takes does not depend on it."""
    channels: int = properties.own["feature_channels"]
    return given(np.zeros(channels * FEATURE_PX**2, np.float32), 1.0)


EET: Final = Family(
    "eet",
    "Explicit Expression Transfer",
    frozenset({REFERENCE, INTENSITY, TABLE, FRAMES}),
    read,
    specs,
    wiring,
    goal,
    any_goal,
)
