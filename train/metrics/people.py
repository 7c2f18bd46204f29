"""Who is judged: the rendered set's last forty people are kept out of every training.

The split is by person, so that no judge and no generator has seen a test face under any expression.
Which people they are is part of the picture set's own documentation.
"""

from collections.abc import Collection
from typing import Any, Final

EXPRESSIONS: Final = (
    "neutral",
    "happy",
    "sad",
    "angry",
    "surprised",
    "fearful",
    "disgusted",
    "contemptuous",
)
UNSEEN_PEOPLE: Final = frozenset(f"id{number}" for number in range(200, 240))


def split_origin(unseen: Collection[str]) -> dict[str, Any]:
    """What a kept judge's origin says about who was kept out of its training.

    Nothing for the rendered set's own split: the hash of its labels says it already.
    """
    return {} if set(unseen) == UNSEEN_PEOPLE else {"unseen": sorted(unseen)}


def expressions_of(named: Collection[str]) -> tuple[str, ...]:
    """The expressions that a set can be judged by, in a fixed order.

    The eight, whichever of them occur, and after them whatever else the labels name; `mixed` and no
    name at all are no expression.
    """
    others = sorted(set(named) - {*EXPRESSIONS, "mixed", ""})
    return (*EXPRESSIONS, *others)
