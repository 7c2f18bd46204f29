"""What can be asked of a model's faces, for whoever draws controls for it.

The one place that a page or another front end asks: names, ranges and what each unit moves.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from efgan_rt.action_units import AU_DESCRIPTIONS, MAX_INTENSITY
from efgan_rt.expressions import MAX_EXPRESSION_INTENSITY


@dataclass(frozen=True)
class Choices:
    """What can be asked.

    Attributes:
        expressions: names.
        units: each action unit's name and what it moves, such as "lip corner puller".
        most_intensity: of an expression or a reference; the least is 0.
        most_unit: of an action unit; the least is 0.
    """

    expressions: tuple[str, ...]
    units: tuple[tuple[str, str], ...]
    most_intensity: float = MAX_EXPRESSION_INTENSITY
    most_unit: float = MAX_INTENSITY


def choices_of(expressions: Iterable[str], au_names: Sequence[str]) -> Choices:
    """What can be asked of a model with these expressions and action units."""
    units = tuple((name, AU_DESCRIPTIONS.get(name, "")) for name in au_names)
    return Choices(tuple(expressions), units)
