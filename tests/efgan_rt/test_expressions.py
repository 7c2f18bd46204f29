"""Expressions and `--au` items as target scale and offset."""

import numpy as np
import pytest

from efgan_rt.action_units import AU_NAMES
from efgan_rt.errors import EfganError
from efgan_rt.expressions import Target, target_for
from engines.arrays import FloatArray

AU04, AU12 = AU_NAMES.index("AU04"), AU_NAMES.index("AU12")
HAPPY = np.linspace(0, 4, len(AU_NAMES), dtype=np.float32)
EXPRESSIONS = {"happy": HAPPY, "neutral": np.zeros_like(HAPPY)}


def target(expression: str | None = None, intensity: float = 1.0, au: str | None = None) -> Target:
    return target_for(EXPRESSIONS, AU_NAMES, expression=expression, intensity=intensity, au=au)


def aim(wanted: Target, source: FloatArray) -> FloatArray:
    """What the network computes of a target, before it clips."""
    return wanted.scale * source + wanted.offset


def test_nothing_asked_is_no_change() -> None:
    source = np.linspace(5, 0, len(AU_NAMES), dtype=np.float32)
    np.testing.assert_array_equal(aim(target(), source), source)


def test_full_intensity_aims_at_the_prototype_whatever_the_source() -> None:
    for source in (np.zeros_like(HAPPY), np.full_like(HAPPY, 5)):
        np.testing.assert_array_equal(aim(target("happy"), source), HAPPY)


def test_half_intensity_aims_half_way() -> None:
    source = np.full_like(HAPPY, 2)
    np.testing.assert_allclose(aim(target("happy", 0.5), source), (source + HAPPY) / 2)


def test_zero_intensity_is_no_change() -> None:
    source = np.full_like(HAPPY, 2)
    np.testing.assert_array_equal(aim(target("happy", 0), source), source)


def test_an_absolute_unit_wins_over_the_expression() -> None:
    found = target("happy", au="AU12=0.5")
    assert (found.scale[AU12], found.offset[AU12]) == (0, 0.5)
    assert found.offset[AU04] == HAPPY[AU04]


def test_relative_units_are_added_to_what_is_there() -> None:
    source = np.full_like(HAPPY, 2)
    found = aim(target(au="AU12+=1.5, au4-=1"), source)
    assert (found[AU12], found[AU04]) == (3.5, 1)
    assert np.delete(found, [AU04, AU12]).tolist() == [2] * 15
    on_top = aim(target("happy", au="AU12+=0.25"), source)
    assert on_top[AU12] == HAPPY[AU12] + np.float32(0.25)


def test_targets_are_float32() -> None:
    found = target("happy", 0.3, "AU12=3.5")
    assert found.scale.dtype == np.float32
    assert found.offset.dtype == np.float32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"expression": "hapy"},
            "the model has no expression 'hapy'; it has happy, neutral; did you mean happy?",
        ),
        ({"expression": "zzz"}, "the model has no expression 'zzz'; it has happy, neutral"),
        ({"expression": "Happy"}, "did you mean happy?"),
        ({"intensity": 2.5}, "intensity 2.5 is out of range; expected 0 to 2"),
        ({"intensity": float("nan")}, "intensity nan is out of range; expected 0 to 2"),
        ({"au": "AU12"}, "'AU12' is not an action unit's value; expected AU12=3.5 (set)"),
        ({"au": "AU12=3,"}, "'' is not an action unit's value"),
        ({"au": "AU12*=3"}, "'AU12*=3' is not an action unit's value"),
        ({"au": "AU12=high"}, "'high' in 'AU12=high' is not a number from 0 to 5"),
        ({"au": "AU12=nan"}, "'nan' in 'AU12=nan' is not a number from 0 to 5"),
        ({"au": "AU12=5.5"}, "'5.5' in 'AU12=5.5' is not a number from 0 to 5"),
        ({"au": "AU12-=-1"}, "'-1' in 'AU12-=-1' is not a number from 0 to 5"),
        ({"au": "smile=1"}, "'smile' is not an action unit; expected a name such as AU12"),
        ({"au": "AU03=1"}, "the model has no AU03; its action units are AU01 AU02 AU04"),
        ({"au": "AU12=1,12+=1"}, "AU12 is given twice in 'AU12=1,12+=1'; name it once"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(EfganError) as caught:
        target(**arguments)  # type: ignore[arg-type]
    assert message in str(caught.value)
