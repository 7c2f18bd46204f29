"""Identity and expression from a picture's name, where labels do not have them.

RaFD's names are a convention of the set: `Rafd090_01_Caucasian_female_angry_frontal.jpg` is camera
angle, person, group, sex, expression and gaze. CFEE and most other sets come in folders by
expression or under names that each copy has of its own; a pattern with named groups reads those,
and so nothing is guessed. Only the frontal camera of RaFD (90 degrees) is taken, as in the paper,
unless other angles are asked for.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from efgan_rt.choices import Naming
from efgan_rt.errors import EfganError
from efgan_rt.labels.rows import canonical_expression

RAFD: Final = re.compile(
    r"Rafd(?P<angle>\d{3})_(?P<person>\d{2})_(?P<group>[A-Za-z]+)_(?P<sex>female|male)_"
    r"(?P<expression>[a-z]+)_(?P<gaze>frontal|left|right)",
    re.IGNORECASE,
)
FRONTAL: Final = 90
# Du, Tao, Martinez (2014): neutral, six basic and fifteen compound expressions, as CFEE's folders
# and papers spell them, next to the eight of RaFD and AffectNet.
EXPRESSION_FOLDERS: Final = frozenset(
    {
        "neutral",
        "happy",
        "sad",
        "fearful",
        "angry",
        "surprised",
        "disgusted",
        "contemptuous",
        "happily_surprised",
        "happily_disgusted",
        "sadly_fearful",
        "sadly_angry",
        "sadly_surprised",
        "sadly_disgusted",
        "fearfully_angry",
        "fearfully_surprised",
        "fearfully_disgusted",
        "angrily_surprised",
        "angrily_disgusted",
        "disgustedly_surprised",
        "appalled",
        "hatred",
        "awed",
    }
)


@dataclass(frozen=True)
class NameFacts:
    """What a picture's name says; "" and None where it says nothing."""

    identity: str = ""
    expression: str = ""
    angle: int | None = None
    gaze: str = ""


def names_are_rafd(pictures: Sequence[str]) -> bool:
    """Whether every picture is named as RaFD names its own."""
    return bool(pictures) and all(RAFD.match(PurePosixPath(p).stem) for p in pictures)


def rafd_facts(picture: str) -> NameFacts:
    """What RaFD's name of a picture says.

    Raises:
        EfganError: it is not named so.
    """
    match = RAFD.match(PurePosixPath(picture).stem)
    if match is None:
        raise EfganError(
            f"{picture}: not named as RaFD's pictures are, such as "
            "Rafd090_01_Caucasian_female_angry_frontal.jpg"
        )
    return NameFacts(
        f"rafd{match['person']}",
        canonical_expression(match["expression"]),
        int(match["angle"]),
        match["gaze"].lower(),
    )


def folder_facts(picture: str) -> NameFacts:
    """The expression that a folder above the picture is named after, the nearest first.

    A number before it does not matter: `06_Surprised`, `2 happily surprised`.
    """
    for folder in reversed(PurePosixPath(picture).parts[:-1]):
        name = canonical_expression(re.sub(r"^\d+[\s_.-]*", "", folder))
        if name in EXPRESSION_FOLDERS:
            return NameFacts(expression=name)
    return NameFacts()


def compiled_pattern(text: str) -> re.Pattern[str]:
    """A pattern of `--name-pattern`.

    Raises:
        EfganError: it is no regular expression, or has neither of the two groups.
    """
    try:
        pattern = re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise EfganError(f"--name-pattern '{text}': not a regular expression: {error}") from error
    if not {"identity", "expression"} & pattern.groupindex.keys():
        raise EfganError(
            f"--name-pattern '{text}': expected a group (?P<identity>...) or (?P<expression>...)"
        )
    return pattern


def pattern_facts(picture: str, pattern: re.Pattern[str]) -> NameFacts:
    """What a pattern finds anywhere in a picture's path.

    Raises:
        EfganError: it finds nothing.
    """
    match = pattern.search(picture)
    if match is None:
        raise EfganError(f"{picture}: --name-pattern finds nothing in this name")
    found = {name: value or "" for name, value in match.groupdict().items()}
    return NameFacts(found.get("identity", ""), canonical_expression(found.get("expression", "")))


def facts_of(picture: str, naming: Naming, pattern: re.Pattern[str] | None) -> NameFacts:
    """What a picture's name says under a convention (AUTO is none here) or a pattern.

    Args:
        picture: path in the picture folder, with forward slashes.
        naming: the convention.
        pattern: goes before the convention where both say something.

    Raises:
        EfganError: the name does not follow the convention or the pattern.
    """
    facts = NameFacts()
    if naming is Naming.RAFD:
        facts = rafd_facts(picture)
    elif naming is Naming.FOLDERS:
        facts = folder_facts(picture)
    if pattern is None:
        return facts
    said = pattern_facts(picture, pattern)
    return NameFacts(
        said.identity or facts.identity,
        said.expression or facts.expression,
        facts.angle,
        facts.gaze,
    )
