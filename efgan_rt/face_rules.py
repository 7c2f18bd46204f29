"""Which face of a picture gets which edit, by its number and by what it shows.

A picture's faces are numbered from 1, the largest first, as reports number them; nobody is
recognised. A condition is about the action units that a face shows before its edit, as they are
known or as the engine set's own estimator reads them.
"""

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from efgan_rt.action_units import MAX_INTENSITY, index_of
from efgan_rt.errors import EfganError
from efgan_rt.families.family import Goal
from engines.arrays import FloatArray

CONDITION: Final = re.compile(r"\s*(?P<name>\w+)\s*(?P<operator><=|>=|<|>)\s*(?P<number>\S+)\s*")
OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Condition:
    """What one action unit of a face has to be.

    Attributes:
        index: of the unit, among the model's.
        operator: one of `OPERATORS`.
        value: 0 to 5.
    """

    index: int
    operator: str
    value: float

    def holds(self, units: FloatArray) -> bool:
        """Whether it is true of a face's units, float32 (K,)."""
        return OPERATORS[self.operator](float(units[self.index]), self.value)


def parse_conditions(text: str, au_names: Sequence[str]) -> tuple[Condition, ...]:
    """The conditions of `--only-if`, such as `AU12<1.5,AU45>=1`, all of which have to hold.

    Raises:
        EfganError: one cannot be read, is out of range, or names a unit that the model lacks.
    """
    found = []
    for part in text.split(",") if text.strip() else []:
        match = CONDITION.fullmatch(part)
        if match is None:
            raise EfganError(
                f"'{part.strip()}' is not a condition; expected an action unit, < <= > or >=, and "
                "a number from 0 to 5, such as AU12<1.5"
            )
        try:
            value = float(match["number"])
        except ValueError:
            value = -1.0
        if not 0 <= value <= MAX_INTENSITY:
            raise EfganError(
                f"'{match['number']}' in '{part.strip()}' is not a number from 0 to "
                f"{MAX_INTENSITY:g}"
            )
        found.append(Condition(index_of(match["name"], au_names), match["operator"], value))
    return tuple(found)


@dataclass(frozen=True, eq=False)
class FaceRule:
    """An edit, and the faces that it is for.

    Attributes:
        target: where their action units shall go; None leaves them as they are.
        face: its number in the picture, from 1, the largest first; None for every face.
        only_if: what has to be true of it.
    """

    target: Goal | None
    face: int | None = None
    only_if: tuple[Condition, ...] = ()

    @property
    def recipe(self) -> list[Any]:
        """Plain values that tell it from every other rule."""
        conditions = [[each.index, each.operator, each.value] for each in self.only_if]
        if self.target is None:
            return [self.face, conditions]
        return [self.face, conditions, *(each.tolist() for each in self.target.places.values())]


def plain_target(rules: Sequence[FaceRule]) -> Goal | None:
    """What every face gets, whatever it shows; None where that is not the same for all."""
    if len(rules) != 1 or rules[0].face is not None or rules[0].only_if:
        return None
    return rules[0].target


def target_of_face(rules: Sequence[FaceRule], face: int, units: FloatArray) -> Goal | None:
    """What the first rule that fits a face asks of it; None leaves it as it is.

    Args:
        rules: of its picture.
        face: its place among the picture's faces, from 0, the largest first.
        units: float32 (K,), what it shows.
    """
    for rule in rules:
        is_meant = rule.face is None or rule.face == face + 1
        if is_meant and all(each.holds(units) for each in rule.only_if):
            return rule.target
    return None
