"""What presets and single requests ask of a model: rules for the faces of every picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

import numpy as np

from efgan_rt.action_units import index_of
from efgan_rt.face_rules import Condition, FaceRule, parse_conditions
from efgan_rt.families.family import Family, Goal, ReadPicture, Wish
from efgan_rt.families.properties import Properties
from efgan_rt.presets.preset import Ask, Preset, Rule
from engines.arrays import FloatArray


def _say_nothing(_: str) -> None:
    """No-op callback."""


@dataclass(frozen=True)
class Model:
    """What decides what a preset asks.

    Attributes:
        family: of the model.
        properties: of the model.
        read_picture: reads a reference picture.
        say: told what is read in it.
    """

    family: Family
    properties: Properties
    read_picture: ReadPicture
    say: Callable[[str], None] = _say_nothing

    @property
    def au_names(self) -> Sequence[str]:
        """Its action units."""
        return self.properties.au_names


@dataclass(frozen=True, eq=False)
class AskedRules:
    """A preset's rules for one model, its own edit the last.

    Attributes:
        rules: each with the pattern of the pictures that it is for; None for all of them.
    """

    rules: tuple[tuple[str | None, FaceRule], ...]

    def of(self, picture: PurePosixPath | None) -> tuple[FaceRule, ...]:
        """Those that are for a picture, by its path in the input folder; None: it has none."""
        return tuple(rule for pattern, rule in self.rules if _is_for(pattern, picture))

    def only_if(self, conditions: tuple[Condition, ...]) -> "AskedRules":
        """The same rules, each with more to be true of a face."""
        return AskedRules(
            tuple(
                (pattern, replace(rule, only_if=rule.only_if + conditions))
                for pattern, rule in self.rules
            )
        )

    def asks(self, picture: PurePosixPath | None) -> bool:
        """Whether any face of a picture may be edited."""
        for rule in self.of(picture):
            if rule.target is not None:
                return True
            if rule.face is None and not rule.only_if:
                return False  # every face is left
        return False


def _is_for(pattern: str | None, picture: PurePosixPath | None) -> bool:
    if pattern is None:
        return True
    if picture is None:
        return False
    wanted = pattern.strip("/")
    return fnmatchcase(str(picture), wanted) or fnmatchcase(str(picture), f"{wanted}/*")


def rules_of(preset: Preset, model: Model) -> AskedRules:
    """What a preset asks of a model.

    Raises:
        EfganError: the model lacks an expression or a unit, or a reference cannot be used.
    """
    assert not isinstance(preset.rules, str), "a table is read with its preset"
    found = [(rule.path, _face_rule(rule, rule.face, model)) for rule in preset.rules]
    if preset.is_asked:
        found.append((None, _face_rule(preset, None, model)))
    return AskedRules(tuple(found))


def _face_rule(ask: Ask, face: int | None, model: Model) -> FaceRule:
    conditions = parse_conditions(ask.only_if or "", model.au_names)
    target = target_of_ask(ask, model) if ask.is_asked else None
    return FaceRule(target, face, conditions)


def ask_of_face(
    preset: Preset, picture: PurePosixPath | None, face: int, units: FloatArray, model: Model
) -> Ask | None:
    """What a preset asks of a face, in its own words; None leaves the face as it is.

    Args:
        preset: the preset.
        picture: its picture's path in the input folder.
        face: its place among the picture's faces, from 0, the largest first.
        units: float32 (K,), what it shows.
        model: whose units they are.
    """
    assert not isinstance(preset.rules, str), "a table is read with its preset"
    for ask in (*preset.rules, *((preset,) if preset.is_asked else ())):
        pattern, number = (ask.path, ask.face) if isinstance(ask, Rule) else (None, None)
        conditions = parse_conditions(ask.only_if or "", model.au_names)
        is_meant = number is None or number == face + 1
        if is_meant and _is_for(pattern, picture) and all(c.holds(units) for c in conditions):
            return ask if ask.is_asked else None
    return None


def target_of_ask(ask: Ask, model: Model) -> Goal:
    """What a face is to become.

    Raises:
        EfganError: as `rules_of`, or models of this family take no such request.
    """
    wish = Wish(ask.expression, ask.intensity, ask.au or None)
    if isinstance(ask.reference, dict):
        units = np.zeros(len(model.au_names), np.float32)
        for name, value in ask.reference.items():
            units[index_of(name, model.au_names)] = value
        wish = replace(wish, towards=units)
    elif ask.reference is not None:
        wish = replace(wish, reference=Path(ask.reference))
    model.family.refuse(wish.asked)
    return model.family.goal(model.properties, wish, model.read_picture, model.say)
