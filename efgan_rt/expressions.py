"""What the user asks for, as a target scale and offset for each action unit.

The target of a picture with source AUs y is `clip(scale * y + offset, 0, 5)`, computed inside the
network, so that one request serves pictures with different faces. No change is scale 1, offset 0;
an expression p at intensity i moves every unit the share i of the way to p (scale 1 - i, offset
i * p); `--au` items then change single units.
"""

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from efgan_rt.action_units import MAX_INTENSITY, index_of
from efgan_rt.errors import EfganError
from engines.arrays import FloatArray

# 1 is the expression as the training set shows it on average; beyond it lies exaggeration.
MAX_EXPRESSION_INTENSITY = 2.0
AU_ITEM = re.compile(r"\s*(?P<name>\w+)\s*(?P<operator>\+=|-=|=)\s*(?P<number>\S+)\s*")


@dataclass(frozen=True)
class Target:
    """Where the action units of a picture shall go; `clip(scale * source + offset, 0, 5)`.

    Attributes:
        scale: float32 (K,).
        offset: float32 (K,), on the scale of 0 to 5.
    """

    scale: FloatArray
    offset: FloatArray

    @property
    def places(self) -> dict[str, FloatArray]:
        """By the places where a program that takes targets has them."""
        return target_places(self.scale, self.offset)


def target_places(scale: FloatArray, offset: FloatArray) -> dict[str, FloatArray]:
    """A scale and an offset by the places where a program that takes targets has them."""
    return {"target_scale": scale, "target_offset": offset}


def clipped_target(source_au: FloatArray, places: Mapping[str, FloatArray]) -> FloatArray:
    """Where units shall go that are at `source_au`, by the places of targets, row by row."""
    target = places["target_scale"] * source_au + places["target_offset"]
    return np.asarray(np.clip(target, 0, MAX_INTENSITY), np.float32)


@dataclass(frozen=True)
class AuItem:
    """An item of `--au` or a cell of a table: set a unit to a value, or shift it by one."""

    index: int
    relative: bool
    value: float  # 0 to 5, or -5 to 5 when relative


def target_for(
    expressions: Mapping[str, FloatArray],
    au_names: Sequence[str],
    *,
    expression: str | None,
    intensity: float = 1.0,
    au: str | None,
) -> Target:
    """The target that an expression, an intensity and single units ask for together.

    Args:
        expressions: the model's expressions, each float32 (K,).
        au_names: the model's K action units.
        expression: one of `expressions`, or None to start from no change.
        intensity: 0 (no change) to 1 (as in the training set) to 2 (exaggerated).
        au: items such as `AU12=3.5,AU04-=1`; they win over the expression, unit by unit.

    Raises:
        EfganError: an unknown expression or unit, an intensity or value out of range, an item that
            cannot be read, or a unit named twice.
    """
    prototype = None if expression is None else prototype_of(expressions, expression)
    items = parse_au_items(au or "", au_names)
    return target_towards(prototype, len(au_names), intensity=intensity, items=items)


def target_towards(
    prototype: FloatArray | None,
    units: int,
    *,
    intensity: float = 1.0,
    items: Iterable[AuItem] = (),
) -> Target:
    """The target on the way to given action units.

    Args:
        prototype: float32 (K,), an expression's or those of a face; None to start from no change.
        units: K.
        intensity: how much of the way, 0 to 2.
        items: they win over the prototype, unit by unit.

    Raises:
        EfganError: the intensity is out of range.
    """
    checked_share(intensity)
    scale = np.ones(units, np.float32)
    offset = np.zeros(units, np.float32)
    if prototype is not None:
        scale[:] = 1 - intensity
        offset[:] = intensity * prototype
    for item in items:
        if item.relative:
            offset[item.index] += item.value
        else:
            scale[item.index] = 0
            offset[item.index] = item.value
    return Target(scale, offset)


def checked_share(intensity: float) -> float:
    """An intensity, as it is.

    Raises:
        EfganError: it is out of range.
    """
    if not 0 <= intensity <= MAX_EXPRESSION_INTENSITY:
        raise EfganError(
            f"intensity {intensity:g} is out of range; expected 0 to {MAX_EXPRESSION_INTENSITY:g}"
        )
    return intensity


def parse_au_items(text: str, au_names: Sequence[str]) -> Iterator[AuItem]:
    """The items of `--au`, such as `AU12=3.5,AU04-=1`; an empty text has none.

    Raises:
        EfganError: an item cannot be read, is out of range, or names a unit a second time.
    """
    seen: set[int] = set()
    for part in text.split(",") if text.strip() else []:
        match = AU_ITEM.fullmatch(part)
        if match is None:
            raise EfganError(
                f"'{part.strip()}' is not an action unit's value; "
                "expected AU12=3.5 (set), AU12+=1 (raise) or AU12-=1 (lower)"
            )
        index = index_of(match["name"], au_names)
        if index in seen:
            raise EfganError(f"{au_names[index]} is given twice in '{text}'; name it once")
        seen.add(index)
        value = _intensity(match["number"], part.strip())
        relative = match["operator"] != "="
        yield AuItem(index, relative, -value if match["operator"] == "-=" else value)


def _intensity(number: str, item: str) -> float:
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not 0 <= value <= MAX_INTENSITY:
        raise EfganError(f"'{number}' in '{item}' is not a number from 0 to {MAX_INTENSITY:g}")
    return value


def prototype_of(expressions: Mapping[str, FloatArray], name: str) -> FloatArray:
    """The action units of an expression.

    Raises:
        EfganError: the model has no such expression; the message lists those it has.
    """
    if name in expressions:
        return expressions[name]
    known = ", ".join(sorted(expressions))
    by_lower = {each.lower(): each for each in expressions}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1)
    guess = f"; did you mean {by_lower[near[0]]}?" if near else ""
    raise EfganError(f"the model has no expression '{name}'; it has {known}{guess}")
