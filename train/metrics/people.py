"""Who is judged: the rendered set's last forty people are kept out of every training.

The split is by person, so that no judge and no generator has seen a test face under any expression.
Which people they are is part of the picture set's own documentation.
"""

from typing import Final

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


def is_unseen(identity: str) -> bool:
    """True for a test person, whom no training may have seen."""
    return identity in UNSEEN_PEOPLE


def is_training(identity: str) -> bool:
    """True for a person whose pictures may be trained on."""
    return not is_unseen(identity)
